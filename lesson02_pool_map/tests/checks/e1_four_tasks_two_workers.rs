//! The first two tasks wait for each other: an answer that runs one at a time stands still. The first also waits until
//! the third has started, so that the second result comes before the first.

use std::sync::atomic::{AtomicU32, Ordering};

use common::exercise::{
    Meeting, Verdict, Watch, Wrong, by_workers, numbers, salted, stood_still, work,
};
use common::gate::Gate;
use common::pool::{Error, Pool};
use common::trace;

pub const SEE: &str = "map: four tasks for the workers of one pool";

type Answer = fn(&Pool, fn(u32) -> u32, Vec<u32>) -> Result<Vec<u32>, Error>;

static TWO: Meeting = Meeting::new();
static FIRST: AtomicU32 = AtomicU32::new(0);
static THIRD: AtomicU32 = AtomicU32::new(0);
static THIRD_STARTED: Gate = Gate::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        TWO.wait_for(2);
        if x == THIRD.load(Ordering::Relaxed) {
            THIRD_STARTED.open();
        }
        work();
        if x == FIRST.load(Ordering::Relaxed) {
            THIRD_STARTED.wait();
            work();
        }
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    let _watch = Watch::opening(&[TWO.gate(), &THIRD_STARTED]);
    let items = numbers(4);
    FIRST.store(items[0], Ordering::Relaxed);
    THIRD.store(items[2], Ordering::Relaxed);
    let pool = Pool::new(2)?;
    let pids = pool.pids();
    let results = answer(&pool, task, items.clone())?;

    by_workers(items.len(), &pids)?;
    if stood_still() > 0 {
        return Err(Wrong::new(
            "one task at a time: the second did not start before the first had ended, although \
             a worker was idle",
        ));
    }
    let expected: Vec<u32> = items.iter().copied().map(salted).collect();
    if results != expected {
        return Err(Wrong::new(format_args!(
            "the results are not in the order of the items:\n\
             items    {items:?}\nexpected {expected:?}\nreturned {results:?}"
        )));
    }
    Ok(())
}
