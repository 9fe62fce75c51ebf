//! A call has one answer: the list of `map`, or one error. So make a call for each item: all of them first, so that the
//! tasks overlap, and then one `get` after another. (The iterator of `imap` has a `Result` for each item, too.)

use common::Pool;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Vec<Option<u32>> {
    let calls = items.into_iter().map(|item| pool.apply_async(task, item));
    let handles: Vec<_> = calls.collect();
    handles.into_iter().map(|handle| handle.ok()?.get().ok()).collect()
}
