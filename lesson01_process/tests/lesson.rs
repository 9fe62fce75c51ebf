//! The lesson as a program: how it begins, ends and is interrupted, and what it prints.

use common::harness::snapshot::pin;
use common::harness::{self, lesson, tests};

fn main() {
    let mut all = lesson::tests(env!("CARGO_BIN_EXE_lesson01_process"));
    all.extend(tests![run]);
    harness::main(all)
}

fn run() {
    let patterns = [
        "▒ logical: of the whole machine; Python's cpu_count()",
        "▒ usable: those this process may use; start so many workers",
        "▒ physical: cores; each may count as two logical ones",
        "started ▒ and ▒; now p0.join()",
        "p0 is gone, its end line is above; p1 is still at work | p0 is gone, its end line is above; p1 is gone as well",
    ];
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns));
}
