//! A quick task, one that takes for ever, and then a quick one again, which needs the only worker.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::exercise::{Verdict, Watch, Wrong, by_workers, numbers, salted, stood_still, work};
use common::gate::{Counter, Gate};
use common::pool::Pool;
use common::trace;

pub const SEE: &str = "Not in Python's pool: a limit that kills";

type Answer = fn(&Pool, fn(u32) -> u32, u32, Duration) -> Option<u32>;

static ENDLESS: AtomicU32 = AtomicU32::new(0);
static NEVER: Gate = Gate::new();
static GAVE_UP: Counter = Counter::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        work();
        if x == ENDLESS.load(Ordering::Relaxed) {
            NEVER.wait();
        }
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    NEVER.set_up();
    GAVE_UP.set_up();
    let _watch = Watch::new(|| {
        if GAVE_UP.get() > 0 {
            NEVER.open();
        }
    });
    let [quick, endless, next] = numbers(3).try_into().expect("three numbers");
    ENDLESS.store(endless, Ordering::Relaxed);
    let pool = Pool::new(1)?;

    // Nobody's patience ends before this one has.
    let result = answer(&pool, task, quick, Duration::from_secs(60));
    if result != Some(salted(quick)) {
        return Err(Wrong::new(format_args!(
            "task {quick} ends in time, with {}, and you returned {result:?}",
            salted(quick)
        )));
    }
    let result = answer(&pool, task, endless, Duration::from_millis(100));
    if let Some(result) = result {
        return Err(Wrong::new(format_args!(
            "task {endless} does not end, and you returned {result} as its result"
        )));
    }
    GAVE_UP.increment();
    let before = stood_still();
    pool.apply(task, next).map_err(|error| {
        Wrong::new(format_args!("the pool is to go on, but the next task got: {error}"))
    })?;
    if stood_still() > before {
        return Err(Wrong::new(format_args!(
            "you gave up, and task {endless} went on: task {next} waited for its worker. A timeout ends the \
             waiting, not the work"
        )));
    }
    by_workers(3, &[])
}
