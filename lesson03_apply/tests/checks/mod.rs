//! How the answers are judged.

pub mod e1_apply_in_a_loop;
pub mod e2_how_long;
pub mod e3_survive_a_crash;
pub mod e4_two_callers;
