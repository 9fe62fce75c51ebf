//! How the answers are judged.

pub mod e1_after_the_timeout;
pub mod e2_what_get_gives;
pub mod e3_give_up;
pub mod e4_the_first_wins;
