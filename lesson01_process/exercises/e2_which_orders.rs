//! Exercise 2, to predict: which orders can you see?
//!
//!     let p0 = Process::new(|| delay_function(1)).start()?;   // then main says "started 1"
//!     let p1 = Process::new(|| delay_function(2)).start()?;   // "started 2"
//!     p0.join()?;                                             // "joined 1"
//!     p1.join()?;                                             // "joined 2"
//!
//! Each process says "start" when its function starts and "end" when it ends. Which of these
//! beginnings can you see?
//!
//!     a    started 1, start 1
//!     b    start 1, end 1, started 1
//!     c    start 2, started 1
//!     d    started 1, started 2, start 2, end 2, start 1, end 1, joined 1
//!     e    started 1, started 2, joined 1, end 1
//!
//! Answer `Possible` or `Impossible` for each, as in `[Possible, Possible, Possible, Possible, Possible]`.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    todo!("what can be seen of a, b, c, d, e")
}
