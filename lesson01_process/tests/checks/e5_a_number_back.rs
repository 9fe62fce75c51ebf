//! The number is too large for an exit code, and nobody knows it but who runs the task.

use std::io;
use std::process;

use common::exercise::{Verdict, Watch, Wrong, ran, salted, work};
use common::trace;

pub const SEE: &str = "Memory: the child has a copy";

fn task() -> u32 {
    trace::task("task", || {
        work();
        number()
    })
}

/// It is odd: an exit code would not make it a 0, which is what the parent has in its own variable.
fn number() -> u32 {
    salted(1234) | 1
}

pub fn check(answer: fn(fn() -> u32) -> io::Result<u32>) -> Verdict {
    let watch = Watch::opening(&[]);
    let came = answer(task)?;
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
    let expected = number();
    if came == expected {
        return Ok(());
    }
    Err(Wrong::new(match came {
        came if came == expected % 256 => format!(
            "{came} came back, and the task returned {expected}: an exit code has 8 bits, so {expected} becomes {came}"
        ),
        0 => format!(
            "0 came back, and the task returned {expected}: what the child stores in a variable, it stores in its own copy"
        ),
        _ => format!("{came} came back, and the task returned {expected}"),
    }))
}
