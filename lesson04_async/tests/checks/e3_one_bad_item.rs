//! The first two tasks wait for each other; which item is bad, is drawn.

use std::sync::atomic::{AtomicU32, Ordering};

use common::exercise::{
    Meeting, Verdict, Watch, Wrong, by_workers, numbers, salted, stood_still, work,
};
use common::pool::Pool;
use common::trace;

pub const SEE: &str = "apply_async in a loop, get after the loop";

type Answer = fn(&Pool, fn(u32) -> u32, Vec<u32>) -> Vec<Option<u32>>;

static TWO: Meeting = Meeting::new();
static BAD: AtomicU32 = AtomicU32::new(0);

fn task(x: u32) -> u32 {
    trace::task(x, || {
        TWO.wait_for(2);
        work();
        assert_ne!(x, BAD.load(Ordering::Relaxed), "this is the bad item");
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    let _watch = Watch::opening(&[TWO.gate()]);
    let items = numbers(4);
    let bad = items[numbers(1)[0] as usize % items.len()];
    BAD.store(bad, Ordering::Relaxed);
    let pool = Pool::new(2)?;
    let pids = pool.pids();
    let results = answer(&pool, task, items.clone());

    by_workers(items.len(), &pids)?;
    if stood_still() > 0 {
        return Err(Wrong::new(
            "one task at a time: you waited for the first result before you made the second call",
        ));
    }
    let good = |item: &u32| (*item != bad).then(|| salted(*item));
    let expected: Vec<Option<u32>> = items.iter().map(good).collect();
    if results == expected {
        return Ok(());
    }
    let why = match results.iter().flatten().count() {
        0 => {
            "3 of 4 tasks had a result, and you return none: a call has one answer, and an error takes them all"
        }
        _ if results.len() < items.len() => {
            "a place for each item is missing: nobody can tell whose result is whose"
        }
        _ => "these are not the results in the order of the items",
    };
    Err(Wrong::new(format_args!(
        "{why}.\nitems    {items:?}, of which {bad} is bad\nexpected {expected:?}\nreturned {results:?}"
    )))
}
