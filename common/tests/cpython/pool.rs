//! `_TestPool`, `_TestPoolWorkerErrors`, `_TestPoolWorkerLifetime` and their neighbours.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use common::Pool;
use common::gate::{Counter, Gate};
use common::harness::{self, eventually, is_alive, open_descriptors, tests};
use common::pool::{Error, Tasks};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tools::{
    MET, NotEncoded, Trouble, ends, everybody_works_at_once, nobody_is_left, panicked,
    pid_and_square, square, squares, task,
};

const NOW: Duration = Duration::ZERO;

pub fn all() -> Vec<harness::Test> {
    tests![
        apply_runs_its_task_in_a_worker,
        map_keeps_the_order_of_the_input,
        a_chunk_is_one_task_of_one_worker,
        starmap_takes_pairs,
        an_async_map_does_not_wait_for_its_tasks,
        the_callback_gets_the_result_or_the_error_once,
        the_callback_comes_before_the_answer,
        a_callback_that_panics_is_the_answer,
        an_argument_that_cannot_be_encoded_is_an_error_of_the_call,
        an_empty_map_needs_no_worker,
        an_input_that_panics_panics_in_the_caller,
        an_async_result_comes_when_its_task_ends,
        a_timeout_leaves_the_task_running,
        imap_keeps_the_order_of_the_input,
        imap_goes_to_its_end_and_stays_there,
        imap_hands_out_what_came_before_its_input_panicked,
        imap_reads_ahead_of_a_panic_of_its_input,
        imap_unordered_gives_results_as_they_come,
        imap_unordered_gives_each_result_once,
        imap_unordered_hands_out_what_came_before_its_input_panicked,
        a_pool_has_the_workers_it_was_asked_for,
        a_pool_of_no_workers_is_an_error,
        terminate_ends_tasks_that_take_for_ever,
        nothing_in_nothing_out,
        leaving_the_scope_ends_the_pool,
        a_panic_says_what_and_where_and_who,
        a_panic_with_any_payload_is_an_error,
        a_map_that_failed_has_waited_for_all_its_tasks,
        arguments_and_results_are_dropped,
        a_result_that_nobody_wants_is_dropped,
        an_ended_pool_takes_no_calls,
        a_result_that_cannot_be_encoded_costs_no_worker,
        a_worker_is_replaced_after_its_tasks,
        closing_early_loses_no_task,
        maxtasksperchild_of_zero_is_an_error,
        a_pool_that_is_never_dropped_goes_with_the_program,
        a_pool_that_cannot_be_made_leaves_nothing_behind,
    ]
}

fn apply_runs_its_task_in_a_worker() {
    let pool = Pool::new(4).unwrap();
    let (worker, result) = pool.apply(pid_and_square, 5).unwrap();
    assert_eq!(result, 25);
    assert_ne!(worker, process::id());
    assert!(pool.pids().contains(&worker));
    // Python's keyword arguments: a closure names what it takes.
    assert_eq!(pool.apply(|(base, exponent)| u64::pow(base, exponent), (2, 8)), Ok(256));
}

fn map_keeps_the_order_of_the_input() {
    // The last task ends first, the first one last.
    static ENDED: Counter = Counter::new();
    ENDED.set_up();
    let backwards = |place: u64| {
        ENDED.wait_for(place);
        ENDED.increment();
        place
    };
    let pool = Pool::new(4).unwrap();
    assert_eq!(pool.map(backwards, [3, 2, 1, 0]), Ok(vec![3, 2, 1, 0]));
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)));
    assert_eq!(pool.chunksize(20).map(square, 0..100), Ok(squares(100)));
    assert_eq!(pool.chunksize(7).map(square, 0..100), Ok(squares(100)), "the last has 2 items");
}

fn a_chunk_is_one_task_of_one_worker() {
    // A worker that has done one task is replaced: so no two chunks have the same pid.
    let pool = Pool::builder(4).maxtasksperchild(1).build().unwrap();
    let results = pool.chunksize(20).map(pid_and_square, 0..100).unwrap();
    let mut workers = HashSet::new();
    for chunk in results.chunks(20) {
        assert!(workers.insert(chunk[0].0), "{} had two chunks", chunk[0].0);
        assert!(chunk.iter().all(|item| item.0 == chunk[0].0), "{chunk:?}");
    }
    assert!(results.into_iter().map(|(_, result)| result).eq(squares(100)));
}

fn starmap_takes_pairs() {
    let pool = Pool::new(4).unwrap();
    for (count, chunksize) in [(10, 1), (100, 20)] {
        let pairs = || (0..count).zip((0..count).rev());
        let products: Vec<u64> = pairs().map(|(x, y)| x * y).collect();
        let pool = pool.chunksize(chunksize);
        assert_eq!(pool.starmap(|x, y| x * y, pairs()).unwrap(), products);
        assert_eq!(pool.starmap_async(|x, y| x * y, pairs()).unwrap().get(), Ok(products));
    }
    // Which is which.
    assert_eq!(
        pool.starmap(|x: i32, y: String| format!("{y}{x}"), [(1, "a".into())]).unwrap(),
        ["a1"]
    );
}

fn an_async_map_does_not_wait_for_its_tasks() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let pool = Pool::new(2).unwrap();
    let held = |x: u64| {
        GATE.wait();
        x * x
    };
    let squares_of = pool.map_async(held, 0..10).unwrap();
    let products = pool.starmap_async(|x: u64, y: u64| x * y, [(2, 3), (4, 5)]).unwrap();
    assert!(!squares_of.ready());
    assert_eq!(squares_of.successful(), None, "Python raises ValueError");
    assert_eq!(products.get_timeout(NOW), Err(Error::Timeout), "both workers are held");
    GATE.open();
    assert_eq!(squares_of.get(), Ok(squares(10)));
    assert_eq!(products.get(), Ok(vec![6, 20]));
}

fn the_callback_gets_the_result_or_the_error_once() {
    let pool = Pool::new(4).unwrap();
    let (sender, called) = channel();
    let parse = |text: String| text.parse::<u64>().unwrap();
    for text in ["1", "a"] {
        let sender = sender.clone();
        let tell = move |answer: &Result<Vec<u64>, Error>| sender.send(answer.clone()).unwrap();
        let answer = pool.map_async_with(parse, [text.into()], tell).unwrap();
        answer.wait();
        assert_eq!(answer.successful(), Some(text == "1"));
        assert_eq!(called.try_recv().expect("it was called before the wait ended"), answer.get());
    }
    let apply_sender = sender.clone();
    let tell = move |answer: &Result<u64, Error>| {
        apply_sender.send(answer.clone().map(|only| vec![only])).unwrap();
    };
    let error = pool.apply_async_with(parse, "b".into(), tell).unwrap().get().unwrap_err();
    assert!(panicked(&error).0.contains("InvalidDigit"), "{error}");
    assert_eq!(called.try_recv(), Ok(Err(error)));
    let tell = move |answer: &Result<Vec<u64>, Error>| sender.send(answer.clone()).unwrap();
    pool.starmap_async_with(u64::pow, [(2, 3)], tell).unwrap().wait();
    assert_eq!(called.try_recv(), Ok(Ok(vec![8])));
    drop(pool);
    assert!(called.recv().is_err(), "it was called once more");
}

fn the_callback_comes_before_the_answer() {
    let pool = Pool::new(1).unwrap();
    let (entered, is_entered) = channel();
    let (leave, may_leave) = channel();
    let wait = move |_: &_| {
        entered.send(()).unwrap();
        may_leave.recv().unwrap();
    };
    let answer = pool.apply_async_with(square, 6, wait).unwrap();
    is_entered.recv().unwrap();
    assert!(!answer.ready());
    leave.send(()).unwrap();
    assert_eq!(answer.get(), Ok(36));
}

fn a_callback_that_panics_is_the_answer() {
    MET.set_up();
    let pool = Pool::new(2).unwrap();
    let workers = everybody_works_at_once(&pool);
    let answer = pool.apply_async_with(square, 6, |_| panic!("in the callback")).unwrap();
    assert_eq!(answer.get(), Err(Error::Callback("in the callback".into())));
    assert_eq!(pool.map(square, 0..100), Ok(squares(100)), "the pool goes on");
    assert_eq!(everybody_works_at_once(&pool), workers);
}

fn an_argument_that_cannot_be_encoded_is_an_error_of_the_call() {
    static RUNS: Counter = Counter::new();
    RUNS.set_up();
    let pool = Pool::new(4).unwrap();
    let count = |_: Result<u64, NotEncoded>| {
        RUNS.increment();
    };
    let all_but_the_fourth = || {
        (0..10).map(|x| match x {
            3 => Err(NotEncoded(Trouble::Error)),
            x => Ok(x),
        })
    };
    let Err(Error::Codec { tasks, message }) = pool.map(count, all_but_the_fourth()) else {
        panic!("the fourth argument cannot be encoded")
    };
    assert_eq!(tasks, Tasks { range: 3..4, total: None });
    assert!(message.starts_with("argument cannot be encoded: "), "{message}");
    assert!(pool.map_async(count, all_but_the_fourth()).is_err());
    assert!(pool.apply(count, Err(NotEncoded(Trouble::Error))).is_err());
    // An iterator's items have their own errors.
    let items: Vec<_> = pool.imap(count, all_but_the_fourth()).unwrap().collect();
    let failed: Vec<_> = (0..items.len()).filter(|&item| items[item].is_err()).collect();
    assert_eq!((items.len(), failed), (10, vec![3]));
    pool.close();
    pool.join().unwrap();
    assert_eq!(RUNS.get(), 9, "of the calls that failed nothing was run");
}

fn an_empty_map_needs_no_worker() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let pool = Pool::new(1).unwrap();
    let held = pool.apply_async(|()| GATE.wait(), ()).unwrap();
    let callback = |_: &_| panic!("Python does not call it either");
    let empty = pool.chunksize(1).map_async_with(square, [], callback).unwrap();
    assert_eq!(empty.get_timeout(NOW), Ok(&vec![]));
    assert_eq!(empty.successful(), Some(true));
    assert_eq!(held.get_timeout(NOW), Err(Error::Timeout));
    GATE.open();
    assert_eq!(held.get(), Ok(()));
}

/// Counts from 0 and panics instead of `when`; after that it is at its end.
struct PanicsAt {
    next: u64,
    when: u64,
}

impl Iterator for PanicsAt {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.next += 1;
        match self.next - 1 {
            item if item < self.when => Some(item),
            item if item == self.when => panic!("the input says when"),
            _ => None,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (1, Some(1)) // a lie, which is allowed
    }
}

fn panics_at(when: u64) -> PanicsAt {
    PanicsAt { next: 0, when }
}

/// The input's own panic, as it was: no error of a task.
#[track_caller]
fn is_the_inputs_panic<T>(code: impl FnOnce() -> T) {
    let payload = catch_unwind(AssertUnwindSafe(code)).err().expect("the input has panicked");
    assert_eq!(payload.downcast_ref(), Some(&"the input says when"));
}

fn an_input_that_panics_panics_in_the_caller() {
    static RUNS: Counter = Counter::new();
    RUNS.set_up();
    let count = |x: u64| RUNS.increment() + x;
    let pool = Pool::new(4).unwrap();
    for when in [0, 0, 3, 3] {
        is_the_inputs_panic(|| pool.chunksize(1).map(count, panics_at(when)));
        is_the_inputs_panic(|| pool.map_async(count, panics_at(when)).map(drop));
    }
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)), "the pool goes on");
    pool.close();
    pool.join().unwrap();
    assert_eq!(RUNS.get(), 0, "no call came so far as to run a task");
}

fn an_async_result_comes_when_its_task_ends() {
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let pool = Pool::new(4).unwrap();
    let held = |x: u64| {
        STARTED.increment();
        GATE.wait();
        x * x
    };
    let result = pool.apply_async(held, 7).unwrap();
    STARTED.wait_for(1);
    assert!(!result.ready() && !result.wait_timeout(NOW));
    GATE.open();
    result.wait();
    assert!(result.ready() && result.wait_timeout(NOW));
    assert_eq!(result.get_timeout(NOW), Ok(&49), "asking twice gives the same");
    assert_eq!(result.get(), Ok(49));
}

fn a_timeout_leaves_the_task_running() {
    static GATE: Gate = Gate::new();
    static RUNS: Counter = Counter::new();
    GATE.set_up();
    RUNS.set_up();
    let pool = Pool::new(3).unwrap();
    let held = |x: u64| {
        RUNS.increment();
        GATE.wait();
        x * x
    };
    let result = pool.apply_async(held, 6).unwrap();
    RUNS.wait_for(1);
    for timeout in [NOW, Duration::from_millis(1), NOW] {
        assert_eq!(result.get_timeout(timeout), Err(Error::Timeout));
    }
    assert_eq!(result.successful(), None);
    GATE.open();
    assert_eq!(result.get(), Ok(36));
    assert_eq!(RUNS.get(), 1, "it was not run again");

    // And the end of their test: a pool may be terminated while the task runs.
    let endless = pool.apply_async(|()| loop_for_ever(), ()).unwrap();
    assert_eq!(endless.get_timeout(NOW), Err(Error::Timeout));
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(endless.get(), Err(Error::Terminated));
    nobody_is_left();
}

fn loop_for_ever() {
    loop {
        std::hint::spin_loop();
    }
}

fn imap_keeps_the_order_of_the_input() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let first_waits = |x: u64| {
        if x == 0 {
            GATE.wait();
        }
        x * x
    };
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(first_waits, 0..10).unwrap();
    // The other worker has done the last task, and all others but the first, when it does this one.
    pool.apply(square, 1).unwrap();
    assert_eq!(results.next_timeout(NOW), Some(Err(Error::Timeout)));
    GATE.open();
    assert_eq!(results.collect::<Result<Vec<_>, _>>(), Ok(squares(10)));
}

fn imap_goes_to_its_end_and_stays_there() {
    let pool = Pool::new(4).unwrap();
    for (count, chunksize) in [(10, 1), (1000, 100), (1000, 7)] {
        let mut results = pool.chunksize(chunksize).imap(square, 0..count).unwrap();
        for x in 0..count {
            assert_eq!(results.next(), Some(Ok(x * x)));
        }
        assert_eq!(results.next(), None);
        assert_eq!(results.next(), None);
        assert_eq!(results.next_timeout(NOW), None);
    }
}

fn imap_hands_out_what_came_before_its_input_panicked() {
    let pool = Pool::new(4).unwrap();
    // (the item that panics, the chunk size, how many results come before it)
    for (when, chunksize, before) in [(0, 1, 0), (0, 1, 0), (3, 1, 3), (7, 2, 6), (7, 4, 4)] {
        // One chunk at a time: the input is not read ahead of the results.
        let one_by_one = pool.chunksize(chunksize).buffersize(chunksize);
        if before == 0 {
            is_the_inputs_panic(|| one_by_one.imap(square, panics_at(when)).map(drop));
            continue;
        }
        let mut results = one_by_one.imap(square, panics_at(when)).unwrap();
        for x in 0..before {
            assert_eq!(results.next(), Some(Ok(x * x)));
        }
        is_the_inputs_panic(|| results.next());
        assert_eq!(results.next(), None);
    }
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)), "the pool goes on");
}

fn imap_reads_ahead_of_a_panic_of_its_input() {
    // Where we depart: Python keeps the error for the place where it belongs. Here the input is read
    // by whoever reads the results, as far ahead as the buffer goes, and that is where it panics.
    let pool = Pool::new(4).unwrap();
    is_the_inputs_panic(|| pool.imap(square, panics_at(3)).map(drop));

    let mut results = pool.buffersize(2).imap(square, panics_at(3)).unwrap();
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(results.next(), Some(Ok(1)));
    is_the_inputs_panic(|| results.next());
    assert_eq!(results.next(), Some(Ok(4)), "what was under way is not lost");
    assert_eq!(results.next(), None);
}

fn imap_unordered_gives_results_as_they_come() {
    static GATES: [Gate; 3] = [const { Gate::new() }; 3];
    GATES.iter().for_each(Gate::set_up);
    let pool = Pool::new(3).unwrap();
    let held = |x: usize| {
        GATES[x].wait();
        x
    };
    let mut results = pool.imap_unordered(held, 0..3).unwrap();
    for next in [2, 0, 1] {
        assert_eq!(results.next_timeout(NOW), Some(Err(Error::Timeout)));
        GATES[next].open();
        assert_eq!(results.next(), Some(Ok(next)));
    }
    assert_eq!(results.next(), None);
}

fn imap_unordered_gives_each_result_once() {
    let pool = Pool::new(4).unwrap();
    for (count, chunksize) in [(10, 1), (1000, 100), (1000, 7)] {
        let results = pool.chunksize(chunksize).imap_unordered(square, 0..count).unwrap();
        let mut results: Vec<u64> = results.map(Result::unwrap).collect();
        results.sort_unstable();
        assert_eq!(results, squares(count));
    }
}

fn imap_unordered_hands_out_what_came_before_its_input_panicked() {
    let pool = Pool::new(4).unwrap();
    is_the_inputs_panic(|| pool.imap_unordered(square, panics_at(0)).map(drop));
    for (when, chunksize, before) in [(3, 1, 3), (7, 2, 6)] {
        let two_chunks = pool.chunksize(chunksize).buffersize(2 * chunksize);
        let mut results = two_chunks.imap_unordered(square, panics_at(when)).unwrap();
        let mut panics = 0;
        let mut seen = BTreeSet::new();
        loop {
            match catch_unwind(AssertUnwindSafe(|| results.next())) {
                Ok(Some(result)) => assert!(seen.insert(result.unwrap()), "twice"),
                Ok(None) => break,
                Err(_) => panics += 1,
            }
        }
        assert_eq!(panics, 1);
        assert!(seen.into_iter().eq(squares(before)));
    }
}

fn a_pool_has_the_workers_it_was_asked_for() {
    MET.set_up();
    let pool = Pool::new(3).unwrap();
    assert_eq!(pool.workers(), 3);
    let pids = HashSet::from_iter(pool.pids());
    assert_eq!(pids.len(), 3);
    assert_eq!(everybody_works_at_once(&pool), pids);
    pool.close();
    pool.join().unwrap();
    nobody_is_left();
}

fn a_pool_of_no_workers_is_an_error() {
    assert_eq!(Pool::new(0).err(), Some(Error::Zero("the number of workers")));
    nobody_is_left();
}

fn terminate_ends_tasks_that_take_for_ever() {
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let pool = Pool::new(3).unwrap();
    let held = |_: u32| {
        STARTED.increment();
        GATE.wait();
    };
    let result = pool.chunksize(1).map_async(held, 0..10_000).unwrap();
    STARTED.wait_for(3);
    pool.terminate();
    nobody_is_left();
    assert_eq!(result.get(), Err(Error::Terminated), "in Python this waits for ever");
    pool.join().unwrap();
    assert_eq!(STARTED.get(), 3);
    assert!(pool.pids().is_empty());
}

fn nothing_in_nothing_out() {
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.map(square, []), Ok(vec![]));
    assert_eq!(pool.starmap(u64::pow, []), Ok(vec![]));
    assert_eq!(pool.imap(square, []).unwrap().count(), 0);
    assert_eq!(pool.imap_unordered(square, []).unwrap().count(), 0);
    assert_eq!(pool.map_async(square, []).unwrap().get(), Ok(vec![]));
    pool.close();
    pool.join().unwrap();
}

fn leaving_the_scope_ends_the_pool() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let (done, held) = {
        let pool = Pool::new(2).unwrap();
        let done = pool.map_async(square, 0..10).unwrap();
        done.wait();
        (done, pool.apply_async(|()| GATE.wait(), ()).unwrap())
        // Using the pool behind this brace does not compile.
    };
    nobody_is_left();
    assert_eq!(done.get(), Ok(squares(10)));
    assert_eq!(held.get(), Err(Error::Terminated));
}

const LINE_OF_THE_PANIC: u32 = line!() + 2;
fn fails(x: u64) -> u64 {
    panic!("{x} is too many")
}

fn a_panic_says_what_and_where_and_who() {
    let pool = Pool::new(1).unwrap();
    let worker = pool.apply(|()| process::id(), ()).unwrap();
    let error = pool.apply(fails, 123).unwrap_err();
    let place = format!("{}:{LINE_OF_THE_PANIC}:", file!());
    let (message, location) = panicked(&error);
    assert_eq!(message, "123 is too many");
    assert!(location.starts_with(&place), "{location} is not in {place}");
    let told = error.to_string();
    for part in ["task 1 of 1", &format!("worker {worker}"), location, message] {
        assert!(told.contains(part), "{part:?} is missing in {told:?}");
    }
    assert_eq!(pool.apply(|()| process::id(), ()), Ok(worker), "the worker lives on");
}

/// A payload that makes things worse when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload's drop");
    }
}

fn a_panic_with_any_payload_is_an_error() {
    let pool = Pool::new(1).unwrap();
    let worker = pool.pids();
    let throw = |what: u32| -> u32 {
        match what {
            0 => std::panic::panic_any(()),
            1 => std::panic::panic_any(0_u8),
            2 => panic!(""),
            _ => std::panic::panic_any(Bomb),
        }
    };
    for (what, message) in
        [(0, "a value that is no string"), (1, "a value that is no string"), (2, "")]
    {
        assert_eq!(panicked(&pool.apply(throw, what).unwrap_err()).0, message);
    }
    assert_eq!(panicked(&pool.apply(throw, 3).unwrap_err()).0, "a value that is no string");
    // An error that a task returns is its result.
    let refuse = |x: u32| Err::<(), String>(format!("not {x}"));
    assert_eq!(pool.apply(refuse, 1), Ok(Err("not 1".into())));
    assert_eq!(pool.pids(), worker);
}

fn a_map_that_failed_has_waited_for_all_its_tasks() {
    const MEGABYTE: usize = 1 << 20;
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let pool = Pool::new(2).unwrap();
    let fail = |x: u32| -> u32 {
        STARTED.increment();
        if x == 1 {
            GATE.wait();
        }
        panic!("{x}{}", "x".repeat(MEGABYTE))
    };
    let result = pool.map_async(fail, [0, 1]).unwrap();
    STARTED.wait_for(2);
    // Only the worker that has failed can run this, and its error has arrived before.
    pool.apply(square, 1).unwrap();
    assert!(!result.ready(), "it does not answer before its last task has ended");
    GATE.open();
    let error = result.get().unwrap_err();
    let message = panicked(&error).0;
    assert!(message.starts_with("0x"), "the first to arrive is {}", &message[..1]);
    assert_eq!(message.len(), MEGABYTE + 1);
    pool.close();
    pool.join().unwrap();
}

/// How many [`Counted`]s there are in this process, and how many there ever were.
static LIVE: AtomicI64 = AtomicI64::new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Counted {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::SeqCst);
        MADE.fetch_add(1, Ordering::SeqCst);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u8::deserialize(from).map(|_| Counted::new())
    }
}

fn counted_here(_: ()) -> (i64, usize) {
    (LIVE.load(Ordering::SeqCst), MADE.load(Ordering::SeqCst))
}

fn arguments_and_results_are_dropped() {
    let pool = Pool::new(1).unwrap();
    let arguments: Vec<_> = (0..10).map(|_| Counted::new()).collect();
    let under_way = pool.map_async(|it: Counted| it, arguments).unwrap();
    let results = under_way.get().unwrap();
    assert_eq!(counted_here(()), (10, 20), "ten arguments are gone, ten results are here");
    drop(results);
    assert_eq!(counted_here(()).0, 0);
    // In the worker: ten were made from bytes and went back as results.
    assert_eq!(pool.apply(counted_here, ()), Ok((0, 10)));

    // An iterator keeps nothing of what it has handed out.
    let arguments: Vec<_> = (0..10).map(|_| Counted::new()).collect();
    let mut seen = 0;
    for result in pool.buffersize(1).imap(|it: Counted| it, arguments).unwrap() {
        seen += 1;
        assert_eq!(counted_here(()).0, 10 - seen + 1, "the arguments not yet sent, and one result");
        drop(result);
    }
    assert_eq!((seen, counted_here(()).0), (10, 0));
    // And with a panic on the way.
    let fail = |_: Counted| -> Counted { panic!("with an argument in hand") };
    assert!(pool.apply(fail, Counted::new()).is_err());
    assert_eq!(counted_here(()).0, 0);
    assert_eq!(pool.apply(counted_here, ()), Ok((0, 21)));
}

fn a_result_that_nobody_wants_is_dropped() {
    let pool = Pool::new(1).unwrap();
    let (sender, decoded) = channel();
    let tell = move |answer: &Result<Counted, Error>| {
        assert!(answer.is_ok());
        sender.send(counted_here(())).unwrap();
    };
    drop(pool.apply_async_with(|()| Counted::new(), (), tell).unwrap());
    assert_eq!(decoded.recv(), Ok((1, 1)), "the call went on without its handle");
    eventually("the result is dropped", || counted_here(()) == (0, 1));
}

fn an_ended_pool_takes_no_calls() {
    type End = fn(&Pool);
    let ends: [End; 3] = [Pool::close, Pool::terminate, |pool| {
        pool.close();
        pool.join().unwrap();
    }];
    for end in ends {
        let pool = Pool::new(1).unwrap();
        assert_eq!(pool.join(), Err(Error::StillRunning));
        assert_eq!(pool.apply(square, 2), Ok(4), "the refused join changed nothing");
        end(&pool);
        let read = Cell::new(0);
        let input = || (0..3).inspect(|_| read.set(read.get() + 1));
        let not_running = Some(Error::NotRunning);
        assert_eq!(pool.map(square, input()).err(), not_running);
        assert_eq!(pool.starmap(u64::pow, [(1, 1)]).err(), not_running);
        assert_eq!(pool.apply(square, 1).err(), not_running);
        assert_eq!(pool.map_async(square, input()).err(), not_running);
        assert_eq!(pool.map_async(square, []).err(), not_running);
        assert_eq!(pool.starmap_async(u64::pow, [(1, 1)]).err(), not_running);
        assert_eq!(pool.apply_async(square, 1).err(), not_running);
        assert_eq!(pool.imap(square, input()).err(), not_running);
        assert_eq!(pool.imap_unordered(square, input()).err(), not_running);
        assert_eq!(read.get(), 0, "the input is not read for nothing");
        // All of these may be repeated, in any order.
        end(&pool);
        pool.join().unwrap();
        pool.close();
        pool.terminate();
        pool.join().unwrap();
        nobody_is_left();
    }
}

fn a_result_that_cannot_be_encoded_costs_no_worker() {
    MET.set_up();
    let pool = Pool::new(2).unwrap();
    let workers = everybody_works_at_once(&pool);
    let (sender, called) = channel();
    for _ in 0..20 {
        let sender = sender.clone();
        let tell = move |answer: &Result<NotEncoded, Error>| {
            sender.send(answer.as_ref().err().cloned()).unwrap();
        };
        let result = pool.apply_async_with(|()| NotEncoded(Trouble::Error), (), tell).unwrap();
        let error = result.get().err();
        let Some(Error::Codec { tasks, message }) = &error else { panic!("{error:?}") };
        assert_eq!(*tasks, task(0, 1));
        assert!(message.starts_with("result cannot be encoded: "), "{message}");
        assert_eq!(called.try_recv(), Ok(error));
    }
    assert_eq!(everybody_works_at_once(&pool), workers);
    pool.close();
    pool.join().unwrap();
}

fn a_worker_is_replaced_after_its_tasks() {
    let pool = Pool::builder(3).maxtasksperchild(10).build().unwrap();
    let first = pool.pids();
    assert_eq!(first.len(), 3);
    let results: Vec<_> = (0..100).map(|x| pool.apply_async(pid_and_square, x).unwrap()).collect();
    let mut tasks_of = HashMap::new();
    for (x, result) in results.into_iter().enumerate() {
        let (worker, result) = result.get().unwrap();
        assert_eq!(result, square(x as u64));
        *tasks_of.entry(worker).or_insert(0) += 1;
    }
    assert!(tasks_of.values().all(|&tasks| tasks <= 10), "{tasks_of:?}");
    let done: Vec<u32> =
        tasks_of.iter().filter(|(_, tasks)| **tasks == 10).map(|(pid, _)| *pid).collect();
    // At most three have tasks left to do, and have done nine at most.
    assert!(done.len() >= 8, "{tasks_of:?}");
    done.iter().copied().for_each(ends);
    eventually("the pool has three workers again, and none that is done", || {
        let last = HashSet::<u32>::from_iter(pool.pids());
        last.len() == 3 && last.iter().all(|pid| is_alive(*pid) && !done.contains(pid))
    });
    pool.close();
    pool.join().unwrap();
    nobody_is_left();
}

fn closing_early_loses_no_task() {
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let pool = Pool::builder(3).maxtasksperchild(1).build().unwrap();
    let held = |x: u64| {
        STARTED.increment();
        GATE.wait();
        pid_and_square(x)
    };
    let results: Vec<_> = (0..6).map(|x| pool.apply_async(held, x).unwrap()).collect();
    STARTED.wait_for(3);
    pool.close();
    GATE.open();
    pool.join().unwrap();
    nobody_is_left();
    let results: Vec<_> = results.into_iter().map(|result| result.get().unwrap()).collect();
    assert!(results.iter().map(|result| result.1).eq(squares(6)));
    let workers: HashSet<_> = results.iter().map(|result| result.0).collect();
    assert_eq!(workers.len(), 6, "each had one task");
    assert_eq!(STARTED.get(), 6, "none was begun twice");
}

fn maxtasksperchild_of_zero_is_an_error() {
    let made = Pool::builder(3).maxtasksperchild(0).build();
    assert_eq!(made.err(), Some(Error::Zero("maxtasksperchild")));
    nobody_is_left();
}

fn a_pool_that_is_never_dropped_goes_with_the_program() {
    // Rust does not drop statics. The harness checks that nothing is left when this process has ended.
    static POOL: OnceLock<Pool> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool::new(1).unwrap());
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)));
}

fn a_pool_that_cannot_be_made_leaves_nothing_behind() {
    let (limit, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let before = open_descriptors(process::id());
    let mut refused = 0;
    let pool = loop {
        // One descriptor more each time: so it fails in each place where it can.
        let few = before.len() as u64 + refused;
        setrlimit(Resource::RLIMIT_NOFILE, few, hard).unwrap();
        let made = Pool::new(5);
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
        match made {
            Ok(pool) => break pool,
            Err(error) => assert!(matches!(error, Error::System(..)), "{error:?}"),
        }
        refused += 1;
        nobody_is_left();
        assert_eq!(open_descriptors(process::id()), before);
        eventually("no thread is left", || harness::threads(process::id()) == 1);
    };
    assert!(refused >= 5 + 2 * 5, "a wake-up, a socket and a pidfd for each worker: {refused}");
    assert_eq!(pool.workers(), 5);
}
