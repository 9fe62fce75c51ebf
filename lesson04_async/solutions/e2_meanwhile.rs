//! `map_async` returns at once, and between it and `get` the process is free for work of its own.

use common::Pool;
use common::pool::Error;

pub fn answer(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    own: fn(),
) -> Result<Vec<u32>, Error> {
    let result = pool.map_async(task, items)?;
    own();
    result.get()
}
