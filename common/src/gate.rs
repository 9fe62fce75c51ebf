//! Gates and counters across processes: who waits for whom is said, not hoped for.
//!
//! A sleep in a test says "by now it should have happened". A [`Gate`] holds a task until somebody lets it go on,
//! and a [`Counter`] tells how many have come so far:
//!
//! ```
//! use common::gate::{Counter, Gate};
//!
//! static GATE: Gate = Gate::new();
//! static ARRIVED: Counter = Counter::new();
//!
//! fn task() {
//!     ARRIVED.increment();
//!     GATE.wait();
//! }
//!
//! GATE.set_up(); // Before the fork: what is made after it is not shared.
//! ARRIVED.set_up();
//! # // A doctest shares its process with others and must not fork.
//! let workers = [std::thread::spawn(task), std::thread::spawn(task)]; // Or a pool.
//!
//! ARRIVED.wait_for(2); // Both tasks run now, and neither can end.
//! GATE.open();
//! # for worker in workers { worker.join().unwrap() }
//! ```
//!
//! Tasks are plain functions and capture nothing, so gates and counters are statics. They are not made at their
//! first use, as a `LazyLock` would be: if that use came after the fork, each process would make
//! one of its own and wait for ever. Any use before [`set_up`](Gate::set_up) panics instead.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write, pipe},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::harness::holds_eventually;
use crate::os::{self, SharedWords};

/// Holds every process that [`wait`](Gate::wait)s until one of them [`open`](Gate::open)s it, for good. It has no Python
/// name: `multiprocessing.Event` comes closest, and can be cleared.
///
/// It is a pipe with a byte or without. Who waits polls and leaves the byte where it is, so one byte lets
/// everyone through, at present and in future. The pipe costs two descriptors in each process.
#[derive(Debug, Default)]
pub struct Gate {
    pipe: OnceLock<(PipeReader, PipeWriter)>,
}

impl Gate {
    /// A gate that is still to be [`set_up`](Gate::set_up). For a row of them: `[const { Gate::new() }; 4]`.
    pub const fn new() -> Gate {
        Gate { pipe: OnceLock::new() }
    }

    /// Makes the gate, closed. Call it before the fork, in the process that forks: all its forks share the
    /// gate. A second call changes nothing.
    ///
    /// # Panics
    ///
    /// If the process has no descriptors left.
    pub fn set_up(&self) {
        self.try_set_up().expect("cannot make the gate's pipe");
    }

    /// The same where it is the reader who asked for so many of them.
    pub(crate) fn try_set_up(&self) -> io::Result<()> {
        if self.pipe.get().is_none() {
            let _ = self.pipe.set(pipe()?);
        }
        Ok(())
    }

    /// Waits until the gate is open; returns at once if it is.
    ///
    /// # Panics
    ///
    /// If the gate was not set up before the fork.
    #[track_caller]
    pub fn wait(&self) {
        self.is_readable(PollTimeout::NONE);
    }

    /// Lets everyone through who waits or will wait, in every process.
    ///
    /// # Panics
    ///
    /// If the gate was not set up.
    #[track_caller]
    pub fn open(&self) {
        // The test for a byte keeps the pipe from filling up, where writing would wait.
        if !self.is_open() {
            let (_, writer) = self.pipe();
            (&*writer).write_all(b"!").expect("this process holds the reading end too");
        }
    }

    /// Whether it is open.
    #[track_caller]
    pub(crate) fn is_open(&self) -> bool {
        self.is_readable(PollTimeout::ZERO)
    }

    /// Becomes readable when the gate is opened.
    #[track_caller]
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe().0.as_fd()
    }

    #[track_caller]
    fn is_readable(&self, timeout: PollTimeout) -> bool {
        let (reader, _) = self.pipe();
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, timeout) {
                Ok(0) => return false,
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => panic!("cannot wait at the gate: {error}"),
            }
        }
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        assert!(
            events.contains(PollFlags::POLLIN),
            "somebody closed the gate's descriptor in this process: {events:?}"
        );
        true
    }

    #[track_caller]
    fn pipe(&self) -> &(PipeReader, PipeWriter) {
        let pipe = self.pipe.get();
        pipe.expect(
            "this gate was not set up before the fork: call set_up() first, then start processes",
        )
    }
}

/// Lets one process through each time somebody says so. Like a [`Gate`] that closes again behind everyone who passes:
/// for tasks of which one after the other is to go on, as often as there is another.
///
/// It is a pipe, and whoever passes takes a byte out of it. A process that is killed here holds nothing. It has no
/// Python name: `multiprocessing.Semaphore(0)` comes closest.
///
/// ```
/// use common::gate::Turnstile;
///
/// static TURNSTILE: Turnstile = Turnstile::new();
///
/// TURNSTILE.set_up(); // before the fork
/// TURNSTILE.let_through();
/// TURNSTILE.pass(); // would wait for the next `let_through` if there were another `pass`
/// ```
#[derive(Debug, Default)]
pub struct Turnstile(Gate);

impl Turnstile {
    /// A turnstile that is still to be [`set_up`](Turnstile::set_up).
    pub const fn new() -> Turnstile {
        Turnstile(Gate::new())
    }

    /// Makes the turnstile. Call it before the fork, in the process that forks: all its forks share it. A second call
    /// changes nothing.
    ///
    /// # Panics
    ///
    /// If the process has no descriptors left.
    pub fn set_up(&self) {
        self.0.set_up();
    }

    pub(crate) fn try_set_up(&self) -> io::Result<()> {
        self.0.try_set_up()
    }

    /// Waits until this process is let through.
    ///
    /// # Panics
    ///
    /// If the turnstile was not set up before the fork.
    #[track_caller]
    pub fn pass(&self) {
        let (reader, _) = self.0.pipe();
        (&*reader).read_exact(&mut [0]).expect("this process holds the writing end too");
    }

    /// Lets one through, who waits or will wait.
    ///
    /// # Panics
    ///
    /// If the turnstile was not set up.
    #[track_caller]
    pub fn let_through(&self) {
        let (_, writer) = self.0.pipe();
        (&*writer).write_all(b"!").expect("this process holds the reading end too");
    }

    /// Where who passes reads a byte.
    #[track_caller]
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Waits until this process is let through, or until the gate is open.
    #[track_caller]
    pub(crate) fn pass_unless(&self, open: &Gate) {
        os::readable_of([self.as_fd(), open.as_fd()], None);
        if !open.is_open() {
            self.pass();
        }
    }
}

/// Counts in memory that all forks of the process share. Python: `Value('Q')`, but without a lock that a killed
/// process could keep.
#[derive(Debug, Default)]
pub struct Counter {
    count: OnceLock<SharedWords>,
}

impl Counter {
    /// A counter that is still to be [`set_up`](Counter::set_up).
    pub const fn new() -> Counter {
        Counter { count: OnceLock::new() }
    }

    /// Makes the counter, with 0. Call it before the fork, in the process that forks: all its forks share the
    /// counter. A second call changes nothing. The page of memory lives as long as the counter.
    ///
    /// # Panics
    ///
    /// If there is no memory left.
    pub fn set_up(&self) {
        self.count.get_or_init(|| SharedWords::new(1).expect("cannot map the counter's page"));
    }

    /// Adds one; returns the sum: 1 to the first who calls, whichever process that is.
    ///
    /// # Panics
    ///
    /// If the counter was not set up before the fork.
    #[track_caller]
    pub fn increment(&self) -> u64 {
        self.count().fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The count.
    ///
    /// # Panics
    ///
    /// If the counter was not set up before the fork.
    #[track_caller]
    pub fn get(&self) -> u64 {
        self.count().load(Ordering::SeqCst)
    }

    /// Waits until the count is `n` or more.
    ///
    /// # Panics
    ///
    /// If the counter was not set up, or has not got there after 30 seconds.
    #[track_caller]
    pub fn wait_for(&self, n: u64) {
        if !holds_eventually(|| self.get() >= n) {
            panic!("waited for a counter to reach {n}: it stands at {}", self.get());
        }
    }

    #[track_caller]
    fn count(&self) -> &AtomicU64 {
        let count = self.count.get();
        let count = count.expect("this counter was not set up before the fork: call set_up() first, then start processes");
        &count[0]
    }
}
