//! The lesson as a program: how it begins, ends and is interrupted, and what it prints; and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{Section, section};
use common::harness::snapshot::pin;
use common::harness::{lesson, original, tests};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson05_timeout");

fn main() {
    let mut all = lesson::tests(PROGRAM);
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    all.extend(original::tests(PROGRAM, sections));
    lesson::main(all)
}

fn finish() {
    pin!("snapshots", "finish", lesson::directed("--finish 2,1,timeout,4,3,5", &[]));
}

/// With the default size: a large matrix takes half a minute, so it outlasts 2 s, 500 ms and 300 ms on any machine. A small one takes
/// a fifth of a second, which does not have to be within 500 ms on a busy one: what becomes of it under the limit is left open.
fn run() {
    let patterns = [
        "in scope: ▒ ▒, ▒ ▒, ▒ ▒, ▒ ▒, ▒ ▒",
        "after it: ▒ gone, ▒ gone, ▒ gone, ▒ gone, ▒ gone",
        "each task may run for 500ms: [(400, 400), (2000, 2000), (400, 400)]",
        "(400, 400): ▒",
        "(2000, 2000): worker ▒ was killed: task 2 ran longer than 500ms",
        "before: ▒",
        "now: ▒",
    ];
    let cut_short = ["get with a timeout of 2 s", "Not in Python's pool"];
    pin!("snapshots", "run", lesson::free("--seed 1", &patterns, &cut_short));
}

/// With small matrices: the results come before the timeout.
fn sections(workers: usize) -> Vec<Section> {
    vec![
        section(Contract::map_async(5, workers).get().get(), 1..=5, "return, got, got"),
        section(Contract::map_async(5, workers).wait().get(), 1..=5, "return, waited, got"),
    ]
}
