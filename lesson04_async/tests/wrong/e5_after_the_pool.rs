use std::mem;
use std::time::Duration;

use common::Pool;
use common::pool::{AsyncResult, Error};

pub fn nobody_waits(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<AsyncResult<Vec<u32>>, Error> {
    Pool::new(workers)?.map_async(task, items)
}

pub fn a_timeout_that_waits_for_nothing(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<AsyncResult<Vec<u32>>, Error> {
    let pool = Pool::new(workers)?;
    let result = pool.map_async(task, items)?;
    result.wait_timeout(Duration::ZERO);
    Ok(result)
}

pub fn closed_and_left(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<AsyncResult<Vec<u32>>, Error> {
    let pool = Pool::new(workers)?;
    let result = pool.map_async(task, items)?;
    pool.close();
    Ok(result)
}

pub fn the_pool_is_forgotten(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<AsyncResult<Vec<u32>>, Error> {
    let pool = Pool::new(workers)?;
    let result = pool.map_async(task, items);
    mem::forget(pool);
    result
}

pub fn worked_out_here(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<AsyncResult<Vec<u32>>, Error> {
    let results: Vec<u32> = items.into_iter().map(task).collect();
    let handle = Pool::new(workers)?.map_async(|x: u32| x, results)?;
    handle.wait();
    Ok(handle)
}
