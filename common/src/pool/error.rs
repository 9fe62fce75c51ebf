//! What can become of a task other than its result.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::ExitStatus;

/// Which inputs of a call a worker had in hand: one, or a chunk of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// Positions in the input, counted from 0.
    pub range: Range<usize>,
    /// How many inputs the call has, where that is known: `imap` does not know.
    pub total: Option<usize>,
}

impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range.len() {
            0 | 1 => write!(f, "task {}", self.range.start + 1)?,
            _ => write!(f, "tasks {} to {}", self.range.start + 1, self.range.end)?,
        }
        self.total.map_or(Ok(()), |total| write!(f, " of {total}"))
    }
}

/// Why there is no result. Python raises; here it is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The task panicked. Its worker lives on.
    Panicked {
        /// Which task.
        tasks: Tasks,
        /// The worker's process id.
        pid: u32,
        /// What it panicked with.
        message: String,
        /// `file:line:column`; empty if the program has replaced the panic hook.
        location: String,
    },
    /// The worker died while it ran the task; another has taken its place.
    Died {
        /// Which tasks: those of the chunk that it had begun.
        tasks: Tasks,
        /// The worker's process id.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// The task had run for as long as it may, and was killed with its worker.
    TimeLimit {
        /// Which tasks.
        tasks: Tasks,
        /// The worker's process id.
        pid: u32,
        /// The limit.
        limit: Duration,
    },
    /// No result yet. The task goes on; ask again. Python's `multiprocessing.TimeoutError`.
    Timeout,
    /// `cancel` was called before there was a result.
    Cancelled,
    /// The pool was terminated, or left, before there was a result. Python waits for ever here.
    Terminated,
    /// `close`, `join` or `terminate` was called before. Python's `ValueError: Pool not running`.
    NotRunning,
    /// `join` on a pool that still takes tasks. Python's `ValueError: Pool is still running`.
    StillRunning,
    /// A pool of no workers, or a chunk, buffer or count of tasks for each worker of size 0.
    Zero(&'static str),
    /// An argument or a result that serde could not turn into bytes or back.
    Codec {
        /// Which tasks.
        tasks: Tasks,
        /// "argument" or "result", and what serde said.
        message: String,
    },
    /// A callback panicked, or decoding a result did. The pool goes on; in Python it hangs.
    Callback {
        /// What it panicked with.
        message: String,
    },
    /// No process, descriptor or memory to be had.
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        errno: i32,
    },
    /// Workers died again and again before they could take a task: the first cause.
    CannotStart {
        /// What happened to the first of them.
        cause: String,
    },
    /// The supervisor is gone, and its workers with it.
    SupervisorDied,
    /// The pool belongs to another process: this one is a fork of it.
    WrongProcess {
        /// The process that made the pool.
        owner: u32,
    },
}

impl Error {
    pub(super) fn system(what: &'static str, errno: Errno) -> Self {
        Error::System { what, errno: errno as i32 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Panicked { tasks, pid, message, location } => {
                write!(f, "{tasks} panicked in worker {pid}")?;
                if !location.is_empty() {
                    write!(f, " at {location}")?;
                }
                write!(f, ": {message}")
            }
            Error::Died { tasks, pid, status } => {
                write!(f, "worker {pid} {status} while it ran {tasks}")
            }
            Error::TimeLimit { tasks, pid, limit } => {
                write!(f, "worker {pid} was ended: {tasks} ran longer than {limit:?}")
            }
            Error::Timeout => write!(f, "no result yet"),
            Error::Cancelled => write!(f, "cancelled"),
            Error::Terminated => write!(f, "the pool was terminated before there was a result"),
            Error::NotRunning => write!(f, "the pool is not running: it takes no more tasks"),
            Error::StillRunning => write!(f, "the pool is still running: close it before join"),
            Error::Zero(what) => write!(f, "{what} must be at least 1"),
            Error::Codec { tasks, message } => write!(f, "{tasks}: {message}"),
            Error::Callback { message } => write!(f, "a callback panicked: {message}"),
            Error::System { what, errno } => write!(f, "{what}: {}", Errno::from_raw(*errno)),
            Error::CannotStart { cause } => write!(f, "workers cannot start: {cause}"),
            Error::SupervisorDied => write!(f, "the pool's supervisor was killed"),
            Error::WrongProcess { owner } => write!(f, "the pool belongs to process {owner}"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a worker could not finish one item, as it travels from the worker to the parent.
#[derive(Serialize, Deserialize)]
pub(super) enum Failure {
    Panicked { message: String, location: String },
    Codec { message: String },
}

impl Failure {
    pub(super) fn into_error(self, tasks: Tasks, pid: u32) -> Error {
        match self {
            Failure::Panicked { message, location } => {
                Error::Panicked { tasks, pid, message, location }
            }
            Failure::Codec { message } => Error::Codec { tasks, message },
        }
    }
}
