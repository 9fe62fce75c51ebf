//! Where both do the same.

use std::process::{self, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::contract::{Contract, Event};
use common::gate::{Counter, Gate};
use common::harness::{Test, tests};
use common::pool::Error;
use common::{Pool, Process};
use nix::sys::signal::{Signal, raise};

use crate::python;

static FIRST: Gate = Gate::new();
static RAN: Counter = Counter::new();

pub fn all() -> Vec<Test> {
    tests![
        the_directors_have_the_same_orders,
        chunks_have_the_same_sizes_and_maxtasksperchild_counts_them,
        the_first_error_to_arrive_is_that_of_map_and_all_chunks_run,
        what_follows_an_error_in_its_chunk_is_not_run,
        imap_goes_on_after_an_error,
        a_timeout_leaves_the_task_running,
        nothing_in_is_ready_at_once_and_calls_no_callback,
        exit_codes,
    ]
}

/// Those that the contract gives, and those that Python's `--finish` is made of.
fn the_directors_have_the_same_orders() {
    let calls: [fn(usize) -> Contract; 7] = [
        |workers| Contract::map(4, workers).chunksize(1),
        |workers| Contract::imap(4, workers),
        |workers| Contract::imap_unordered(4, workers),
        |workers| Contract::apply(4, workers),
        |workers| Contract::map_async(4, workers).chunksize(1).get(),
        |workers| Contract::apply_async(4, workers).get(),
        |workers| Contract::apply_async_wait(4, workers),
    ];
    let mut orders = Vec::new();
    for call in calls {
        for contract in (1..=4).map(call) {
            for ends in permutations(&[1, 2, 3, 4]) {
                let text = |order: Vec<Event>| {
                    order.iter().map(Event::to_string).collect::<Vec<_>>().join(", ")
                };
                orders.push(contract.eager(&ends).map_or("impossible".to_owned(), text));
            }
        }
    }
    let python = python("the_orders_of_the_directors");
    let python: Vec<&str> = python.split("; ").collect();
    assert_eq!(python.len(), orders.len());
    for (theirs, ours) in python.iter().zip(&orders) {
        assert_eq!(theirs, ours);
    }
}

/// All orders of the numbers, sorted.
fn permutations(numbers: &[usize]) -> Vec<Vec<usize>> {
    let Some(_) = numbers.first() else { return vec![Vec::new()] };
    let begin = |&first: &usize| {
        let rest: Vec<usize> = numbers.iter().copied().filter(|&other| other != first).collect();
        permutations(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    numbers.iter().flat_map(begin).collect()
}

/// The message of a panic.
fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Panicked { message, .. }) => message,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nothing panicked"),
    }
}

fn chunks_have_the_same_sizes_and_maxtasksperchild_counts_them() {
    let longest = |(items, workers)| {
        // A worker that may do one task, which is one chunk, has a pid of its own for it.
        let pool = Pool::builder(workers).maxtasksperchild(1).build().unwrap();
        let pids = pool.map(|_: u32| process::id(), 0..items).unwrap();
        pids.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap()
    };
    let lengths = [(1, 4), (10, 4), (16, 4), (17, 4), (30, 3)].map(longest);
    assert_eq!(python("chunks_and_maxtasksperchild"), format!("chunks of {lengths:?}"));
}

fn the_first_error_to_arrive_is_that_of_map_and_all_chunks_run() {
    FIRST.set_up();
    RAN.set_up();
    let pool = Pool::new(2).unwrap();
    // Too long for the board: a worker is given such a task when the answer to its last one has come.
    let long = " ".repeat(1000);
    let task = |(x, _): (u32, String)| {
        match x {
            1 => FIRST.wait(),
            3 => FIRST.open(), // in the worker of task 2, when that task's error has come
            _ => {}
        }
        RAN.increment();
        assert!(x == 3, "task {x}");
    };
    let tasks = [1, 2, 3].map(|x| (x, long.clone()));
    let message = message(pool.chunksize(1).map(task, tasks));
    let here = format!("{message} fails map; {} of 3 tasks ran", RAN.get());
    assert_eq!(python("the_first_error_to_arrive"), here);
}

fn what_follows_an_error_in_its_chunk_is_not_run() {
    RAN.set_up();
    let pool = Pool::new(2).unwrap();
    let task = |x: u32| {
        RAN.increment();
        assert!(x != 1, "task 2");
    };
    let message = message(pool.chunksize(3).map(task, 0..6));
    let here = format!("{message} fails map; {} of 6 tasks ran", RAN.get());
    assert_eq!(python("the_rest_of_a_chunk"), here);
}

fn imap_goes_on_after_an_error() {
    let pool = Pool::new(2).unwrap();
    let task = |x: u32| {
        assert!(x != 2, "task 2");
        x
    };
    let results = pool.imap(task, 0..5).unwrap();
    let text = results.map(|result| result.map_or("error".to_owned(), |x| x.to_string()));
    assert_eq!(python("imap_after_an_error"), text.collect::<Vec<_>>().join(", "));
}

fn a_timeout_leaves_the_task_running() {
    FIRST.set_up();
    let pool = Pool::new(1).unwrap();
    let task = |x: u32| {
        FIRST.wait();
        x
    };
    let result = pool.apply_async(task, 7).unwrap();
    assert_eq!(result.get_timeout(Duration::ZERO), Err(Error::Timeout));
    FIRST.open();
    let here = format!("timeout, then {}", result.get().unwrap());
    assert_eq!(python("a_timeout_leaves_the_task_running"), here);
}

fn nothing_in_is_ready_at_once_and_calls_no_callback() {
    let pool = Pool::new(1).unwrap();
    let called = Arc::new(AtomicU32::new(0));
    let result = {
        let called = called.clone();
        let callback = move |_: &_| _ = called.fetch_add(1, Ordering::SeqCst);
        pool.map_async_with(|x: u32| x, [], callback).unwrap()
    };
    let (ready, result) = (result.ready(), result.get().unwrap());
    let called = called.load(Ordering::SeqCst);
    let here = format!("ready at once: {ready}, {result:?}, callbacks: {called}");
    assert_eq!(python("nothing_in"), here);
}

fn exit_codes() {
    let targets: [fn(); 6] = [
        || (),
        || panic!("it gives up"),
        || exit(3),
        || exit(300),
        || raise(Signal::SIGTERM).unwrap(),
        || raise(Signal::SIGKILL).unwrap(),
    ];
    let join = |target: fn()| Process::new(target).start().unwrap().join().unwrap();
    let codes = targets.map(|target| join(target).code().unwrap());
    assert_eq!(python("exit_codes"), format!("{codes:?}"));
}
