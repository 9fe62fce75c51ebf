//! What goes wrong in Python, as a page of the book shows it. Our halves are the programs in `common/examples/`, which have
//! the same names and tests of their own.

use common::harness::{Test, tests};

use crate::python;

pub fn all() -> Vec<Test> {
    tests![killed_worker, full_pipe, hidden_eof, lock_held_at_fork, doubled_line, zombie]
}

#[track_caller]
fn says(case: &str, expected: &str) {
    assert_eq!(python(case), expected, "what Python does is not what it was");
}

fn killed_worker() {
    says(
        "killed_worker",
        "the results of [1, 2] are there; of 3, 4, 5 and 6: \
         TimeoutError, TimeoutError, TimeoutError, TimeoutError",
    );
}

fn full_pipe() {
    says("full_pipe", "both wait: True; when one of them reads, both go on");
}

fn hidden_eof() {
    says("hidden_eof", "b'half', end of file: False, sentinel: True; later: True");
}

fn lock_held_at_fork() {
    says("lock_held_at_fork", "child got the lock: False; parent: True");
}

fn doubled_line() {
    says("doubled_line", "from the parent, from the parent, done.");
}

fn zombie() {
    says("zombie", "before join: Z; after: gone");
}
