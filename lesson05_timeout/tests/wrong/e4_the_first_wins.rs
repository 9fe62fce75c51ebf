use std::thread::sleep;
use std::time::Duration;

use common::Pool;
use common::pool::Error;

pub fn the_others_go_on(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Result<u32, Error> {
    pool.imap_unordered(task, items)?.next().expect("there are items")
}

pub fn the_first_of_the_list(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<u32, Error> {
    pool.imap(task, items)?.next().expect("there are items")
}

pub fn one_item_only(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Result<u32, Error> {
    pool.apply(task, items[2])
}

pub fn the_pool_ended_with_them(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<u32, Error> {
    let first = pool.imap_unordered(task, items)?.next().expect("there are items");
    pool.terminate();
    first
}

pub fn only_one_of_the_others_is_cancelled(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<u32, Error> {
    let handles = items.into_iter().map(|item| pool.apply_async(task, item));
    let mut handles = handles.collect::<Result<Vec<_>, _>>()?;
    loop {
        if let Some(first) = handles.iter().position(|handle| handle.ready()) {
            let first = handles.remove(first);
            handles[0].cancel();
            return first.get();
        }
        sleep(Duration::from_millis(1));
    }
}
