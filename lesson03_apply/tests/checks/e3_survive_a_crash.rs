//! Four items: one is harmless, the others end their task in three ways.

use std::process::{abort, exit};
use std::sync::atomic::{AtomicU32, Ordering};

use common::exercise::{Verdict, Watch, Wrong, by_workers, numbers, salted};
use common::pool::Pool;
use common::trace;

pub const SEE: &str = "When apply is right: one task that must not run in this process";

type Answer = fn(&Pool, fn(u32) -> u32, u32, u32) -> u32;

/// The harmless item; the next one panics, the one after that aborts, the last exits.
static FIRST: AtomicU32 = AtomicU32::new(0);

fn task(item: u32) -> u32 {
    trace::task(item, || match item - FIRST.load(Ordering::Relaxed) {
        0 => salted(item),
        1 => panic!("the task does not like {item}"),
        2 => abort(),
        _ => exit(0),
    })
}

pub fn check(answer: Answer) -> Verdict {
    let _watch = Watch::opening(&[]);
    let [first, instead] = numbers(2).try_into().expect("two numbers");
    FIRST.store(first, Ordering::Relaxed);
    let pool = Pool::new(1)?;

    let fates = ["returns a result", "panics", "aborts", "exits"];
    for (item, fate) in (first..).zip(fates) {
        let expected = if item == first { salted(item) } else { instead };
        let returned = answer(&pool, task, item, instead);
        if returned != expected {
            return Err(Wrong::new(format_args!(
                "the task {fate} on {item}, and you returned {returned} instead of {expected}"
            )));
        }
    }
    by_workers(fates.len(), &[])?;
    pool.apply(salted, first)?;
    Ok(())
}
