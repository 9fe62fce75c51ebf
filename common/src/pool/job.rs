//! A call in progress: what its tasks are, and what becomes of their answers.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::Data;
use super::error::{Error, Failure, Result, Tasks};
use super::wire::{Call, append, take};
use crate::panics;

/// A call, or as much of one as is submitted at once.
pub(super) struct Job {
    pub(super) order: Arc<Order>,
    pub(super) arguments: Arguments,
    /// How many arguments a task has.
    pub(super) chunksize: usize,
    /// Takes the encoded results of a task, or what became of it. Called once for each task.
    pub(super) answer: Answer,
}

/// Which task, in which process, and the reply.
pub(super) type Answer = Box<dyn Fn(&Tasks, u32, Result<&[u8]>) + Send + Sync>;

/// What all tasks of a call have in common.
pub(super) struct Order {
    pub(super) call: Call,
    /// The number of the call in this program.
    pub(super) number: u64,
    /// How long one task may run.
    pub(super) limit: Option<Duration>,
    pub(super) cancelled: AtomicBool,
}

impl Order {
    pub(super) fn new(call: Call, limit: Option<Duration>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Order { call, number, limit, cancelled: AtomicBool::new(false) })
    }
}

/// Encoded arguments one after another.
pub(super) struct Arguments {
    bytes: Vec<u8>,
    /// Where each begins, and the end of the last.
    bounds: Vec<usize>,
    /// The position of the first in the call's input, and the length of that input if it is known.
    first: usize,
    total: Option<usize>,
}

impl Arguments {
    pub(super) fn encode<A: Data>(first: usize, all: impl Iterator<Item = A>) -> Result<Self> {
        let (mut bytes, mut bounds) = (Vec::new(), vec![0]);
        for (index, argument) in all.enumerate() {
            append(&mut bytes, &argument, "argument").map_err(|failure| {
                let range = first + index..first + index + 1;
                failure.at(Tasks { range, total: None }, std::process::id())
            })?;
            bounds.push(bytes.len());
        }
        Ok(Arguments { bytes, bounds, first, total: None })
    }

    /// These are all that the call has.
    pub(super) fn whole(self) -> Self {
        Arguments { total: Some(self.count()), ..self }
    }

    pub(super) fn count(&self) -> usize {
        self.bounds.len() - 1
    }
}

/// A task of a call. If nobody answers it, it answers that the pool was terminated: whoever waits
/// is always told.
pub(super) struct Task {
    job: Arc<Job>,
    /// Positions in the job's arguments.
    range: Range<usize>,
    answered: bool,
}

impl Task {
    /// The tasks of a job, one by one: those of a million are never there all at once.
    pub(super) fn of(job: &Arc<Job>, index: usize) -> Option<Task> {
        let start = index * job.chunksize;
        let end = job.arguments.count().min(start + job.chunksize);
        (start < end).then(|| Task { job: job.clone(), range: start..end, answered: false })
    }

    pub(super) fn order(&self) -> &Order {
        &self.job.order
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.job.order.cancelled.load(Ordering::Acquire)
    }

    /// The encoded arguments.
    pub(super) fn input(&self) -> &[u8] {
        let Arguments { bytes, bounds, .. } = &self.job.arguments;
        &bytes[bounds[self.range.start]..bounds[self.range.end]]
    }

    /// Which items of the call's input these are.
    pub(super) fn tasks(&self) -> Tasks {
        let Arguments { first, total, .. } = self.job.arguments;
        Tasks { range: first + self.range.start..first + self.range.end, total }
    }

    pub(super) fn answer(mut self, pid: u32, reply: Result<&[u8]>) {
        self.answered = true;
        (self.job.answer)(&self.tasks(), pid, reply);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.answered {
            (self.job.answer)(&self.tasks(), 0, Err(Error::Terminated));
        }
    }
}

/// The results in a reply, one for each item.
pub(super) fn results<R: Data>(
    tasks: &Tasks,
    pid: u32,
    mut reply: &[u8],
) -> impl Iterator<Item = Result<R>> {
    let Tasks { range, total } = tasks.clone();
    range.map(move |item| {
        guarded(|| {
            let outcome: Result<Result<R, Failure>, Failure> = take(&mut reply, "result");
            let tasks = Tasks { range: item..item + 1, total };
            outcome.and_then(|outcome| outcome).map_err(|failure| failure.at(tasks, pid))
        })
    })
}

/// Runs code of the program in the parent: a panic becomes an error, and the pool goes on.
pub(super) fn guarded<T>(code: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|payload| Err(Error::Callback(panics::message(payload))))
}
