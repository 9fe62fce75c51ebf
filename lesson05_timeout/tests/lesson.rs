//! The lesson as a program: how it begins, ends and is interrupted; and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{Section, section};
use common::harness::{self, lesson, original};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson05_timeout");

fn main() {
    harness::main(lesson::tests(PROGRAM).into_iter().chain(original::tests(PROGRAM, sections)))
}

/// With small matrices: the results come before the timeout.
fn sections(workers: usize) -> Vec<Section> {
    vec![
        section(Contract::map_async(5, workers).get().get(), 1..=5, "return, got, got"),
        section(Contract::map_async(5, workers).wait().get(), 1..=5, "return, waited, got"),
    ]
}
