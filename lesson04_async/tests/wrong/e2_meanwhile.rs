use common::pool::Error;
use common::{Pool, Process};

pub fn map_and_then_own(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    own: fn(),
) -> Result<Vec<u32>, Error> {
    let results = pool.map(task, items)?;
    own();
    Ok(results)
}

pub fn waited_too_early(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    own: fn(),
) -> Result<Vec<u32>, Error> {
    let result = pool.map_async(task, items)?;
    result.wait();
    own();
    result.get()
}

pub fn own_first(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    own: fn(),
) -> Result<Vec<u32>, Error> {
    own();
    pool.map(task, items)
}

pub fn own_in_a_process(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    own: fn(),
) -> Result<Vec<u32>, Error> {
    let process = Process::new(own).start().unwrap();
    let results = pool.map(task, items);
    process.join().unwrap();
    results
}

pub fn own_forgotten(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    _: fn(),
) -> Result<Vec<u32>, Error> {
    pool.map_async(task, items)?.get()
}

pub fn a_loop(
    _: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    own: fn(),
) -> Result<Vec<u32>, Error> {
    own();
    Ok(items.into_iter().map(task).collect())
}
