//! A call in progress: what its tasks are, and what becomes of their answers.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::Data;
use super::error::{Error, Failure, Tasks};
use super::panics;
use super::wire::{Call, append, take};

/// What a handler needs to know of a call, whatever its types are.
pub(super) trait Job: Send + Sync {
    /// The encoded arguments of one task.
    fn input(&self, task: usize) -> &[u8];
    /// Which items of the call's input these are.
    fn items(&self, task: usize) -> Tasks;
    /// Takes the encoded results of a task, or what became of it. Called once for each task.
    fn answer(&self, task: usize, pid: u32, reply: Result<&[u8], Error>);
    /// What all tasks of the call have in common.
    fn order(&self) -> &Order;
}

/// What all tasks of a call have in common.
pub(super) struct Order {
    pub(super) call: Call,
    /// The number of the call in this program.
    pub(super) number: u64,
    /// How long one task may run.
    pub(super) limit: Option<Duration>,
    cancelled: AtomicBool,
}

impl Order {
    pub(super) fn new(call: Call, limit: Option<Duration>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Order { call, number, limit, cancelled: AtomicBool::new(false) }
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// A task of a call. If nobody answers it, it answers that the pool was terminated: whoever waits
/// is always told.
pub(super) struct Task {
    job: Arc<dyn Job>,
    index: usize,
    answered: bool,
}

impl Task {
    pub(super) fn new(job: Arc<dyn Job>, index: usize) -> Self {
        Task { job, index, answered: false }
    }

    pub(super) fn input(&self) -> &[u8] {
        self.job.input(self.index)
    }

    pub(super) fn items(&self) -> Tasks {
        self.job.items(self.index)
    }

    pub(super) fn order(&self) -> &Order {
        self.job.order()
    }

    pub(super) fn answer(mut self, pid: u32, reply: Result<&[u8], Error>) {
        self.answered = true;
        self.job.answer(self.index, pid, reply);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.answered {
            self.job.answer(self.index, 0, Err(Error::Terminated));
        }
    }
}

/// `map` and its kin, `apply` too: an input of known length, one answer when all are in.
pub(super) struct Batch<R> {
    order: Order,
    /// The encoded arguments one after another, and where each chunk of them begins.
    input: Vec<u8>,
    bounds: Vec<usize>,
    chunksize: usize,
    count: usize,
    state: Mutex<State<R>>,
}

struct State<R> {
    /// By chunk.
    results: Vec<Option<Vec<R>>>,
    missing: usize,
    /// The first to arrive.
    error: Option<Error>,
    finish: Option<Finish<R>>,
}

/// What is done with the whole answer: the callbacks, then the handle.
pub(super) type Finish<R> = Box<dyn FnOnce(Result<Vec<R>, Error>) + Send>;

impl<R: Data> Batch<R> {
    pub(super) fn new<A: Data>(
        order: Order,
        arguments: impl IntoIterator<Item = A>,
        chunksize: impl FnOnce(usize) -> usize,
        finish: Finish<R>,
    ) -> Result<Self, Error> {
        let (mut input, mut starts) = (Vec::new(), Vec::new());
        for (index, argument) in arguments.into_iter().enumerate() {
            starts.push(input.len());
            append(&mut input, &argument, "argument").map_err(|failure| {
                let tasks = Tasks { range: index..index + 1, total: None };
                failure.into_error(tasks, std::process::id())
            })?;
        }
        let count = starts.len();
        let chunksize = chunksize(count);
        let mut bounds: Vec<_> = starts.into_iter().step_by(chunksize).collect();
        let chunks = bounds.len();
        bounds.push(input.len());
        let results = (0..chunks).map(|_| None).collect();
        let state = State { results, missing: chunks, error: None, finish: Some(finish) };
        Ok(Batch { order, input, bounds, chunksize, count, state: Mutex::new(state) })
    }

    pub(super) fn tasks(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Answers the call now if it has not been answered: it has no tasks, or is cancelled.
    pub(super) fn finish(&self, answer: Result<Vec<R>, Error>) -> bool {
        let finish = self.state.lock().unwrap_or_else(PoisonError::into_inner).finish.take();
        finish.map(|finish| finish(answer)).is_some()
    }

    fn decode(&self, task: usize, pid: u32, mut reply: &[u8]) -> Result<Vec<R>, Error> {
        let Range { start, end } = self.range(task);
        let mut results = Vec::with_capacity((end - start).min(reply.len()));
        for item in start..end {
            let tasks = Tasks { range: item..item + 1, total: Some(self.count) };
            results.push(decode_item(&mut reply, tasks, pid)?);
        }
        Ok(results)
    }

    fn range(&self, task: usize) -> Range<usize> {
        let first = task * self.chunksize;
        first..(first + self.chunksize).min(self.count)
    }
}

impl<R: Data> Job for Batch<R> {
    fn input(&self, task: usize) -> &[u8] {
        &self.input[self.bounds[task]..self.bounds[task + 1]]
    }

    fn items(&self, task: usize) -> Tasks {
        Tasks { range: self.range(task), total: Some(self.count) }
    }

    fn answer(&self, task: usize, pid: u32, reply: Result<&[u8], Error>) {
        // Decoded by the thread that received it, so that two replies are decoded side by side.
        let answer = reply.and_then(|reply| guarded(|| self.decode(task, pid, reply)));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(results) => state.results[task] = Some(results),
            Err(error) => _ = state.error.get_or_insert(error),
        }
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        let answer = match state.error.take() {
            Some(error) => Err(error),
            None => Ok(concatenate(std::mem::take(&mut state.results))),
        };
        if let Some(finish) = state.finish.take() {
            drop(state); // it runs callbacks
            finish(answer);
        }
    }

    fn order(&self) -> &Order {
        &self.order
    }
}

fn concatenate<R>(chunks: Vec<Option<Vec<R>>>) -> Vec<R> {
    let mut chunks: Vec<Vec<R>> = chunks.into_iter().flatten().collect();
    match chunks.len() {
        1 => chunks.remove(0), // what may be huge is not copied
        _ => chunks.into_iter().flatten().collect(),
    }
}

/// A few items of an `imap`, each with an answer of its own.
pub(super) struct Chunk<R> {
    pub(super) order: Arc<Order>,
    pub(super) input: Vec<u8>,
    pub(super) items: Range<usize>,
    /// Which chunk of the call this is.
    pub(super) index: usize,
    pub(super) answers: Sender<Answers<R>>,
}

/// The answers of one chunk, and which chunk that is.
pub(super) type Answers<R> = (usize, Vec<Result<R, Error>>);

impl<R: Data> Chunk<R> {
    fn decode(&self, pid: u32, mut reply: &[u8]) -> Vec<Result<R, Error>> {
        let each = |item| {
            let tasks = Tasks { range: item..item + 1, total: None };
            guarded(|| decode_item(&mut reply, tasks, pid))
        };
        self.items.clone().map(each).collect()
    }
}

impl<R: Data> Job for Chunk<R> {
    fn input(&self, _: usize) -> &[u8] {
        &self.input
    }

    fn items(&self, _: usize) -> Tasks {
        Tasks { range: self.items.clone(), total: None }
    }

    fn answer(&self, _: usize, pid: u32, reply: Result<&[u8], Error>) {
        let answers = match reply {
            Ok(reply) => self.decode(pid, reply),
            Err(error) => self.items.clone().map(|_| Err(error.clone())).collect(),
        };
        let _ = self.answers.send((self.index, answers)); // the iterator may be gone
    }

    fn order(&self) -> &Order {
        &self.order
    }
}

fn decode_item<R: Data>(reply: &mut &[u8], tasks: Tasks, pid: u32) -> Result<R, Error> {
    take(reply, "result").and_then(|outcome| outcome).map_err(|e: Failure| e.into_error(tasks, pid))
}

/// Runs code of the program in the parent: a panic becomes an error, and the pool goes on.
pub(super) fn guarded<T>(code: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|payload| Err(Error::Callback { message: panics::message(payload) }))
}
