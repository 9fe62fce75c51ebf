//! All three start together, and only one of them ends. Then three others need all three workers.

use std::sync::atomic::{AtomicU32, Ordering};

use common::exercise::{Meeting, Verdict, Watch, Wrong, numbers, ran, salted, stood_still, work};
use common::gate::{Counter, Gate};
use common::pool::{Error, Pool};
use common::trace;

pub const SEE: &str = "Not in Python's pool: cancel";

type Answer = fn(&Pool, fn(u32) -> u32, Vec<u32>) -> Result<u32, Error>;

static ALL: Meeting = Meeting::new();
static NEXT: Meeting = Meeting::new();
static WINNER: AtomicU32 = AtomicU32::new(0);
static NEVER: Gate = Gate::new();
static DONE: Counter = Counter::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        ALL.wait_for(3);
        work();
        if x != WINNER.load(Ordering::Relaxed) {
            NEVER.wait();
        }
        salted(x)
    })
}

fn next(x: u32) {
    trace::task(format_args!("next {x}"), || {
        NEXT.wait_for(3);
        work();
    })
}

pub fn check(answer: Answer) -> Verdict {
    let gates = [ALL.gate(), NEXT.gate()];
    NEVER.set_up();
    DONE.set_up();
    let _watch = Watch::new(|| {
        gates[0].open();
        // Where not all have started, nobody can win.
        if DONE.get() > 0 || ran().len() < 3 {
            gates[1].open();
            NEVER.open();
        }
    });
    let items = numbers(3);
    // Not the first of the list, for which one might wait first.
    let winner = items[1 + numbers(1)[0] as usize % 2];
    WINNER.store(winner, Ordering::Relaxed);
    let pool = Pool::new(3)?;

    let result = answer(&pool, task, items.clone())?;
    let me = std::process::id();
    if ran().iter().any(|ran| ran.pid == me) {
        return Err(Wrong::new(format_args!("tasks ran in process {me}, the parent")));
    }
    if stood_still() > 0 || ran().len() < items.len() {
        return Err(Wrong::new("not all of the items ran at one time, so they could not compete"));
    }
    if result != salted(winner) {
        return Err(Wrong::new(format_args!(
            "task {winner} was the first, with {}, and you returned {result}",
            salted(winner)
        )));
    }
    DONE.increment();
    pool.map(next, 1..=3).map_err(|error| {
        Wrong::new(format_args!("the pool is to go on, but the next tasks got: {error}"))
    })?;
    if stood_still() > 0 {
        return Err(Wrong::new(
            "you had the first result, and the other tasks went on: what came next waited for their workers",
        ));
    }
    Ok(())
}
