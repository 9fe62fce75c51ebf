//! Exercise 1: two at once.
//!
//! In Python:
//!
//!     p0, p1 = Process(target=a), Process(target=b)
//!     p0.start()
//!     p1.start()
//!     p0.join()
//!     p1.join()
//!
//! Do the same: run `a` and `b` in a process each, both at one time, and come back when both have ended.
//! Replace the `todo!` and run
//!
//!     cargo test -p lesson01_process

use std::io;

use common::Process;

pub fn answer(a: fn(), b: fn()) -> io::Result<()> {
    todo!("run {a:p} and {b:p}")
}
