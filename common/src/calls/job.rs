//! A call in progress: what its tasks are, and what becomes of their answers.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::call::Call;
use super::codec::{Arguments, guarded};
use super::error::{Error, Result, Tasks};
use crate::board;
use crate::parcel::FEW;
use crate::private::PrivateFd;

/// A call, or as much of one as is submitted at once.
pub(crate) struct Job {
    pub(crate) order: Arc<Order>,
    pub(crate) arguments: Arguments,
    /// How many arguments a task has.
    pub(crate) chunksize: usize,
    /// Takes the encoded results of a task, or what became of it. Called once for each task.
    pub(crate) answer: Answer,
}

/// What is said of a task takes no more than this on the board.
const HEADER: usize = 64;

/// Which task, in which process, and the reply.
pub(crate) type Answer = Box<dyn Fn(&Tasks, u32, Result<&[u8]>) + Send + Sync>;

impl Job {
    /// How many tasks it has.
    pub(crate) fn tasks(&self) -> usize {
        self.arguments.count().div_ceil(self.chunksize)
    }

    /// Which of the arguments are a task's.
    fn range(&self, index: usize) -> Range<usize> {
        let start = index * self.chunksize;
        start..self.arguments.count().min(start.saturating_add(self.chunksize))
    }

    /// The encoded arguments of a task that any worker may take from the [board](crate::board), and go on to
    /// the next before its answer has come. They are few; the parent need not know when the task
    /// begins, as for a limit; and nobody hears of its answer before those of others have come, too.
    pub(crate) fn for_board(&self, index: usize) -> Option<&[u8]> {
        let (order, bounds, range) = (&self.order, &self.arguments.bounds, self.range(index));
        let cancelled = order.cancelled.load(Ordering::Acquire);
        let apart = order.callback || order.limit.is_some() || cancelled || self.tasks() == 1;
        let place = bounds[range.start]..bounds[range.end];
        let few = place.len() <= board::LONGEST - HEADER;
        (few && !apart).then(|| &self.arguments.bytes[place])
    }

    /// The encoded arguments of a task: themselves, or the file that they are in, and where.
    pub(crate) fn input(&self, range: Range<usize>) -> (&[u8], Option<(&PrivateFd, Range<usize>)>) {
        let Arguments { bytes, bounds, .. } = &self.arguments;
        let place = bounds[range.start]..bounds[range.end];
        match bytes.file() {
            Some(file) if place.len() > FEW => (&[], Some((file, place))),
            _ => (&bytes[place], None),
        }
    }
}

/// What all tasks of a call have in common.
pub(crate) struct Order {
    pub(crate) call: Call,
    /// The number of the call in this program.
    pub(crate) number: u64,
    /// How long one task may run.
    pub(crate) limit: Option<Duration>,
    /// Whether the answer runs code of the program, which may take its time.
    pub(crate) callback: bool,
    pub(crate) cancelled: AtomicBool,
}

impl Order {
    pub(crate) fn new(call: Call, limit: Option<Duration>, callback: bool) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Order { call, number, limit, callback, cancelled: AtomicBool::new(false) })
    }
}

/// A task of a call. If nobody answers it, it answers that the pool was terminated: whoever waits
/// is always told.
pub(crate) struct Task {
    job: Arc<Job>,
    /// Positions in the job's arguments.
    range: Range<usize>,
    /// How many workers died with it before one began it.
    pub(crate) deaths: u32,
    answered: bool,
}

impl Task {
    /// One of the tasks of a job: those of a million are never there all at once.
    ///
    /// # Panics
    ///
    /// If it has not so many.
    pub(crate) fn of(job: &Arc<Job>, index: usize) -> Task {
        assert!(index < job.tasks());
        Task { job: job.clone(), range: job.range(index), deaths: 0, answered: false }
    }

    pub(crate) fn order(&self) -> &Order {
        &self.job.order
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.job.order.cancelled.load(Ordering::Acquire)
    }

    /// The job, and which of its arguments are the task's.
    pub(crate) fn input(&self) -> (Arc<Job>, Range<usize>) {
        (self.job.clone(), self.range.clone())
    }

    /// Which items of the call's input these are.
    pub(crate) fn tasks(&self) -> Tasks {
        let Arguments { first, total, .. } = self.job.arguments;
        Tasks { range: first + self.range.start..first + self.range.end, total }
    }

    /// If code of the program panics at this, such as that which drops a result nobody waits for, it ends here.
    pub(crate) fn answer(mut self, pid: u32, reply: Result<&[u8]>) {
        self.answered = true;
        let _ = guarded(|| {
            (self.job.answer)(&self.tasks(), pid, reply);
            Ok(())
        });
    }

    /// The answer to a task that no worker has begun.
    pub(crate) fn fail(self, cause: &Error) {
        self.answer(0, Err(cause.clone()));
    }
}

/// Answers tasks that no worker has begun. Those whose answer may run a callback are left, together if they are of one call.
pub(crate) fn fail_all(tasks: impl Iterator<Item = Task>, cause: &Error) -> Vec<Vec<Task>> {
    let mut calls: Vec<Vec<Task>> = Vec::new();
    for task in tasks {
        let of_the_same = |call: &&mut Vec<Task>| Arc::ptr_eq(&call[0].job, &task.job);
        match calls.last_mut().filter(of_the_same) {
            _ if !task.order().callback => task.fail(cause),
            Some(call) => call.push(task),
            None => calls.push(vec![task]),
        }
    }
    calls
}

// ANCHOR: drop
impl Drop for Task {
    fn drop(&mut self) {
        if !self.answered {
            (self.job.answer)(&self.tasks(), 0, Err(Error::Terminated));
        }
    }
}
// ANCHOR_END: drop
