//! What can become of a task other than its result.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use nix::errno::Errno;

use crate::ExitStatus;

/// A result, or why there is none.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no result. Python raises; here it is a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The task panicked. Its worker lives on.
    #[error("{tasks} panicked in worker {pid} at {location}: {message}")]
    Panicked {
        /// Which task.
        tasks: Tasks,
        /// The worker's process id.
        pid: u32,
        /// What it panicked with.
        message: String,
        /// `file:line:column`.
        location: String,
    },
    /// The worker died while it ran the task; another takes its place.
    #[error("worker {pid} {status} while it ran {tasks}")]
    Died {
        /// Which tasks: those of the chunk that it had begun.
        tasks: Tasks,
        /// The worker's process id.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// The task had run for as long as it may, and was killed with its worker.
    #[error("worker {pid} was killed: {tasks} ran longer than {limit:?}")]
    TimeLimit {
        /// Which tasks.
        tasks: Tasks,
        /// The worker's process id.
        pid: u32,
        /// The limit.
        limit: Duration,
    },
    /// No result yet. The task goes on; ask again. Python's `multiprocessing.TimeoutError`.
    #[error("no result yet")]
    Timeout,
    /// `cancel` was called before there was a result.
    #[error("cancelled")]
    Cancelled,
    /// The pool was terminated, or left, before there was a result. Python waits for ever here.
    #[error("the pool was terminated before there was a result")]
    Terminated,
    /// `close`, `join` or `terminate` was called before. Python's `ValueError: Pool not running`.
    #[error("the pool is not running: it takes no more tasks")]
    NotRunning,
    /// `join` on a pool that still takes tasks. Python's `ValueError: Pool is still running`.
    #[error("the pool is still running: close it before you join it")]
    StillRunning,
    /// A number of something that must be at least 1 is 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A number of something is larger than can be.
    #[error("{0} must be at most {1}")]
    TooMany(
        /// What there would be too many of.
        &'static str,
        /// So many there can be.
        usize,
    ),
    /// An argument or a result that could not be turned into bytes or back, or for whose bytes there was no room:
    /// more than 64 KiB are in a file in memory, with a descriptor of this process until the task is done.
    #[error("{tasks}: {message}")]
    Codec {
        /// Which tasks.
        tasks: Tasks,
        /// Which of the two, and what `postcard` makes of what serde said.
        message: String,
    },
    /// A callback panicked, or decoding a result did. The pool goes on; in Python it hangs.
    #[error("a callback panicked: {0}")]
    Callback(
        /// What it panicked with.
        String,
    ),
    /// No process, descriptor or memory to be had.
    #[error("{0}: {1}")]
    System(
        /// What was tried.
        &'static str,
        /// What the kernel said.
        Errno,
    ),
    /// Workers died again and again before they could take a task.
    #[error("workers cannot start: {0}")]
    CannotStart(
        /// What happened to the first of them.
        String,
    ),
    /// The supervisor is gone, and its workers with it.
    #[error("the pool's supervisor was killed")]
    SupervisorDied,
    /// This process is a fork of the one that made the pool.
    #[error("the pool belongs to process {0}")]
    WrongProcess(
        /// The process that made it.
        u32,
    ),
}

/// Which inputs of a call a worker had in hand: one, or a chunk of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// Positions in the input, counted from 0.
    pub range: Range<usize>,
    /// How many inputs the call has, where that is known: `imap` does not know.
    pub total: Option<usize>,
}

/// For people, who count from 1: "task 3 of 8", "tasks 3 to 5 of 8".
impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range {
            Range { start, end } if end - start > 1 => write!(f, "tasks {} to {end}", start + 1)?,
            Range { start, .. } => write!(f, "task {}", start + 1)?,
        }
        self.total.map_or(Ok(()), |total| write!(f, " of {total}"))
    }
}
