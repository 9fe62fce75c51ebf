use std::thread;

use common::Pool;
use common::pool::Error;

pub fn one_after_the_other(
    pool: &Pool,
    task: fn(u32) -> u32,
    x: u32,
    y: u32,
) -> Result<(u32, u32), Error> {
    Ok((pool.apply(task, x)?, pool.apply(task, y)?))
}

pub fn a_thread_that_is_joined_too_early(
    pool: &Pool,
    task: fn(u32) -> u32,
    x: u32,
    y: u32,
) -> Result<(u32, u32), Error> {
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.apply(task, x)).join().unwrap()?;
        Ok((first, pool.apply(task, y)?))
    })
}

pub fn map(pool: &Pool, task: fn(u32) -> u32, x: u32, y: u32) -> Result<(u32, u32), Error> {
    let results = pool.map(task, [x, y])?;
    Ok((results[0], results[1]))
}

pub fn threads_that_work(
    _: &Pool,
    task: fn(u32) -> u32,
    x: u32,
    y: u32,
) -> Result<(u32, u32), Error> {
    thread::scope(|scope| {
        let first = scope.spawn(|| task(x));
        let second = task(y);
        Ok((first.join().unwrap(), second))
    })
}

pub fn swapped(pool: &Pool, task: fn(u32) -> u32, x: u32, y: u32) -> Result<(u32, u32), Error> {
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.apply(task, x));
        let second = pool.apply(task, y);
        Ok((second?, first.join().unwrap()?))
    })
}
