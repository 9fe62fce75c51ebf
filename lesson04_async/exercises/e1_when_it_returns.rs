//! Exercise 1, to predict: when does `map_async` return?
//!
//!     let pool = Pool::new(2)?;
//!     let result = pool.map_async(delay_function, [1, 2])?;   // then main says "return"
//!     result.get()?;                                          // "got"
//!
//! Which of these beginnings can you see?
//!
//!     a    return, start 1
//!     b    start 1, end 1, return
//!     c    return, got
//!     d    start 2, return, start 1, end 1, end 2, got
//!     e    return, start 1, end 1, got
//!
//! Answer `Possible` or `Impossible` for each, as in `[Possible, Possible, Possible, Possible, Possible]`.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    todo!("what can be seen of a, b, c, d, e")
}
