//! The lesson as a program: how it begins, ends and is interrupted; and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{SIZE, Section, section};
use common::harness::{self, lesson, original};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson04_async");

fn main() {
    harness::main(lesson::tests(PROGRAM).into_iter().chain(original::tests(PROGRAM, sections)))
}

fn sections(workers: usize) -> Vec<Section> {
    let (n, half) = (SIZE, SIZE / 2);
    let shapes = [(n, half), (half, n), (half, half)].map(|(x, y)| format!("{x}, {y}"));
    vec![
        section(Contract::map_async(5, workers).get(), 1..=5, "return, got"),
        section(Contract::map_async(5, workers).wait().get(), 1..=5, "return, waited, got"),
        section(Contract::starmap_async(3, workers).get(), shapes, "return, got"),
        section(
            Contract::apply_async(4, workers).get(),
            0..4,
            "return 1, return 2, return 3, return 4, got 1, got 2, got 3, got 4",
        ),
        section(
            Contract::apply_async_wait(4, workers),
            0..4,
            "return 1, waited 1, return 2, waited 2, return 3, waited 3, return 4, waited 4",
        ),
    ]
}
