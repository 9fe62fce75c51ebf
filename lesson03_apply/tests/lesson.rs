//! The lesson as a program: how it begins, ends and is interrupted, what it prints, and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{Section, section};
use common::harness::snapshot::pin;
use common::harness::{lesson, original, tests};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson03_apply");

fn main() {
    let mut all = lesson::tests(PROGRAM);
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    all.extend(original::tests(PROGRAM, sections));
    all.extend(original::finish_tests());
    lesson::main(all)
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
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns, &[]));
}

fn sections(workers: usize) -> Vec<Section> {
    vec![
        section(
            Contract::apply(5, workers),
            0..5,
            "return 1, return 2, return 3, return 4, return 5",
        ),
        section(Contract::map(5, workers), 0..5, "return"),
    ]
}
