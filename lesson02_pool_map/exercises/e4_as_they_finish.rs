//! Exercise 4: tell each result as soon as it is there.
//!
//! One of the items takes very long. Run `task` on all of them in the pool, and call `tell` with
//! each result as soon as its task has ended: no result but its own may wait for the long one.

use common::Pool;
use common::pool::Error;

pub fn answer(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    todo!("tell the results of {items:?} as they finish")
}
