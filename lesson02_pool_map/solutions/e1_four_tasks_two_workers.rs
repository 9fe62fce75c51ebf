//! `map` hands the items to idle workers and puts the results into the order of the items, whoever
//! ends first. It comes back when all are there.

use common::Pool;
use common::pool::Error;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Result<Vec<u32>, Error> {
    pool.map(task, items)
}
