//! CPython, beside which some tests run.

use std::env;
use std::process::{Command, Stdio};

use super::{KEEP, Test};

/// The environment variable that makes tests fail, instead of being ignored, where there is no CPython of
/// version 3.9 or later called `python3`. `CI` does the same.
pub const REQUIRE: &str = "COURSE_REQUIRE_PYTHON";

/// The tests, if there is a CPython to run them with. If not, the same tests, listed as ignored with the reason.
///
/// ```
/// use common::harness::{python, tests};
///
/// fn both_sort_alike() { /* runs `python::command(…)` */ }
///
/// let tests = python::needed_by(tests![both_sort_alike]);
/// ```
pub fn needed_by(tests: Vec<Test>) -> Vec<Test> {
    let required = [REQUIRE, "CI"].iter().any(|variable| env::var_os(variable).is_some());
    // The runner has decided before it starts a test's process.
    let decided = env::args().nth(1).as_deref() == Some(KEEP);
    let reason = if required || decided { None } else { missing() };
    match reason {
        Some(reason) => tests.into_iter().map(|test| test.ignored(reason)).collect(),
        None => tests,
    }
}

fn missing() -> Option<&'static str> {
    let version = "import sys; sys.exit(sys.version_info < (3, 9))";
    let asked = Command::new("python3")
        .args(["-c", version])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match asked {
        Ok(status) if status.success() => None,
        Ok(_) => Some("python3 is older than 3.9"),
        Err(_) => Some("no python3"),
    }
}

/// `python3` with a program of this repository: `script` is its path from the top. A warning is an error of the
/// program, and no compiled files are left beside it.
pub fn command(script: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-B", "-W", "error"])
        .arg(format!("{}/../{script}", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::null());
    command
}
