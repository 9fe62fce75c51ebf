//! The tasks wait until `own` has been called, and `own` waits until a task has started: one after the other stands
//! still.

use std::process;

use common::exercise::{Verdict, Watch, Wrong, numbers, ran, salted, stood_still, work};
use common::gate::{Counter, Gate};
use common::pool::{Error, Pool};
use common::trace;

pub const SEE: &str = "map_async: the call returns at once, get waits";

type Answer = fn(&Pool, fn(u32) -> u32, Vec<u32>, fn()) -> Result<Vec<u32>, Error>;

static STARTED: Gate = Gate::new();
static OWN_DONE: Gate = Gate::new();
static CALLED: Counter = Counter::new();

const OWN: &str = "own";

fn task(x: u32) -> u32 {
    trace::task(x, || {
        STARTED.open();
        OWN_DONE.wait();
        work();
        salted(x)
    })
}

fn own() {
    trace::task(OWN, || {
        CALLED.increment();
        STARTED.wait();
        work();
        OWN_DONE.open();
    })
}

pub fn check(answer: Answer) -> Verdict {
    CALLED.set_up();
    let _watch = Watch::opening(&[&STARTED, &OWN_DONE]);
    let pool = Pool::new(2)?;
    let items = numbers(3);
    let results = answer(&pool, task, items.clone(), own)?;

    let me = process::id();
    let ran = ran();
    let (own, tasks): (Vec<_>, Vec<_>) = ran.iter().partition(|ran| ran.label == OWN);
    if CALLED.get() != 1 {
        return Err(Wrong::new(format_args!("`own` was called {} times, not once", CALLED.get())));
    }
    if let Some(other) = own.iter().find(|ran| ran.pid != me) {
        return Err(Wrong::new(format_args!(
            "`own` ran in process {}: it is this process, {me}, that has time for it",
            other.pid
        )));
    }
    if let Some(mine) = tasks.iter().find(|ran| ran.pid == me) {
        return Err(Wrong::new(format_args!(
            "task {} ran in process {me}, the parent: the workers are to run it",
            mine.label
        )));
    }
    if stood_still() > 0 {
        let first = if ran.first().is_some_and(|ran| ran.label == OWN) {
            "`own` had ended before the first task started"
        } else {
            "`own` was called when all tasks had ended: who waits for the results does nothing meanwhile"
        };
        return Err(Wrong::new(format_args!("one after the other: {first}")));
    }
    let expected: Vec<u32> = items.iter().copied().map(salted).collect();
    if results != expected {
        return Err(Wrong::new(format_args!(
            "the results of {items:?}: expected {expected:?}, returned {results:?}"
        )));
    }
    Ok(())
}
