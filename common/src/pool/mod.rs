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
//!
//! queue ── small tasks of a map ──► board, in memory that all share ──► any worker that is free
//! ```
//!
//! Read the files in this order:
//!
//! * this one: what a pool owns, how it begins and how it ends
//! * `worker`: read a task, run it, write its results
//! * `wire`: what a task and its results look like on the way
//! * `supervisor`: forks workers, hands over their sockets, reaps them
//! * `connection`: the parent's end of one worker
//! * `handler`: the thread that sees a task through, and what it does about each death
//! * `queue`: which task is next, and who is woken for it
//!
//! The [`board`](crate::board) is beside them: it says which worker has which task, and the small tasks
//! of a `map` are on it, so that a worker need not wait for the parent between two of them.
//!
//! What is asked and answered, `map` and its kin, and their tasks, is in [`calls`](crate::calls).
//!
//! Who owns what, and what each death means:
//!
//! | who dies | who notices | what follows |
//! |---|---|---|
//! | a worker, idle | its handler's thread: the worker's pidfd | the supervisor reaps it and forks another |
//! | a worker that was sent a task and had not begun it | its handler | the same; the task goes back to the queue |
//! | a worker that had begun a task | its handler | the same; the task's answer is [`Error::Died`] |
//! | a worker, again and again, before it can take a task | its handler | the pool ends with the first cause |
//! | the supervisor | the handlers: the kernel kills its workers | the pool ends: [`Error::SupervisorDied`] |
//! | the parent | the supervisor: the parent's pidfd | it ends its workers and itself |
//!
//! No lock and no pipe is shared between processes, and no worker waits for what another does. A worker that
//! ends at any moment breaks nothing but its own; one that writes to memory at random could spoil the board.
//!
//! # What it promises, and what others do
//!
//! The others were tried on CPython 3.11.7 with loky 3.7.0 and Pebble 5.2.3, started by fork where
//! they can be, with two workers; *hangs* means that no answer came for as long as was waited. What
//! is said of them on raising tasks, time limits and endless inputs is from their documentation. The
//! tests are in `common/tests/promises/`.
//!
//! | when | `multiprocessing.Pool` | `ProcessPoolExecutor` | loky | pebble | this pool | shown by |
//! |---|---|---|---|---|---|---|
//! | a worker is killed while it runs a task | that task hangs, others go on | every task fails, the pool is broken | every task fails, the pool is broken | that task fails, others go on | that task fails, others go on | `promise_1::each_signal_from_outside_fails_the_running_task_alone` |
//! | a worker is killed while it is idle | the pool hangs, `terminate` too | the pool is broken | the pool is broken | the pool is broken | it is replaced, nobody hears of it | `promise_1::idle_workers_that_are_killed_are_replaced_and_nobody_hears_of_it` |
//! | a worker is killed while it writes a large result | hangs | hangs | hangs | hangs | that task fails, others go on | `promise_1::workers_killed_in_the_middle_of_writing_large_results_fail_their_own_tasks` |
//! | a task calls `exit` | that task hangs | an error | an error | an error | that task fails: its worker is gone | `promise_1::each_way_to_die_fails_its_own_task_and_no_other` |
//! | a task panics (raises) | an error, the worker lives on | the same | the same | the same | the same | `promise_2::a_panicking_task_does_not_cost_its_worker` |
//! | a task ignores SIGTERM, and the pool is ended | hangs | hangs | ends | ends | ends | `promise_3::terminate_ends_workers_whatever_they_do` |
//! | the parent is killed while a worker is busy | the busy worker stays | all workers stay | all workers stay | the busy worker stays | nobody stays | `promise_4::when_the_parent_is_killed_the_workers_of_all_its_pools_go` |
//! | a task takes too long | `get` gives up, the task goes on | the same | the same | a limit kills it | both | `promise_5::a_limit_kills_the_worker_of_its_task_and_no_other` |
//! | an endless input | is read without end by `imap` | is read without end by `map` | the same | the same | is read no further than a bound | `promise_6::an_endless_input_is_read_no_further_than_the_bound` |
//! | the initializer always fails | forks without end, tasks hang | the pool is broken | the pool is broken | the pool is broken | the pool ends with the cause | `promise_7::an_initializer_that_always_fails_ends_the_pool_with_its_cause` |

mod connection;
mod handler;
mod queue;
mod supervisor;
mod wire;
mod worker;

use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::board::{self, Board};
pub use crate::calls::{AsyncResult, Calls, Data, Error, Imap, Result, Tasks};
use crate::calls::{Job, fail_all};

use crate::crew::Crew;
use crate::private::{PrivateFd, eventfd};
use crate::{panics, random};
use handler::Handler;
use queue::{Phase, Queue};
use supervisor::Supervisor;

/// How long `terminate` waits for a thread that is inside a callback of the program, and for the
/// supervisor, before it does without.
const PATIENCE: Duration = Duration::from_millis(1500);

/// So many callbacks of calls that wait run at once when the pool ends. Each thread takes 64 MiB of addresses, and two
/// of the mappings of which a process mostly has 65,530.
const CALLBACKS: usize = 256;

/// A pool of worker processes. Python's `multiprocessing.Pool`.
///
/// Functions are given as `fn` pointers: a worker is a fork of this program from before the call, so
/// that a function's address means the same there, and captured values would not be there at
/// all. Arguments and results cross as bytes (`serde`).
///
/// A pool may be used from several threads at once. Dropping it terminates it, as leaving
/// Python's `with` block does.
///
/// A task's stdin is empty, but for what this program had read ahead when it made the pool. If the thread that
/// makes it holds the lock of stdout or stderr, a thread that a task starts can never write there.
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
    calls: Calls,
}

/// `map`, `apply` and all other calls.
impl Deref for Pool {
    type Target = Calls;

    fn deref(&self) -> &Calls {
        &self.calls
    }
}

/// What the pool, its handlers and its calls share.
pub(crate) struct Shared {
    queue: Queue,
    supervisor: Supervisor,
    /// One for each handler: it waits for its worker and for this.
    wakes: Vec<PrivateFd>,
    /// Of the workers that live now; 0 for none.
    pub(crate) pids: Vec<AtomicU32>,
    /// How many workers in a row died before they did a task, and why the first did.
    failures: Mutex<(u32, Option<Error>)>,
    max_tasks: Option<NonZeroUsize>,
    /// The handlers' threads, and at the end those of callbacks.
    crew: Arc<Crew>,
    /// The process that has the threads. A fork of it has none.
    owner: u32,
}

impl Shared {
    pub(crate) fn submit(&self, job: Arc<Job>, going_on: bool) -> Result<()> {
        self.check_process()?;
        let to_wake = self.queue.submit(job, going_on)?;
        to_wake.into_iter().for_each(|handler| self.wake(handler));
        Ok(())
    }

    /// Runs the one task of a job on this thread, if a worker is idle. Otherwise submits it.
    pub(crate) fn submit_one(&self, job: Arc<Job>) -> Result<()> {
        self.check_process()?;
        match self.queue.borrow()? {
            Some(handler) => handler.lent(&job, self),
            None => self.submit(job, false)?,
        }
        Ok(())
    }

    /// An early look, before a call reads its input.
    pub(crate) fn takes_calls(&self) -> Result<()> {
        self.check_process()?;
        self.queue.takes_calls()
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        let is_here = self.owner == std::process::id();
        is_here.then_some(()).ok_or(Error::WrongProcess(self.owner))
    }

    fn is_over(&self) -> bool {
        matches!(self.queue.phase(), Phase::Over(_))
    }

    fn wake(&self, handler: usize) {
        // It fails only if the counter is full: then the handler is awake.
        let _ = nix::unistd::write(self.wakes[handler].as_fd(), &1u64.to_ne_bytes());
    }

    /// A call was cancelled: what waits never runs, and who runs its tasks is ended.
    pub(crate) fn cancel(&self) {
        self.queue.withdraw_cancelled().into_iter().for_each(|task| task.fail(&Error::Cancelled));
        self.wake_all();
    }

    fn wake_all(&self) {
        (0..self.wakes.len()).for_each(|handler| self.wake(handler));
    }

    /// How many workers in a row were of no use, with this one, and why the first was not.
    fn failed(&self, cause: Error) -> (u32, Error) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 += 1;
        (failures.0, failures.1.get_or_insert(cause).clone())
    }

    /// A worker has done a task.
    fn succeeded(&self) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = (0, None);
    }

    /// Ends it all, without waiting: everybody who waits for an answer is told `cause`.
    fn end(&self, cause: Error) {
        let busy = self.crew.at_work();
        let Some(tasks) = self.queue.end(cause.clone()) else { return };
        // First: a handler that wakes must not have its worker killed without a grace.
        self.supervisor.dismiss();
        self.wake_all();
        // A callback may take its time, or wait for another one.
        let (sender, calls) = crossbeam_channel::unbounded();
        fail_all(tasks, &cause).into_iter().for_each(|call| _ = sender.send(call));
        drop(sender);
        for _ in 0..calls.len().min(CALLBACKS) {
            let (calls, cause) = (calls.clone(), cause.clone());
            let answer = move || calls.iter().flatten().for_each(|task| task.fail(&cause));
            let _ = self.crew.spawn("callbacks at the end of a pool".to_owned(), answer);
        }
        // If there is no thread to be had, the tasks are dropped here, and say so.
        drop((busy, calls));
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
    /// [`Error::Zero`] for no workers or no tasks for each; [`Error::TooMany`] for more than 65,536 workers;
    /// [`Error::System`] if there is no process, descriptor or memory to be had. Nothing is left behind then.
    pub fn build(self) -> Result<Pool> {
        static POOLS: AtomicU64 = AtomicU64::new(0);
        let at_least_one = |n, what| NonZeroUsize::new(n).ok_or(Error::Zero(what));
        let workers = at_least_one(self.workers, "the number of workers")?;
        if self.workers > board::FORKS {
            return Err(Error::TooMany("the number of workers", board::FORKS));
        }
        let max_tasks = self.max_tasks.map(|n| at_least_one(n, "maxtasksperchild")).transpose()?;
        let system = |what| move |errno| Error::System(what, errno);
        panics::install();
        let board = Board::new(workers.get()).map_err(system("shared memory"))?;
        let wakes = (0..workers.get()).map(|_| eventfd().map_err(system("a descriptor")));
        let wakes = wakes.collect::<Result<_>>()?;
        let lineage = (random::stream(), POOLS.fetch_add(1, Ordering::Relaxed));
        let supervisor = Supervisor::start(lineage, &board, self.initializer.as_deref())?;
        let shared = Arc::new(Shared {
            queue: Queue::new(board, max_tasks.is_none()),
            supervisor,
            wakes,
            pids: (0..workers.get()).map(|_| AtomicU32::new(0)).collect(),
            failures: Mutex::new((0, None)),
            max_tasks,
            crew: Arc::default(),
            owner: std::process::id(),
        });
        let calls = Calls { shared, chunksize: None, buffersize: None, limit: None };
        let pool = Pool { calls };
        // On an error the pool is dropped, and what was begun is ended.
        pool.hire()?;
        Ok(pool)
    }
}

impl Pool {
    /// A pool of so many workers. Python's `Pool(n)`. Its default until 3.12, `os.cpu_count()`, is no
    /// good one; [`cpu::usable`](crate::cpu::usable) is.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    pub fn new(workers: usize) -> Result<Self> {
        Self::builder(workers).build()
    }

    /// A pool with an initializer or a limit on the tasks of a worker.
    pub fn builder(workers: usize) -> PoolBuilder {
        PoolBuilder { workers, initializer: None, max_tasks: None }
    }

    /// The first workers, and their handlers.
    fn hire(&self) -> Result<()> {
        for slot in 0..self.workers() {
            let handler = Handler::new(slot, &self.shared)?;
            let (name, shared) = (format!("handler of worker {}", slot + 1), self.shared.clone());
            let refused = |error: io::Error| error.try_into().unwrap_or(Errno::EAGAIN);
            let thread = self.shared.crew.spawn(name, move || handler.run(shared));
            thread.map_err(|e| Error::System("a thread for a worker", refused(e)))?;
        }
        Ok(())
    }

    /// Takes no more calls; those that were made go on. May be repeated. Python's `close`.
    pub fn close(&self) {
        if self.shared.check_process().is_ok() {
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
    pub fn join(&self) -> Result<()> {
        self.shared.check_process()?;
        if self.shared.crew.is_here() {
            return Err(Error::StillRunning);
        }
        self.shared.queue.join()?;
        self.shared.wake_all();
        self.shared.crew.join(None);
        self.terminate();
        Ok(())
    }

    /// Ends the workers, whatever they do, and waits until they are gone: SIGTERM, a short grace,
    /// SIGKILL, two seconds at most. Everybody who waits for an answer is told
    /// [`Error::Terminated`]. May be repeated. Python's `terminate`.
    pub fn terminate(&self) {
        if self.shared.check_process().is_err() {
            return; // a copy in a forked child
        }
        let deadline = Instant::now() + PATIENCE;
        self.shared.end(Error::Terminated);
        // Only a callback of the program can keep a thread longer than a moment.
        let crew = &self.shared.crew;
        crew.join(Some(if crew.is_here() { Instant::now() } else { deadline }));
        self.shared.supervisor.finish(deadline);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.terminate();
    }
}
