//! The lesson as a program: how it begins, ends and is interrupted, and what it prints.

use common::harness::snapshot::pin;
use common::harness::{self, lesson, tests};

fn main() {
    let mut all = lesson::tests(env!("CARGO_BIN_EXE_lesson04_async"));
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    harness::main(all)
}

fn finish() {
    // With a wait in the loop all workers are idle each time.
    pin!(
        "snapshots",
        "finish",
        lesson::directed("--finish 2,3,1,4", &["apply_async, 4 tasks, 5 workers, wait"])
    );
}

fn run() {
    let patterns = [
        "map_async returned after ▒; ready: ▒",
        "ready after ▒; meanwhile main did ▒ small matrices of its own",
        "main is here, ready: ▒",
        "get after the loop ▒ at most ▒ at a time",
        "wait in the loop ▒ at most 1 at a time",
        "wait in the loop: one task at a time, as with apply | the tasks were too short to overlap: try a larger --size",
    ];
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns));
}
