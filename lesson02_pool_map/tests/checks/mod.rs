//! How the answers are judged.

pub mod e1_four_tasks_two_workers;
pub mod e2_which_line_comes_second;
pub mod e3_the_order_of_the_results;
pub mod e4_as_they_finish;
pub mod e5_a_pool_of_your_own;
