//! The lesson as a program: how it begins, ends and is interrupted; and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{SIZE, Section, section};
use common::harness::{self, lesson, original};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson02_pool_map");

fn main() {
    harness::main(lesson::tests(PROGRAM).into_iter().chain(original::tests(PROGRAM, sections)))
}

/// Without `imap_unordered`: with so many tasks its contract is too large to be checked.
fn sections(workers: usize) -> Vec<Section> {
    let (n, half) = (SIZE, SIZE / 2);
    let shapes = [(n, n), (half, half), (half, n), (n, half)];
    let yields = (1..=20).map(|task| format!("yield {task}")).collect::<Vec<_>>().join(", ");
    let imap = Contract::imap(20, workers).buffersize(usize::MAX); // without a bound, as Python's
    vec![
        section(Contract::map(4, workers), 1..=4, "return"),
        section(Contract::starmap(2, workers), ["1, 2", "3, 4"], "return"),
        section(Contract::starmap(4, workers), shapes.map(|(x, y)| format!("{x}, {y}")), "return"),
        section(imap, 1..=20, &yields),
    ]
}
