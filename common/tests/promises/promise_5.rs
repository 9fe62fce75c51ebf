//! Timeouts, limits, cancelling.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use common::{
    Pool,
    gate::{Counter, Gate},
    harness::{eventually, is_alive, process_state},
    pool::{AsyncResult, Error},
};
use nix::unistd;

use crate::support::*;

static BUSY: Counter = Counter::new();
static GATE: Gate = Gate::new();

fn hold(x: u32) -> u32 {
    BUSY.increment();
    GATE.wait();
    x
}

fn hang(_: u32) -> u32 {
    BUSY.increment();
    loop {
        unistd::pause();
    }
}

fn set_up_here() {
    set_up(&[&BUSY]);
    GATE.set_up();
}

pub fn get_with_a_timeout_gives_up_waiting_and_nothing_else() {
    set_up_here();
    let pool = Pool::new(1).unwrap();
    let handle = pool.apply_async(hold, 7).unwrap();
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(20)] {
        assert_eq!(handle.get_timeout(timeout), Err(Error::Timeout));
        assert!(!handle.wait_timeout(timeout));
    }
    assert!(!handle.ready());
    assert_eq!(handle.successful(), None);
    GATE.open();
    assert_eq!(handle.get_timeout(Duration::MAX), Ok(&7));
    assert_eq!(handle.get_timeout(Duration::ZERO), Ok(&7));
    assert!(handle.wait_timeout(Duration::ZERO) && handle.ready());
    assert_eq!(handle.successful(), Some(true));
    assert_eq!(handle.get(), Ok(7));
    assert_eq!(BUSY.get(), 1, "it was run once");
}

pub fn next_with_a_timeout_loses_nothing() {
    set_up_here();
    let pool = Pool::new(2).unwrap();
    let mut ordered = pool.imap(hold, 0..5).unwrap();
    let mut unordered = pool.imap_unordered(hold, 0..5).unwrap();
    for _ in 0..10 {
        assert_eq!(ordered.next_timeout(Duration::from_millis(1)), Some(Err(Error::Timeout)));
        assert_eq!(unordered.next_timeout(Duration::ZERO), Some(Err(Error::Timeout)));
    }
    GATE.open();
    assert_eq!(ordered.map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let mut all = unordered.map(Result::unwrap).collect::<Vec<_>>();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4]);
}

pub fn a_limit_kills_the_worker_of_its_task_and_no_other() {
    set_up_here();
    let pool = Pool::new(2).unwrap();
    let other = pool.apply_async(hold, 7).unwrap();
    BUSY.wait_for(1);
    let workers = pool.pids();
    let limit = Duration::from_millis(30);
    match pool.limit(limit).apply(hang, 1) {
        Err(Error::TimeLimit { tasks, pid, limit: told }) => {
            assert_eq!((tasks.range, tasks.total, told), (0..1, Some(1), limit));
            assert!(workers.contains(&pid));
            assert_eq!(process_state(pid), None, "it is gone before anybody hears of it");
        }
        other => panic!("{other:?}"),
    }
    assert!(!other.ready());
    GATE.open();
    assert_eq!(other.get(), Ok(7));
    assert!(BUSY.get() <= 2, "no task was begun twice");
    everyone_works(&pool);
}

pub fn a_limit_ends_tasks_of_each_kind_of_call() {
    set_up_here();
    let pool = Pool::new(2).unwrap();
    let limited = pool.limit(Duration::from_millis(20));
    let is_limit = |error: &Error| matches!(error, Error::TimeLimit { .. });
    assert!(limited.apply_async(hang, 1).unwrap().get().is_err_and(|error| is_limit(&error)));
    assert!(limited.map(hang, [1, 2, 3]).is_err_and(|error| is_limit(&error)));
    assert!(limited.starmap(|a: u32, _: u32| hang(a), [(1, 2)]).is_err_and(|e| is_limit(&e)));
    let all: Vec<_> = limited.imap(hang, [1, 2, 3]).unwrap().collect();
    assert!(all.len() == 3 && all.iter().all(|answer| answer.as_ref().is_err_and(is_limit)));
    assert_eq!(limited.imap_unordered(hang, [1, 2]).unwrap().filter(|a| a.is_err()).count(), 2);
    everyone_works(&pool);
}

/// Each limit kills a worker; twenty in a row are not workers that cannot start.
pub fn limits_again_and_again_do_not_break_the_pool() {
    static STARTED: Counter = Counter::new();
    set_up(&[&BUSY, &STARTED]);
    let pool = Pool::builder(1)
        .initializer(|| {
            STARTED.increment();
            // Longer than the limit, which is for tasks.
            thread::sleep(Duration::from_millis(20));
        })
        .build()
        .unwrap();
    let limited = pool.limit(Duration::from_millis(1));
    for turn in 1..=20 {
        assert!(matches!(limited.apply(hang, 1), Err(Error::TimeLimit { .. })));
        STARTED.wait_for(turn + 1);
    }
    assert_eq!(pool.apply(|x: u32| x + 1, 1), Ok(2));
}

pub fn a_task_within_its_limit_is_none_of_its_business() {
    set_up_here();
    let pool = Pool::new(2).unwrap();
    let workers = pool.pids();
    let limited = pool.limit(Duration::from_secs(3600));
    assert_eq!(limited.map(|x: u32| x + 1, 0..100), Ok((1..=100).collect()));
    assert_eq!(pool.limit(Duration::MAX).apply(|x: u32| x + 1, 1), Ok(2));
    assert_eq!(pool.pids(), workers);
}

pub fn a_call_that_is_cancelled_in_the_queue_never_runs() {
    static RUN: Counter = Counter::new();
    set_up_here();
    RUN.set_up();
    let pool = Pool::new(1).unwrap();
    let workers = pool.pids();
    let running = pool.apply_async(hold, 7).unwrap();
    BUSY.wait_for(1);
    let run = |x: u32| {
        RUN.increment();
        x
    };
    let queued = pool.apply_async(run, 1).unwrap();
    let queued_map = pool.chunksize(1).map_async(run, 0..20).unwrap();
    let behind = pool.apply_async(|x: u32| x, 9).unwrap();
    assert!(queued.cancel() && queued_map.cancel());
    assert!(!queued.cancel(), "there is an answer now");
    assert_eq!(queued.get_timeout(Duration::ZERO), Err(Error::Cancelled));
    assert_eq!(queued_map.get_timeout(Duration::ZERO), Err(Error::Cancelled));
    assert!(!running.ready());
    GATE.open();
    assert_eq!(running.get(), Ok(7));
    assert_eq!(behind.get(), Ok(9));
    assert_eq!(RUN.get(), 0);
    assert_eq!(pool.pids(), workers, "no worker had to die");
    assert_eq!(queued_map.get(), Err(Error::Cancelled));
}

pub fn a_call_that_is_cancelled_while_it_runs_costs_its_workers_and_no_others() {
    set_up_here();
    let pool = Pool::new(3).unwrap();
    let other = pool.apply_async(hold, 7).unwrap();
    BUSY.wait_for(1);
    let map = pool.chunksize(1).map_async(hang, 0..10).unwrap();
    BUSY.wait_for(3);
    let before = pool.pids();
    assert!(map.cancel());
    assert_eq!(map.get(), Err(Error::Cancelled));
    eventually("two workers are killed and replaced", || {
        let now = pool.pids();
        now.len() == 3 && now.iter().filter(|pid| before.contains(pid)).count() == 1
    });
    assert_eq!(before.iter().filter(|&&pid| is_alive(pid)).count(), 1);
    assert!(!other.ready());
    GATE.open();
    assert_eq!(other.get(), Ok(7));
    assert_eq!(BUSY.get(), 3, "the eight that waited never ran");
    everyone_works(&pool);
}

/// A worker goes from the tasks of one map to those of the next; only who runs what was cancelled is killed.
pub fn cancelling_one_map_loses_nothing_of_another() {
    static BEGUN: [Counter; 200] = [const { Counter::new() }; 200];
    set_up_here();
    BEGUN.iter().for_each(Counter::set_up);
    let count = |index: usize| {
        BEGUN[index].increment();
        index
    };
    let pool = Pool::new(3).unwrap();
    let before = pool.chunksize(1).map_async(count, 0..100).unwrap();
    let cancelled = pool.chunksize(1).map_async(hang, 0..10).unwrap();
    let behind = pool.chunksize(1).map_async(count, 100..200).unwrap();
    BUSY.wait_for(1);
    assert!(cancelled.cancel());
    assert_eq!(cancelled.get(), Err(Error::Cancelled));
    assert_eq!(before.get(), Ok((0..100).collect()));
    assert_eq!(behind.get(), Ok((100..200).collect()));
    assert!(BEGUN.iter().all(|begun| begun.get() == 1));
    assert!(BUSY.get() <= 3);
    everyone_works(&pool);
}

pub fn cancel_after_the_answer_changes_nothing() {
    set_up_here();
    let pool = Pool::new(1).unwrap();
    let workers = pool.pids();
    let done = pool.apply_async(|x: u32| x, 7).unwrap();
    done.wait();
    assert!(!done.cancel());
    assert_eq!(done.get(), Ok(7));
    let failed = pool.apply_async(|(): ()| panic!("so it is"), ()).unwrap();
    failed.wait();
    assert!(!failed.cancel());
    assert!(matches!(failed.get(), Err::<(), _>(Error::Panicked { .. })));
    everyone_works(&pool);
    assert_eq!(pool.pids(), workers);
    let after_the_end = pool.apply_async(hang, 1).unwrap();
    drop(pool);
    assert!(!after_the_end.cancel());
    assert_eq!(after_the_end.get(), Err(Error::Terminated));
}

/// Its worker is freed before the callback runs, which is on the thread that cancels.
pub fn a_callback_that_is_told_of_a_cancel_may_wait_for_the_freed_worker() {
    static OTHER: Mutex<Option<AsyncResult<u32>>> = Mutex::new(None);
    set_up_here();
    GATE.open();
    let pool = Pool::new(1).unwrap();
    let (sender, other) = mpsc::channel();
    let wait = move |_: &Result<u32, Error>| {
        let other = OTHER.lock().unwrap().take().unwrap();
        sender.send(other.get()).unwrap();
    };
    let hangs = pool.apply_async_with(hang, 1, wait).unwrap();
    BUSY.wait_for(1);
    *OTHER.lock().unwrap() = Some(pool.apply_async(hold, 2).unwrap());
    assert!(hangs.cancel());
    assert_eq!(other.recv().unwrap(), Ok(2));
    assert_eq!(hangs.get(), Err(Error::Cancelled));
}

pub fn who_waits_is_told_that_another_thread_cancelled() {
    set_up_here();
    let pool = Pool::new(1).unwrap();
    let handle = pool.apply_async(hang, 1).unwrap();
    BUSY.wait_for(1);
    // One thread waits and another cancels what it waits for: a handle is one thread's at a time, so
    // the waiting is done by a callback's channel.
    let (sender, told) = std::sync::mpsc::channel();
    let queued =
        pool.apply_async_with(hang, 1, move |answer| sender.send(answer.clone()).unwrap()).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || told.recv().unwrap());
        scope.spawn(move || assert!(queued.cancel()));
        assert_eq!(waiting.join().unwrap(), Err(Error::Cancelled));
    });
    assert!(handle.cancel());
    everyone_works(&pool);
}

/// The worker has not come so far as to take a task. None of this is its fault.
pub fn cancelling_again_and_again_does_not_break_the_pool() {
    static STARTED: Counter = Counter::new();
    set_up_here();
    STARTED.set_up();
    let pool = Pool::builder(1)
        .initializer(|| {
            STARTED.increment();
            GATE.wait();
        })
        .build()
        .unwrap();
    STARTED.wait_for(1);
    for _ in 0..30 {
        let handle = pool.apply_async(hang, 1).unwrap();
        assert!(handle.cancel());
        assert_eq!(handle.get(), Err(Error::Cancelled));
    }
    GATE.open();
    for _ in 0..30 {
        let handle = pool.apply_async(hang, 1).unwrap();
        assert!(handle.cancel());
    }
    assert_eq!(pool.apply(|x: u32| x + 1, 1), Ok(2));
    everyone_works(&pool);
}
