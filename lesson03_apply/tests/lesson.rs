//! The lesson as a program: how it begins, ends and is interrupted; and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{Section, section};
use common::harness::{self, lesson, original};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson03_apply");

fn main() {
    harness::main(lesson::tests(PROGRAM).into_iter().chain(original::tests(PROGRAM, sections)))
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
