//! How the answers are judged.

pub mod e1_four_tasks_two_workers;
