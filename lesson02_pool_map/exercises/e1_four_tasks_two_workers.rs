//! Exercise 1: four tasks, two workers.
//!
//! In Python:
//!
//!     def answer(pool, task, items):
//!         return pool.map(task, items)
//!
//! Do the same: run `task` on each of the `items` in the workers of the pool, and return the
//! results in the order of the items. Replace the `todo!` and run
//!
//!     cargo test -p lesson02_pool_map
//!
//! You pass if the workers run the tasks, two at a time. A loop returns the same numbers.

use common::Pool;
use common::pool::Error;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Result<Vec<u32>, Error> {
    todo!("run {task:p} on {items:?} in the {} workers of the pool", pool.workers())
}
