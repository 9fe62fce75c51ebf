//! Finds out that everybody waits, without a guess at how long anything takes.
//!
//! An answer that runs one task after another never starts the second while the first waits for it. How long must one
//! wait to know? No number is right: too small and a slow machine fails a good answer, too large and every wrong one
//! takes for ever. So a process beside the answer asks the kernel for every thread of the answer's processes whether
//! it sleeps, and how often it has run. If all sleep, and nobody has run between two looks, nothing can happen any
//! more: whoever was to be woken would be ready to run, however slow the machine. Only a timer could still wake
//! somebody: an answer may sleep for a moment, so the standstill must last for [`QUIET`] looks.

use std::collections::BTreeMap;
use std::fs;
use std::process;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use super::verdict::{self, Verdict, Wrong};
use crate::console::Role;
use crate::fork::{Interrupt, fork};
use crate::gate::{Counter, Gate};
use crate::harness::{children, descendants};
use crate::os;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// For how many looks an answer may sleep without being taken for one that waits for ever. Looks and not seconds: while
/// the whole machine stands still, nobody sleeps for longer than he wanted to.
const QUIET: u32 = 15;

/// Then nobody is expected to come, and the answer is ended.
const DEADLOCK: u32 = 250;

/// How often everything has stood still.
static STANDSTILLS: Counter = Counter::new();

/// A process that watches the calling one and all that it starts, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    watcher: Pid,
}

impl Watch {
    /// Does `at_standstill` whenever everybody waits: in another process, so it can open gates and count, and no
    /// more. If that moves nobody, the answer is ended, and the verdict is that it waits for ever.
    ///
    /// Call it before the first other process is started, and in a process with one thread.
    ///
    /// # Panics
    ///
    /// If no process can be forked.
    pub fn new(at_standstill: impl FnMut()) -> Watch {
        STANDSTILLS.set_up();
        let watched = Pid::this();
        let watcher = fork([], Role::Main, Interrupt::Ends, |[]| watch(watched, at_standstill));
        Watch { watcher: watcher.expect("cannot fork") }
    }

    /// Sets these gates up, and opens all of them when everybody waits: tasks that wait for each other in vain
    /// go on, and [`stood_still`] tells.
    pub fn opening(gates: &[&Gate]) -> Watch {
        gates.iter().for_each(|gate| gate.set_up());
        Watch::new(|| gates.iter().for_each(|gate| gate.open()))
    }

    /// Whether the answer has left no process behind, dead or alive. It must be asked when no pool of the check's own
    /// lives. Those who are left are killed, so that nobody waits for them.
    ///
    /// # Errors
    ///
    /// Who is left.
    pub fn nobody_is_left(&self) -> Verdict {
        let watcher = self.watcher.as_raw() as u32;
        let left = children().into_iter().filter(|child| child.pid != watcher).collect::<Vec<_>>();
        let Some(first) = left.first() else { return Ok(()) };
        let what = match first.state {
            'Z' => "has ended, and is a zombie until its parent joins it",
            _ => "still lives",
        };
        let wrong = Wrong::new(format_args!(
            "you have not waited for all of your processes: {} of them are left, and {}, the first, {what}",
            left.len(),
            first.pid
        ));
        for process in left.iter().filter(|process| process.parent == process::id()) {
            let pid = Pid::from_raw(process.pid as i32);
            let _ = kill(pid, Signal::SIGKILL);
            os::reap_pid(pid);
        }
        Err(wrong)
    }
}

/// How often everybody waited since the first [`Watch`].
pub fn stood_still() -> u64 {
    STANDSTILLS.get()
}

/// A place where tasks wait until so many of them are there: they ran at one time.
#[derive(Debug, Default)]
pub struct Meeting {
    there: Counter,
    complete: Gate,
}

impl Meeting {
    /// To be set up before the fork: by [`gate`](Meeting::gate).
    pub const fn new() -> Meeting {
        Meeting { there: Counter::new(), complete: Gate::new() }
    }

    /// Sets the meeting up. Give the gate to [`Watch::opening`]: it ends a meeting to which nobody else comes.
    pub fn gate(&self) -> &Gate {
        self.there.set_up();
        self.complete.set_up();
        &self.complete
    }

    /// Waits until so many are there. Who comes later finds the meeting complete.
    pub fn wait_for(&self, participants: u64) {
        if self.there.increment() >= participants {
            self.complete.open();
        }
        self.complete.wait();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = kill(self.watcher, Signal::SIGKILL);
        os::reap_pid(self.watcher);
    }
}

fn watch(watched: Pid, mut at_standstill: impl FnMut()) -> ! {
    set_pdeathsig(Signal::SIGKILL).expect("SIGKILL is a signal");
    let (mut before, mut looks) = (None, 0);
    while getppid() == watched {
        sleep(LOOK);
        let now = sleepers(watched.as_raw() as u32);
        if now.is_none() || now != before {
            (before, looks) = (now, 0);
            continue;
        }
        looks += 1;
        if looks == QUIET {
            STANDSTILLS.increment();
            at_standstill();
        }
        if looks == DEADLOCK {
            let quiet = DEADLOCK * LOOK;
            verdict::tell(&Wrong::new(format_args!(
                "your answer waits for ever: for {quiet:?} none of its processes has moved. What they wait for cannot come"
            )));
            let _ = kill(watched, Signal::SIGKILL);
            break;
        }
    }
    process::exit(0)
}

/// Every thread of the process and its descendants, but not of this one, with the number of times that it has stopped
/// running. `None` if one of them runs or could.
fn sleepers(watched: u32) -> Option<BTreeMap<String, (String, String)>> {
    let me = process::id();
    let others = descendants(watched).into_iter().map(|info| info.pid).filter(|&pid| pid != me);
    let mut sleepers = BTreeMap::new();
    for pid in others.chain([watched]) {
        // A process or thread that goes meanwhile was running.
        for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let thread = thread.ok()?;
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            let field = |name: &str| {
                let line =
                    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.unwrap_or_default().trim().to_owned()
            };
            if !field("State").starts_with(['S', 'Z', 'T', 't', 'X']) {
                return None;
            }
            let name = thread.file_name().to_string_lossy().into_owned();
            let switches = (field("voluntary_ctxt_switches"), field("nonvoluntary_ctxt_switches"));
            sleepers.insert(name, switches);
        }
    }
    Some(sleepers)
}
