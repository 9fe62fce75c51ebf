//! The long task, which is the first, ends only when all other results were told. An answer that waits for it
//! stands still.

use std::sync::atomic::{AtomicU32, Ordering};

use common::exercise::{Verdict, Watch, Wrong, by_workers, numbers, salted, stood_still, work};
use common::gate::Gate;
use common::pool::{Error, Pool};
use common::trace::{self, Kind};

pub const SEE: &str =
    "imap: each result as soon as it is its turn; imap_unordered: as soon as it is there";

type Answer = fn(&Pool, fn(u32) -> u32, Vec<u32>, &mut dyn FnMut(u32)) -> Result<(), Error>;

static LONG: AtomicU32 = AtomicU32::new(0);
static ALL_OTHERS_TOLD: Gate = Gate::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        work();
        if x == LONG.load(Ordering::Relaxed) {
            ALL_OTHERS_TOLD.wait();
        }
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    let _watch = Watch::opening(&[&ALL_OTHERS_TOLD]);
    let items = numbers(4);
    LONG.store(items[0], Ordering::Relaxed);
    let pool = Pool::new(2)?;
    let pids = pool.pids();

    let (mut told, mut still_before) = (Vec::new(), Vec::new());
    answer(&pool, task, items.clone(), &mut |result| {
        trace::record(Kind::Mark, format_args!("told {}", result / 1000));
        told.push(result);
        still_before.push(stood_still());
        if told.len() == items.len() - 1 {
            ALL_OTHERS_TOLD.open();
        }
    })?;

    by_workers(items.len(), &pids)?;
    let mut expected: Vec<u32> = items.iter().copied().map(salted).collect();
    let mut all = told.clone();
    all.sort_unstable();
    expected.sort_unstable();
    if all != expected {
        return Err(Wrong::new(format_args!(
            "each result is to be told once:\nexpected {expected:?}, in any order\ntold     {told:?}"
        )));
    }
    if stood_still() > 0 {
        let in_time = still_before.iter().filter(|before| **before == 0).count();
        let long = items[0];
        return Err(Wrong::new(format_args!(
            "{in_time} of 3 results were told while task {long}, the long one, still ran; the others \
             had ended, and waited for it. `imap` makes each result wait for its turn. Which call does not?"
        )));
    }
    Ok(())
}
