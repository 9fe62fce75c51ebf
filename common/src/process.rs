//! `Process`: one function in one process of its own, like `multiprocessing.Process`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::console::Role;
use crate::fork::{Interrupt, fork};
use crate::private::{self, PrivateFd};
use crate::{ExitStatus, os, random, trace};

/// How long a daemon may take to react to SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_millis(500);

/// A process that has not been started: Python's `Process(target=f, args=(1,))`.
///
/// The closure may capture anything: a fork copies it with the rest of memory. What it changes,
/// it changes in its own copy. What it returns is dropped, as in Python; to give something
/// back, end with an exit code or use a [`Pool`](crate::Pool).
///
/// Starting consumes the value, and only [`start`](Process::start) returns something that can be
/// joined. So what Python rejects at run time does not compile here:
///
/// ```compile_fail,E0382
/// let process = common::Process::new(|| {});
/// process.start()?;
/// process.start()?; // Python: AssertionError: cannot start a process twice
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// ```compile_fail,E0599
/// let process = common::Process::new(|| {});
/// process.join()?; // Python: AssertionError: can only join a started process
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a process does nothing until it is started"]
pub struct Process<F> {
    target: F,
    daemon: bool,
}

impl<F: FnOnce() -> T, T> Process<F> {
    /// Says what the process shall run. Nothing happens before [`start`](Process::start).
    pub fn new(target: F) -> Self {
        Process { target, daemon: false }
    }

    /// Whether the process is ended, rather than waited for, when its handle is dropped or the
    /// program exits. Python's `daemon=True`.
    pub fn daemon(self, daemon: bool) -> Self {
        Process { daemon, ..self }
    }

    /// Forks. The child runs the closure and exits: with 0 when it returns, with 1 when it
    /// panics (the message is on stderr), with `n` when it calls `std::process::exit(n)`.
    /// Its stdin is empty, but for what this program had read ahead: that is in a buffer, whose lock
    /// another thread may hold. If this thread holds the lock of stdout or stderr, no other thread of the child
    /// can ever write there.
    ///
    /// ```
    /// use common::{ExitStatus, Process};
    ///
    /// let greeting = String::from("hello");
    /// let p0 = Process::new(|| assert_eq!(greeting, "hello")).start()?;
    /// let p1 = Process::new(|| std::process::exit(3)).start()?;
    /// assert_eq!(p0.join()?, ExitStatus::Exited(0));
    /// assert_eq!(p1.join()?, ExitStatus::Exited(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `fork(2)` says when there can be no further process or memory, and EMFILE when
    /// there can be no further descriptor. No process is left behind.
    pub fn start(self) -> io::Result<Running> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let ordinal = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let stream = random::stream();
        let role = Role::Process(ordinal as usize);
        let target = self.target;
        let pid = fork([], role, Interrupt::Ends, move |[]| {
            random::enter(stream, &[0, ordinal]);
            target();
            0
        })?;
        if self.daemon {
            private::lock().add_daemon(pid);
        }
        match private::pidfd(pid) {
            Ok(sentinel) => Ok(Running {
                pid,
                sentinel,
                daemon: self.daemon,
                parent: std::process::id(),
                status: Mutex::new(None),
            }),
            // It has ended, and somebody else has reaped it.
            Err(nix::errno::Errno::ESRCH) => {
                private::lock().remove_daemon(pid);
                let sentinel = private::eventfd()?;
                let _ = nix::unistd::write(&sentinel, &1u64.to_ne_bytes());
                Ok(Running {
                    pid,
                    sentinel,
                    daemon: self.daemon,
                    parent: std::process::id(),
                    status: Mutex::new(Some(ExitStatus::Unknown)),
                })
            }
            Err(error) => {
                // Not reaped yet, so the number still means this child.
                let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
                private::lock().remove_daemon(pid);
                os::reap_pid(pid);
                Err(error.into())
            }
        }
    }
}

/// A process that was started, running or ended.
///
/// Dropping the handle waits for the process, or ends it if it is a daemon: what Python does at
/// the end of the main program. Nothing is left behind, not even a zombie.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    sentinel: PrivateFd,
    daemon: bool,
    parent: u32,
    /// Set by whoever reaps it.
    status: Mutex<Option<ExitStatus>>,
}

impl Running {
    /// Its process id. Python's `pid`.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw() as u32
    }

    /// Waits until the process has ended. May be called again, and returns the same. Python's `join()`.
    ///
    /// A [trace](crate::trace) shows this call, and the one with a timeout, as `join`.
    ///
    /// # Errors
    ///
    /// In a process that is not its parent.
    pub fn join(&self) -> io::Result<ExitStatus> {
        trace::call("join", || self.wait())
    }

    /// Waits for at most `timeout`; `None` if the process is still running then. Python's
    /// `join(timeout)` followed by a look at `exitcode`.
    ///
    /// # Errors
    ///
    /// In a process that is not its parent.
    pub fn join_timeout(&self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        trace::call("join", || self.wait_until(Instant::now().checked_add(timeout)))
    }

    fn wait(&self) -> io::Result<ExitStatus> {
        Ok(self.wait_until(None)?.expect("without a deadline it waits for the end"))
    }

    /// Whether it has ended by now, and how.
    fn poll(&self) -> io::Result<Option<ExitStatus>> {
        self.wait_until(Some(Instant::now()))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        self.check_parent()?;
        // Waiting is done without the lock: another thread may look meanwhile.
        if self.reaped().is_none() && !os::readable(self.sentinel.as_fd(), deadline) {
            return Ok(None);
        }
        Ok(Some(*self.reaped().get_or_insert_with(|| {
            private::lock().remove_daemon(self.pid);
            os::reap(self.sentinel.as_fd())
        })))
    }

    /// The copy of this handle in a forked child must neither wait nor signal: its
    /// descriptor is closed, and the number may mean another process.
    fn check_parent(&self) -> io::Result<()> {
        match std::process::id() == self.parent {
            true => Ok(()),
            false => Err(io::Error::other(format!("{} is no child of this process", self.pid))),
        }
    }

    fn reaped(&self) -> std::sync::MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` while it runs, then its [`ExitStatus::code`]. Python's `exitcode`.
    ///
    /// # Errors
    ///
    /// In a process that is not its parent.
    pub fn exitcode(&self) -> io::Result<Option<i32>> {
        Ok(self.poll()?.and_then(ExitStatus::code))
    }

    /// Whether it is still running. Python's `is_alive()`.
    ///
    /// # Errors
    ///
    /// In a process that is not its parent.
    pub fn is_alive(&self) -> io::Result<bool> {
        Ok(self.poll()?.is_none())
    }

    /// Asks it to end (SIGTERM). It may ignore that. Python's `terminate()`.
    ///
    /// # Errors
    ///
    /// EPERM if the process has changed its user; in a process that is not its parent. That it
    /// has already ended is no error.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Ends it (SIGKILL), whatever it does. Python's `kill()`.
    ///
    /// # Errors
    ///
    /// EPERM if the process has changed its user; in a process that is not its parent. That it
    /// has already ended is no error.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        self.check_parent()?;
        if self.reaped().is_some() {
            return Ok(());
        }
        match os::pidfd_send_signal(self.sentinel.as_fd(), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A descriptor that becomes readable when the process has ended, for `poll(2)`: a
    /// pidfd. Python's `sentinel`.
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.sentinel.as_fd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::process::id() != self.parent {
            return; // a copy in a forked child
        }
        if self.daemon {
            let _ = self.terminate();
            if !os::readable(self.sentinel.as_fd(), Some(Instant::now() + GRACE)) {
                let _ = self.kill();
            }
        }
        let _ = self.wait();
    }
}
