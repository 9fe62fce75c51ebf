//! The workers wait for each other, so that one after another stands still.

use std::collections::HashSet;
use std::io;

use common::console::Role;
use common::exercise::{Meeting, Verdict, Watch, Wrong, numbers, ran, salted, stood_still, work};
use common::trace;

pub const SEE: &str = "What a process for each task costs, and what a warm pool costs";

type Answer = fn(usize, fn(u32) -> u32, Vec<u32>) -> io::Result<Vec<u32>>;

static ALL: Meeting = Meeting::new();
const WORKERS: usize = 3;

fn task(x: u32) -> u32 {
    trace::task(x, || {
        ALL.wait_for(WORKERS as u64);
        work();
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    let watch = Watch::opening(&[ALL.gate()]);
    let items = numbers(7);
    let results = answer(WORKERS, task, items.clone())?;
    watch.nobody_is_left()?;

    let ran = ran();
    let me = std::process::id();
    if ran.iter().any(|ran| ran.pid == me) {
        return Err(Wrong::new(format_args!(
            "tasks ran in process {me}, the parent: it should only start the workers and read"
        )));
    }
    if ran.iter().any(|ran| matches!(ran.role, Role::Worker(_))) {
        return Err(Wrong::new("this is the course's pool: make one of your own, with `Process`"));
    }
    if ran.len() != items.len() {
        return Err(Wrong::new(format_args!(
            "{} tasks were run, and there are {} items: each is to be run once",
            ran.len(),
            items.len()
        )));
    }
    if stood_still() > 0 {
        return Err(Wrong::new(
            "not all workers ran at one time: one was waited for before the next was started",
        ));
    }
    let processes = ran.iter().map(|ran| ran.pid).collect::<HashSet<_>>().len();
    if processes != WORKERS {
        return Err(Wrong::new(format_args!(
            "{processes} processes for {} tasks: a pool of {WORKERS} has {WORKERS}, which live longer than one task",
            ran.len()
        )));
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
