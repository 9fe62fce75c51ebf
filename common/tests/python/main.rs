//! CPython's pool and this one, side by side.
//!
//! `forced`: each order that the contract allows, forced on Python's pool through our gates.
//!
//! `agree`, `depart`: cases that are written twice, here and in `common/python/cases.py`. Both say in a line what
//! they saw.
//!
//! `wrong`: cases that the book shows beside the programs in `common/examples/`.
//!
//! Where both must do the same, the lines are the same. Where we depart from Python, each line is
//! pinned, and the test's name says what it is about. No line depends on how long something took: what
//! a case waits for can, by then, come at once or not at all.

mod agree;
mod depart;
mod forced;
mod wrong;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use common::harness::{self, python};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

fn main() {
    let tests = [forced::all(), agree::all(), depart::all(), wrong::all()];
    harness::main(python::needed_by(tests.concat()))
}

/// What a case of `cases.py` says. It has a process group of its own, which is killed then: some of
/// them hang.
fn python(case: &str) -> String {
    let mut command = python::command("common/python/cases.py");
    command.arg(case).process_group(0).stdout(Stdio::piped());
    // One of them is about Python's buffers.
    command.env_remove("PYTHONUNBUFFERED");
    let mut child = command.spawn().expect("python3 can be started");
    let mut line = String::new();
    let read = BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line);
    // Its leader has not been waited for, so the group's number is still its own.
    killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL).expect("the group is there");
    child.wait().expect("it ends");
    read.expect("it says something in UTF-8");
    assert!(line.ends_with('\n'), "{case} ended without a word; its traceback is above");
    line.trim_end().to_owned()
}
