//! The keeper of one test: forks the case, waits for its end and for everybody it started, and judges.
//!
//! It runs in a process that was executed for this one test and has one thread, so the fork is safe, and
//! so is `waitpid(-1)`, which a library must never call: all children of this process are the case and its orphans.

use std::{
    env, io,
    os::unix::process::ExitStatusExt,
    panic,
    process::{self, ExitStatus},
    time::Duration,
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        prctl::{set_child_subreaper, set_pdeathsig},
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigHandler, Signal, kill, killpg, signal},
        sysinfo::sysinfo,
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::{ForkResult, Pid, fork, getpgid, getpgrp, getpid, getppid, pause, setsid},
};

use super::{
    GRACE, ProcessInfo, Test, WATCHDOG, children, holds_within,
    processes::{direct_children, first_descendants, table},
};

/// The exit code for "the test failed, and the output says why": the one that a panic in `main` has.
pub(super) const FAILED: i32 = 101;

/// The exit code of a case that has returned: not 0, which a test that calls `exit(0)` half way has too.
const RETURNED: i32 = 100;

/// A bound on every file that a test writes, its output included: a test that prints in an endless loop
/// would otherwise fill the machine's memory before the watchdog stops it.
const LARGEST_FILE: u64 = 256 << 20;

/// How many of the processes that a test leaves are listed.
const SHOWN: usize = 30;

/// After SIGKILL only a process inside a system call that cannot be interrupted lives on.
const KILLED_BY_NOW: Duration = Duration::from_secs(10);

/// What the test leaves of the file size that the keeper may write: room for the verdict after the output.
const ROOM_FOR_THE_VERDICT: u64 = 1 << 20;

/// Runs the test and exits with 0 if it passed; otherwise prints what is wrong and exits with [`FAILED`].
pub(super) fn keep(test: Test) -> ! {
    let limit = seconds(WATCHDOG).or(test.limit).unwrap_or(Duration::from_secs(60));
    let grace = seconds(GRACE).unwrap_or(Duration::from_secs(5));
    let (_, largest_file) = getrlimit(Resource::RLIMIT_FSIZE).expect("limits can be read");
    let largest_file = LARGEST_FILE.min(largest_file).saturating_sub(ROOM_FOR_THE_VERDICT);
    die_with_the_parent(getppid());
    set_child_subreaper(true).expect("every process may become a subreaper");
    default_signals();

    let keeper = getpid();
    // SAFETY: this process has just been executed and has no other thread: nobody can hold a lock.
    let case = match unsafe { fork() }.expect("cannot fork the test's process") {
        ForkResult::Child => run(keeper, test.case, grace, largest_file),
        ForkResult::Parent { child } => child,
    };
    let keeper = Keeper { case, subject: test.subject, crowd: test.crowd, largest_file, end: None };
    let complaints = keeper.judge(limit, grace);
    if complaints.is_empty() {
        process::exit(0);
    }
    // The case may have stopped in the middle of a line.
    eprintln!("\n{}", complaints.join("\n"));
    process::exit(FAILED);
}

fn seconds(variable: &str) -> Option<Duration> {
    let seconds = env::var(variable).ok()?;
    let duration = seconds.parse().ok().map(Duration::try_from_secs_f64);
    match duration {
        Some(Ok(duration)) => Some(duration),
        _ => panic!("{variable} must be a number of seconds, it is {seconds:?}"),
    }
}

/// When the runner is killed, its keepers go, and with a keeper its case.
fn die_with_the_parent(parent: Pid) {
    set_pdeathsig(Signal::SIGKILL).expect("SIGKILL is a signal");
    if getppid() != parent {
        process::exit(FAILED); // it went before the request
    }
}

/// A shell's `command &` ignores SIGINT, `nohup` SIGHUP, and what is ignored stays so across exec: a test
/// of Ctrl-C would depend on how cargo was started. Rust's own handlers, for SIGSEGV, SIGBUS and
/// SIGPIPE, stay as every Rust program has them.
fn default_signals() {
    use Signal::*;
    for ignored in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2] {
        // SAFETY: no handler is installed: the default action runs no code of this program.
        unsafe { signal(ignored, SigHandler::SigDfl) }.expect("this signal can be handled");
    }
}

/// The case's process, from the fork to its exit.
fn run(keeper: Pid, case: fn(), grace: Duration, largest_file: u64) -> ! {
    die_with_the_parent(keeper);
    setsid().expect("a process just forked leads no group");
    setrlimit(Resource::RLIMIT_FSIZE, largest_file, largest_file).expect("a limit can be lowered");

    let me = getpid();
    let outcome = panic::catch_unwind(case);
    if getpid() != me {
        refuse(me);
    }
    let passed = outcome.is_ok() && no_zombie_is_left(grace);
    process::exit(if passed { RETURNED } else { FAILED });
}

/// A process forked by the case has returned from it. Were it let out, it would run the program's end a
/// second time; were it ended quietly, the mistake would pass. So it ends the case, which may be waiting for it, and
/// stays, to be found among what is left behind.
fn refuse(case: Pid) -> ! {
    eprintln!(
        "process {}, forked by the test, came back through the test's end: nothing may return or unwind \
         past the fork, a child leaves by _exit",
        getpid()
    );
    if getppid() == case {
        let _ = kill(case, Signal::SIGKILL);
    }
    loop {
        pause();
    }
}

/// Whether the case has waited for all its children that ended. Only the case can tell: when it has exited they
/// are the keeper's, who cannot know which of them ended before.
fn no_zombie_is_left(grace: Duration) -> bool {
    let me = process::id();
    let zombies = || -> Vec<ProcessInfo> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if waitid(Id::All, flags) == Err(Errno::ECHILD) {
            return Vec::new(); // The usual answer, and much cheaper than a look at all processes.
        }
        let ended = |child: &ProcessInfo| child.parent == me && child.state == 'Z';
        children().into_iter().filter(ended).collect()
    };
    // Another thread of the case may be about to wait for them.
    let none = holds_within(grace, || zombies().is_empty());
    if !none {
        eprintln!(
            "the test ended without having waited for these children:\n{}",
            table(&zombies())
        );
    }
    none
}

/// Finds a test that forks without end, before the machine has no room for anything else. (The kernel's own limit,
/// RLIMIT_NPROC, counts the user's other processes, too, and does not bind root.)
struct Crowd {
    most: usize,
    /// How many threads the machine had before.
    before: usize,
}

impl Crowd {
    fn new(most: usize) -> Crowd {
        Crowd { most, before: on_this_machine() }
    }

    /// Whether the test has too many processes. It is asked often, so it looks at them only when the
    /// machine has many more threads than before.
    fn is_too_large(&self) -> bool {
        on_this_machine() >= self.before.saturating_add(self.most)
            && first_descendants(self.most.saturating_add(1)).len() > self.most
    }
}

fn on_this_machine() -> usize {
    sysinfo().map_or(0, |info| info.process_count().into())
}

struct Keeper {
    case: Pid,
    /// Who is complained about.
    subject: &'static str,
    /// How many processes it may have at one time.
    crowd: usize,
    /// The bound on the case's files, in bytes.
    largest_file: u64,
    end: Option<ExitStatus>,
}

impl Keeper {
    /// Waits until the case and all its processes are gone; answers with what was wrong.
    fn judge(mut self, limit: Duration, grace: Duration) -> Vec<String> {
        let mut complaints = Vec::new();
        let subject = self.subject;
        let crowd = Crowd::new(self.crowd);

        let mut too_many = false;
        let ended = holds_within(limit, || {
            self.reap();
            too_many = self.end.is_none() && crowd.is_too_large();
            self.end.is_some() || too_many
        });
        if too_many {
            complaints.push(format!(
                "{subject} was stopped: it had more than {} processes at one time, and each may have started more",
                self.crowd
            ));
        } else if !ended {
            complaints.push(format!(
                "{subject} hung: it had not ended after {limit:?} ({WATCHDOG}=SECONDS sets another limit). \
                 These processes were killed:\n{}",
                table(&first_descendants(SHOWN))
            ));
        } else {
            complaints.extend(self.bad_end());
            let none_is_left = || !self.reap() || crowd.is_too_large();
            if !holds_within(grace, none_is_left) || self.reap() {
                complaints.push(format!(
                    "{subject} left processes behind that had not ended within {grace:?}. They were killed:\n{}",
                    table(&first_descendants(SHOWN))
                ));
            }
        }

        if !holds_within(KILLED_BY_NOW, || self.kill_all()) {
            complaints
                .push(format!("these cannot be killed:\n{}", table(&first_descendants(SHOWN))));
        }
        complaints
    }

    /// Reaps every child that has ended, and notes the case's status. False: there are no children left.
    fn reap(&mut self) -> bool {
        loop {
            let mut status = 0;
            // SAFETY: the kernel writes one integer, into one that lives long enough. (nix's waitpid loses
            // the status of a process that was killed by a real-time signal.)
            match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
                0 => return true,
                -1 if Errno::last() == Errno::ECHILD => return false,
                -1 => panic!("waitpid: {}", io::Error::last_os_error()),
                pid if pid == self.case.as_raw() => self.end = Some(ExitStatus::from_raw(status)),
                _orphan => {}
            }
        }
    }

    /// One round of killing; true if nobody is left. Only direct children and their groups are signalled, because
    /// these numbers cannot have been given to others before this process has reaped the child. *Their* children
    /// are direct ones in the next round. A group is killed in one instant, forks that are under way
    /// included: those who fork faster than one could kill them one by one are caught. SIGKILL reaches stopped
    /// processes too.
    fn kill_all(&mut self) -> bool {
        if !self.reap() {
            return true;
        }
        for child in direct_children() {
            let child = Pid::from_raw(child as i32);
            match getpgid(Some(child)) {
                // The case has left the runner's group before it ran anything of the test.
                Ok(group) if group != getpgrp() => _ = killpg(group, Signal::SIGKILL),
                _ => _ = kill(child, Signal::SIGKILL),
            }
        }
        !self.reap()
    }

    /// What is wrong with the way the case ended, if anything is.
    fn bad_end(&self) -> Option<String> {
        let status = self.end?;
        let subject = self.subject;
        let Some(number) = status.signal() else {
            return match status.code()? {
                RETURNED => None,
                0 => Some(format!("{subject} ended with exit code 0 before it had returned")),
                code => Some(format!("{subject} ended with exit code {code}")),
            };
        };
        let name = Signal::try_from(number).map_or("a real-time signal", Signal::as_str);
        let reason = match number {
            libc::SIGXFSZ => {
                format!(": its output, or another file, grew beyond {} bytes", self.largest_file)
            }
            _ => String::new(),
        };
        Some(format!("{subject} was killed by signal {number} ({name}){reason}"))
    }
}
