//! Exercise 2, to predict: which line comes second?
//!
//!     let pool = Pool::new(2)?;
//!     pool.map(delay_function, [1, 2, 3, 4])?;
//!
//! Each task prints a line when it starts and one when it ends. Run the lesson a hundred times: which
//! of these beginnings can you see?
//!
//!     a    start 1, end 1
//!     b    start 1, start 3
//!     c    start 2, start 1
//!     d    start 1, end 2
//!     e    start 1, end 1, start 3, end 3, start 4
//!
//! Answer `Possible` or `Impossible` for each, as in `[Possible, Possible, Possible, Possible, Possible]`.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    todo!("what can be seen of a, b, c, d, e")
}
