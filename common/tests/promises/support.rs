//! What the fault tests share: ways to die, ways to look, and handshakes with processes that cannot answer.

// Each test target uses its own part of this file.
#![allow(dead_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, hint,
    os::fd::BorrowedFd,
    os::unix::process::CommandExt,
    process::{self, Command},
};

use common::{
    ExitStatus, Pool,
    gate::Counter,
    harness::{children, eventually, open_descriptors, process_state, threads},
    pool::Error,
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{self, Signal},
    },
    unistd::{self, ForkResult, Pid},
};
use serde::{Deserialize, Serialize};

/// For [`everyone_works`].
static ROLL: Counter = Counter::new();

/// Before the pool.
pub fn set_up(counters: &[&Counter]) {
    ROLL.set_up();
    counters.iter().for_each(|counter| counter.set_up());
}

pub fn me() -> u32 {
    process::id()
}

/// The process of the test, asked by any process that it started: it leads their session.
pub fn case() -> u32 {
    unistd::getsid(None).expect("one may ask for one's own session").as_raw() as u32
}

pub fn send(pid: u32, signal: Signal) {
    assert!(pid > 1, "{pid} is nobody to be signalled");
    match signal::kill(Pid::from_raw(pid as i32), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("{signal} to {pid}: {error}"),
    }
}

/// Signals a worker, if this number still means one; whether it does.
pub fn send_worker(supervisor: u32, pid: u32, signal: Signal) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
    let is_worker = parent == Some(supervisor);
    if is_worker {
        send(pid, signal);
    }
    is_worker
}

/// Stops a process, and returns when each of its threads has stopped.
pub fn stop(pid: u32) {
    send(pid, Signal::SIGSTOP);
    eventually("the process is stopped", || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
        threads.map(|thread| thread.unwrap().path().join("stat")).all(|stat| {
            let stat = fs::read_to_string(stat).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    });
}

/// The process above the pool's workers.
pub fn supervisor_of(pool: &Pool) -> u32 {
    parent_of(pool.pids()[0])
}

pub fn parent_of(pid: u32) -> u32 {
    let all = children();
    all.iter().find(|process| process.pid == pid).expect("the process is there").parent
}

/// All workers take a task at the same time, and the pool lists these and no others.
#[track_caller]
pub fn everyone_works(pool: &Pool) {
    fn answer(all: u64) -> u32 {
        ROLL.increment();
        ROLL.wait_for(all);
        process::id()
    }
    let all = ROLL.get() + pool.workers() as u64;
    let pids = pool.chunksize(1).map(answer, vec![all; pool.workers()]).expect("everyone works");
    let pids = BTreeSet::from_iter(pids);
    assert_eq!(pids.len(), pool.workers(), "each worker had one task: {pids:?}");
    assert_eq!(pids, BTreeSet::from_iter(pool.pids()));
}

/// What a process has before it makes a pool, and must have again afterwards.
pub struct Before {
    descriptors: BTreeMap<i32, String>,
    threads: usize,
    children: usize,
}

impl Before {
    pub fn now() -> Self {
        let (descriptors, threads) = (open_descriptors(me()), threads(me()));
        Before { descriptors, threads, children: children().len() }
    }

    /// No child, zombie, descriptor or thread more than before.
    #[track_caller]
    pub fn is_back(&self) {
        let left = children();
        assert_eq!(left.len(), self.children, "processes are left: {left:?}");
        assert_eq!(open_descriptors(me()), self.descriptors, "descriptors");
        // A thread that was joined is on its way out of the kernel's list: now, and perhaps before.
        eventually("there are as many threads as before", || threads(me()) <= self.threads);
    }
}

/// All of these are gone, whoever has to reap them.
#[track_caller]
pub fn are_gone(pids: &[u32]) {
    assert!(!pids.is_empty(), "there was somebody");
    eventually("they are gone", || pids.iter().all(|&pid| process_state(pid).is_none()));
}

/// Ways for a process to end itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Death {
    Exit(i32),
    ExitAtOnce(i32),
    Abort,
    Overflow,
    Segfault,
    Raise(i32),
    /// It becomes another program, which would sleep for an hour.
    Exec,
    /// It closes all its descriptors, and would sleep for an hour.
    CloseAll,
}

impl Death {
    /// Each of them, and each signal that ends a process.
    pub fn all() -> Vec<Death> {
        use Death::*;
        let mut all = vec![Exit(0), Exit(3), ExitAtOnce(0), ExitAtOnce(255)];
        all.extend([Abort, Overflow, Segfault, Exec, CloseAll]);
        all.extend(deadly_signals().map(|signal| Raise(signal as i32)));
        all
    }

    pub fn now(self) -> ! {
        match self {
            Death::Exit(code) => process::exit(code),
            // SAFETY: ends this process.
            Death::ExitAtOnce(code) => unsafe { libc::_exit(code) },
            Death::Abort => process::abort(),
            Death::Overflow => {
                overflow(0);
                unreachable!("the stack is finite")
            }
            Death::Segfault => {
                // SAFETY: none, and that is the point: nothing is mapped there.
                unsafe { (16 as *mut u8).write_volatile(1) };
                unreachable!("nothing is mapped there")
            }
            Death::Raise(signal) => loop {
                // More than once: Rust's own handler for SIGSEGV and SIGBUS returns from the first.
                // SAFETY: at worst it ends this process.
                unsafe { libc::raise(signal) };
            },
            Death::Exec => panic!("{}", Command::new("sleep").arg("3600").exec()),
            Death::CloseAll => {
                // SAFETY: nobody uses them afterwards.
                unsafe { libc::close_range(3, u32::MAX, 0) };
                loop {
                    unistd::pause();
                }
            }
        }
    }

    /// Whether a worker that dies like this may have this status.
    pub fn explains(self, status: ExitStatus) -> bool {
        let killed = |signal: Signal| status == ExitStatus::Signaled(signal as i32);
        match self {
            Death::Exit(code) | Death::ExitAtOnce(code) => status == ExitStatus::Exited(code),
            Death::Abort | Death::Overflow => killed(Signal::SIGABRT),
            Death::Segfault => killed(Signal::SIGSEGV),
            Death::Raise(signal) => status == ExitStatus::Signaled(signal),
            // It would have lived on: the pool ended it.
            Death::Exec | Death::CloseAll => killed(Signal::SIGKILL),
        }
    }
}

#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    let frame = hint::black_box([depth; 64]);
    overflow(frame[7] + 1) + hint::black_box(frame)[9]
}

/// A task that ends its worker.
pub fn die(death: Death) {
    death.now()
}

/// The signals that end a worker. Not SIGINT and SIGPIPE: a worker ignores them.
pub fn deadly_signals() -> impl Iterator<Item = Signal> {
    use Signal::*;
    let harmless =
        [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIGINT, SIGPIPE];
    Signal::iterator().filter(move |signal| !harmless.contains(signal))
}

/// What the error says of a worker's death.
#[track_caller]
pub fn died<T>(answer: Result<T, Error>) -> (u32, ExitStatus) {
    match answer {
        Err(Error::Died { pid, status, .. }) => (pid, status),
        Err(other) => panic!("it should say that a worker died: {other:?}"),
        Ok(_) => panic!("it should say that a worker died, and is a result"),
    }
}

/// Forks a child that runs `body` and leaves by `_exit`. In a task: the child is nobody's of the pool.
pub fn forked(body: impl FnOnce()) -> u32 {
    // SAFETY: called in processes with one thread, or the child uses no lock of another's.
    match unsafe { unistd::fork() }.expect("one may fork") {
        ForkResult::Parent { child } => child.as_raw() as u32,
        ForkResult::Child => {
            body();
            // SAFETY: ends this process and runs none of its parent's destructors.
            unsafe { libc::_exit(0) }
        }
    }
}

/// In a task: the worker's own socket. It is the only one that would be closed by an exec.
pub fn own_socket() -> i32 {
    let sockets = open_descriptors(me()).into_iter().filter(|(number, target)| {
        // SAFETY: it was open a moment ago, and nobody else is here to close it.
        let fd = unsafe { BorrowedFd::borrow_raw(*number) };
        let flags = fcntl(fd, FcntlArg::F_GETFD).unwrap_or(0);
        target.starts_with("socket:")
            && FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC)
    });
    let sockets: Vec<i32> = sockets.map(|(number, _)| number).collect();
    assert_eq!(sockets.len(), 1, "a worker has one socket: {sockets:?}");
    sockets[0]
}

fn is_ready(socket: i32, events: PollFlags) -> bool {
    // SAFETY: the socket stays open for as long as its process lives.
    let fd = unsafe { BorrowedFd::borrow_raw(socket) };
    poll(&mut [PollFd::new(fd, events)], PollTimeout::ZERO).expect("one may ask") > 0
}

pub fn is_readable(socket: i32) -> bool {
    is_ready(socket, PollFlags::POLLIN)
}

/// Whether something was written to the socket that has not been read at its other end.
pub fn has_unread(socket: i32) -> bool {
    let mut bytes: i32 = 0;
    // SAFETY: the kernel writes one integer, into one that lives long enough.
    let result = unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &mut bytes) };
    assert_eq!(result, 0, "one may ask");
    bytes > 0
}

/// From now on this process can get so many bytes of memory more, and no others.
pub fn limit_memory(bytes: u64) {
    let statm = fs::read_to_string("/proc/self/statm").expect("one may read one's own memory");
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).expect("one may read limits");
    setrlimit(Resource::RLIMIT_AS, pages * 4096 + bytes, hard).expect("one may lower a limit");
}

/// What code in the parent can see of signals: handlers and mask, without 32 and 33, which are the C library's.
pub fn signal_state() -> Vec<(String, u64)> {
    let status = fs::read_to_string("/proc/self/status").expect("one may read one's own status");
    let signals = status.lines().filter_map(|line| {
        let (key, bits) = line.split_once(":\t")?;
        let bits = u64::from_str_radix(bits, 16).ok()?;
        ["SigBlk", "SigIgn", "SigCgt"].contains(&key).then(|| (key.to_owned(), bits & !(3 << 31)))
    });
    signals.collect()
}
