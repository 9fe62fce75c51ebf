//! Exercise 1, to predict: after the timeout.
//!
//!     {
//!         let pool = Pool::new(2)?;
//!         let result = pool.map_async(delay_function, [1, 2])?;   // then main says "return"
//!         match result.get_timeout(Duration::from_millis(50)) {
//!             Ok(_) => …,                                         // "got"
//!             Err(_) => …,                                        // "timeout"
//!         }
//!     }                                                           // "left"
//!
//! The tasks take as long as they like. Which of these beginnings can you see?
//!
//!     a    return, start 1, start 2, timeout, end 1
//!     b    return, start 1, start 2, end 1, got
//!     c    return, start 1, start 2, timeout, left, end 1
//!     d    return, timeout, start 1, end 1, start 2, end 2, left
//!     e    return, start 1, timeout, got
//!
//! Answer `Possible` or `Impossible` for each, as in `[Possible, Possible, Possible, Possible, Possible]`.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    todo!("what can be seen of a, b, c, d, e")
}
