//! The lesson as a program: how it begins, ends and is interrupted, and what it prints.

use common::harness::snapshot::pin;
use common::harness::{self, lesson, tests};

fn main() {
    let mut all = lesson::tests(env!("CARGO_BIN_EXE_lesson02_pool_map"));
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    harness::main(all)
}

fn finish() {
    pin!("snapshots", "finish", lesson::directed("--finish 2,3,1,4", &[]));
}

fn run() {
    let patterns = [
        "they ended in the order [▒]",
        "that is the order of the input, and not the one in which they ended | this time they ended in the order of the input, too",
        "came: ▒",
        "the 60×60 matrix above took ▒: a process for it adds ▒ %",
    ];
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns));
}
