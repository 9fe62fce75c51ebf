//! It is the calling thread that waits, not the pool. With two callers two tasks run at one time. (The threads do not
//! work, they wait; `apply_async` in lesson 4 needs none.)

use std::thread;

use common::Pool;
use common::pool::Error;

pub fn answer(pool: &Pool, task: fn(u32) -> u32, x: u32, y: u32) -> Result<(u32, u32), Error> {
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.apply(task, x));
        let second = pool.apply(task, y);
        let first = first.join().expect("apply does not panic");
        Ok((first?, second?))
    })
}
