//! The one place that forks.
//!
//! A fork copies one thread and all of memory: locks that other threads hold, unfinished
//! lines, signal handlers, every descriptor. [`fork`] puts the child in order before any of
//! its own code runs, and sees to it that nothing of the parent's runs after it:
//!
//! * Standard output and error are flushed and their locks held across the fork, so that no
//!   line is printed twice and no other thread's lock is inherited.
//! * Descriptors that belong to the parent alone are [`PrivateFd`]s. The child closes them
//!   all but those it is given, whoever made them and however recently: a list under one
//!   lock, which the fork holds.
//! * Signals have their default handlers and an empty mask; stdin is empty.
//! * Nothing unwinds past the fork: the child's outermost frame catches, and leaves by `_exit`.

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::{ForkResult, Pid};

use crate::console::{self, Role};

/// The numbers of all private descriptors of this process.
static PRIVATE: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

fn private() -> MutexGuard<'static, Vec<RawFd>> {
    PRIVATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A descriptor that no forked child may keep.
///
/// An end of a pipe in the wrong process hides the end of file from everybody else. Close-on-exec
/// does not help a fork without exec, so these are closed in the child by hand.
#[derive(Debug)]
pub(crate) struct PrivateFd {
    fd: ManuallyDrop<OwnedFd>,
    /// The process that made it: a copy of this value in a forked child owns nothing.
    owner: u32,
}

impl PrivateFd {
    /// Makes `N` descriptors and marks them, with no fork in between.
    pub(crate) fn make<const N: usize, E>(
        make: impl FnOnce() -> Result<[OwnedFd; N], E>,
    ) -> Result<[PrivateFd; N], E> {
        let mut private = private();
        let owner = std::process::id();
        let fds = make()?;
        private.extend(fds.iter().map(AsRawFd::as_raw_fd));
        Ok(fds.map(|fd| PrivateFd { fd: ManuallyDrop::new(fd), owner }))
    }
}

impl AsFd for PrivateFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return; // the fork has closed it here, and the number may mean something else
        }
        let mut private = private();
        private.retain(|&fd| fd != self.fd.as_raw_fd());
        // SAFETY: dropped once, here, and not used afterwards. Closed under the lock: a
        // fork sees it either listed and open or neither.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
    }
}

/// What the child does about an interrupt from the terminal, which reaches the whole
/// process group.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Interrupt {
    /// It ends, like any program.
    Ends,
    /// It leaves the decision to its parent.
    IsIgnored,
}

/// Forks a child that runs `body` and exits with the code that it returns, or with 1 if it
/// panics. The child has the descriptors in `keep` and no other private one; the parent
/// loses them.
///
/// # Errors
///
/// EAGAIN or ENOMEM if there can be no further process.
pub(crate) fn fork<const N: usize>(
    keep: [PrivateFd; N],
    role: Role,
    interrupt: Interrupt,
    body: impl FnOnce([PrivateFd; N]) -> i32,
) -> nix::Result<Pid> {
    // The locks of the streams come first: their holder may be about to make a descriptor.
    let mut stdout = io::stdout().lock();
    let stderr = io::stderr().lock();
    let _ = stdout.flush();
    let mut private = private();
    // No handler of the parent's may run in the child before its handlers are reset.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap_or(SigSet::empty());

    // SAFETY: the child uses the copies of this thread's own data; the locks that it
    // needs of other threads (the streams', the list's) are held by this one.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => {
            let kept = keep.map(|fd| fd.fd.as_raw_fd());
            for fd in private.drain(..).filter(|fd| !kept.contains(fd)) {
                // SAFETY: the list says that it is open and this module's to close; the value
                // that owned it belongs to the parent (see PrivateFd::drop).
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
            }
            drop((private, stderr, stdout));
            run_child(role, interrupt, || {
                // SAFETY: open, as said above, and owned by nobody in this process.
                let keep = kept.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                let Ok(keep) = PrivateFd::make(|| Ok::<_, std::convert::Infallible>(keep));
                body(keep)
            })
        }
        other => {
            let _ = mask.thread_set_mask();
            drop(private);
            drop(keep);
            other.map(|result| match result {
                ForkResult::Parent { child } => child,
                ForkResult::Child => unreachable!("the child was dealt with above"),
            })
        }
    }
}

/// The child's outermost frame.
fn run_child(role: Role, interrupt: Interrupt, body: impl FnOnce() -> i32) -> ! {
    let me = std::process::id();
    let code = catch_unwind(AssertUnwindSafe(|| {
        console::set_speaker(role);
        // A generator that the parent has used would draw the parent's numbers again.
        let _ = rand::rng().reseed();
        reset_signals(interrupt);
        empty_stdin();
        body()
    }));
    // The panic hook has printed the message. The payload is not dropped: its Drop may panic.
    let code = code.unwrap_or_else(|payload| {
        std::mem::forget(payload);
        1
    });
    // `body` may have forked by itself: its child has returned here a second time, holding a
    // copy of the same unfinished line.
    if std::process::id() == me {
        let _ = catch_unwind(|| io::stdout().flush());
    }
    exit_now(code)
}

/// Ends this process without running anything that it inherited: no destructors, no
/// `atexit` handlers, no flushing.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any integer and does not return.
    unsafe { libc::_exit(code) }
}

fn reset_signals(interrupt: Interrupt) {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        // SIGKILL and SIGSTOP cannot be handled. Rust's runtime reports a stack overflow from its
        // handlers for SIGSEGV and SIGBUS, and ignores SIGPIPE so that writing to a closed
        // pipe is an error that can be handled.
        use Signal::*;
        if !matches!(signal, SIGKILL | SIGSTOP | SIGSEGV | SIGBUS | SIGPIPE) {
            // SAFETY: the default action runs no code of this program.
            let _ = unsafe { nix::sys::signal::sigaction(signal, &default) };
        }
    }
    if interrupt == Interrupt::IsIgnored {
        ignore(Signal::SIGINT);
    }
    ignore(Signal::SIGPIPE);
    let _ = SigSet::empty().thread_set_mask();
}

/// Ignores a signal in this process.
pub(crate) fn ignore(signal: Signal) {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: ignoring runs no code of this program.
    let _ = unsafe { nix::sys::signal::sigaction(signal, &ignore) };
}

/// Opens `/dev/null` as stdin. What the parent has read ahead stays in the buffer: its lock
/// may be held, by the very thread that forks, and is not reentrant.
fn empty_stdin() {
    if let Ok(null) = std::fs::File::open("/dev/null") {
        // SAFETY: descriptor 0 is the process's standard input, which nobody owns.
        let _ = unsafe { libc::dup2(null.as_raw_fd(), 0) };
        if null.as_raw_fd() == 0 {
            let _ = null.into_raw_fd(); // stdin was closed: this is it now
        }
    }
}
