//! Runs whose order is decided: tasks and main wait for a director, who lets them go on one by one.
//!
//! Who starts and ends first is up to the kernel, and a run shows one order of many. Here an order of
//! [events](crate::contract::Event) is the script, and a [`Director`] sees to it that the run follows it:
//!
//! ```text
//! task 1       task 2       main                       director
//!   │ handed out │ handed out │                           │ lets task 1 pass
//!   ├ start 1 ──────────────────────────────────────────► │ … has seen it, and lets task 2 pass
//!   │            ├ start 2 ─────────────────────────────► │
//!   ▼            ▼            ▼                           ▼
//! ```
//!
//! All that happens is told through one pipe of the [`Stage`]: what is written first is read first, so the pipe is the
//! order. Nothing is ever slept for, nothing locked; who is killed holds nothing.
//!
//! The director is a thread of main, or a process of its own that is forked before there are threads. A run that leaves
//! the script, because a worker was killed or because the pool breaks a promise, goes on freely: nobody waits for a
//! director who has given up.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{process, thread};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::unistd::Pid;

use crate::contract::Event;
use crate::gate::{Gate, Turnstile};
use crate::os;
use crate::private::{self, PrivateFd};

/// How long a director waits for what must come: a bound for what should never hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where directed tasks run: what all processes share with the director. Like [`Gate`]s, stages are statics.
///
/// ```no_run
/// use common::Pool;
/// use common::contract::{Contract, Event};
/// use common::director::{Director, Stage};
///
/// static STAGE: Stage = Stage::new();
///
/// fn task(number: usize) {
///     STAGE.task(number, || println!("start {number}"), || println!("end {number}"));
/// }
///
/// STAGE.set_up(3); // before the fork
/// let pool = Pool::new(2)?;
/// let script = Contract::map(3, 2).eager(&[2, 3, 1]).expect("3 can end before 1");
/// std::thread::scope(|scope| {
///     scope.spawn(|| Director::new(&STAGE, 2).direct(&script).unwrap());
///     pool.map(task, [1, 2, 3])?;
///     STAGE.tell(Event::Return(None));
///     Ok::<(), common::pool::Error>(())
/// })?;
/// # Ok::<(), common::pool::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Stage {
    set: OnceLock<Set>,
}

#[derive(Debug)]
struct Set {
    told: (PipeReader, PipeWriter),
    /// Where main waits, and then each task.
    turnstiles: Vec<Turnstile>,
    /// Open when nobody is directed any more.
    free: Gate,
}

const MAIN: usize = 0;

impl Stage {
    /// A stage that is still to be [`set_up`](Stage::set_up).
    pub const fn new() -> Stage {
        Stage { set: OnceLock::new() }
    }

    /// Makes it, for tasks with the numbers 1 to `tasks`. Call it before the fork. A second call changes nothing.
    ///
    /// # Panics
    ///
    /// If the process has no descriptors left: each task takes two.
    pub fn set_up(&self, tasks: usize) {
        self.try_set_up(tasks).expect("cannot make the stage's pipes");
    }

    /// The same where it is the reader who asked for so many tasks.
    pub(crate) fn try_set_up(&self, tasks: usize) -> io::Result<()> {
        if self.set.get().is_none() {
            let turnstiles: Vec<Turnstile> = (0..=tasks).map(|_| Turnstile::new()).collect();
            turnstiles.iter().try_for_each(Turnstile::try_set_up)?;
            let free = Gate::new();
            free.try_set_up()?;
            let _ = self.set.set(Set { told: pipe()?, turnstiles, free });
        }
        Ok(())
    }

    /// What a directed task does: calls `start` and `end`, which show what they like, when it is their turn.
    ///
    /// # Panics
    ///
    /// This and the others: if the stage was not set up before the fork, or not for so many tasks.
    pub fn task(&self, number: usize, start: impl FnOnce(), end: impl FnOnce()) {
        self.write(Message::HandedOut(number, process::id()));
        self.pass(number);
        start();
        self.tell(Event::Start(number));
        self.pass(number);
        end();
        self.tell(Event::End(number));
        self.pass(number); // its result may be to come later
    }

    /// Main waits for its turn: before each of its events if the director [directs it](Director::directs_main), too;
    /// otherwise before a `get` that is to time out, and before nothing else.
    pub fn wait_for_turn(&self) {
        self.pass(MAIN);
    }

    /// Tells the director, or whoever [listens](Stage::told), what has been shown.
    pub fn tell(&self, event: Event) {
        self.write(Message::Seen(event));
    }

    /// All that was told and not read by a director, in that order.
    pub fn told(&self) -> Vec<Event> {
        let mut events = Vec::new();
        while os::readable(self.set().told.0.as_fd(), Some(Instant::now())) {
            if let Message::Seen(event) = self.read() {
                events.push(event);
            }
        }
        events
    }

    /// Makes programs that are executed from now on inherit the stage, and gives the numbers of the descriptors that they
    /// need, with commas between them: where they tell, where main waits and where each task waits. Such a program can be
    /// directed in whatever language it is written.
    ///
    /// It writes what it tells in 40 bytes, filled up with blanks: `task 2 4711` when process 4711 has task 2, and
    /// [events](Event). It waits by reading a byte, and does not know whether the others are [free](Stage::free).
    ///
    /// # Panics
    ///
    /// If the stage was not set up.
    pub fn lend(&self) -> String {
        let Set { told, turnstiles, .. } = self.set();
        let fds = [told.1.as_fd()].into_iter().chain(turnstiles.iter().map(Turnstile::as_fd));
        let lend = |fd: BorrowedFd<'_>| {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).expect("it is open");
            fd.as_raw_fd().to_string()
        };
        fds.map(lend).collect::<Vec<_>>().join(",")
    }

    /// Lets everybody go, now and later, the director included. For a main process whose call has failed.
    pub fn free(&self) {
        self.set().free.open();
    }

    fn pass(&self, who: usize) {
        let Set { turnstiles, free, .. } = self.set();
        turnstiles[who].pass_unless(free);
    }

    fn write(&self, message: Message) {
        let mut bytes = message.to_string();
        assert!(bytes.len() <= LENGTH, "{bytes} is longer than messages are");
        bytes += &" ".repeat(LENGTH - bytes.len());
        // A pipe takes so few bytes as a whole, whoever else writes.
        (&self.set().told.1).write_all(bytes.as_bytes()).expect("this process can read it");
    }

    fn read(&self) -> Message {
        let mut bytes = [0; LENGTH];
        (&self.set().told.0).read_exact(&mut bytes).expect("messages have one length");
        let text = str::from_utf8(&bytes).expect("messages are text");
        Message::parse(text).expect("nobody else writes here")
    }

    #[track_caller]
    fn set(&self) -> &Set {
        let set = self.set.get();
        set.expect("this stage was not set up before the fork: call set_up() first")
    }
}

/// What the processes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// This process has this task.
    HandedOut(usize, u32),
    Seen(Event),
}

/// Of each message, filled up with blanks.
const LENGTH: usize = 40;

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Message::HandedOut(task, pid) => write!(f, "task {task} {pid}"),
            Message::Seen(event) => write!(f, "{event}"),
        }
    }
}

impl Message {
    fn parse(text: &str) -> Option<Message> {
        let Some(task) = text.strip_prefix("task ") else {
            return text.parse().ok().map(Message::Seen);
        };
        let (task, pid) = task.trim_end().split_once(' ')?;
        Some(Message::HandedOut(task.parse().ok()?, pid.parse().ok()?))
    }
}

/// Why a run does not follow its script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OffScript(String);

/// Lets tasks, and main, go on so that the events come in a given order.
#[derive(Debug)]
pub struct Director<'a> {
    stage: &'a Stage,
    workers: usize,
    directs_main: bool,
    holds_results: bool,
    beat: Duration,
    /// Tasks that a worker has, or had: the process, which is gone if there is none.
    handed_out: HashMap<usize, Option<PrivateFd>>,
    /// How many results were let go.
    results: usize,
}

impl<'a> Director<'a> {
    /// A director of tasks in a pool of so many workers, and of nobody else.
    pub fn new(stage: &'a Stage, workers: usize) -> Director<'a> {
        let (handed_out, results, beat) = (HashMap::new(), 0, Duration::ZERO);
        let (directs_main, holds_results) = (false, false);
        Director { stage, workers, directs_main, holds_results, beat, handed_out, results }
    }

    /// Also of main, which [waits for its turn](Stage::wait_for_turn) before it tells of each of its events. Without
    /// it, main's events are to come by themselves where the script has them, but for [`Event::Timeout`].
    pub fn directs_main(self) -> Director<'a> {
        Director { directs_main: true, ..self }
    }

    /// Holds results back until the script needs them: where it matters when they come.
    pub fn holds_results(self, holds_results: bool) -> Director<'a> {
        Director { holds_results, ..self }
    }

    /// Waits so long before each end, for those who watch.
    pub fn beat(self, beat: Duration) -> Director<'a> {
        Director { beat, ..self }
    }

    /// Sees to it that the events come in this order, and returns when the last of them was told.
    ///
    /// # Errors
    ///
    /// What came instead; or that the process of the task whose turn it is was killed; or that nothing came for 30
    /// seconds. Then everybody goes on [freely](Stage::free).
    pub fn direct(&mut self, script: &[Event]) -> Result<(), OffScript> {
        self.handed_out.clear();
        self.results = 0;
        self.follow(script).inspect_err(|_| self.stage.free())
    }

    fn follow(&mut self, script: &[Event]) -> Result<(), OffScript> {
        // Results that come one after the other are yielded in that order; if none is, any order will do.
        let ends = script.iter().filter_map(|event| task_of(event, Event::End));
        let yields = script.iter().filter_map(|event| task_of(event, Event::Yield));
        let (ends, yields) = (ends.collect::<Vec<_>>(), yields.collect::<Vec<_>>());
        let results = if yields.is_empty() { ends } else { yields };
        for (position, &event) in script.iter().enumerate() {
            let ended = |task: usize| script[..position].contains(&Event::End(task));
            let needed = match event {
                _ if !self.holds_results => 0,
                Event::Start(task) => task.saturating_sub(self.workers),
                Event::Yield(task) => 1 + results.iter().position(|&other| other == task).unwrap(),
                Event::Got(_) | Event::Waited(_) => {
                    results.iter().filter(|&&task| ended(task)).count()
                }
                _ => 0,
            };
            while self.results < needed {
                let task = results[self.results];
                assert!(ended(task), "{event} needs a result before end {task} in {script:?}");
                self.let_through(task);
                self.results += 1;
                if let Event::Start(_) = event {
                    // The worker has its next task, so the result has come: before the next one.
                    self.wait_until_handed_out(self.workers + self.results)?;
                }
            }
            match event {
                Event::Start(task) => {
                    self.wait_until_handed_out(task)?;
                    self.let_through(task);
                }
                Event::End(task) => {
                    thread::sleep(self.beat);
                    self.let_through(task);
                }
                // When patience ends is for the director to say, and for nobody else.
                Event::Timeout => self.let_through(MAIN),
                _ if self.directs_main => self.let_through(MAIN),
                _ => {}
            }
            self.wait_until_seen(event)?;
            if let Event::End(task) = event
                && !self.holds_results
            {
                self.let_through(task);
            }
        }
        Ok(())
    }

    fn let_through(&self, who: usize) {
        self.stage.set().turnstiles[who].let_through();
    }

    fn wait_until_handed_out(&mut self, task: usize) -> Result<(), OffScript> {
        while !self.handed_out.contains_key(&task) {
            match self.next(&format!("task {task} is to be handed out"), None)? {
                Message::HandedOut(task, pid) => self.hand_out(task, pid)?,
                Message::Seen(other) => {
                    return Err(OffScript(format!("{other}, and nobody was to do it")));
                }
            }
        }
        Ok(())
    }

    fn wait_until_seen(&mut self, event: Event) -> Result<(), OffScript> {
        let of = match event {
            Event::Start(task) | Event::End(task) => Some(task),
            _ => None,
        };
        loop {
            match self.next(&format!("{event} is to come"), of)? {
                Message::HandedOut(task, pid) => self.hand_out(task, pid)?,
                Message::Seen(seen) if seen == event => return Ok(()),
                Message::Seen(other) => return Err(OffScript(format!("{other} before {event}"))),
            }
        }
    }

    fn hand_out(&mut self, task: usize, pid: u32) -> Result<(), OffScript> {
        // The task waits for this director: its number cannot have come to mean another process, unless it was killed.
        let process = match private::pidfd(Pid::from_raw(pid as i32)) {
            Ok(process) => Some(process),
            Err(Errno::ESRCH) => None,
            // No panic: all others would wait for this director.
            Err(error) => {
                let what = format!("cannot watch the process of task {task}: {}", error.desc());
                return Err(OffScript(what));
            }
        };
        self.handed_out.insert(task, process);
        Ok(())
    }

    /// The next message; `of` is the task that it has to come from, if it is one.
    fn next(&self, expected: &str, of: Option<usize>) -> Result<Message, OffScript> {
        let Set { told, free, .. } = self.stage.set();
        let process = of.map(|task| &self.handed_out[&task]);
        let mut fds = vec![told.0.as_fd(), free.as_fd()];
        fds.extend(process.into_iter().flatten().map(PrivateFd::as_fd));
        let mut fds: Vec<_> = fds.iter().map(|&fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let gone = matches!(process, Some(None));
        let deadline = if gone { Instant::now() } else { Instant::now() + PATIENCE };
        let something = os::wait_for(&mut fds, Some(deadline));
        // What it told before it was killed counts.
        if fds[0].any() == Some(true) || os::readable(told.0.as_fd(), Some(Instant::now())) {
            return Ok(self.stage.read());
        }
        Err(OffScript(match (something, of) {
            (_, Some(task)) if !free.is_open() && (something || gone) => {
                format!("{expected}, and the process of task {task} is gone")
            }
            (true, _) => format!("{expected}, and main has given up"),
            (false, _) => format!("{expected}, and nothing happens any more"),
        }))
    }
}

fn task_of(event: &Event, kind: fn(usize) -> Event) -> Option<usize> {
    match *event {
        Event::Start(task) | Event::End(task) | Event::Yield(task) => {
            (kind(task) == *event).then_some(task)
        }
        _ => None,
    }
}
