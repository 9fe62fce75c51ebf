use std::time::Duration;

use common::Pool;

pub fn a_timeout_only(
    pool: &Pool,
    task: fn(u32) -> u32,
    item: u32,
    patience: Duration,
) -> Option<u32> {
    pool.apply_async(task, item).ok()?.get_timeout(patience).ok().copied()
}

pub fn a_handle_that_is_dropped(
    pool: &Pool,
    task: fn(u32) -> u32,
    item: u32,
    patience: Duration,
) -> Option<u32> {
    let handle = pool.apply_async(task, item).ok()?;
    let in_time = handle.wait_timeout(patience);
    if !in_time {
        drop(handle);
        return None;
    }
    handle.get().ok()
}

pub fn no_patience_at_all(
    pool: &Pool,
    task: fn(u32) -> u32,
    item: u32,
    _: Duration,
) -> Option<u32> {
    pool.limit(Duration::ZERO).apply(task, item).ok()
}

pub fn waits_for_ever(pool: &Pool, task: fn(u32) -> u32, item: u32, _: Duration) -> Option<u32> {
    pool.apply(task, item).ok()
}

pub fn the_pool_ended_with_it(
    pool: &Pool,
    task: fn(u32) -> u32,
    item: u32,
    patience: Duration,
) -> Option<u32> {
    let handle = pool.apply_async(task, item).ok()?;
    if !handle.wait_timeout(patience) {
        pool.terminate();
    }
    handle.get().ok()
}
