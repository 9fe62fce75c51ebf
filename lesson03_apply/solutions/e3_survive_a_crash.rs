//! `apply` is right for one task that must not run in this process. Its death is the death of a worker, which the pool
//! replaces, and for the caller an `Err` like that of a panic. `catch_unwind` would catch the panic only.

use common::Pool;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, item: u32, instead: u32) -> u32 {
    pool.apply(task, item).unwrap_or(instead)
}
