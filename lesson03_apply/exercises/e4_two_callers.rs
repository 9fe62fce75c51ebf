//! Exercise 4: two callers.
//!
//! `apply` waits, so from one thread it runs one task at a time, and no trick changes that. But a pool
//! may be used from several threads at once. Run `task` on `x` and on `y` with `apply`, and both at one
//! time, and return both results.

use common::Pool;
use common::pool::Error;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, x: u32, y: u32) -> Result<(u32, u32), Error> {
    todo!("{task:p} on {x} and {y}, by {} workers", pool.workers())
}
