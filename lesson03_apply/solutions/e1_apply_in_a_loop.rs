//! `apply` comes back with the result, so main makes the second call when the first task has ended. There is exactly one
//! order, however many workers there are: start, end, return, start, end, return, …

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    [Impossible, Possible, Impossible, Impossible, Impossible]
}
