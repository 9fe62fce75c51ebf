//! The lesson as a program: how it begins, ends and is interrupted, what it prints, and beside its original in Python.

use common::contract::Contract;
use common::harness::original::{SIZE, Section, section};
use common::harness::snapshot::pin;
use common::harness::{lesson, original, tests};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson04_async");

fn main() {
    let mut all = lesson::tests(PROGRAM);
    all.extend(lesson::finish_tests());
    all.extend(tests![run, finish]);
    all.extend(original::tests(PROGRAM, sections));
    all.extend(original::finish_tests());
    lesson::main(all)
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
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns, &[]));
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
