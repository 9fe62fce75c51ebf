//! The lesson as a program: how it begins, ends and is interrupted, and what it prints.

use common::harness::snapshot::pin;
use common::harness::{self, lesson, tests};

fn main() {
    let mut all = lesson::tests(env!("CARGO_BIN_EXE_lesson03_apply"));
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    harness::main(all)
}

fn finish() {
    // Of five idle workers any takes the task of an apply.
    pin!("snapshots", "finish", lesson::directed("--finish 2,3,1,4", &["apply"]));
}

fn run() {
    let patterns = [
        "the workers: [▒]",
        "apply ×5 ▒ at most 1 at a time by ▒ of 5 workers",
        "map ▒ at most ▒ at a time by ▒ of 5 workers",
        "apply had 5 workers, and used 1 at a time | the tasks were too short to overlap: try a larger --size",
        "this process may use ▒ CPUs; where more tasks run, they take turns",
    ];
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns));
}
