//! Makes a run show a given order, or shows that it cannot.
//!
//! Each event waits for its turn: for all that come before it in the order. If the order is possible the run shows it.
//! If not, the event whose turn it is cannot come, all others wait, and everything stands still.

use std::iter::zip;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use super::standstill::{Watch, stood_still};
use super::verdict::{Verdict, Wrong};
use crate::ExitStatus;
use crate::console::Role;
use crate::contract::{Contract, Event, orders};
use crate::fork::{Interrupt, fork};
use crate::gate::{Counter, Gate};
use crate::os;
use crate::trace::{self, Kind};

/// What the learner says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// A run can show it.
    Possible,
    /// No run ever shows it.
    Impossible,
}

/// A run that was to show an order.
#[derive(Debug)]
pub struct Forced {
    /// Whether it did.
    pub shown: bool,
    /// What happened in it; until it stood still, if it did.
    pub events: Vec<trace::Event>,
}

/// No order is longer.
const MOST: usize = 32;

/// How far apart the events are drawn. Nothing is judged by it.
const APART: Duration = Duration::from_millis(8);

static ORDER: OnceLock<Vec<Event>> = OnceLock::new();
static TURNS: [Gate; MOST + 1] = [const { Gate::new() }; MOST + 1];

/// How many events of the order have come in their turn.
static CAME: Counter = Counter::new();

/// How a process ends that could not show the order.
const NOT_SHOWN: i32 = 3;

/// What the trace calls the moment at which everything stood still.
const STILL: &str = "everybody waits";

/// Makes the program show this order from its beginning on: in a fork of this process. The program's tasks must be
/// [`task`], and what main sees, it must tell by [`passes`].
///
/// # Panics
///
/// If the program does not end well, or if the order is longer than 32 events.
pub fn forced(order: &[Event], program: impl FnOnce()) -> Forced {
    let before = trace::events().len();
    let (pid, status) = in_a_fork(|| {
        let _ = ORDER.set(order.to_vec());
        let turns = &TURNS[..=order.len()];
        turns.iter().for_each(Gate::set_up);
        CAME.set_up();
        turns[0].open();
        let watch = Watch::new(|| {
            trace::record(Kind::Mark, STILL);
            turns.iter().for_each(Gate::open);
        });
        let still_before = stood_still();
        program();
        drop(watch);
        // The program may also have ended without the last of them.
        let all_came = CAME.get() == order.len() as u64;
        if all_came && stood_still() == still_before { 0 } else { NOT_SHOWN }
    });
    let shown = match status {
        ExitStatus::Exited(0) => true,
        ExitStatus::Exited(NOT_SHOWN) => false,
        status => panic!("the exercise's program {status}"),
    };
    let mut events: Vec<_> = trace::events().into_iter().skip(before).collect();
    if let Some(still) = events.iter().position(|event| event.label == STILL) {
        events.truncate(still + 1);
        // The watcher saw it; it happened to the program.
        events[still].pid = pid;
    }
    Forced { shown, events }
}

fn in_a_fork(body: impl FnOnce() -> i32) -> (u32, ExitStatus) {
    let child = fork([], Role::Main, Interrupt::Ends, |[]| body()).expect("cannot fork");
    (child.as_raw() as u32, os::reap_pid(child))
}

/// The task of a [`forced`] program: it starts and ends when it is its turn.
pub fn task(number: usize) -> usize {
    passes(Event::Start(number));
    passes(Event::End(number));
    number
}

/// Waits for the event's turn, records it, and gives the turn to the next. What is not in the order comes after
/// all that is.
pub fn passes(event: Event) {
    let (turn, last) = awaits(event);
    sleep(APART);
    match event {
        Event::Start(task) => trace::record(Kind::Start, task),
        Event::End(task) => trace::record(Kind::End, task),
        // The pool's calls record these.
        Event::Return(_) | Event::Yield(_) | Event::Got(_) | Event::Waited(_) => {}
        _ => trace::record(Kind::Mark, event),
    }
    if turn < last {
        CAME.increment();
        TURNS[turn + 1].open();
    }
}

/// Waits for the event's turn, and does not yet say that it has come: main leaves the pool's scope only when it is time to.
/// Returns its place in the order, and that of all that is not in it.
pub fn awaits(event: Event) -> (usize, usize) {
    let order = ORDER.get().expect("this runs in a forced program");
    let turn = order.iter().position(|of| *of == event).unwrap_or(order.len());
    TURNS[turn].wait();
    (turn, order.len())
}

/// Judges guesses about these orders, of which each may stop before the program does: by the contract, and by a
/// run of the program.
///
/// # Panics
///
/// If contract and run disagree.
pub fn judge_guesses<const N: usize>(
    contract: &Contract,
    texts: [&str; N],
    guesses: [Guess; N],
    program: impl Fn(),
) -> Verdict {
    for (text, guess) in zip(texts, guesses) {
        let order = &orders(text)[0];
        // At the end of the order nothing is wrong with it: it stops early.
        let impossible = contract.check(order).err().filter(|why| why.position < order.len());
        let Forced { shown, events } = forced(order, &program);
        assert_eq!(shown, impossible.is_none(), "contract and run disagree about {text:?}");
        match (guess, impossible) {
            (Guess::Possible, Some(why)) => {
                let event = order[why.position];
                return Err(Wrong::shown_by(
                    format_args!(
                        "you say that this order is possible:\n    {text}\n\
                         It is impossible: {why}.\n\
                         This run waited for \"{event}\", and it never came:"
                    ),
                    &events,
                ));
            }
            (Guess::Impossible, None) => {
                return Err(Wrong::shown_by(
                    format_args!(
                        "you say that this order is impossible:\n    {text}\nThis run shows it:"
                    ),
                    &events,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

static ROUNDS: [Gate; MOST] = [const { Gate::new() }; MOST];
static ROUND: Counter = Counter::new();

/// How many rounds a program takes whose tasks are [`stop`]: in each round, all tasks that can run at one time run, and
/// when nobody else can begin they end together. Tasks that take a second each would take so many seconds.
///
/// # Panics
///
/// If the program does not end well, or takes more than 32 rounds.
pub fn rounds(program: impl FnOnce()) -> (usize, Vec<trace::Event>) {
    let before = trace::events().len();
    let (_, status) = in_a_fork(|| {
        ROUNDS.iter().for_each(Gate::set_up);
        ROUND.set_up();
        let watch = Watch::new(|| {
            let round = ROUND.increment() as usize - 1;
            ROUNDS[round].open();
        });
        program();
        drop(watch);
        ROUND.get() as i32
    });
    match status {
        ExitStatus::Exited(rounds) => {
            (rounds as usize, trace::events().into_iter().skip(before).collect())
        }
        status => panic!("the exercise's program {status}"),
    }
}

/// The task of a program whose [`rounds`] are counted: it ends with the round in which it starts.
pub fn stop(number: usize) -> usize {
    trace::task(number, || ROUNDS[ROUND.get() as usize].wait());
    number
}
