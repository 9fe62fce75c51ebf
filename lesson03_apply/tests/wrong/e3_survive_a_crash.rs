use std::panic::catch_unwind;

use common::{Pool, Process};

pub fn called_here(_: &Pool, task: fn(u32) -> u32, item: u32, _: u32) -> u32 {
    task(item)
}

pub fn catch_unwind_here(_: &Pool, task: fn(u32) -> u32, item: u32, instead: u32) -> u32 {
    catch_unwind(|| task(item)).unwrap_or(instead)
}

pub fn unwrapped(pool: &Pool, task: fn(u32) -> u32, item: u32, _: u32) -> u32 {
    pool.apply(task, item).unwrap()
}

pub fn always_instead(_: &Pool, _: fn(u32) -> u32, _: u32, instead: u32) -> u32 {
    instead
}

pub fn zero_instead(pool: &Pool, task: fn(u32) -> u32, item: u32, _: u32) -> u32 {
    pool.apply(task, item).unwrap_or_default()
}

pub fn tried_in_a_process_and_run_here(
    _: &Pool,
    task: fn(u32) -> u32,
    item: u32,
    instead: u32,
) -> u32 {
    let tried = Process::new(|| {
        task(item);
        std::process::exit(7)
    });
    match tried.start().unwrap().join().unwrap().code() {
        Some(7) => task(item),
        _ => instead,
    }
}
