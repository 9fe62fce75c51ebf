//! Leaving the scope drops the pool, and dropping it terminates it: what has not come by then never comes. So `wait`
//! first. The handle keeps the results, and needs no pool any more.

use common::Pool;
use common::pool::{AsyncResult, Error};

pub fn answer(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<AsyncResult<Vec<u32>>, Error> {
    let pool = Pool::new(workers)?;
    let result = pool.map_async(task, items)?;
    result.wait();
    Ok(result)
}
