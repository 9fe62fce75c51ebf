//! How the answers are judged.

pub mod e1_when_it_returns;
pub mod e2_meanwhile;
pub mod e3_one_bad_item;
pub mod e4_at_most_at_a_time;
pub mod e5_after_the_pool;
