//! The lesson as a program: how it begins, ends and is interrupted.

use common::harness;

fn main() {
    harness::main(harness::lesson::tests(env!("CARGO_BIN_EXE_lesson05_timeout")))
}
