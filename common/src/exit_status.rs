//! How a process ended.

use std::fmt;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// How a process ended: what `waitpid(2)` says, and Python's `Process.exitcode`.
///
/// ```
/// use common::ExitStatus;
///
/// assert_eq!(ExitStatus::Signaled(9).code(), Some(-9));
/// assert_eq!(ExitStatus::Signaled(9).to_string(), "was killed by signal 9 (SIGKILL)");
/// assert_eq!(ExitStatus::Exited(3).to_string(), "exited with code 3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It called `exit` or returned: the exit code, 0 to 255.
    Exited(i32),
    /// A signal ended it: the signal's number.
    Signaled(i32),
    /// It is gone, and somebody else took its status: the program ignores SIGCHLD, or
    /// another thread waited for every child.
    Unknown,
}

impl ExitStatus {
    /// Python's `exitcode`: 0 to 255, or the signal's number negated; `None` if unknown.
    pub fn code(self) -> Option<i32> {
        match self {
            ExitStatus::Exited(code) => Some(code),
            ExitStatus::Signaled(signal) => Some(-signal),
            ExitStatus::Unknown => None,
        }
    }

    /// Whether it exited, or crashed: a signal such as SIGSEGV, which the kernel sends for what a process
    /// did itself. SIGKILL and SIGTERM come from others.
    pub(crate) fn own_doing(self) -> bool {
        use Signal::*;
        match self {
            ExitStatus::Exited(_) => true,
            ExitStatus::Signaled(number) => Signal::try_from(number).is_ok_and(|signal| {
                matches!(signal, SIGABRT | SIGBUS | SIGFPE | SIGILL | SIGSEGV | SIGSYS | SIGTRAP)
            }),
            ExitStatus::Unknown => false,
        }
    }

    /// Whether it ended with exit code 0.
    pub fn success(self) -> bool {
        self == ExitStatus::Exited(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ExitStatus::Exited(code) => write!(f, "exited with code {code}"),
            ExitStatus::Signaled(number) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "was killed by signal {number} ({signal})"),
                Err(_) => write!(f, "was killed by signal {number}"),
            },
            ExitStatus::Unknown => write!(f, "ended, and somebody else took its exit status"),
        }
    }
}
