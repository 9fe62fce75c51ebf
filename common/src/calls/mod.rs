//! What a pool can be asked, and what it answers: `map`, `apply`, `imap` and their kin.
//!
//! * this file: the calls and their options; the answer of a call is put together here
//! * `call`: a function as it crosses to a worker, and what the worker does with it
//! * `codec`: arguments and results as bytes
//! * `job`: what a call asks of the pool, and its tasks
//! * `imap`: results while the input is still being read
//! * `result`: an answer that is on its way
//! * `error`: what can become of a task other than its result

mod call;
mod codec;
mod error;
mod imap;
mod job;
mod result;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::bounded;

use crate::pool::Shared;
use crate::trace;

pub(crate) use call::{Call, Header, Items};
pub use codec::Data;
pub(crate) use codec::{
    Arguments, Failure, all_results, append_failure, append_item, caught, discard, guarded,
    results, take_item,
};
pub use error::{Error, Result, Tasks};
pub use imap::Imap;
pub(crate) use job::{Job, Order, Task, fail_all};
pub use result::AsyncResult;

/// The calls of a [`Pool`](crate::Pool). A pool is its calls with Python's defaults; an option
/// gives the same calls with that option.
///
/// ```
/// # let pool = common::Pool::new(2)?;
/// let squares = pool.chunksize(50).map(|x: u64| x * x, 0..100)?;
/// assert_eq!(squares[99], 9801);
/// # Ok::<(), common::pool::Error>(())
/// ```
#[derive(Clone)]
pub struct Calls {
    pub(crate) shared: Arc<Shared>,
    pub(crate) chunksize: Option<usize>,
    pub(crate) buffersize: Option<usize>,
    pub(crate) limit: Option<Duration>,
}

impl Calls {
    /// How many items a worker is given at once: such a chunk is one task. Python's `chunksize=`. For
    /// `map` and its kin the default is Python's, a quarter of each worker's share; for `imap` it
    /// is 1. A size of 0 is an error of the call.
    #[must_use]
    pub fn chunksize(&self, items: usize) -> Calls {
        Calls { chunksize: Some(items), ..self.clone() }
    }

    /// How many items `imap` takes at most from its input ahead of what was read from it, in whole
    /// chunks, at least one. Python's `buffersize=`, which `Executor.map` has since 3.14 and `Pool.imap` from
    /// 3.16 on; there the default is no bound, here it is 8 chunks for each worker. A size of 0 is an error of the call.
    ///
    /// ```
    /// # let pool = common::Pool::new(2)?;
    /// let squares = pool.buffersize(4).imap(|x: u64| x * x, 0..)?; // an endless input
    /// assert_eq!(squares.take(3).collect::<Result<Vec<_>, _>>()?, [0, 1, 4]);
    /// # Ok::<(), common::pool::Error>(())
    /// ```
    #[must_use]
    pub fn buffersize(&self, items: usize) -> Calls {
        Calls { buffersize: Some(items), ..self.clone() }
    }

    /// How long one task may run. Its worker is killed then and replaced, and the task's error is
    /// [`Error::TimeLimit`]. Python's pool has no such thing.
    ///
    /// ```
    /// use std::time::Duration;
    /// use common::pool::Error;
    ///
    /// # let pool = common::Pool::new(1)?;
    /// let endless = |()| -> u32 { loop { std::hint::spin_loop() } };
    /// let error = pool.limit(Duration::from_millis(10)).apply(endless, ()).unwrap_err();
    /// assert!(matches!(error, Error::TimeLimit { .. }));
    /// # Ok::<(), common::pool::Error>(())
    /// ```
    #[must_use]
    pub fn limit(&self, limit: Duration) -> Calls {
        Calls { limit: Some(limit), ..self.clone() }
    }

    /// How many workers the pool has.
    pub fn workers(&self) -> usize {
        self.shared.pids.len()
    }

    /// The process ids of the workers that live now. A dead one is replaced, so they change.
    pub fn pids(&self) -> Vec<u32> {
        let pids = self.shared.pids.iter().map(|pid| pid.load(Ordering::Relaxed));
        pids.filter(|&pid| pid != 0).collect()
    }

    /// Runs `function` on each item; the results are in the order of the input. Blocks.
    /// Python's `map`.
    ///
    /// # Errors
    ///
    /// When all tasks have ended, that of the first that failed: [`Error::Panicked`],
    /// [`Error::Died`]. In a chunk that failed the remaining items are not run.
    /// [`Error::NotRunning`] after `close`; [`Error::Terminated`] if the pool is terminated meanwhile.
    pub fn map<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        input: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>> {
        trace::call("map", || self.map_async(function, input)?.answer())
    }

    /// [`map`](Calls::map) for a function of two arguments. Python's `starmap`. For three or more,
    /// `map` a closure that takes a tuple.
    ///
    /// # Errors
    ///
    /// As `map`.
    pub fn starmap<A: Data, B: Data, R: Data>(
        &self,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
    ) -> Result<Vec<R>> {
        trace::call("starmap", || self.starmap_async(function, input)?.answer())
    }

    /// Runs `function` on one argument and waits for its result: five in a row are one after
    /// another. Python's `apply`. For several arguments give a closure that takes a tuple.
    ///
    /// The result may be decoded on the caller's stack. If it is nested tens of thousands of levels deep and this
    /// thread has a stack of 2 MiB, use [`apply_async`](Calls::apply_async).
    ///
    /// ```
    /// # let pool = common::Pool::new(1)?;
    /// assert_eq!(pool.apply(|(x, y): (u32, u32)| x * y, (6, 7))?, 42);
    /// # Ok::<(), common::pool::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`map`](Calls::map).
    pub fn apply<A: Data, R: Data>(&self, function: fn(A) -> R, argument: A) -> Result<R> {
        let submit = |shared: &Shared, job| shared.submit_one(job);
        let start = || self.start(Call::of(function), [argument], only, None::<fn(&_)>, submit);
        trace::call("apply", || start()?.answer())
    }

    /// [`map`](Calls::map) without waiting. Python's `map_async`.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] after `close` or `terminate`; [`Error::Codec`] for an argument that
    /// serde cannot encode. Errors of the tasks are the handle's.
    pub fn map_async<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        input: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>> {
        self.start(Call::of(function), input, |results| results, None::<fn(&_)>, submit)
    }

    /// [`map_async`](Calls::map_async) with a callback, which gets the result or the error before
    /// the handle does: Python's `callback=` and `error_callback=` in one.
    ///
    /// It runs on a thread of this process. While it runs, that thread's worker waits. If it
    /// panics, the answer is [`Error::Callback`]. It is not called for an empty input, as in Python.
    ///
    /// ```
    /// # let pool = common::Pool::new(2)?;
    /// let (sender, sums) = std::sync::mpsc::channel();
    /// let tell = move |all: &Result<Vec<u64>, _>| {
    ///     let _ = sender.send(all.as_ref().map(|all| all.iter().sum::<u64>()).ok());
    /// };
    /// pool.map_async_with(|x: u64| x * x, [1, 2, 3], tell)?.wait();
    /// assert_eq!(sums.recv(), Ok(Some(14)));
    /// # Ok::<(), common::pool::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `map_async`.
    pub fn map_async_with<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        input: impl IntoIterator<Item = A>,
        callback: impl FnOnce(&Result<Vec<R>>) + Send + 'static,
    ) -> Result<AsyncResult<Vec<R>>> {
        self.start(Call::of(function), input, |results| results, Some(callback), submit)
    }

    /// [`starmap`](Calls::starmap) without waiting. Python's `starmap_async`.
    ///
    /// # Errors
    ///
    /// As [`map_async`](Calls::map_async).
    pub fn starmap_async<A: Data, B: Data, R: Data>(
        &self,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
    ) -> Result<AsyncResult<Vec<R>>> {
        self.start(Call::of_pair(function), input, |results| results, None::<fn(&_)>, submit)
    }

    /// [`starmap_async`](Calls::starmap_async) with a callback, as in
    /// [`map_async_with`](Calls::map_async_with).
    ///
    /// # Errors
    ///
    /// As [`map_async`](Calls::map_async).
    pub fn starmap_async_with<A: Data, B: Data, R: Data>(
        &self,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
        callback: impl FnOnce(&Result<Vec<R>>) + Send + 'static,
    ) -> Result<AsyncResult<Vec<R>>> {
        self.start(Call::of_pair(function), input, |results| results, Some(callback), submit)
    }

    /// [`apply`](Calls::apply) without waiting. Python's `apply_async`.
    ///
    /// # Errors
    ///
    /// As [`map_async`](Calls::map_async).
    pub fn apply_async<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        argument: A,
    ) -> Result<AsyncResult<R>> {
        self.start(Call::of(function), [argument], only, None::<fn(&_)>, submit)
    }

    /// [`apply_async`](Calls::apply_async) with a callback, as in
    /// [`map_async_with`](Calls::map_async_with).
    ///
    /// # Errors
    ///
    /// As [`map_async`](Calls::map_async).
    pub fn apply_async_with<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        argument: A,
        callback: impl FnOnce(&Result<R>) + Send + 'static,
    ) -> Result<AsyncResult<R>> {
        self.start(Call::of(function), [argument], only, Some(callback), submit)
    }

    /// Results in the order of the input, each as soon as it and those before it are there. Python's
    /// `imap`. A task that fails gives its error in its place, and the others go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] after `close` or `terminate`. Errors of the tasks are items.
    pub fn imap<A: Data, R: Data, I: IntoIterator<Item = A>>(
        &self,
        function: fn(A) -> R,
        input: I,
    ) -> Result<Imap<R, I::IntoIter>> {
        Imap::start(self.clone(), Call::of(function), input.into_iter(), true)
    }

    /// Results in the order in which they are ready. Python's `imap_unordered`.
    ///
    /// # Errors
    ///
    /// As [`imap`](Calls::imap).
    pub fn imap_unordered<A: Data, R: Data, I: IntoIterator<Item = A>>(
        &self,
        function: fn(A) -> R,
        input: I,
    ) -> Result<Imap<R, I::IntoIter>> {
        Imap::start(self.clone(), Call::of(function), input.into_iter(), false)
    }

    /// All calls but `imap`: one answer when all tasks have ended. `whole` makes it.
    fn start<A: Data, R: Data, T: Send + 'static>(
        &self,
        call: Call,
        input: impl IntoIterator<Item = A>,
        whole: fn(Vec<R>) -> T,
        callback: Option<impl FnOnce(&Result<T>) + Send + 'static>,
        submit: fn(&Shared, Arc<Job>) -> Result<()>,
    ) -> Result<AsyncResult<T>> {
        if self.chunksize == Some(0) {
            return Err(Error::Zero("chunksize"));
        }
        self.shared.takes_calls()?;
        let arguments = Arguments::encode(0, input.into_iter())?.whole();
        let count = arguments.count();
        // Python's: four chunks for each worker, rounded up.
        let chunksize = self.chunksize.unwrap_or(count.div_ceil(4 * self.workers()).max(1));
        let chunks = count.div_ceil(chunksize);

        let (sender, answers) = bounded(1);
        let order = Order::new(call, self.limit, callback.is_some());
        let finish = move |answer: Result<Vec<R>>| {
            let answer = answer.map(whole);
            let callback = callback.filter(|_| count > 0);
            let called = guarded(|| Ok(callback.map(|callback| callback(&answer))));
            let answer = match (answer, called) {
                (Ok(unwanted), Err(error)) => {
                    discard(unwanted);
                    Err(error)
                }
                (answer, _) => answer,
            };
            let _ = sender.send(answer);
        };
        let gathered = Arc::new(Mutex::new(Gathered {
            chunks: (0..chunks).map(|_| None).collect(),
            missing: chunks,
            error: None,
            finish: Some(Box::new(finish)),
        }));
        let give_up = {
            let (order, gathered) = (order.clone(), Arc::downgrade(&gathered));
            let shared = Arc::downgrade(&self.shared);
            move || {
                let Some(gathered) = gathered.upgrade() else { return false };
                let finish = Gathered::take(&gathered);
                order.cancelled.store(true, Ordering::Release);
                shared.upgrade().inspect(|shared| shared.cancel());
                // Last: the callback may take its time, or wait for a worker that is freed by this.
                finish.map(|finish| finish(Err(Error::Cancelled))).is_some()
            }
        };
        let answer = {
            let gathered = gathered.clone();
            move |tasks: &Tasks, pid, reply: Result<&[u8]>| {
                // Decoded by the thread that received it: two replies are decoded side by side.
                let chunk = reply.and_then(|reply| all_results(tasks, pid, reply));
                Gathered::add(&gathered, tasks.range.start / chunksize, chunk);
            }
        };
        let job = Job { order, arguments, chunksize, answer: Box::new(answer) };
        submit(&self.shared, Arc::new(job))?;
        if count == 0 {
            Gathered::finish(&gathered, Ok(Vec::new()));
        }
        Ok(AsyncResult::new(answers, Box::new(give_up)))
    }
}

fn submit(shared: &Shared, job: Arc<Job>) -> Result<()> {
    shared.submit(job, false)
}

/// What `apply` makes of the results.
fn only<R>(mut results: Vec<R>) -> R {
    results.pop().expect("one task has one result")
}

/// The results of a call, as far as they have come.
struct Gathered<R> {
    chunks: Vec<Option<Vec<R>>>,
    missing: usize,
    /// The first to arrive.
    error: Option<Error>,
    finish: Option<Finish<R>>,
}

/// What is done with the whole answer: the callback, then the handle.
type Finish<R> = Box<dyn FnOnce(Result<Vec<R>>) + Send>;

impl<R> Gathered<R> {
    fn add(gathered: &Mutex<Self>, index: usize, chunk: Result<Vec<R>>) {
        let mut this = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        match chunk {
            Ok(chunk) => this.chunks[index] = Some(chunk),
            Err(error) => _ = this.error.get_or_insert(error),
        }
        this.missing -= 1;
        if this.missing == 0 {
            let chunks = std::mem::take(&mut this.chunks);
            let error = this.error.take();
            drop(this);
            let all = |chunks: Vec<Option<Vec<R>>>| {
                let mut chunks = Vec::from_iter(chunks.into_iter().flatten()).into_iter();
                let mut all = chunks.next().unwrap_or_default();
                all.reserve_exact(chunks.as_slice().iter().map(Vec::len).sum());
                chunks.for_each(|mut chunk| all.append(&mut chunk));
                all
            };
            let answer = match error {
                None => Ok(all(chunks)),
                Some(error) => {
                    chunks.into_iter().flatten().flatten().for_each(discard);
                    Err(error)
                }
            };
            Self::finish(gathered, answer);
        }
    }

    /// Gives the answer, if it was not given before.
    fn finish(gathered: &Mutex<Self>, answer: Result<Vec<R>>) {
        // Without the lock: it runs the callback.
        if let Some(finish) = Self::take(gathered) {
            finish(answer);
        }
    }

    /// How the answer is to be given: from now on by nobody else.
    fn take(gathered: &Mutex<Self>) -> Option<Finish<R>> {
        gathered.lock().unwrap_or_else(PoisonError::into_inner).finish.take()
    }
}
