//! Exercise 1, to predict: `apply` in a loop.
//!
//!     let pool = Pool::new(2)?;
//!     for i in 1..=3 {
//!         pool.apply(delay_function, i)?;   // then main says "return 1", "return 2", …
//!     }
//!
//! Which of these beginnings can you see?
//!
//!     a    start 1, start 2
//!     b    start 1, end 1, return 1, start 2
//!     c    start 2, end 2, start 1
//!     d    start 1, return 1
//!     e    start 1, end 1, start 2
//!
//! Answer `Possible` or `Impossible` for each, as in `[Possible, Possible, Possible, Possible, Possible]`.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    todo!("what can be seen of a, b, c, d, e")
}
