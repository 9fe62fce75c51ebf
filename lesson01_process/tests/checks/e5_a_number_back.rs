//! The number is too large for an exit code, and nobody knows it but who runs the task.

use std::io;
use std::process;

use common::exercise::{Verdict, Watch, Wrong, ran, salted, work};
use common::trace;

pub const SEE: &str = "Memory: the child has a copy";

fn task() -> u32 {
    trace::task("task", || {
        work();
        salted(1234)
    })
}

pub fn check(answer: fn(fn() -> u32) -> io::Result<u32>) -> Verdict {
    let watch = Watch::opening(&[]);
    let number = answer(task)?;
    watch.nobody_is_left()?;

    let me = process::id();
    let ran = ran();
    if ran.is_empty() {
        return Err(Wrong::unseen("the task was not run"));
    }
    if ran.iter().any(|ran| ran.pid == me) {
        return Err(Wrong::new(format_args!(
            "the task ran in process {me}, the parent: it is to run in a process of its own"
        )));
    }
    let expected = salted(1234);
    if number == expected {
        return Ok(());
    }
    Err(Wrong::new(match number {
        number if number == expected % 256 => format!(
            "{number} came back, and the task returned {expected}: an exit code has 8 bits, so {expected} becomes {number}"
        ),
        0 => format!(
            "0 came back, and the task returned {expected}: what the child stores in a variable, it stores in its own copy"
        ),
        _ => format!("{number} came back, and the task returned {expected}"),
    }))
}
