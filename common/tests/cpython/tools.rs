//! What several of the tests need.

use std::collections::HashSet;
use std::process;

use common::Pool;
use common::gate::Counter;
use common::harness::{children, eventually, is_alive};
use common::pool::{Error, Tasks};
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, kill, raise, signal};
use nix::unistd::Pid;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub fn square(x: u64) -> u64 {
    x * x
}

pub fn squares(count: u64) -> Vec<u64> {
    (0..count).map(square).collect()
}

/// Who ran it.
pub fn pid_and_square(x: u64) -> (u32, u64) {
    (process::id(), x * x)
}

/// The one at `index` of a call with `total` inputs.
pub fn task(index: usize, total: usize) -> Tasks {
    Tasks { range: index..index + 1, total: Some(total) }
}

/// How many have come to [`everybody_works_at_once`].
pub static MET: Counter = Counter::new();

/// No worker can take two of these: none of them ends before there is one for each worker.
fn meet(all: u64) -> u32 {
    MET.increment();
    MET.wait_for(all);
    process::id()
}

/// The pool has its full number of workers, all of them alive and able to run a task at the same
/// time. Returns their pids. Needs `MET.set_up()` before the pool is made.
#[track_caller]
pub fn everybody_works_at_once(pool: &Pool) -> HashSet<u32> {
    let workers = pool.workers();
    let all = MET.get() + workers as u64;
    let met = pool.chunksize(1).map(meet, vec![all; workers]).unwrap();
    let met = HashSet::from_iter(met);
    assert_eq!(met.len(), workers, "{met:?} ran {workers} tasks that wait for each other");
    eventually("the pool knows its workers", || HashSet::from_iter(pool.pids()) == met);
    met
}

/// What was panicked with, and where; the error must be a panic.
#[track_caller]
pub fn panicked(error: &Error) -> (&str, &str) {
    match error {
        Error::Panicked { message, location, .. } => (message, location),
        other => panic!("this is no panic of a task: {other:?}"),
    }
}

#[track_caller]
pub fn nobody_is_left() {
    let left = children();
    assert!(left.is_empty(), "{left:?}");
}

pub fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid as i32), signal).unwrap();
}

#[track_caller]
pub fn ends(pid: u32) {
    eventually("the process has ended", || !is_alive(pid));
}

/// A segmentation fault, as far as anybody outside can tell.
pub fn crash() -> ! {
    // SAFETY: the default action ends the process and runs no code.
    unsafe { signal(Signal::SIGSEGV, SigHandler::SigDfl) }.unwrap();
    let _ = raise(Signal::SIGSEGV);
    unreachable!("SIGSEGV has ended the process")
}

pub fn exit_at_once(code: i32) {
    // SAFETY: takes any integer and does not return.
    unsafe { libc::_exit(code) }
}

/// What goes wrong while a value is turned into bytes or back.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Trouble {
    Error,
    Panic,
    Exit,
    Crash,
}

impl Trouble {
    fn strike<E>(self, error: impl FnOnce(&'static str) -> E) -> E {
        match self {
            Trouble::Error => error("serde was told so"),
            Trouble::Panic => panic!("in the middle of a value"),
            Trouble::Exit => process::exit(7),
            Trouble::Crash => crash(),
        }
    }
}

/// Strikes whoever turns it into bytes.
pub struct NotEncoded(pub Trouble);

impl Serialize for NotEncoded {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(self.0.strike(S::Error::custom))
    }
}

impl<'de> Deserialize<'de> for NotEncoded {
    fn deserialize<D: Deserializer<'de>>(bytes: D) -> Result<Self, D::Error> {
        Trouble::deserialize(bytes).map(NotEncoded)
    }
}

/// Strikes whoever makes it from its bytes.
pub struct NotDecoded(pub Trouble);

impl Serialize for NotDecoded {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for NotDecoded {
    fn deserialize<D: Deserializer<'de>>(bytes: D) -> Result<Self, D::Error> {
        Err(Trouble::deserialize(bytes)?.strike(D::Error::custom))
    }
}
