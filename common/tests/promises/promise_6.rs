//! Big and many.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use common::{
    Pool,
    gate::{Counter, Gate},
    harness::{children, memory, open_descriptors, threads},
};
use nix::{libc, sys::signal::Signal};
use serde::{Deserialize, Serialize};

use crate::support::*;

const MB: usize = 1 << 20;

/// Neither fits into a socket, so both directions are full at once.
pub fn hundreds_of_megabytes_cross_in_both_directions_at_once() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    fn task(mut text: String) -> String {
        text.push('!');
        text
    }
    let before = memory(me()).private;
    let handles = [b'a', b'b'].map(|letter| {
        let text = String::from_utf8(vec![letter; 208 * MB]).unwrap();
        pool.apply_async(task, text).unwrap()
    });
    for (letter, handle) in [b'a', b'b'].into_iter().zip(handles) {
        let text = handle.get().unwrap();
        let (all, last) = text.as_bytes().split_at(208 * MB);
        assert!(last == b"!" && all.iter().all(|&byte| byte == letter));
    }
    // The next answers need no room, and get none.
    everyone_works(&pool);
    everyone_works(&pool);
    let more = memory(me()).private.saturating_sub(before);
    assert!(more < 32 * 1024, "{more} KiB are kept for nothing");
    for pid in pool.pids() {
        let kept = memory(pid).private;
        assert!(kept < 32 * 1024, "a worker keeps {kept} KiB");
    }
}

pub fn four_megabytes_against_four_megabytes_on_each_of_many_tasks() {
    set_up(&[]);
    let pool = Pool::new(3).unwrap();
    let task = |mut bytes: String| {
        bytes.push('!');
        bytes
    };
    let inputs = (0..12).map(|x: u32| x.to_string().repeat(4 * MB));
    for (x, answer) in pool.imap(task, inputs).unwrap().enumerate() {
        let expected = x.to_string().repeat(4 * MB) + "!";
        assert!(answer.unwrap() == expected, "task {x}");
    }
}

/// Each level takes some more stack of who encodes or decodes it.
#[derive(Serialize, Deserialize)]
struct Nested(Option<Box<Nested>>);

impl Nested {
    fn new(levels: u32) -> Nested {
        (1..levels).fold(Nested(None), |inner, _| Nested(Some(Box::new(inner))))
    }

    fn levels(mut self) -> u32 {
        let (mut levels, mut next) = (1, self.0.take());
        while let Some(mut inner) = next {
            (levels, next) = (levels + 1, inner.0.take());
        }
        levels
    }
}

// One after another: dropped from the outside in, each level would take stack, too.
impl Drop for Nested {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut inner) = next {
            next = inner.0.take();
        }
    }
}

/// Those of `apply` are read by its caller, all others by threads of the pool.
pub fn a_result_may_be_nested_as_deeply_as_a_worker_can_encode() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    const DEEP: u32 = 70_000; // too deep for the 2 MiB that a thread has if nobody says otherwise
    assert_eq!(pool.apply(Nested::new, DEEP).map(Nested::levels), Ok(DEEP));
    assert_eq!(pool.apply_async(Nested::new, DEEP).unwrap().get().map(Nested::levels), Ok(DEEP));
    let mapped = pool.map(Nested::new, [DEEP; 2]).unwrap();
    assert_eq!(Vec::from_iter(mapped.into_iter().map(Nested::levels)), [DEEP; 2]);
    let read = pool.imap(Nested::new, [DEEP; 2]).unwrap().map(|nested| nested.map(Nested::levels));
    assert_eq!(Vec::from_iter(read), [Ok(DEEP), Ok(DEEP)]);
}

pub fn a_million_small_tasks() {
    static RUN: Counter = Counter::new();
    set_up(&[&RUN]);
    const MILLION: u64 = 1_000_000;
    fn task(x: u64) -> u64 {
        RUN.increment();
        x + 1
    }
    let pool = Pool::new(2).unwrap();
    let map = pool.chunksize(1000).map(task, 0..MILLION).unwrap();
    assert!(map.into_iter().eq(1..=MILLION));
    assert_eq!(RUN.get(), MILLION);
    let imap = pool.chunksize(1000).imap(task, 0..MILLION).unwrap();
    assert!(imap.map(Result::unwrap).eq(1..=MILLION));
    assert_eq!(RUN.get(), 2 * MILLION);
    // Each a message of its own; a million of them is for a longer evening.
    let many = if std::env::var_os("SOAK_SECONDS").is_some() { MILLION } else { 30_000 };
    let sum: u64 =
        pool.chunksize(1).imap_unordered(task, 0..many).unwrap().map(Result::unwrap).sum();
    assert_eq!(sum, many * (many + 1) / 2);
    assert_eq!(pool.chunksize(1).map(task, 0..many).unwrap().len(), many as usize);
    assert_eq!(RUN.get(), 2 * MILLION + 2 * many);
}

/// A million tasks that wait cost their arguments and little more.
pub fn many_tasks_that_wait_cost_little_memory() {
    static GATE: Gate = Gate::new();
    set_up(&[]);
    GATE.set_up();
    let pool = Pool::new(2).unwrap();
    let before = memory(me()).private;
    let task = |x: u32| {
        GATE.wait();
        x
    };
    let map = pool.chunksize(1).map_async(task, 0..1_000_000).unwrap();
    let each = memory(me()).private.saturating_sub(before) * 1024 / 1_000_000;
    assert!(each < 100, "{each} bytes for each task that waits");
    assert!(map.cancel());
    GATE.open();
    everyone_works(&pool);
}

/// An iterator that has given `None` may go on when it is asked again: `map_while` does, and so does a terminal.
pub fn an_input_that_has_said_that_it_ends_is_not_asked_again() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    let input = || (0..20).map_while(|x: u32| (x != 4).then_some(x));
    for chunksize in 1..=5 {
        let calls = pool.chunksize(chunksize);
        let expected: Vec<_> = (0..4).map(Ok).collect();
        assert_eq!(calls.imap(|x| x, input()).unwrap().collect::<Vec<_>>(), expected);
        let mut unordered: Vec<_> =
            calls.imap_unordered(|x| x, input()).unwrap().map(Result::unwrap).collect();
        unordered.sort();
        assert_eq!(unordered, [0, 1, 2, 3]);
    }
}

pub fn an_endless_input_is_read_no_further_than_the_bound() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    // Options, how far ahead they allow.
    let default = 8 * 2;
    let kinds = [
        (pool.chunksize(1), default),
        (pool.chunksize(5), 5 * default),
        (pool.buffersize(1), 1),
        (pool.buffersize(7), 7),
        (pool.buffersize(20).chunksize(6), 18),
        (pool.buffersize(2).chunksize(6), 6),
    ];
    for (calls, bound) in kinds {
        for ordered in [true, false] {
            let pulled = Cell::new(0);
            let input = (0..).inspect(|_| pulled.set(pulled.get() + 1));
            let task = |x: u64| x * 2;
            let results = match ordered {
                true => calls.imap(task, input),
                false => calls.imap_unordered(task, input),
            };
            let mut results = results.unwrap();
            for read in 0..300 {
                let ahead = pulled.get() - read;
                assert!(ahead <= bound, "{ahead} items ahead after {read} were read");
                let result = results.next().unwrap().unwrap();
                assert!(!ordered || result == 2 * read);
            }
            assert!(pulled.get() - 300 <= bound);
        }
    }
    everyone_works(&pool);
}

pub fn many_pools_one_after_another_leave_nothing() {
    set_up(&[]);
    let before = Before::now();
    let mut private = 0;
    for round in 0..150 {
        let pool = Pool::new(1 + round % 3).unwrap();
        if round % 2 == 0 {
            assert_eq!(pool.map(|x: u32| x + 1, 0..10).unwrap().len(), 10);
        }
        if round % 5 == 0 {
            let _ = died(pool.apply(die, Death::Raise(libc::SIGKILL)));
        }
        if round % 7 == 0 {
            pool.close();
            pool.join().unwrap();
        }
        drop(pool);
        before.is_back();
        if round == 20 {
            private = memory(me()).private;
        }
    }
    let more = memory(me()).private.saturating_sub(private);
    assert!(more < 4 * 1024, "130 pools have left {more} KiB");
}

pub fn many_pools_at_once_from_several_threads() {
    set_up(&[]);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let before = Before::now();
    thread::scope(|scope| {
        for thread in 0..6_u64 {
            scope.spawn(move || {
                for round in 0..8 {
                    let pool = Pool::new(2).unwrap();
                    let victim = pool.apply_async(die, Death::Raise(libc::SIGKILL)).unwrap();
                    let base = thread * 1000 + round;
                    let results = pool.map(|x: u64| x + 1, base..base + 50).unwrap();
                    assert!(results.into_iter().eq(base + 1..base + 51));
                    let _ = died(victim.get());
                    drop(pool);
                    DONE.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(DONE.load(Ordering::Relaxed), 48);
    before.is_back();
}

pub fn a_pool_is_used_from_several_threads_at_once() {
    set_up(&[]);
    let pool = Pool::new(3).unwrap();
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..20 {
                    let base = thread * 1_000_000 + round * 1000;
                    let map = pool.map(|x: u64| x * 3, base..base + 40).unwrap();
                    assert!(map.into_iter().eq((base..base + 40).map(|x| x * 3)));
                    let imap = pool.imap(|x: u64| x * 5, base..base + 10).unwrap();
                    assert!(imap.map(Result::unwrap).eq((base..base + 10).map(|x| x * 5)));
                    assert_eq!(pool.apply(|x: u64| x + 1, base), Ok(base + 1));
                }
            });
        }
    });
    everyone_works(&pool);
}

pub fn pools_inside_tasks_inside_pools() {
    set_up(&[]);
    fn sum(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let inner = Pool::new(2).unwrap();
        let victim = inner.apply_async(die, Death::Abort).unwrap();
        let sum = inner.map(sum, [depth - 1, depth - 1]).unwrap().into_iter().sum();
        let _ = died(victim.get());
        sum
    }
    let before = Before::now();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(sum, [2, 2, 2, 0]), Ok(vec![4, 4, 4, 1]));
    assert_eq!(children().len(), 1 + 2, "the inner pools have ended");
    drop(pool);
    before.is_back();
}

/// A worker's descriptors without what is different in each.
fn kinds(pid: u32) -> BTreeMap<i32, String> {
    let kind = |(number, target): (i32, String)| match target.split_once(":[") {
        Some((kind, _)) => (number, kind.to_owned()),
        None => (number, target),
    };
    let all = open_descriptors(pid).into_iter();
    // Looking at oneself needs a descriptor.
    all.filter(|(_, target)| !target.starts_with("/proc/")).map(kind).collect()
}

/// "A lost battle", says CPython's own test of this.
pub fn the_descriptors_of_a_worker_do_not_grow_with_workers_pools_or_replacements() {
    set_up(&[]);
    let program = kinds(me());
    let of_workers = |pool: &Pool| {
        everyone_works(pool);
        let all = Vec::from_iter(pool.pids().into_iter().map(kinds));
        assert_eq!(all.len(), pool.workers());
        all
    };
    let first = Pool::new(1).unwrap();
    let expected = of_workers(&first).remove(0);
    // The program's own, and its socket.
    assert_eq!(expected.len(), program.len() + 1, "{expected:?} {program:?}");
    assert_eq!(expected.values().filter(|kind| *kind == "socket").count(), 1);

    let large = Pool::new(24).unwrap();
    let others = Vec::from_iter((0..8).map(|_| Pool::new(2).unwrap()));
    let last = Pool::new(2).unwrap();
    let alike = |worker: BTreeMap<i32, String>| {
        // The socket's number may be another one.
        let sorted = |worker: &BTreeMap<i32, String>| {
            let mut kinds = Vec::from_iter(worker.values().cloned());
            kinds.sort();
            kinds
        };
        assert_eq!(sorted(&worker), sorted(&expected));
    };
    for _ in 0..3 {
        for pool in [&first, &large, &others[0], &others[7], &last] {
            of_workers(pool).into_iter().for_each(alike);
            pool.pids().into_iter().for_each(|pid| send(pid, Signal::SIGKILL));
        }
    }
    for _ in 0..50 {
        let _ = died(last.apply(die, Death::ExitAtOnce(1)));
    }
    of_workers(&last).into_iter().for_each(alike);
    assert!(large.pids().into_iter().all(|pid| threads(pid) == 1));
}

/// Neither in the program nor in the supervisor, with a thousand deaths.
pub fn a_thousand_deaths_leave_nothing_behind() {
    set_up(&[]);
    let before = Before::now();
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    let supervisor = supervisor_of(&pool);
    let look = || {
        let count = |pid| open_descriptors(pid).len();
        (count(me()), count(supervisor), threads(me()), children().len())
    };
    let warm = || {
        for answer in pool.chunksize(1).imap(die, vec![Death::ExitAtOnce(1); 500]).unwrap() {
            let _ = died(answer);
        }
        everyone_works(&pool);
    };
    let (expected, _) = (look(), warm());
    let private = memory(me()).private + memory(supervisor).private;
    warm();
    assert_eq!(look(), expected);
    let more = (memory(me()).private + memory(supervisor).private).saturating_sub(private);
    assert!(more < 1024, "500 deaths have left {more} KiB");
    drop(pool);
    before.is_back();
}
