//! Ending ends.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{
    Pool,
    gate::{Counter, Gate},
    harness::{eventually, process_state},
    pool::{AsyncResult, Error},
};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigHandler, SigSet, Signal, signal},
    },
    unistd,
};
use serde::{Deserialize, Serialize};

use crate::support::*;

const LONG: Duration = Duration::from_secs(3600);

/// What a worker may be doing that makes it hard to end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Stubborn {
    Waits,
    Spins,
    IgnoresTerm,
    BlocksAll,
    SpinsAndBlocksAll,
    WritesToAFullPipe,
    WritesItsResult,
    HandlesTerm,
    Stopped,
    HasThreads,
}

const STUBBORN: [Stubborn; 10] = {
    use Stubborn::*;
    [
        Waits,
        Spins,
        IgnoresTerm,
        BlocksAll,
        SpinsAndBlocksAll,
        WritesToAFullPipe,
        WritesItsResult,
        HandlesTerm,
        Stopped,
        HasThreads,
    ]
};

static BUSY: Counter = Counter::new();

extern "C" fn carry_on(_: i32) {}

fn be(stubborn: Stubborn) -> String {
    let wait = || -> String {
        BUSY.increment();
        loop {
            unistd::pause();
        }
    };
    let spin = || -> String {
        BUSY.increment();
        loop {
            std::hint::spin_loop();
        }
    };
    match stubborn {
        Stubborn::Waits | Stubborn::Stopped => wait(),
        Stubborn::Spins => spin(),
        Stubborn::IgnoresTerm => {
            // SAFETY: to ignore a signal runs no code.
            unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
            wait()
        }
        Stubborn::HandlesTerm => {
            // SAFETY: the handler does nothing.
            unsafe { signal(Signal::SIGTERM, SigHandler::Handler(carry_on)) }.unwrap();
            wait()
        }
        Stubborn::BlocksAll => {
            SigSet::all().thread_block().unwrap();
            wait()
        }
        Stubborn::SpinsAndBlocksAll => {
            SigSet::all().thread_block().unwrap();
            spin()
        }
        Stubborn::WritesToAFullPipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            BUSY.increment();
            while unistd::write(&writer, &[0; 4096]).is_ok() {}
            drop(reader);
            unreachable!("nobody reads")
        }
        Stubborn::WritesItsResult => {
            BUSY.increment();
            "x".repeat(200 << 20)
        }
        Stubborn::HasThreads => {
            for _ in 0..4 {
                thread::spawn(|| {
                    loop {
                        std::hint::spin_loop();
                    }
                });
            }
            wait()
        }
    }
}

/// A pool whose two workers are both busy with this, and what its handles say when it has ended.
fn ends(stubborn: Stubborn, end: fn(Pool)) {
    let before = Before::now();
    let busy = BUSY.get();
    let pool = Pool::new(2).unwrap();
    let running = [(); 2].map(|()| pool.apply_async(be, stubborn).unwrap());
    BUSY.wait_for(busy + 2);
    let queued = pool.apply_async(|x: u32| x, 1).unwrap();
    let workers = pool.pids();
    if let Stubborn::Stopped = stubborn {
        workers.iter().copied().for_each(stop);
    }
    end(pool);
    before.is_back();
    assert!(workers.iter().all(|&pid| process_state(pid).is_none()), "{stubborn:?}");
    for handle in running {
        let answer = handle.get().map(|text| text.len());
        // The one that was writing may have been through.
        if !matches!((stubborn, &answer), (Stubborn::WritesItsResult, Ok(_))) {
            assert_eq!(answer, Err(Error::Terminated), "{stubborn:?}");
        }
    }
    let queued = queued.get();
    assert!(
        queued == Err(Error::Terminated) || matches!(stubborn, Stubborn::WritesItsResult),
        "{stubborn:?}: {queued:?}"
    );
}

pub fn terminate_ends_workers_whatever_they_do() {
    set_up(&[&BUSY]);
    for stubborn in STUBBORN {
        ends(stubborn, |pool| {
            pool.terminate();
            assert!(pool.pids().is_empty());
        });
    }
}

pub fn leaving_the_scope_ends_workers_whatever_they_do() {
    set_up(&[&BUSY]);
    for stubborn in STUBBORN {
        ends(stubborn, drop);
    }
}

pub fn a_panic_in_the_scope_ends_the_pool_too() {
    set_up(&[&BUSY]);
    for stubborn in [Stubborn::Spins, Stubborn::BlocksAll, Stubborn::Stopped] {
        ends(stubborn, |pool| {
            let pool = AssertUnwindSafe(pool);
            let panicked = catch_unwind(|| {
                let _pool = pool;
                panic!("in the scope of a pool");
            });
            assert!(panicked.is_err());
        });
    }
}

/// Its callback is run when the pool ends, on a thread of its own.
pub fn a_callback_of_a_task_that_waits_may_wait_for_one_that_runs() {
    set_up(&[&BUSY]);
    let pool = Pool::new(1).unwrap();
    let (busy, (ended, hears)) = (BUSY.get(), mpsc::channel());
    let hang = |(): ()| {
        BUSY.increment();
        loop {
            unistd::pause();
        }
    };
    let told = move |answer: &Result<(), Error>| ended.send(answer.clone()).unwrap();
    let running = pool.apply_async_with(hang, (), told).unwrap();
    BUSY.wait_for(busy + 1);
    let wait = move |_: &Result<u32, Error>| assert_eq!(hears.recv(), Ok(Err(Error::Terminated)));
    let waiting = pool.apply_async_with(|x: u32| x, 1, wait).unwrap();
    pool.terminate();
    assert_eq!(running.get(), Err(Error::Terminated));
    assert_eq!(waiting.get(), Err(Error::Terminated));
}

/// Gives a worker a task without an end, which has begun.
fn keep_busy(pool: &Pool) -> AsyncResult<()> {
    let busy = BUSY.get();
    let forever = |(): ()| {
        BUSY.increment();
        loop {
            unistd::pause();
        }
    };
    let running = pool.apply_async(forever, ()).unwrap();
    BUSY.wait_for(busy + 1);
    running
}

/// They run at once at the end, and calls without a callback are told before.
pub fn callbacks_of_tasks_that_wait_may_wait_for_each_other() {
    for who_ends_it in ["terminate", "the supervisor's death"] {
        set_up(&[&BUSY]);
        let pool = Pool::new(1).unwrap();
        let _running = keep_busy(&pool);
        let (first, hears_first) = mpsc::channel();
        let (second, hears_second) = mpsc::channel();
        let (plain, hears_plain) = mpsc::channel::<AsyncResult<u32>>();
        let wait = move |_: &Result<u32, Error>| {
            hears_second.recv().unwrap();
            assert!(hears_plain.recv().unwrap().get().is_err());
            first.send(()).unwrap();
        };
        let waits = pool.apply_async_with(|x: u32| x, 1, wait).unwrap();
        let tell = move |_: &Result<u32, Error>| {
            second.send(()).unwrap();
            hears_first.recv().unwrap();
        };
        let tells = pool.apply_async_with(|x: u32| x, 2, tell).unwrap();
        plain.send(pool.apply_async(|x: u32| x, 3).unwrap()).unwrap();
        let cause = match who_ends_it {
            "terminate" => {
                pool.terminate();
                Error::Terminated
            }
            _ => {
                send(supervisor_of(&pool), Signal::SIGKILL);
                Error::SupervisorDied
            }
        };
        assert_eq!([waits.get(), tells.get()], [Err(cause.clone()), Err(cause)]);
    }
}

/// More than a process can have threads: they would take all its mappings, and starting one would end the program.
pub fn callbacks_of_a_hundred_thousand_tasks_that_wait_are_all_run() {
    const CALLS: u32 = 100_000;
    set_up(&[&BUSY]);
    let pool = Pool::new(1).unwrap();
    let _running = keep_busy(&pool);
    let (tell, told) = mpsc::channel();
    for x in 0..CALLS {
        let tell = tell.clone();
        let callback = move |answer: &Result<u32, Error>| tell.send((x, answer.clone())).unwrap();
        drop(pool.apply_async_with(|x: u32| x, x, callback).unwrap());
    }
    drop(tell);
    pool.terminate();
    let mut told: Vec<_> = told.iter().collect();
    told.sort_by_key(|(x, _)| *x);
    assert!(told.into_iter().eq((0..CALLS).map(|x| (x, Err(Error::Terminated)))));
}

/// Whoever ends the pool runs it then.
pub fn a_callback_of_a_task_that_waits_is_run_although_there_is_no_thread_for_it() {
    set_up(&[&BUSY]);
    let pool = Arc::new(Pool::new(1).unwrap());
    let _running = keep_busy(&pool);
    let (tell, told) = mpsc::channel();
    let join = {
        let pool = pool.clone();
        move |answer: &Result<u32, Error>| tell.send((answer.clone(), pool.join())).unwrap()
    };
    let waiting = pool.apply_async_with(|x: u32| x, 1, join).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    limit_memory(1 << 20);
    pool.terminate();
    setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
    assert_eq!(told.recv(), Ok((Err(Error::Terminated), Ok(()))));
    assert_eq!(waiting.get(), Err(Error::Terminated));
}

/// The callback hands its answer to a thread that takes it only after the end.
pub fn a_callback_of_a_task_that_waits_does_not_keep_the_pool_from_ending() {
    set_up(&[&BUSY]);
    let pool = Pool::new(1).unwrap();
    let _running = keep_busy(&pool);
    let (hands_over, takes) = mpsc::sync_channel(0);
    let give = move |answer: &Result<u32, Error>| hands_over.send(answer.clone()).unwrap();
    let waiting = pool.apply_async_with(|x: u32| x, 1, give).unwrap();
    pool.terminate();
    assert_eq!(takes.recv(), Ok(Err(Error::Terminated)));
    assert_eq!(waiting.get(), Err(Error::Terminated));
}

/// Small tasks of a map go on the board when others are done, but not when all is over.
pub fn terminate_in_the_middle_of_a_map_of_small_tasks_answers_it() {
    set_up(&[&BUSY]);
    for round in 0..20 {
        let pool = Pool::new(2).unwrap();
        let busy = BUSY.get();
        let count = |x: u32| {
            BUSY.increment();
            x
        };
        let map = pool.chunksize(1).map_async(count, 0..20_000).unwrap();
        BUSY.wait_for(busy + 10 * round);
        pool.terminate();
        // The pool is still there, so nothing is answered by being dropped.
        match map.get_timeout(Duration::from_secs(20)) {
            Err(Error::Terminated) => {}
            Ok(all) => assert_eq!(all.len(), 20_000),
            other => panic!("{other:?}"),
        }
        let done = BUSY.get();
        drop(pool);
        assert_eq!(BUSY.get(), done, "nothing is run any more");
    }
}

/// A result whose destructor panics where it is received.
#[derive(Debug, Serialize, Deserialize)]
struct Panics;
impl Drop for Panics {
    fn drop(&mut self) {
        assert_ne!(std::process::id(), case(), "dropped where it was received");
    }
}

/// What was collected of a map that fails is dropped by the thread that receives the last answer.
pub fn a_result_that_panics_when_it_is_dropped_harms_no_other_call() {
    static GATE: Gate = Gate::new();
    set_up(&[&BUSY]);
    GATE.set_up();
    let pool = Pool::new(2).unwrap();
    let busy = BUSY.get();
    let wait = |_: u32| {
        BUSY.increment();
        GATE.wait();
    };
    let fail = |x: u32| match x {
        5 => panic!("so it is"),
        _ => Panics,
    };
    // In chunks of their own, and in that of the panic.
    for chunksize in [1, 3, 6] {
        let fails = pool.chunksize(chunksize).map(fail, 0..6).map(std::mem::forget);
        assert!(matches!(fails, Err(Error::Panicked { .. })), "{fails:?}");
    }
    let fails = pool.chunksize(1).map_async(fail, 0..6).unwrap();
    let waits = pool.chunksize(1).map_async(wait, 0..6).unwrap();
    BUSY.wait_for(busy + 1);
    assert!(matches!(fails.get(), Err(Error::Panicked { .. })));
    GATE.open();
    assert_eq!(waits.get().map(|all| all.len()), Ok(6));
}

/// It is dropped by the thread that receives it.
pub fn a_result_that_nobody_takes_and_that_panics_when_it_is_dropped_harms_no_other_call() {
    static LEFT: Counter = Counter::new();
    set_up(&[&LEFT]);
    let pool = Pool::new(1).unwrap();
    let make = |left: u64| {
        LEFT.wait_for(left); // nobody is there any more who could take it
        Panics
    };
    drop(pool.apply_async(make, 1).unwrap());
    LEFT.increment();
    everyone_works(&pool);
    drop(pool.imap(make, [2]).unwrap());
    LEFT.increment();
    everyone_works(&pool);
    let called = pool.apply_async_with(make, 2, |_| panic!("so it is")).unwrap();
    match called.get() {
        Err(Error::Callback(message)) => assert!(message.contains("so it is"), "{message}"),
        other => panic!("{:?}", other.map(std::mem::forget)),
    }
    everyone_works(&pool);
}

/// It would wait for itself.
pub fn join_in_a_callback_is_refused_after_terminate_too() {
    set_up(&[]);
    let pool = Arc::new(Pool::new(1).unwrap());
    let (began, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (joined, has_joined) = mpsc::channel();
    let join = {
        let pool = pool.clone();
        move |_: &Result<u32, Error>| {
            began.send(()).unwrap();
            may_go_on.recv().unwrap();
            joined.send(pool.join()).unwrap();
        }
    };
    let _called = pool.apply_async_with(|x: u32| x, 1, join).unwrap();
    has_begun.recv().unwrap();
    pool.terminate();
    go_on.send(()).unwrap();
    assert_eq!(has_joined.recv().unwrap(), Err(Error::StillRunning));
}

/// Whoever calls `apply` does a handler's work meanwhile, and may be the first who hears that all is over.
pub fn join_in_a_callback_that_tells_the_end_comes_back() {
    set_up(&[&BUSY]);
    let pool = Arc::new(Pool::new(1).unwrap());
    let busy = BUSY.get();
    let (joined, has_joined) = mpsc::channel();
    let join = {
        let pool = pool.clone();
        move |_: &Result<u32, Error>| joined.send(pool.join().is_ok()).unwrap()
    };
    // By then the handler is idle, and can be borrowed.
    (0..100).for_each(|x| assert_eq!(pool.apply(|x: u32| x, x), Ok(x)));
    thread::scope(|scope| {
        let applying = scope.spawn(|| pool.apply(be, Stubborn::Waits));
        BUSY.wait_for(busy + 1);
        let called = pool.apply_async_with(|x: u32| x, 1, join).unwrap();
        send(supervisor_of(&pool), Signal::SIGKILL);
        has_joined.recv().unwrap(); // true, or false on a thread of the pool
        assert!(applying.join().unwrap().is_err());
        assert_eq!(called.get(), Err(Error::SupervisorDied));
    });
}

/// As if the machine had no time for it: it does not answer, and is ended as well.
pub fn a_stopped_supervisor_does_not_keep_the_pool_from_ending() {
    set_up(&[&BUSY]);
    let before = Before::now();
    for stubborn in [Stubborn::Waits, Stubborn::BlocksAll, Stubborn::Stopped] {
        let busy = BUSY.get();
        let pool = Pool::new(2).unwrap();
        let running = [(); 2].map(|()| pool.apply_async(be, stubborn).unwrap());
        BUSY.wait_for(busy + 2);
        let workers = pool.pids();
        if let Stubborn::Stopped = stubborn {
            workers.iter().copied().for_each(stop);
        }
        stop(supervisor_of(&pool));
        drop(pool);
        are_gone(&workers);
        before.is_back();
        for handle in running {
            assert_eq!(handle.get(), Err(Error::Terminated));
        }
    }
}

pub fn workers_get_to_see_sigterm_before_they_are_killed() {
    static BUSY: Counter = Counter::new();
    static SEEN: Counter = Counter::new();
    set_up(&[&BUSY, &SEEN]);
    extern "C" fn count(_: i32) {
        SEEN.increment();
        // SAFETY: ends this process, and may be called in a handler.
        unsafe { nix::libc::_exit(0) };
    }
    fn task((): ()) {
        // SAFETY: the handler only adds to an atomic and leaves.
        unsafe { signal(Signal::SIGTERM, SigHandler::Handler(count)) }.unwrap();
        BUSY.increment();
        loop {
            unistd::pause();
        }
    }
    let pool = Pool::new(2).unwrap();
    let _running = [(); 2].map(|()| pool.apply_async(task, ()).unwrap());
    BUSY.wait_for(2);
    drop(pool);
    assert_eq!(SEEN.get(), 2);
}

/// In `get`, `wait`, `map`, `join` and iterators, each in a thread of its own, in one of the ways to end.
fn everybody_is_told(end: fn(&Pool)) {
    static BUSY: Counter = Counter::new();
    set_up(&[&BUSY]);
    fn hold(_: u32) -> u32 {
        BUSY.increment();
        loop {
            unistd::pause();
        }
    }
    let before = Before::now();
    let owned = Pool::new(2).unwrap();
    let pool = &owned;
    let over = || Err(Error::Terminated);
    let there = AtomicUsize::new(0);
    let here = || there.fetch_add(1, Ordering::SeqCst);
    // What a call that comes too late for the end is told.
    let told = |answer: Result<(), Error>| {
        assert!(matches!(answer, Err(Error::Terminated | Error::NotRunning)), "{answer:?}");
    };
    let handles = [0, 1, 2, 3].map(|x| pool.apply_async(hold, x).unwrap());
    let [get, wait, get_timeout, wait_timeout] = handles;
    let mut imap = pool.imap(hold, 0..100).unwrap();
    let mut unordered = pool.imap_unordered(hold, 0..100).unwrap();
    let mut endless = pool.imap(hold, 0..).unwrap();
    let afterwards = pool.map_async(hold, 0..100).unwrap();
    let mut iterator_afterwards = pool.imap(hold, 0..3).unwrap();
    let here = &here;
    thread::scope(|scope| {
        scope.spawn(move || {
            here();
            assert_eq!(get.get(), Err(Error::Terminated));
        });
        scope.spawn(move || {
            here();
            wait.wait();
            assert!(wait.ready());
            assert_eq!(wait.successful(), Some(false));
            assert_eq!(wait.get(), Err(Error::Terminated));
        });
        scope.spawn(move || {
            here();
            assert_eq!(get_timeout.get_timeout(LONG), Err(Error::Terminated));
        });
        scope.spawn(move || {
            here();
            assert!(wait_timeout.wait_timeout(LONG));
        });
        scope.spawn(move || {
            here();
            assert!(imap.next().unwrap() == over());
            assert!(imap.all(|answer| answer == over()));
            assert_eq!(imap.next(), None);
        });
        scope.spawn(move || {
            here();
            assert!(unordered.next_timeout(LONG).unwrap() == over());
            assert!(unordered.all(|answer| answer == over()));
        });
        scope.spawn(move || {
            here();
            // It ends, although its input does not.
            assert!(endless.all(|answer| answer == over()));
        });
        scope.spawn(move || {
            here();
            told(pool.map(hold, 0..100).map(drop));
        });
        scope.spawn(move || {
            here();
            told(pool.starmap(|a: u32, _: u32| hold(a), [(1, 2)]).map(drop));
        });
        scope.spawn(move || {
            here();
            told(pool.apply(hold, 1).map(drop));
        });
        eventually("all threads are there", || there.load(Ordering::SeqCst) == 10);
        BUSY.wait_for(2);
        end(pool);
    });
    assert_eq!(afterwards.get_timeout(Duration::ZERO), Err(Error::Terminated));
    assert_eq!(afterwards.get(), Err(Error::Terminated));
    assert_eq!(iterator_afterwards.next(), Some(Err(Error::Terminated)));
    assert_eq!(iterator_afterwards.count(), 2);
    assert_eq!(pool.apply(hold, 1), Err(Error::NotRunning));
    assert_eq!(pool.imap(hold, 0..3).err(), Some(Error::NotRunning));
    pool.terminate();
    pool.close();
    assert_eq!(pool.join(), Ok(()));
    assert!(pool.pids().is_empty());
    drop(owned);
    before.is_back();
}

pub fn everybody_who_waits_is_told_by_terminate() {
    everybody_is_told(Pool::terminate);
}

pub fn everybody_who_waits_is_told_by_terminate_from_another_thread() {
    everybody_is_told(|pool| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| pool.terminate());
            }
        });
    });
}

pub fn who_waits_in_join_is_told_by_terminate() {
    set_up(&[&BUSY]);
    let before = Before::now();
    let pool = Pool::new(1).unwrap();
    let running = pool.apply_async(be, Stubborn::Waits).unwrap();
    BUSY.wait_for(1);
    pool.close();
    thread::scope(|scope| {
        let joining = scope.spawn(|| pool.join());
        pool.terminate();
        assert_eq!(joining.join().unwrap(), Ok(()));
    });
    assert_eq!(running.get(), Err(Error::Terminated));
    drop(pool);
    before.is_back();
}

pub fn terminate_in_a_callback_ends_the_pool() {
    set_up(&[&BUSY]);
    let before = Before::now();
    let pool = Arc::new(Pool::new(2).unwrap());
    let running = pool.apply_async(be, Stubborn::BlocksAll).unwrap();
    BUSY.wait_for(1);
    let (sender, called) = mpsc::channel();
    let inner = pool.clone();
    let callback = move |_: &Result<u32, Error>| {
        inner.terminate();
        drop(inner);
        sender.send(()).unwrap();
    };
    let answered = pool.apply_async_with(|x: u32| x, 7, callback).unwrap();
    called.recv().unwrap();
    assert_eq!(answered.get(), Ok(7));
    assert_eq!(running.get(), Err(Error::Terminated));
    drop(pool);
    before.is_back();
}

pub fn a_callback_that_never_returns_does_not_keep_the_pool_from_ending() {
    set_up(&[&BUSY]);
    let pool = Pool::new(2).unwrap();
    let running = pool.apply_async(be, Stubborn::BlocksAll).unwrap();
    BUSY.wait_for(1);
    let (sender, called) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let callback = move |_: &Result<u32, Error>| {
        sender.send(()).unwrap();
        let _ = held.recv();
    };
    let answered = pool.apply_async_with(|x: u32| x, 7, callback).unwrap();
    called.recv().unwrap();
    let workers = pool.pids();
    drop(pool);
    assert!(workers.iter().all(|&pid| process_state(pid).is_none()));
    assert_eq!(running.get(), Err(Error::Terminated));
    assert!(!answered.ready());
    drop(release);
    assert_eq!(answered.get(), Ok(7));
}

pub fn terminate_while_workers_are_being_replaced_leaves_nobody() {
    set_up(&[]);
    let before = Before::now();
    for round in 0..30 {
        let pool = Pool::new(3).unwrap();
        let dying = pool.map_async(die, vec![Death::ExitAtOnce(1); 30]).unwrap();
        let more = pool.chunksize(1).map_async(die, vec![Death::ExitAtOnce(1); 50]).unwrap();
        if round % 2 == 0 {
            let _ = pool.apply(|x: u32| x, 1);
        }
        drop(pool);
        before.is_back();
        assert!(dying.get().is_err() && more.get().is_err());
    }
}

pub fn a_pool_ended_while_its_workers_are_in_the_initializer_leaves_nobody() {
    static IN_INITIALIZER: Counter = Counter::new();
    set_up(&[&IN_INITIALIZER]);
    let before = Before::now();
    let pool = Pool::builder(2)
        .initializer(|| {
            IN_INITIALIZER.increment();
            SigSet::all().thread_block().unwrap();
            loop {
                unistd::pause();
            }
        })
        .build()
        .unwrap();
    let waiting = pool.apply_async(|x: u32| x, 1).unwrap();
    IN_INITIALIZER.wait_for(2);
    drop(pool);
    before.is_back();
    assert_eq!(waiting.get(), Err(Error::Terminated));
}

pub fn close_and_join_finish_the_outstanding_work() {
    static GATE: Gate = Gate::new();
    static RUN: Counter = Counter::new();
    set_up(&[&RUN]);
    GATE.set_up();
    fn task(x: u64) -> u64 {
        GATE.wait();
        RUN.increment();
        x * x
    }
    let before = Before::now();
    let pool = Pool::new(2).unwrap();
    let single = pool.apply_async(task, 3).unwrap();
    let map = pool.chunksize(1).map_async(task, 0..50).unwrap();
    let imap = pool.imap(task, 0..8).unwrap();
    assert_eq!(pool.join(), Err(Error::StillRunning));
    pool.close();
    pool.close();
    assert_eq!(pool.apply(task, 1), Err(Error::NotRunning));
    assert_eq!(pool.map(task, [1]), Err(Error::NotRunning));
    assert_eq!(pool.imap(task, [1]).err(), Some(Error::NotRunning));
    thread::scope(|scope| {
        let joining = scope.spawn(|| pool.join());
        assert!(!single.ready() && RUN.get() == 0);
        GATE.open();
        assert_eq!(joining.join().unwrap(), Ok(()));
    });
    assert_eq!(RUN.get(), 59);
    assert!(pool.pids().is_empty());
    assert_eq!(pool.join(), Ok(()));
    assert_eq!(single.get_timeout(Duration::ZERO), Ok(&9));
    assert_eq!(map.get(), Ok((0..50).map(|x| x * x).collect()));
    assert_eq!(imap.map(Result::unwrap).sum::<u64>(), (0..8).map(|x| x * x).sum::<u64>());
    assert_eq!(pool.apply(task, 1), Err(Error::NotRunning));
    drop(pool);
    before.is_back();
}

pub fn join_forks_no_worker_that_would_have_nothing_to_do() {
    static STARTED: Counter = Counter::new();
    static GATE: Gate = Gate::new();
    set_up(&[&STARTED]);
    GATE.set_up();
    let pool = Pool::builder(2).maxtasksperchild(1).initializer(|| _ = STARTED.increment());
    let pool = pool.build().unwrap();
    STARTED.wait_for(2);
    let result = pool.apply_async(|()| GATE.wait(), ()).unwrap();
    pool.close();
    thread::scope(|scope| {
        let joining = scope.spawn(|| pool.join());
        eventually("the idle worker is done with", || pool.pids().len() == 1);
        GATE.open(); // the other one has done its task now, and is not replaced
        assert_eq!(joining.join().unwrap(), Ok(()));
    });
    assert_eq!(result.get(), Ok(()));
    assert_eq!(STARTED.get(), 2);
}

pub fn join_finishes_the_work_although_workers_die() {
    static RUN: [Counter; 60] = [const { Counter::new() }; 60];
    static GATE: Gate = Gate::new();
    set_up(&RUN.each_ref());
    GATE.set_up();
    fn task(x: usize) -> usize {
        GATE.wait();
        RUN[x].increment();
        if x.is_multiple_of(7) {
            die(Death::Raise(nix::libc::SIGKILL));
        }
        x
    }
    let before = Before::now();
    let pool = Pool::new(3).unwrap();
    let handles = Vec::from_iter((0..60).map(|x| pool.apply_async(task, x).unwrap()));
    pool.close();
    thread::scope(|scope| {
        let joining = scope.spawn(|| pool.join());
        GATE.open();
        assert_eq!(joining.join().unwrap(), Ok(()));
    });
    for (x, handle) in handles.into_iter().enumerate() {
        assert!(handle.ready());
        match x % 7 {
            0 => _ = died(handle.get()),
            _ => assert_eq!(handle.get(), Ok(x)),
        }
    }
    assert!(RUN.iter().all(|run| run.get() == 1));
    drop(pool);
    before.is_back();
}

/// The workers die when there is nothing left to do, and the pool is being joined.
pub fn join_ends_although_idle_workers_are_killed() {
    set_up(&[]);
    for _ in 0..20 {
        let pool = Pool::new(3).unwrap();
        let (supervisor, workers) = (supervisor_of(&pool), pool.pids());
        pool.close();
        thread::scope(|scope| {
            scope.spawn(|| {
                workers.iter().for_each(|&pid| _ = send_worker(supervisor, pid, Signal::SIGKILL));
            });
            assert_eq!(pool.join(), Ok(()));
        });
    }
}
