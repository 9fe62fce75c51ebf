//! Panics are cheap.

use std::panic;

use common::{Pool, gate::Counter, pool::Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::*;

pub fn a_panic_is_told_with_its_message_its_place_and_its_process() {
    set_up(&[]);
    const LINE: u32 = line!() + 2;
    fn task(x: u32) -> u32 {
        panic!("there is no {x}");
    }
    let pool = Pool::new(1).unwrap();
    let error = pool.apply(task, 7).unwrap_err();
    let worker = pool.pids()[0];
    let Error::Panicked { tasks, pid, message, location } = &error else { panic!("{error:?}") };
    assert_eq!((tasks.range.clone(), tasks.total), (0..1, Some(1)));
    assert_eq!(*pid, worker);
    assert_eq!(message, "there is no 7");
    assert_eq!(*location, format!("{}:{LINE}:9", file!()));
    assert_eq!(
        error.to_string(),
        format!("task 1 of 1 panicked in worker {worker} at {location}: there is no 7")
    );
}

pub fn a_panicking_task_does_not_cost_its_worker() {
    static PANICKED: Counter = Counter::new();
    set_up(&[&PANICKED]);
    fn task(x: u32) -> u32 {
        if x % 2 == 1 {
            PANICKED.increment();
            panic!("odd");
        }
        x
    }
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    let workers = pool.pids();
    for (x, answer) in (0..).zip(pool.imap(task, 0..1000).unwrap()) {
        match answer {
            Ok(y) => assert_eq!((x, x % 2), (y, 0)),
            Err(Error::Panicked { tasks, pid, message, .. }) => {
                assert_eq!(tasks.range, x as usize..x as usize + 1);
                assert!(workers.contains(&pid));
                assert_eq!((message.as_str(), x % 2), ("odd", 1));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(PANICKED.get(), 500);
    assert_eq!(pool.pids(), workers);
    everyone_works(&pool);
    assert_eq!(pool.pids(), workers);
}

/// Something whose destructor panics too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("from the destructor");
    }
}

pub fn whatever_a_task_panics_with_its_worker_lives_on() {
    set_up(&[]);
    fn task(what: u32) {
        match what {
            0 => panic!("a text"),
            1 => panic!("a text of {}", 2),
            2 => panic::panic_any(7),
            3 => panic::panic_any(Bomb),
            4 => panic::resume_unwind(Box::new("resumed")),
            5 => assert_eq!(1, 2, "numbers"),
            6 => drop(Bomb),
            7 => _ = "seven".parse::<u32>().unwrap(),
            8 => {
                let inner = panic::catch_unwind(|| panic!("inner"));
                panic::resume_unwind(inner.unwrap_err());
            }
            9 => std::thread::spawn(|| panic!("in a thread")).join().unwrap(),
            _ => panic!("{}", "long ".repeat(1_000_000)),
        }
    }
    let pool = Pool::new(1).unwrap();
    everyone_works(&pool);
    let workers = pool.pids();
    let expected = [
        "a text",
        "a text of 2",
        "",
        "",
        "resumed",
        "numbers",
        "from the destructor",
        "InvalidDigit",
        "inner",
        "Any",
        "long long",
    ];
    for (what, expected) in (0..).zip(expected) {
        match pool.apply(task, what) {
            Err(Error::Panicked { message, pid, .. }) => {
                assert_eq!(pid, workers[0]);
                assert!(message.contains(expected), "{message} lacks {expected}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    everyone_works(&pool);
    assert_eq!(pool.pids(), workers);
}

pub fn the_place_of_a_panic_that_was_caught_is_told_of_no_other_task() {
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    let catches = |()| panic::catch_unwind(|| panic!("caught")).is_err();
    assert_eq!(pool.apply(catches, ()), Ok(true));
    let resumes = |()| -> () { panic::resume_unwind(Box::new("resumed")) };
    let error = pool.apply(resumes, ()).unwrap_err();
    let Error::Panicked { message, location, .. } = &error else { panic!("{error:?}") };
    assert_eq!((message.as_str(), location.as_str()), ("resumed", "a place that is not known"));
}

#[derive(Debug, PartialEq)]
enum Unspeakable {
    Fine,
    PanicsWhenEncoded,
    PanicsWhenDecoded,
}

impl Serialize for Unspeakable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        assert_ne!(*self, Unspeakable::PanicsWhenEncoded, "cannot be told");
        (*self == Unspeakable::PanicsWhenDecoded).serialize(to)
    }
}

impl<'a> Deserialize<'a> for Unspeakable {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        assert!(!bool::deserialize(from)?, "cannot be heard");
        Ok(Unspeakable::Fine)
    }
}

pub fn panics_on_the_way_there_and_back_do_not_cost_the_worker() {
    set_up(&[]);
    fn make(which: u32) -> Unspeakable {
        match which {
            0 => Unspeakable::Fine,
            1 => Unspeakable::PanicsWhenEncoded,
            _ => Unspeakable::PanicsWhenDecoded,
        }
    }
    let pool = Pool::new(1).unwrap();
    everyone_works(&pool);
    let workers = pool.pids();
    assert_eq!(pool.apply(make, 0), Ok(Unspeakable::Fine));
    match pool.apply(make, 1) {
        Err(Error::Panicked { message, .. }) => assert!(message.contains("cannot be told")),
        other => panic!("{other:?}"),
    }
    let heard = pool.apply(make, 2).unwrap_err();
    assert!(heard.to_string().contains("cannot be heard"), "{heard}");
    match pool.apply(|_: Unspeakable| (), Unspeakable::PanicsWhenDecoded) {
        Err(Error::Panicked { message, .. }) => assert!(message.contains("cannot be heard")),
        other => panic!("{other:?}"),
    }
    everyone_works(&pool);
    assert_eq!(pool.pids(), workers);
}

pub fn a_panic_ends_its_chunk_and_not_the_others() {
    static RUN: [Counter; 9] = [const { Counter::new() }; 9];
    set_up(&RUN.each_ref());
    fn task(x: usize) {
        RUN[x].increment();
        assert_ne!(x, 4, "four");
    }
    let pool = Pool::new(2).unwrap();
    match pool.chunksize(3).map(task, 0..9) {
        Err(Error::Panicked { tasks, .. }) => {
            assert_eq!((tasks.range, tasks.total), (4..5, Some(9)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(RUN.each_ref().map(Counter::get), [1, 1, 1, 1, 1, 0, 1, 1, 1]);
}

pub fn the_programs_own_panic_hook_goes_on_working() {
    set_up(&[]);
    static HOOKED: Counter = Counter::new();
    HOOKED.set_up();
    panic::set_hook(Box::new(|_| _ = HOOKED.increment()));
    let pool = Pool::new(1).unwrap();
    assert!(panic::catch_unwind(|| panic!("in the program")).is_err());
    assert_eq!(HOOKED.get(), 1);
    let panics = |(): ()| -> () { panic!("in a task") };
    assert!(matches!(pool.apply(panics, ()), Err(Error::Panicked { .. })));
    assert_eq!(HOOKED.get(), 1, "a task's panic is told by its error, not by the hook");
    drop(pool);
    assert!(panic::catch_unwind(|| panic!("in the program")).is_err());
    assert_eq!(HOOKED.get(), 2);
}
