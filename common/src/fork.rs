//! The one place where the course's own processes are forked.
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
//! * Signals have their default handlers and an empty mask; stdin is empty, but for what the parent had
//!   read ahead.
//! * Nothing unwinds past the fork: the child's outermost frame catches, and leaves by `_exit`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::{ForkResult, Pid};

use crate::console::{self, Role};
use crate::panics;
use crate::private::{self, PrivateFd};

/// The kernel's unit of memory; a larger page holds this one.
const PAGE: usize = 4096;

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
// ANCHOR: fork
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
    let private = private::lock();
    // No handler of the parent's may run in the child before its handlers are reset.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap_or(SigSet::empty());

    // SAFETY: the child uses the copies of this thread's own data; the locks that it
    // needs of other threads (the streams', the list's) are held by this one.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => {
            let keep = private.keep_only(keep);
            drop((stderr, stdout));
            run_child(role, interrupt, || body(keep))
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
// ANCHOR_END: fork

/// The child's outermost frame.
fn run_child(role: Role, interrupt: Interrupt, body: impl FnOnce() -> i32) -> ! {
    let me = std::process::id();
    let code = catch_unwind(AssertUnwindSafe(|| {
        console::set_speaker(role);
        panics::set_in_worker(false); // it may be the child of a worker's task
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
    for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: as above.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    if interrupt == Interrupt::IsIgnored {
        // By a handler, which is set back at an exec: Ctrl-C ends what a task has started by `Command`.
        let handler = SigHandler::Handler(do_nothing);
        let nothing = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler does nothing.
        let _ = unsafe { nix::sys::signal::sigaction(Signal::SIGINT, &nothing) };
    }
    ignore(Signal::SIGPIPE);
    let _ = SigSet::empty().thread_set_mask();
}

extern "C" fn do_nothing(_: libc::c_int) {}

/// Ignores a signal in this process, and in the programs that it starts.
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

/// Tells a process from the forks that its tasks make, at the price of reading a number.
pub(crate) struct ForkMark(&'static AtomicU32);

impl ForkMark {
    /// Marks this process.
    pub(crate) fn new() -> nix::Result<Self> {
        let word = wiped_on_fork()?;
        word.store(1, Ordering::Relaxed);
        Ok(ForkMark(word))
    }

    /// Whether this process is the one that made the mark.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// The id of the process that asks, at the price of reading a number: only the first time
/// does each process ask the kernel.
pub(crate) struct OwnPid(&'static AtomicU32);

impl OwnPid {
    pub(crate) fn new() -> nix::Result<Self> {
        wiped_on_fork().map(OwnPid)
    }

    pub(crate) fn get(&self) -> u32 {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                let pid = std::process::id();
                self.0.store(pid, Ordering::Relaxed);
                pid
            }
            pid => pid,
        }
    }
}

/// A number that is zero at first, and zero again in every child: the kernel wipes its page.
fn wiped_on_fork() -> nix::Result<&'static AtomicU32> {
    let size = NonZeroUsize::MIN.saturating_add(PAGE - 1);
    let (prot, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
    // SAFETY: a new anonymous mapping touches nobody's memory.
    let page = unsafe { mmap_anonymous(None, size, prot, flags)? };
    // SAFETY: the page was just mapped and is used by nobody yet.
    unsafe { madvise(page, PAGE, MmapAdvise::MADV_WIPEONFORK)? };
    // SAFETY: aligned to a page, zero, never unmapped; only used as an atomic.
    Ok(unsafe { page.cast().as_ref() })
}
