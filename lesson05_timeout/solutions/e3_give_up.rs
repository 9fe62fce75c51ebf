//! A limit is for the work, not for the waiting: the worker is killed, and replaced. The same by hand is `get_timeout`, and
//! `cancel` if that gives `Timeout`.

use std::time::Duration;

use common::Pool;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, item: u32, patience: Duration) -> Option<u32> {
    pool.limit(patience).apply(task, item).ok()
}
