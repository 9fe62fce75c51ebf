//! How the answers are judged.

pub mod e1_two_at_once;
pub mod e2_which_orders;
pub mod e3_whose_counter;
pub mod e4_exit_codes;
pub mod e5_a_number_back;
