//! Faults at random: a thread kills and stops workers while several others use the pool in every way it has.
//!
//! At the end every handle was answered exactly once, there were no more errors than faults, no task was
//! begun twice, and processes, threads, descriptors and memory are back where they were.
//!
//! `cargo test` does a few hundred faults. `SOAK_SECONDS=600 cargo test --test random_faults` goes on for ten minutes;
//! `FAULTS_SEED=7` repeats the choices of a run (not its timing), whose seed is printed with each failure.

#[path = "promises/support.rs"]
mod support;

use std::{
    collections::{BTreeSet, HashMap},
    env,
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    Pool,
    gate::Counter,
    harness::{self, children, memory, open_descriptors, test, threads},
    pool::{Error, Result},
};
use nix::sys::{
    mman::{MapFlags, ProtFlags, mmap_anonymous},
    signal::Signal,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use support::*;

fn main() {
    let limit = Duration::from_secs(60 + 2 * soak().unwrap_or(0));
    let all = [
        test("whatever_is_killed_every_handle_is_answered_once", one_pool as fn()),
        test("pools_that_come_and_go_among_faults_leave_nothing", many_pools),
    ];
    harness::main(all.map(|test| test.within(limit)));
}

/// For how many seconds to go on; without it for a number of faults.
fn soak() -> Option<u64> {
    env::var("SOAK_SECONDS").ok().map(|seconds| seconds.parse().expect("a number of seconds"))
}

/// How many faults `cargo test` does.
const FAULTS: u64 = 300;

/// One generator for each thread, from one seed.
fn generator(thread: u64) -> StdRng {
    static SEED: AtomicU64 = AtomicU64::new(0);
    let seed = env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    let seed = match SEED.compare_exchange(0, seed, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {
            eprintln!("FAULTS_SEED={seed}");
            seed
        }
        Err(first) => first,
    };
    StdRng::seed_from_u64(seed * 1000 + thread)
}

/// What a task is to do. No two tasks have the same number.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    number: u64,
    kind: Kind,
    payload: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Kind {
    Quick,
    Busy,
    Large,
    Panics,
    Dies(Death),
    Hangs,
}

/// A byte for each task, in memory that all processes share: how often it was begun.
static BEGUN: AtomicPtr<AtomicU8> = AtomicPtr::new(std::ptr::null_mut());
/// More than a day's.
const MOST: usize = 1 << 30;

fn map_begun() {
    let size = NonZeroUsize::new(MOST).unwrap();
    let (protection, flags) = (
        ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE, // only what is touched costs memory
    );
    // SAFETY: a new anonymous mapping touches nobody's memory.
    let bytes = unsafe { mmap_anonymous(None, size, protection, flags) }.unwrap();
    BEGUN.store(bytes.as_ptr().cast(), Ordering::SeqCst);
}

/// Tasks that were begun more than once.
static TWICE: Counter = Counter::new();

/// All tasks that were begun.
static RUNS: Counter = Counter::new();

fn work(Work { number, kind, payload }: Work) -> (u64, String) {
    RUNS.increment();
    assert!((number as usize) < MOST);
    // SAFETY: inside the mapping, which stays; the kernel made it zero.
    let begun = unsafe { &*BEGUN.load(Ordering::SeqCst).add(number as usize) };
    if begun.fetch_add(1, Ordering::SeqCst) > 0 {
        TWICE.increment();
    }
    match kind {
        Kind::Quick => (number, payload),
        Kind::Busy => {
            let mut sum = number;
            for x in 0..200_000_u64 {
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(x));
            }
            (number, if sum == 0 { String::new() } else { payload })
        }
        Kind::Large => (number, payload.repeat(100_000)),
        Kind::Panics => panic!("task {number}"),
        Kind::Dies(death) => death.now(),
        Kind::Hangs => loop {
            nix::unistd::pause();
        },
    }
}

/// What has happened so far.
#[derive(Default)]
struct Tally {
    submitted: AtomicU64,
    answered: AtomicU64,
    /// Deaths that tasks were told of.
    died: AtomicU64,
    /// Faults that may each cost a task: of the thread that kills, of tasks that die.
    faults: AtomicU64,
    surprises: Mutex<Vec<String>>,
}

impl Tally {
    fn next(&self, kind: Kind) -> Work {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.submitted.fetch_add(1, Ordering::Relaxed);
        if let Kind::Dies(_) = kind {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        Work { number, kind, payload: format!("payload of {number}, ") }
    }

    fn surprise(&self, what: String) {
        self.surprises.lock().unwrap().push(what.chars().take(300).collect());
    }

    /// The answer of one task, whatever it is, must be one that its kind can have.
    fn check(&self, work: &Work, answer: Result<(u64, String)>) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let Work { number, kind, payload } = work;
        match (answer, kind) {
            (Ok(answer), Kind::Quick | Kind::Busy) if answer == (*number, payload.clone()) => {}
            (Ok((n, text)), Kind::Large) if n == *number && text == payload.repeat(100_000) => {}
            (Err(Error::Panicked { message, .. }), Kind::Panics)
                if message == format!("task {number}") => {}
            (Err(Error::Died { .. }), _) => _ = self.died.fetch_add(1, Ordering::Relaxed),
            (answer, kind) => {
                let answer = answer.map(|(number, text)| (number, text.len()));
                self.surprise(format!("task {number}, {kind:?}: {answer:?}"));
            }
        }
    }
}

/// Of which item this is the answer.
fn place_of(
    answer: &Result<(u64, String)>,
    items: &[Work],
    of_chunks: &mut HashMap<usize, usize>,
) -> usize {
    match answer {
        Ok((number, _)) => {
            items.iter().position(|item| item.number == *number).unwrap_or(usize::MAX)
        }
        Err(Error::Panicked { tasks, .. }) => tasks.range.start,
        // The items of a chunk are told one after another.
        Err(Error::Died { tasks, .. }) => {
            let told = of_chunks.entry(tasks.range.start).or_insert(0);
            *told += 1;
            tasks.range.start + *told - 1
        }
        Err(_) => usize::MAX,
    }
}

fn any_kind(random: &mut StdRng) -> Kind {
    match random.random_range(0..100) {
        0..60 => Kind::Quick,
        60..80 => Kind::Busy,
        80..85 => Kind::Large,
        85..95 => Kind::Panics,
        _ => {
            let deaths = Death::all();
            Kind::Dies(deaths[random.random_range(0..deaths.len())])
        }
    }
}

/// One thread of a program: a call of some kind, its answers checked.
fn use_pool(pool: &Pool, tally: &Tally, random: &mut StdRng) {
    match random.random_range(0..7) {
        0 | 1 => {
            let several = random.random_range(1..30);
            let handles = Vec::from_iter((0..several).map(|_| {
                let item = tally.next(any_kind(random));
                (item.clone(), pool.apply_async(work, item).unwrap())
            }));
            for (item, handle) in handles {
                tally.check(&item, handle.get());
            }
        }
        2 => {
            let item = tally.next(any_kind(random));
            tally.check(&item, pool.apply(work, item.clone()));
        }
        3 => {
            let items = Vec::from_iter(
                (0..random.random_range(1..60)).map(|_| tally.next(any_kind(random))),
            );
            let calls = pool.chunksize(random.random_range(1..4));
            let answers = Vec::from_iter(match random.random() {
                true => calls.imap(work, items.clone()).unwrap().enumerate().collect::<Vec<_>>(),
                false => {
                    let answers = calls.imap_unordered(work, items.clone()).unwrap();
                    let mut of_chunks = HashMap::new();
                    let place = |answer| {
                        let at = place_of(&answer, &items, &mut of_chunks);
                        (at, answer)
                    };
                    answers.map(place).collect()
                }
            });
            let places: BTreeSet<usize> = answers.iter().map(|(at, _)| *at).collect();
            if !places.into_iter().eq(0..items.len()) || answers.len() != items.len() {
                tally.surprise(format!("{} answers for {} items", answers.len(), items.len()));
                return;
            }
            for (at, answer) in answers {
                match &answer {
                    // A death in a chunk is the answer of all its items: one fault.
                    Err(Error::Died { tasks, .. }) if tasks.range.start != at => {
                        tally.answered.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => tally.check(&items[at], answer),
                }
            }
        }
        4 => {
            // A map has one answer: right, or the first error.
            let quick = [Kind::Quick, Kind::Busy];
            let items = Vec::from_iter(
                (0..random.random_range(1..150))
                    .map(|_| tally.next(quick[random.random_range(0..2)])),
            );
            // Small chunks wait on the board, others are sent.
            let calls = pool.chunksize(random.random_range(1..12));
            let expected = items.iter().map(|item| (item.number, item.payload.clone()));
            tally.answered.fetch_add(items.len() as u64, Ordering::Relaxed);
            match calls.map(work, items.clone()) {
                Ok(all) if all.iter().cloned().eq(expected) => {}
                Err(Error::Died { .. }) => _ = tally.died.fetch_add(1, Ordering::Relaxed),
                other => tally.surprise(format!("map: {other:?}")),
            }
        }
        5 => {
            let item = tally.next(Kind::Hangs);
            tally.answered.fetch_add(1, Ordering::Relaxed);
            match pool.limit(Duration::from_millis(random.random_range(0..8))).apply(work, item) {
                Err(Error::TimeLimit { .. }) => {}
                Err(Error::Died { .. }) => _ = tally.died.fetch_add(1, Ordering::Relaxed),
                other => tally.surprise(format!("limit: {other:?}")),
            }
        }
        _ => {
            let item = tally.next(Kind::Hangs);
            let handle = pool.apply_async(work, item).unwrap();
            if random.random() {
                handle.wait_timeout(Duration::from_millis(random.random_range(0..8)));
            }
            tally.answered.fetch_add(1, Ordering::Relaxed);
            let cancelled = handle.cancel();
            match handle.get() {
                Err(Error::Cancelled) if cancelled => {}
                Err(Error::Died { .. }) if !cancelled => {
                    tally.died.fetch_add(1, Ordering::Relaxed);
                }
                other => tally.surprise(format!("cancel ({cancelled}): {other:?}")),
            }
        }
    }
}

/// One fault: somebody is killed, or stopped for a while.
fn do_harm(pool: &Pool, supervisor: u32, tally: &Tally, random: &mut StdRng) {
    let workers = pool.pids();
    if workers.is_empty() {
        return;
    }
    let victim = workers[random.random_range(0..workers.len())];
    let signal = match random.random_range(0..10) {
        0..5 => Signal::SIGKILL,
        5 => Signal::SIGSEGV,
        6 => Signal::SIGTERM,
        7 => Signal::SIGABRT,
        _ => {
            send_worker(supervisor, victim, Signal::SIGSTOP);
            thread::sleep(Duration::from_micros(random.random_range(0..3000)));
            send_worker(supervisor, victim, Signal::SIGCONT);
            return;
        }
    };
    // Counted before: the error may be there at once.
    tally.faults.fetch_add(1, Ordering::SeqCst);
    if !send_worker(supervisor, victim, signal) {
        tally.faults.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Until it has been long enough: seconds, or faults.
fn is_enough(start: Instant, tally: &Tally) -> bool {
    match soak() {
        Some(seconds) => start.elapsed() >= Duration::from_secs(seconds),
        None => tally.faults.load(Ordering::SeqCst) >= FAULTS,
    }
}

/// Several threads use the pool, one does harm; returns when it is enough and everything was answered.
fn suffer(pool: &Pool, users: u64, enough: impl Fn(&Tally) -> bool + Sync) -> Tally {
    let tally = Tally::default();
    let supervisor = supervisor_of(pool);
    thread::scope(|scope| {
        for user in 0..users {
            let (tally, enough) = (&tally, &enough);
            scope.spawn(move || {
                let mut random = generator(user);
                while !enough(tally) {
                    use_pool(pool, tally, &mut random);
                }
            });
        }
        let mut random = generator(users);
        while !enough(&tally) {
            do_harm(pool, supervisor, &tally, &mut random);
            // Workers that are killed before they have done anything would end the pool, and rightly:
            // so something is done between two faults. Or nobody is left who would do something.
            let runs = RUNS.get();
            while RUNS.get() < runs + 2 && !enough(&tally) {
                thread::sleep(Duration::from_micros(100));
            }
        }
    });
    tally
}

#[track_caller]
fn judge(tally: &Tally) {
    let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let surprises = tally.surprises.lock().unwrap();
    assert!(surprises.is_empty(), "{} surprises: {:#?}", surprises.len(), surprises);
    assert_eq!(read(&tally.submitted), read(&tally.answered), "each task has one answer");
    assert!(
        read(&tally.died) <= read(&tally.faults),
        "{} tasks died of {} faults",
        read(&tally.died),
        read(&tally.faults)
    );
}

fn one_pool() {
    set_up(&[&RUNS, &TWICE]);
    map_begun();
    let before = Before::now();
    let pool = Pool::new(3).unwrap();
    let supervisor = supervisor_of(&pool);
    // So that what is allocated once is allocated.
    drop(suffer(&pool, 4, |tally| tally.faults.load(Ordering::SeqCst) >= 50));
    everyone_works(&pool);
    everyone_works(&pool);
    let look = || {
        let count = |pid| open_descriptors(pid).len();
        (count(me()), count(supervisor), children().len())
    };
    let (expected, private) = (look(), memory(me()).private + memory(supervisor).private);

    let start = Instant::now();
    let tally = suffer(&pool, 4, |tally| is_enough(start, tally));
    judge(&tally);
    everyone_works(&pool);
    assert_eq!(supervisor_of(&pool), supervisor);
    harness::eventually("all is as it was", || look() == expected);
    let handlers = pool.workers();
    harness::eventually("the threads are gone", || threads(me()) == 1 + handlers);
    assert_eq!(TWICE.get(), 0, "tasks were begun twice");
    let more = (memory(me()).private + memory(supervisor).private).saturating_sub(private);
    assert!(more < 48 * 1024, "{more} KiB more than before");
    drop(pool);
    before.is_back();
}

/// Pools are made and ended in several threads, by each means, with calls under way and workers dying.
fn many_pools() {
    set_up(&[&RUNS, &TWICE]);
    map_begun();
    let before = Before::now();
    let start = Instant::now();
    let rounds = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..3 {
            let rounds = &rounds;
            scope.spawn(move || {
                let mut random = generator(100 + thread);
                let enough = |rounds: &AtomicU64| match soak() {
                    Some(seconds) => start.elapsed() >= Duration::from_secs(seconds),
                    None => rounds.load(Ordering::SeqCst) >= 40,
                };
                while !enough(rounds) {
                    rounds.fetch_add(1, Ordering::SeqCst);
                    let pool = Pool::new(random.random_range(1..4)).unwrap();
                    let supervisor = supervisor_of(&pool);
                    let tally = Tally::default();
                    for _ in 0..random.random_range(0..6) {
                        use_pool(&pool, &tally, &mut random);
                        do_harm(&pool, supervisor, &tally, &mut random);
                    }
                    judge(&tally);
                    // And some that are under way at the end.
                    let kinds = [Kind::Quick, Kind::Large, Kind::Panics, Kind::Dies(Death::Abort)];
                    let late = Vec::from_iter((0..random.random_range(0..20)).map(|_| {
                        let item = tally.next(kinds[random.random_range(0..4)]);
                        (item.clone(), pool.apply_async(work, item).unwrap())
                    }));
                    do_harm(&pool, supervisor, &tally, &mut random);
                    let joined = random.random();
                    if joined {
                        pool.close();
                        pool.join().unwrap();
                    } else {
                        drop(pool);
                    }
                    for (item, handle) in late {
                        match handle.get() {
                            Err(Error::Terminated) if !joined => {
                                tally.answered.fetch_add(1, Ordering::SeqCst);
                            }
                            other => tally.check(&item, other),
                        }
                    }
                    judge(&tally);
                }
            });
        }
    });
    assert_eq!(TWICE.get(), 0, "tasks were begun twice");
    before.is_back();
}
