//! Each call has a handle of its own, so each can be cancelled by itself. The callback tells which is the first, and so main
//! need not ask one after another.

use std::sync::mpsc;

use common::Pool;
use common::pool::Error;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Result<u32, Error> {
    let (sender, results) = mpsc::channel();
    let mut handles = Vec::new();
    for item in items {
        let sender = sender.clone();
        let tell = move |result: &Result<u32, Error>| _ = sender.send(result.clone());
        handles.push(pool.apply_async_with(task, item, tell)?);
    }
    let first = results.recv().expect("each call tells");
    for handle in &handles {
        handle.cancel();
    }
    first
}
