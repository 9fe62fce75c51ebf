//! Tests that fork: one process for each.
//!
//! libtest runs tests on threads, and a fork copies only the thread that calls it. The locks that the
//! other threads hold stay locked in the child for ever, the child's output goes into a capture buffer
//! that nobody reads, and a panic that escapes in the child ends it with exit code 0. A test target with
//! `harness = false` and this `main` has none of that:
//!
//! ```no_run
//! use common::harness::{self, tests};
//!
//! fn a_child_gets_a_pid_of_its_own() { /* forks, asserts */ }
//! fn a_killed_worker_fails_only_its_own_task() { /* … */ }
//!
//! fn main() {
//!     harness::main(tests![a_child_gets_a_pid_of_its_own, a_killed_worker_fails_only_its_own_task])
//! }
//! ```
//!
//! `cargo test NAME`, `--exact`, `--list`, `--ignored`, `--test-threads` and nextest work as ever.
//!
//! ```text
//! runner                       keeper                          case
//! this executable,     exec    this executable again,   fork   the test's function,
//! a thread per trial ────────► one test, one thread   ───────► main thread, its own session
//!     ▲                          │ waits, reaps, judges          │ forks what it likes
//!     └──── exit code, output ───┘◄──── every orphan ────────────┘
//! ```
//!
//! * The **case** is a function that passes by returning and fails by panicking. It has the process's
//!   only thread, an empty stdin and default signal handling, and ends by a normal exit.
//! * The **keeper** is the *subreaper* of all that the case starts: a process whose parent ends becomes
//!   the keeper's child, one that called `setsid` and made itself a daemon included. "Nothing is left
//!   behind" is therefore a single answer of the kernel, `ECHILD`, and the keeper signals only its
//!   own unreaped children, whose pids cannot have been given to anybody else.
//! * The **runner** collects output in a file in memory, not through a pipe: a process that outlives
//!   the test cannot keep a file from ending.
//!
//! A test fails if
//! * it panics, calls `exit`, with 0 or anything else, or is killed by a signal;
//! * it hangs: after 60 seconds, [`Test::within`] another limit, or the number of seconds in the
//!   environment variable [`WATCHDOG`], which overrules both. The message lists what still runs and the
//!   system call each thread is in;
//! * it forks without end: it has more than 500 processes at one time, or than [`Test::crowd`] says;
//! * it leaves a process behind. Processes on their way out get 5 seconds ([`GRACE`]) to go;
//! * it returns with a zombie among its children, for which it never waited;
//! * a process it forked comes back through the test's end, as if it were the test.
//!
//! Whatever the verdict, no process of the test is left when it is given.
//!
//! To see one test without capture, or under a debugger: `EXECUTABLE --keep NAME`, with the path that
//! `cargo test` prints as "Running".

use std::{
    collections::HashSet,
    env,
    fs::File,
    io,
    os::unix::fs::FileExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::memfd::{MFdFlags, memfd_create};

mod keeper;
pub mod lesson;
pub mod original;
mod processes;
pub mod python;
pub mod snapshot;

pub use crate::tests;
pub(crate) use processes::descendants;
pub use processes::{
    Memory, ProcessInfo, children, is_alive, memory, open_descriptors, process_state, threads,
};

/// The environment variable with the number of seconds after which a test counts as hung. It overrules
/// the default of 60 and [`Test::within`]: who sits before a debugger or a slow machine has the last word.
pub const WATCHDOG: &str = "HARNESS_WATCHDOG";

/// The environment variable with the number of seconds that processes which a test leaves may take to end: 5
/// without it. It bounds the wait for those that are on their way out; a test without leftovers
/// waits for nothing.
pub const GRACE: &str = "HARNESS_GRACE";

/// How long [`eventually`] waits.
const EVENTUALLY: Duration = Duration::from_secs(30);

/// The argument with which the runner starts the keeper of one test.
const KEEP: &str = "--keep";

/// How much of a failed test's output is shown: its end, where the panic is.
const SHOWN: u64 = 64 * 1024;

/// A named test. Made by [`test()`] or [`tests!`](tests).
#[derive(Debug, Clone)]
pub struct Test {
    name: String,
    case: fn(),
    limit: Option<Duration>,
    /// How many processes it may have at one time.
    crowd: usize,
    ignored: Option<String>,
    /// Who is spoken of when it fails.
    subject: &'static str,
}

/// A test called `name` that runs `case` in a process of its own: it passes if `case` returns and leaves
/// nothing behind.
///
/// [`tests!`](tests) does this for a list of functions; use `test` where the name is not the function's.
///
/// ```
/// use common::harness::test;
///
/// fn two_and_two() { assert_eq!(2 + 2, 4) }
///
/// let sum = test("sums::two_and_two", two_and_two);
/// ```
pub fn test(name: impl Into<String>, case: fn()) -> Test {
    Test { name: name.into(), case, limit: None, crowd: 500, ignored: None, subject: "the test" }
}

impl Test {
    /// Another limit than 60 seconds, after which the test counts as hung.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # fn a_thousand_deaths() {}
    /// let long = common::harness::test("a_thousand_deaths", a_thousand_deaths)
    ///     .within(Duration::from_secs(300));
    /// ```
    pub fn within(self, limit: Duration) -> Test {
        Test { limit: Some(limit), ..self }
    }

    /// Another limit than 500 processes at one time, above which the test counts as one that forks without end.
    ///
    /// ```
    /// # fn nine_hundred_workers() {}
    /// let large = common::harness::test("nine_hundred_workers", nine_hundred_workers).crowd(1000);
    /// ```
    pub fn crowd(self, processes: usize) -> Test {
        Test { crowd: processes, ..self }
    }

    /// Listed as `[reason] name … ignored`, and run by `cargo test -- --ignored` only.
    ///
    /// ```
    /// # fn exercise() {}
    /// let untouched = common::harness::test("who_did_the_work", exercise).ignored("to do");
    /// ```
    pub fn ignored(self, reason: impl Into<String>) -> Test {
        Test { ignored: Some(reason.into()), ..self }
    }

    /// What the complaints are about: "your answer" for an exercise.
    pub(crate) fn about(self, subject: &'static str) -> Test {
        Test { subject, ..self }
    }

    fn trial(self) -> Trial {
        let (name, ignored) = (self.name.clone(), self.ignored.clone());
        let trial = Trial::test(name, move || self.run());
        trial.with_ignored_flag(ignored.is_some()).with_kind(ignored.unwrap_or_default())
    }

    /// Starts the keeper of this test and passes its verdict on. It may be called on a thread.
    pub(crate) fn run(&self) -> Result<(), Failed> {
        let output = File::from(memfd_create(c"test output", MFdFlags::MFD_CLOEXEC)?);
        let status = Command::new(env::current_exe()?)
            .args([KEEP, &self.name])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .status()?;
        if status.success() {
            return Ok(());
        }
        let mut message = end_of(&output)?;
        if status.code() != Some(keeper::FAILED) {
            let subject = self.subject;
            message += &format!("\nthe keeper of {subject}, its parent, ended before it: {status}");
        }
        Err(message.into())
    }
}

/// A list of functions as a `Vec<Test>`, each named as it is written: `tests![dies, pool::dies]` makes the
/// tests `dies` and `pool::dies`.
///
/// ```
/// use common::harness::{self, tests};
///
/// fn dies() {}
/// mod pool { pub fn dies() {} }
///
/// let mut all = tests![dies, pool::dies];
/// all.push(harness::test("and_another", || ()));
/// assert_eq!(all.len(), 3);
/// ```
#[macro_export]
macro_rules! tests {
    ($($case:path),* $(,)?) => {
        vec![$($crate::harness::test(stringify!($case), $case)),*]
    };
}

/// The `main` of a test target with `harness = false`: runs `tests` as the command line asks and exits.
///
/// # Panics
///
/// If two tests have one name, because the name is what a test's process is started by.
pub fn main(tests: impl IntoIterator<Item = Test>) -> ! {
    main_with_threads(tests, None)
}

/// As [`main`], with another default for `--test-threads`.
fn main_with_threads(tests: impl IntoIterator<Item = Test>, threads: Option<usize>) -> ! {
    let trials = admit(tests).into_iter().map(Test::trial).collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(threads);
    libtest_mimic::run(&arguments, trials).exit()
}

/// The tests, each with a name of its own. In a keeper's process it does not come back, but runs one of them:
/// every `main` of a test target calls it before anything else.
pub(crate) fn admit(tests: impl IntoIterator<Item = Test>) -> Vec<Test> {
    let tests: Vec<Test> = tests.into_iter().collect();

    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(KEEP) {
        let name = arguments.next().unwrap_or_default();
        match tests.into_iter().find(|test| test.name == name) {
            Some(test) => keeper::keep(test),
            None => panic!("no test is called {name:?}"),
        }
    }

    let mut names = HashSet::new();
    for test in &tests {
        assert!(names.insert(&test.name), "two tests are called {}", test.name);
    }
    tests
}

fn end_of(output: &File) -> io::Result<String> {
    let length = output.metadata()?.len();
    let left_out = length.saturating_sub(SHOWN);
    let mut shown = vec![0; (length - left_out) as usize];
    output.read_exact_at(&mut shown, left_out)?;
    let shown = String::from_utf8_lossy(&shown);
    Ok(match left_out {
        0 => shown.into_owned(),
        bytes => format!("[{bytes} bytes of output left out]\n{shown}"),
    })
}

/// Waits for a condition that must come true and whose time is not judged: `what` names it.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use common::harness::eventually;
///
/// static DONE: AtomicBool = AtomicBool::new(false);
/// std::thread::spawn(|| DONE.store(true, Ordering::Release));
/// eventually("the thread is done", || DONE.load(Ordering::Acquire));
/// ```
///
/// # Panics
///
/// If the condition is still false after 30 seconds. That bounds a hang: no condition should be close to it.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    if !holds_eventually(condition) {
        panic!("after {EVENTUALLY:?} it is still not true that {what}");
    }
}

pub(crate) fn holds_eventually(condition: impl FnMut() -> bool) -> bool {
    holds_within(EVENTUALLY, condition)
}

/// Whether the condition comes true before the limit. The pauses grow, so that short waits are short
/// and long ones leave the processor to those who are waited for.
fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        thread::sleep(pause);
        pause = Duration::from_millis(5).min(pause * 2);
    }
}
