//! The first two tasks that start wait for each other: an answer that runs one at a time stands still.

use common::exercise::{Verdict, Watch, Wrong, by_workers, numbers, salted, stood_still, work};
use common::gate::{Counter, Gate};
use common::pool::{Error, Pool};
use common::trace;

pub const SEE: &str = "map: four tasks for the workers of one pool";

static STARTED: Counter = Counter::new();
static BOTH: Gate = Gate::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        if STARTED.increment() == 2 {
            BOTH.open();
        }
        BOTH.wait();
        work();
        salted(x)
    })
}

pub fn check(answer: fn(&Pool, fn(u32) -> u32, Vec<u32>) -> Result<Vec<u32>, Error>) -> Verdict {
    STARTED.set_up();
    let _watch = Watch::opening(&[&BOTH]);
    let pool = Pool::new(2)?;
    let pids = pool.pids();
    let items = numbers(4);
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
