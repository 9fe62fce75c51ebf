//! The lesson as a program: how it begins, ends and is interrupted, what it prints, and beside its original in Python.

use std::process::Command;

use common::contract::Contract;
use common::harness::original::{Section, section};
use common::harness::snapshot::pin;
use common::harness::{lesson, original, python, tests};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson01_process");

fn main() {
    let mut all = lesson::tests(PROGRAM);
    all.extend(tests![run, so_many_processes_as_workers_are_busy]);
    all.extend(original::tests(PROGRAM, sections));
    all.extend(python::needed_by(tests![both_show_the_same_exit_codes_and_memory]));
    lesson::main(all)
}

fn run() {
    let patterns = [
        "▒ logical: of the whole machine; Python's cpu_count()",
        "▒ usable: those this process may use; start so many workers",
        "▒ physical: cores; each may count as two logical ones",
        "started ▒ and ▒; now p0.join()",
        "p0 is gone, its end line is above; p1 is still at work | p0 is gone, its end line is above; p1 is gone as well",
        "▒ of CPU time in ▒: ▒ processors busy",
    ];
    pin!("snapshots", "run", lesson::free("--seed 1 --size 60", &patterns, &[]));
}

fn so_many_processes_as_workers_are_busy() {
    let output = Command::new(PROGRAM).args(["--size", "20", "--workers", "3"]).output();
    let text = String::from_utf8(output.expect("it can be started").stdout).expect("it is text");
    let busy = text.lines().filter(|line| line.ends_with("processors busy")).count();
    assert_eq!(busy, 1 + 3, "{text}");
    assert!(text.contains("processes: 3, threads in each: 1"), "{text}");
}

/// The two processes with which both programs begin.
fn sections(_: usize) -> Vec<Section> {
    vec![section(Contract::process(2), 1..=2, "started 1, started 2, joined 1, joined 2")]
}

/// What else both programs have to agree on, they print.
fn both_show_the_same_exit_codes_and_memory() {
    let shown = |mut command: Command| {
        let output = command.args(["--size", "12"]).output().expect("it can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("it is text");
        let after = |line: &str, words: &str| {
            let rest = line.split_once(words)?.1.trim_start();
            let number = rest.split(|c: char| c != '-' && !c.is_ascii_digit()).next()?;
            (!number.is_empty()).then(|| format!("{words} {number}"))
        };
        let of_line = |line| after(line, "my counter is").or_else(|| after(line, "exitcode"));
        text.lines().filter_map(of_line).collect::<Vec<_>>()
    };
    let lesson = shown(Command::new(PROGRAM));
    assert_eq!(shown(python::command("lesson01_process/original.py")), lesson);
    let counters = ["my counter is 11", "my counter is 1"];
    let codes = ["exitcode 0", "exitcode 3", "exitcode 1", "exitcode -9"];
    assert_eq!(lesson, [&counters[..], &codes].concat());
}
