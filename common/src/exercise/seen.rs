//! Who ran what, and the tasks' inputs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand::seq::index::sample;

use super::verdict::{Verdict, Wrong};
use crate::console::Role;
use crate::trace::{self, Kind};

/// So many different numbers, drawn anew for each check: an answer cannot know them.
pub fn numbers(count: usize) -> Vec<u32> {
    let drawn = sample(&mut rand::rng(), 900, count);
    drawn.into_iter().map(|number| number as u32 + 100).collect()
}

/// The numbers from 1 to `N` in an order that is drawn anew for each check. It is never that of the numbers: a prediction
/// that confuses the two must not come true by luck.
pub fn shuffled<const N: usize>() -> [u32; N] {
    loop {
        let mut order = std::array::from_fn(|index| index as u32 + 1);
        order.shuffle(&mut rand::rng());
        if N < 2 || !order.is_sorted() {
            return order;
        }
    }
}

static SALT: AtomicU32 = AtomicU32::new(0);

/// Draws what [`salted`] adds, before anything is forked.
pub(super) fn draw_salt() {
    SALT.store(rand::rng().random_range(1..1000), Ordering::Relaxed);
}

/// The result of a task: only who runs it knows what it is.
pub fn salted(x: u32) -> u32 {
    x * 1000 + SALT.load(Ordering::Relaxed)
}

/// Work that takes long enough to be seen in a timeline. Nothing is judged by how long it is.
pub fn work() {
    sleep(Duration::from_millis(30));
}

/// Somebody who ran a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The task.
    pub label: String,
    /// The process.
    pub pid: u32,
    /// What the process is: main, a worker, a process of its own.
    pub role: Role,
}

/// All tasks that were started, in the order in which they were.
pub fn ran() -> Vec<Ran> {
    let starts = trace::events().into_iter().filter(|event| event.kind == Kind::Start);
    starts.map(|event| Ran { label: event.label, pid: event.pid, role: event.role }).collect()
}

/// Whether so many tasks were run, and all of them by the workers of the pool: by these processes, or, if a task may
/// end its worker, by those of any pool (`pids` is empty).
///
/// # Errors
///
/// What is wrong if they were not.
pub fn by_workers(tasks: usize, pids: &[u32]) -> Verdict {
    let me = std::process::id();
    let ran = ran();
    let mine = ran.iter().filter(|ran| ran.pid == me).count();
    if ran.is_empty() {
        return Err(Wrong::unseen("no task was run: whatever you return, it is not their work"));
    }
    if mine == ran.len() {
        return Err(Wrong::new(format_args!(
            "all {mine} tasks ran in process {me}, the parent: this is a loop, not a pool"
        )));
    }
    if mine > 0 {
        return Err(Wrong::new(format_args!(
            "{mine} of {} tasks ran in process {me}, the parent, which should only wait",
            ran.len()
        )));
    }
    let is_other = |ran: &&Ran| match pids {
        [] => !matches!(ran.role, Role::Worker(_)),
        pids => !pids.contains(&ran.pid),
    };
    if let Some(Ran { label, pid, role }) = ran.iter().find(is_other) {
        return Err(Wrong::new(match role {
            Role::Worker(_) => format!(
                "task {label} ran in process {pid}, a worker of another pool: yours has the workers {pids:?}"
            ),
            _ => format!(
                "task {label} ran in process {pid}, which you started for it: the pool has workers"
            ),
        }));
    }
    if ran.len() != tasks {
        return Err(Wrong::new(format_args!(
            "{} tasks were run, and there are {tasks} items: each is to be run once",
            ran.len()
        )));
    }
    Ok(())
}
