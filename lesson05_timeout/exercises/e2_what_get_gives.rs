//! Exercise 2, to predict: what does `get` give?
//!
//! The task takes an hour, unless it says otherwise. What comes of the last `get` in each program: the
//! `Value`, `Timeout` or `Terminated`?
//!
//!     a   let result = pool.apply_async(task, 1)?;
//!         result.get_timeout(Duration::from_millis(1))
//!
//!     b   let result = pool.apply_async(task, 1)?;          // ends after a moment
//!         let _ = result.get_timeout(Duration::ZERO);       // too early: Timeout
//!         result.get()
//!
//!     c   let result = {
//!             let pool = Pool::new(1)?;
//!             let result = pool.apply_async(task, 1)?;      // ends after a moment
//!             result.wait();
//!             result
//!         };
//!         result.get_timeout(Duration::from_millis(1))
//!
//!     d   let result = {
//!             let pool = Pool::new(1)?;
//!             pool.apply_async(task, 1)?
//!         };
//!         result.get()

use common::exercise::Get::{self, Terminated, Timeout, Value};

pub fn answer() -> [Get; 4] {
    todo!("what comes of the last get in a, b, c, d")
}
