//! A pool of worker processes, like `multiprocessing.Pool`.
//!
//! ```text
//! parent process                      supervisor                 workers
//! caller ── tasks ──► queue           (one thread, forked        fork of the supervisor,
//!   ▲                  │               first; forks, reaps        one socket each
//!   │             handler thread        and replaces workers)      │
//!   │             per worker ◄──────── the worker's socket ──────► │ read task, run, write result
//!   └── results ──┘  │                        ▲
//!                    └────── control socket ──┘  "here is worker 7's socket" · "it was killed by signal 9"
//! ```
//!
//! Read the files in this order:
//!
//! * this one: the public face; what a pool owns and how it ends
//! * `worker`: read a task, run it, write its results
//! * `wire`: what a task and its results look like on the way
//! * `supervisor`: forks workers, hands over their sockets, reaps them
//! * `connection`: the parent's end of one worker
//! * `handler`: the thread that sees a task through, and what it does about each death
//! * `progress`: how the parent knows whether a dead worker had begun
//! * `queue`: which task is next, and who is woken for it
//! * `job`, `result`, `imap`, `options`, `error`: calls and their answers
//!
//! Who owns what, and what each death means:
//!
//! | who dies | who notices | what follows |
//! |---|---|---|
//! | a worker, idle | its handler: the socket ends | the supervisor reaps it and forks another |
//! | a worker that was sent a task and had not begun it | its handler | the same; the task goes back to the queue |
//! | a worker that had begun a task | its handler | the same; the task's answer is [`Error::Died`] |
//! | a worker, again and again, before it can take a task | its handler | the pool ends with the first cause |
//! | the supervisor | the handlers: the kernel kills its workers | the pool ends: [`Error::SupervisorDied`] |
//! | the parent | the supervisor: the parent's pidfd | it ends its workers and itself |
//!
//! No lock and no pipe is shared between processes. What a worker breaks is its own.

mod connection;
mod error;
mod handler;
mod imap;
mod job;
mod options;
mod panics;
mod progress;
mod queue;
mod result;
mod supervisor;
mod wire;
mod worker;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{Error, Tasks};
pub use imap::Imap;
pub use options::{ImapOptions, Options};
pub use result::AsyncResult;

use crate::fork::PrivateFd;
use crate::random;
use handler::Handler;
use job::{Batch, Job, Order, guarded};
use progress::Progress;
use queue::{Phase, Queue};
use supervisor::Supervisor;
use wire::{AfterError, Call};

/// What can cross to a worker and back: any type that `serde` can turn into bytes and back, and that
/// borrows nothing. Implemented for all such types.
pub trait Data: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Data for T {}

/// How long `terminate` waits for a thread that is inside a callback of the program.
const PATIENCE: Duration = Duration::from_secs(1);

/// A pool of worker processes. Python's `multiprocessing.Pool`.
///
/// Functions are given as `fn` pointers: a worker is a fork of this program from before the call, so
/// that a function's address means the same there, and captured values would not be there at
/// all. Arguments and results cross as bytes (`serde`).
///
/// A pool may be used from several threads at once. Dropping it terminates it, as leaving
/// Python's `with` block does.
///
/// ```
/// use common::pool::Pool;
///
/// let pool = Pool::new(2)?;
/// assert_eq!(pool.map(|x: u32| x * x, [1, 2, 3, 4])?, [1, 4, 9, 16]);
/// assert_eq!(pool.starmap(u32::pow, [(2, 3), (3, 2)])?, [8, 9]);
/// # Ok::<(), common::pool::Error>(())
/// ```
///
/// What a closure captures cannot cross, and does not compile:
///
/// ```compile_fail,E0308
/// # let pool = common::pool::Pool::new(2)?;
/// let offset = 10;
/// pool.map(|x: u32| x + offset, [1, 2, 3, 4])?;
/// # Ok::<(), common::pool::Error>(())
/// ```
pub struct Pool {
    shared: Arc<Shared>,
    /// Taken by the first who ends the pool.
    handlers: Mutex<Option<Vec<JoinHandle<()>>>>,
    /// Disconnected when the last handler has ended.
    handlers_ended: Receiver<Infallible>,
}

/// What the pool, its handlers and its results share.
struct Shared {
    queue: Queue,
    supervisor: Supervisor,
    progress: Progress,
    /// One for each handler: it waits for its worker and for this.
    wakes: Vec<PrivateFd>,
    /// Of the workers that live now; 0 for none.
    pids: Vec<AtomicU32>,
    /// How many workers in a row could not start, and why the first could not.
    failures: Mutex<(u32, Option<Error>)>,
    max_tasks: Option<NonZeroUsize>,
    /// The process that has the handlers. A fork of it has none.
    owner: u32,
}

impl Shared {
    fn wake(&self, handler: usize) {
        // It fails only if the counter is full: then the handler is awake.
        let _ = nix::unistd::write(self.wakes[handler].as_fd(), &1u64.to_ne_bytes());
    }

    fn wake_all(&self) {
        (0..self.wakes.len()).for_each(|handler| self.wake(handler));
    }

    fn clear_wake(&self, handler: usize) {
        let _ = nix::unistd::read(self.wakes[handler].as_fd(), &mut [0; 8]);
    }

    fn start_failed(&self, cause: Error) -> (u32, Error) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 += 1;
        (failures.0, failures.1.get_or_insert(cause).clone())
    }

    fn start_succeeded(&self) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = (0, None);
    }

    /// Ends it all, without waiting: everybody who waits for an answer is told `cause`.
    fn end(&self, cause: Error) {
        if self.queue.end(cause) {
            self.wake_all();
            self.supervisor.dismiss();
        }
    }
}

/// How a pool is to be made: Python's arguments of `Pool(…)`.
///
/// ```
/// use common::pool::Pool;
///
/// let greeting = String::from("hello");
/// let pool = Pool::builder(2)
///     .initializer(move || assert_eq!(greeting, "hello")) // captures: the fork copies it
///     .maxtasksperchild(100)
///     .build()?;
/// assert_eq!(pool.workers(), 2);
/// # Ok::<(), common::pool::Error>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct PoolBuilder {
    workers: usize,
    initializer: Option<Box<dyn Fn()>>,
    max_tasks: Option<usize>,
}

impl PoolBuilder {
    /// Runs in each worker before its first task. It may capture anything. If it fails again
    /// and again the pool ends with [`Error::CannotStart`]. Python's `initializer=`; one that raises
    /// makes Python's pool fork without end.
    pub fn initializer(mut self, initializer: impl Fn() + 'static) -> Self {
        self.initializer = Some(Box::new(initializer));
        self
    }

    /// After so many tasks a worker is replaced by a fresh one. Counts chunks, not items.
    /// Python's `maxtasksperchild=`.
    pub fn maxtasksperchild(mut self, tasks: usize) -> Self {
        self.max_tasks = Some(tasks);
        self
    }

    /// Forks the supervisor and the workers.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no workers or no tasks for each; [`Error::System`] if there is no
    /// process, descriptor or memory to be had. Nothing is left behind then.
    pub fn build(self) -> Result<Pool, Error> {
        static POOLS: AtomicU64 = AtomicU64::new(0);
        let workers =
            NonZeroUsize::new(self.workers).ok_or(Error::Zero("the number of workers"))?;
        let max_tasks = match self.max_tasks {
            None => None,
            Some(tasks) => Some(NonZeroUsize::new(tasks).ok_or(Error::Zero("maxtasksperchild"))?),
        };
        panics::install();
        let progress = Progress::new(workers).map_err(|e| Error::system("shared memory", e))?;
        let wake = |_| {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            PrivateFd::make(|| EventFd::from_flags(flags).map(|fd| [OwnedFd::from(fd)]))
                .map(|[fd]| fd)
                .map_err(|errno| Error::system("a descriptor to wake a thread", errno))
        };
        let wakes = (0..workers.get()).map(wake).collect::<Result<_, _>>()?;
        let lineage = (random::stream(), POOLS.fetch_add(1, Ordering::Relaxed));
        let supervisor = Supervisor::start(lineage, &progress, self.initializer.as_deref())?;
        let (running, handlers_ended) = bounded(0);
        let pool = Pool {
            shared: Arc::new(Shared {
                queue: Queue::new(),
                supervisor,
                progress,
                wakes,
                pids: (0..workers.get()).map(|_| AtomicU32::new(0)).collect(),
                failures: Mutex::new((0, None)),
                max_tasks,
                owner: std::process::id(),
            }),
            handlers: Mutex::new(Some(Vec::new())),
            handlers_ended,
        };
        // On an error the pool is dropped, and what was begun is ended.
        pool.hire(running)?;
        Ok(pool)
    }
}

impl Pool {
    /// A pool of so many workers. Python's `Pool(n)`. Its default, `os.cpu_count()`, is no good
    /// one; [`cpu::usable`](crate::cpu::usable) is.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    pub fn new(workers: usize) -> Result<Self, Error> {
        Self::builder(workers).build()
    }

    /// A pool with an initializer or a limit on the tasks of a worker.
    pub fn builder(workers: usize) -> PoolBuilder {
        PoolBuilder { workers, initializer: None, max_tasks: None }
    }

    /// The first workers, and their handlers. `running` is in nobody's hands when they have ended.
    fn hire(&self, running: Sender<Infallible>) -> Result<(), Error> {
        for slot in 0..self.workers() {
            let (shared, running) = (self.shared.clone(), running.clone());
            let worker = shared.supervisor.fork_worker(slot)?;
            shared.pids[slot].store(worker.pid.as_raw() as u32, Ordering::Relaxed);
            let handler = Handler::new(shared, slot, worker);
            let thread = thread::Builder::new()
                .name(format!("handler of worker {}", slot + 1))
                .spawn(move || {
                    let _running = running;
                    handler.run();
                })
                .map_err(|error| {
                    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                    Error::system("a thread for a worker", errno)
                })?;
            self.threads().get_or_insert_default().push(thread);
        }
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Option<Vec<JoinHandle<()>>>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.shared.wakes.len()
    }

    /// The process ids of the workers that live now. A dead one is replaced, so they change.
    pub fn pids(&self) -> Vec<u32> {
        let pids = self.shared.pids.iter().map(|pid| pid.load(Ordering::Relaxed));
        pids.filter(|&pid| pid != 0).collect()
    }

    /// Runs `function` on each item; the results are in the order of the input. Blocks. Python's
    /// `map`.
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
    ) -> Result<Vec<R>, Error> {
        self.map_async(function, input)?.get()
    }

    /// [`map`](Pool::map) with options.
    ///
    /// # Errors
    ///
    /// As `map`; [`Error::Zero`] for a chunk size of 0.
    pub fn map_with<A: Data, R: Data>(
        &self,
        options: Options<Vec<R>>,
        function: fn(A) -> R,
        input: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Error> {
        self.map_async_with(options, function, input)?.get()
    }

    /// [`map`](Pool::map) for a function of two arguments. Python's `starmap`. For three or more,
    /// `map` a closure that takes a tuple.
    ///
    /// # Errors
    ///
    /// As `map`.
    pub fn starmap<A: Data, B: Data, R: Data>(
        &self,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
    ) -> Result<Vec<R>, Error> {
        self.starmap_async(function, input)?.get()
    }

    /// [`starmap`](Pool::starmap) with options.
    ///
    /// # Errors
    ///
    /// As [`map_with`](Pool::map_with).
    pub fn starmap_with<A: Data, B: Data, R: Data>(
        &self,
        options: Options<Vec<R>>,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
    ) -> Result<Vec<R>, Error> {
        self.starmap_async_with(options, function, input)?.get()
    }

    /// Runs `function` on one argument and waits for its result: five in a row are one after
    /// another. Python's `apply`. For several arguments give a closure that takes a tuple.
    ///
    /// ```
    /// # let pool = common::Pool::new(1)?;
    /// assert_eq!(pool.apply(|(x, y): (u32, u32)| x * y, (6, 7))?, 42);
    /// # Ok::<(), common::pool::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`map`](Pool::map).
    pub fn apply<A: Data, R: Data>(&self, function: fn(A) -> R, argument: A) -> Result<R, Error> {
        self.apply_async(function, argument)?.get()
    }

    /// [`map`](Pool::map) without waiting. Python's `map_async`.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] after `close` or `terminate`; [`Error::Codec`] for an argument that
    /// serde cannot encode. Errors of the tasks are the handle's.
    pub fn map_async<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        input: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Error> {
        self.map_async_with(Options::new(), function, input)
    }

    /// [`map_async`](Pool::map_async) with options.
    ///
    /// # Errors
    ///
    /// As `map_async`; [`Error::Zero`] for a chunk size of 0.
    pub fn map_async_with<A: Data, R: Data>(
        &self,
        options: Options<Vec<R>>,
        function: fn(A) -> R,
        input: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Error> {
        self.start(options, Call::of(function, AfterError::Stop), input, |results| results)
    }

    /// [`starmap`](Pool::starmap) without waiting. Python's `starmap_async`.
    ///
    /// # Errors
    ///
    /// As [`map_async`](Pool::map_async).
    pub fn starmap_async<A: Data, B: Data, R: Data>(
        &self,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
    ) -> Result<AsyncResult<Vec<R>>, Error> {
        self.starmap_async_with(Options::new(), function, input)
    }

    /// [`starmap_async`](Pool::starmap_async) with options.
    ///
    /// # Errors
    ///
    /// As [`map_async_with`](Pool::map_async_with).
    pub fn starmap_async_with<A: Data, B: Data, R: Data>(
        &self,
        options: Options<Vec<R>>,
        function: fn(A, B) -> R,
        input: impl IntoIterator<Item = (A, B)>,
    ) -> Result<AsyncResult<Vec<R>>, Error> {
        self.start(options, Call::of_pair(function, AfterError::Stop), input, |results| results)
    }

    /// [`apply`](Pool::apply) without waiting. Python's `apply_async`.
    ///
    /// # Errors
    ///
    /// As [`map_async`](Pool::map_async).
    pub fn apply_async<A: Data, R: Data>(
        &self,
        function: fn(A) -> R,
        argument: A,
    ) -> Result<AsyncResult<R>, Error> {
        self.apply_async_with(Options::new(), function, argument)
    }

    /// [`apply_async`](Pool::apply_async) with options.
    ///
    /// # Errors
    ///
    /// As `apply_async`.
    pub fn apply_async_with<A: Data, R: Data>(
        &self,
        options: Options<R>,
        function: fn(A) -> R,
        argument: A,
    ) -> Result<AsyncResult<R>, Error> {
        let only = |mut results: Vec<R>| results.pop().expect("one task has one result");
        self.start(options, Call::of(function, AfterError::Stop), [argument], only)
    }

    /// Results in the order of the input, each as soon as it and those before it are there.
    /// Python's `imap`. A task that fails gives its error in its place, and the others go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] after `close` or `terminate`. Errors of the tasks are items.
    pub fn imap<A: Data, R: Data, I: IntoIterator<Item = A>>(
        &self,
        function: fn(A) -> R,
        input: I,
    ) -> Result<Imap<'_, R, I::IntoIter>, Error> {
        self.imap_with(ImapOptions::new(), function, input)
    }

    /// [`imap`](Pool::imap) with options.
    ///
    /// # Errors
    ///
    /// As `imap`; [`Error::Zero`] for a chunk or buffer of size 0.
    pub fn imap_with<A: Data, R: Data, I: IntoIterator<Item = A>>(
        &self,
        options: ImapOptions,
        function: fn(A) -> R,
        input: I,
    ) -> Result<Imap<'_, R, I::IntoIter>, Error> {
        let call = Call::of(function, AfterError::GoOn);
        Imap::start(self, options, call, input.into_iter(), true)
    }

    /// Results in the order in which they are ready. Python's `imap_unordered`.
    ///
    /// # Errors
    ///
    /// As [`imap`](Pool::imap).
    pub fn imap_unordered<A: Data, R: Data, I: IntoIterator<Item = A>>(
        &self,
        function: fn(A) -> R,
        input: I,
    ) -> Result<Imap<'_, R, I::IntoIter>, Error> {
        self.imap_unordered_with(ImapOptions::new(), function, input)
    }

    /// [`imap_unordered`](Pool::imap_unordered) with options.
    ///
    /// # Errors
    ///
    /// As [`imap_with`](Pool::imap_with).
    pub fn imap_unordered_with<A: Data, R: Data, I: IntoIterator<Item = A>>(
        &self,
        options: ImapOptions,
        function: fn(A) -> R,
        input: I,
    ) -> Result<Imap<'_, R, I::IntoIter>, Error> {
        let call = Call::of(function, AfterError::GoOn);
        Imap::start(self, options, call, input.into_iter(), false)
    }

    /// What all calls but `imap` have in common.
    fn start<A: Data, R: Data, T: Send + 'static>(
        &self,
        options: Options<T>,
        call: Call,
        input: impl IntoIterator<Item = A>,
        whole: fn(Vec<R>) -> T,
    ) -> Result<AsyncResult<T>, Error> {
        let Options { chunksize, limit, callback, error_callback } = options;
        if chunksize == Some(0) {
            return Err(Error::Zero("chunksize"));
        }
        self.takes_calls()?;
        let (sender, answers) = bounded(1);
        let finish = Box::new(move |answer: Result<Vec<R>, Error>| {
            let empty = answer.as_ref().is_ok_and(Vec::is_empty);
            let answer = answer.map(whole);
            let called = guarded(|| {
                match (&answer, callback, error_callback) {
                    (Ok(results), Some(callback), _) if !empty => callback(results),
                    (Err(error), _, Some(callback)) => callback(error),
                    _ => {}
                }
                Ok(())
            });
            let _ = sender.send(answer.and_then(|answer| called.map(|()| answer)));
        });
        let workers = self.workers();
        let chunksize = |count| chunksize.unwrap_or_else(|| default_chunksize(count, workers));
        let batch = Arc::new(Batch::new(Order::new(call, limit), input, chunksize, finish)?);
        self.submit(batch.clone(), batch.tasks(), false)?;
        if batch.tasks() == 0 {
            batch.finish(Ok(Vec::new()));
        }
        let (batch, shared) = (Arc::downgrade(&batch), Arc::downgrade(&self.shared));
        let cancel = move || {
            let Some(batch) = batch.upgrade() else {
                return false;
            };
            batch.order().cancel();
            let cancelled = batch.finish(Err(Error::Cancelled));
            if let Some(shared) = shared.upgrade() {
                shared.wake_all();
            }
            cancelled
        };
        Ok(AsyncResult::new(answers, Box::new(cancel)))
    }

    fn submit(&self, job: Arc<dyn Job>, tasks: usize, going_on: bool) -> Result<(), Error> {
        self.check_process()?;
        let to_wake = self.shared.queue.submit(job, tasks, going_on)?;
        to_wake.into_iter().for_each(|handler| self.shared.wake(handler));
        Ok(())
    }

    fn check_process(&self) -> Result<(), Error> {
        match self.shared.owner {
            owner if owner == std::process::id() => Ok(()),
            owner => Err(Error::WrongProcess { owner }),
        }
    }

    /// An early look, before the input is read.
    fn takes_calls(&self) -> Result<(), Error> {
        self.check_process()?;
        match self.shared.queue.phase() {
            Phase::Running => Ok(()),
            Phase::Closed | Phase::Joining | Phase::Over(Error::Terminated) => {
                Err(Error::NotRunning)
            }
            Phase::Over(cause) => Err(cause),
        }
    }

    /// Takes no more calls; those that were made go on. May be repeated. Python's `close`.
    pub fn close(&self) {
        if self.check_process().is_ok() {
            self.shared.queue.close();
        }
    }

    /// Waits until all calls have ended and the workers are gone. May be repeated. Python's `join`.
    ///
    /// An [`Imap`] that is not read to its end does not read on: what it had sent is finished.
    ///
    /// # Errors
    ///
    /// [`Error::StillRunning`] if neither `close` nor `terminate` was called before, and inside a
    /// callback, which would wait for itself.
    pub fn join(&self) -> Result<(), Error> {
        self.check_process()?;
        if self.on_a_handler() {
            return Err(Error::StillRunning);
        }
        self.shared.queue.join()?;
        self.shared.wake_all();
        let _ = self.handlers_ended.recv();
        self.terminate();
        Ok(())
    }

    /// Ends the workers, whatever they do, and waits until they are gone: SIGTERM, a short grace,
    /// SIGKILL, two seconds at most. Everybody who waits for an answer is told
    /// [`Error::Terminated`]. May be repeated. Python's `terminate`.
    pub fn terminate(&self) {
        if self.check_process().is_err() {
            return; // a copy in a forked child
        }
        self.shared.end(Error::Terminated);
        if !self.on_a_handler() {
            // Only a callback of the program can keep a handler longer than a moment.
            let _ = self.handlers_ended.recv_timeout(PATIENCE);
        }
        let mut handlers = self.threads();
        let Some(threads) = handlers.take() else {
            return;
        };
        for thread in threads.into_iter().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
        self.shared.supervisor.finish();
    }

    /// Whether this is a callback, run by one of the pool's own threads.
    fn on_a_handler(&self) -> bool {
        let me = thread::current().id();
        self.threads().iter().flatten().any(|handler| handler.thread().id() == me)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Python's: four chunks for each worker, rounded up.
fn default_chunksize(count: usize, workers: usize) -> usize {
    count.div_ceil(4 * workers).max(1)
}
