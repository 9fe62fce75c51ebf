//! The lesson as a program: how it begins, ends and is interrupted, what it prints, and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{SIZE, Section, section};
use common::harness::snapshot::pin;
use common::harness::{lesson, original, tests};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson02_pool_map");

fn main() {
    let mut all = lesson::tests(PROGRAM);
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    all.extend(original::tests(PROGRAM, sections));
    all.extend(original::finish_tests());
    lesson::main(all)
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
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns, &[]));
}

fn sections(workers: usize) -> Vec<Section> {
    let (n, half) = (SIZE, SIZE / 2);
    let shapes = [(n, n), (half, half), (half, n), (n, half)];
    let yields = (1..=20).map(|task| format!("yield {task}")).collect::<Vec<_>>().join(", ");
    // Without a bound, as Python's.
    let [imap, imap_unordered] =
        [Contract::imap, Contract::imap_unordered].map(|of| of(20, workers).buffersize(usize::MAX));
    vec![
        section(Contract::map(4, workers), 1..=4, "return"),
        section(Contract::starmap(2, workers), ["1, 2", "3, 4"], "return"),
        section(Contract::starmap(4, workers), shapes.map(|(x, y)| format!("{x}, {y}")), "return"),
        section(imap, 1..=20, &yields),
        section(imap_unordered, 1..=20, &yields),
    ]
}
