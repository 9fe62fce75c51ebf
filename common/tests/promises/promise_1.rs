//! A result or an error, always, and soon.

use std::{
    io::IoSlice,
    os::fd::AsRawFd,
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use common::{
    ExitStatus, Pool,
    gate::{Counter, Gate},
    harness::{eventually, is_alive, memory, process_state},
    pool::Error,
};
use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    libc,
    sys::{
        memfd::{MFdFlags, memfd_create},
        signal::Signal,
        socket::{ControlMessage, MsgFlags, sendmsg},
        wait::waitpid,
    },
    unistd::{self, ForkResult, Pid},
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::support::*;

const MB: usize = 1 << 20;

pub fn each_way_to_die_fails_its_own_task_and_no_other() {
    static BEGUN: Counter = Counter::new();
    static TOLD: Counter = Counter::new();
    set_up(&[&BEGUN, &TOLD]);
    fn bystander(turn: u64) -> u64 {
        BEGUN.increment();
        TOLD.wait_for(turn);
        turn
    }
    let pool = Pool::new(2).unwrap();
    for (turn, death) in (1..).zip(Death::all()) {
        let held = pool.apply_async(bystander, turn).unwrap();
        BEGUN.wait_for(turn);
        let answer = pool.apply(die, death);
        let text = answer.clone().unwrap_err().to_string();
        let (pid, status) = died(answer);
        assert!(death.explains(status), "{death:?}: {text}");
        assert_eq!(text, format!("worker {pid} {status} while it ran task 1 of 1"));
        assert!(!held.ready());
        TOLD.increment();
        assert_eq!(held.get(), Ok(turn));
        everyone_works(&pool);
    }
}

pub fn a_real_time_signal_is_told_too() {
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    let signal = libc::SIGRTMIN() + 3;
    let (_, status) = died(pool.apply(die, Death::Raise(signal)));
    assert_eq!(status, ExitStatus::Signaled(signal));
    everyone_works(&pool);
}

pub fn each_signal_from_outside_fails_the_running_task_alone() {
    static BEGUN: Counter = Counter::new();
    static GATE: Gate = Gate::new();
    set_up(&[&BEGUN]);
    GATE.set_up();
    let pool = Pool::new(2).unwrap();
    let supervisor = supervisor_of(&pool);
    for (turn, signal) in (1..).zip(deadly_signals()) {
        let hold = |(): ()| {
            BEGUN.increment();
            GATE.wait();
        };
        let held = pool.apply_async(hold, ()).unwrap();
        BEGUN.wait_for(turn);
        let other = pool.apply(|(): ()| me(), ()).unwrap();
        let victim = pool.pids().into_iter().find(|&pid| pid != other).unwrap();
        // Rust's own handler for SIGSEGV and SIGBUS returns from the first.
        eventually("the worker is dead", || {
            send_worker(supervisor, victim, signal);
            held.ready()
        });
        assert_eq!(died(held.get()), (victim, ExitStatus::Signaled(signal as i32)));
        everyone_works(&pool);
    }
}

pub fn signals_that_end_nobody_end_nobody() {
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    let before = pool.pids();
    let harmless = [Signal::SIGINT, Signal::SIGPIPE, Signal::SIGWINCH, Signal::SIGCONT];
    for signal in harmless {
        assert_eq!(
            pool.apply(
                |signal: i32| {
                    // SAFETY: raising a signal is always allowed.
                    unsafe { libc::raise(signal) }
                },
                signal as i32
            ),
            Ok(0)
        );
        send(before[0], signal);
    }
    assert_eq!(pool.apply(|x: i32| x + 1, 1), Ok(2));
    assert_eq!(pool.pids(), before);
}

/// 200 tasks, every tenth of which ends its worker: each was begun once, and has its own answer.
pub fn whatever_dies_each_task_is_begun_once_and_answered_once() {
    static BEGUN: [Counter; 200] = [const { Counter::new() }; 200];
    set_up(&BEGUN.each_ref());
    fn task((index, death): (usize, Option<Death>)) -> usize {
        BEGUN[index].increment();
        if let Some(death) = death {
            death.now();
        }
        index * index
    }
    let pool = Pool::new(4).unwrap();
    let all = Death::all();
    let death = |index: usize| (index % 10 == 3).then(|| all[index / 10 % all.len()]);
    let handles: Vec<_> =
        (0..200).map(|i| pool.apply_async(task, (i, death(i))).unwrap()).collect();
    for (index, handle) in handles.into_iter().enumerate() {
        match death(index) {
            None => assert_eq!(handle.get(), Ok(index * index)),
            Some(death) => assert!(death.explains(died(handle.get()).1)),
        }
    }
    assert!(BEGUN.iter().all(|begun| begun.get() == 1));
    everyone_works(&pool);
}

/// A death in a chunk is the error of the map; the error names the chunk, and the map of somebody else is right.
pub fn a_death_in_a_map_names_its_chunk_and_harms_no_other_call() {
    static BEGUN: [Counter; 12] = [const { Counter::new() }; 12];
    set_up(&BEGUN.each_ref());
    fn task(index: usize) -> usize {
        BEGUN[index].increment();
        if index == 4 {
            die(Death::Raise(libc::SIGKILL));
        }
        index
    }
    let pool = Pool::new(2).unwrap();
    let harmed = pool.chunksize(3).map_async(task, 0..12).unwrap();
    let other = pool.map_async(|x: u64| x * x, 0..100).unwrap();
    match harmed.get() {
        Err(Error::Died { tasks, status, .. }) => {
            assert_eq!((tasks.range, tasks.total), (3..6, Some(12)));
            assert_eq!(status, ExitStatus::Signaled(libc::SIGKILL));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(other.get().unwrap(), (0..100).map(|x| x * x).collect::<Vec<u64>>());
    let begun: Vec<u64> = BEGUN.iter().map(Counter::get).collect();
    assert_eq!(
        begun,
        [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
        "only the rest of the chunk is not run"
    );
}

pub fn a_death_in_imap_is_the_error_of_its_items_in_their_place() {
    set_up(&[]);
    fn task(index: usize) -> usize {
        if index == 3 {
            die(Death::Abort);
        }
        index
    }
    let pool = Pool::new(2).unwrap();
    let answers: Vec<_> = pool.imap(task, 0..8).unwrap().collect();
    for (index, answer) in answers.into_iter().enumerate() {
        match index {
            3 => assert_eq!(died(answer).1, ExitStatus::Signaled(libc::SIGABRT)),
            _ => assert_eq!(answer, Ok(index)),
        }
    }
    let unordered = pool.imap_unordered(task, 0..8).unwrap();
    assert_eq!(unordered.filter(Result::is_ok).count(), 7);
    everyone_works(&pool);
}

pub fn idle_workers_that_are_killed_are_replaced_and_nobody_hears_of_it() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&BEGUN]);
    let pool = Pool::new(3).unwrap();
    for (round, signal) in (1..).zip(deadly_signals().chain([Signal::SIGKILL; 10])) {
        everyone_works(&pool);
        let idle = pool.pids();
        idle.iter().for_each(|&pid| send(pid, signal));
        let sum = pool.chunksize(1).map(
            |x: u64| {
                BEGUN.increment();
                x
            },
            0..9,
        );
        assert_eq!(sum.map(|all| all.iter().sum()), Ok(36_u64), "{signal}");
        assert_eq!(BEGUN.get(), 9 * round);
    }
    everyone_works(&pool);
}

/// Somebody else has read its task of 48 megabytes, so it cannot have begun it. Another runs it.
pub fn a_worker_killed_while_it_reads_a_task_of_many_megabytes_loses_nothing() {
    static BEGUN: Counter = Counter::new();
    static READY: Counter = Counter::new();
    static READ: Counter = Counter::new();
    static GO: [Gate; 2] = [const { Gate::new() }; 2];
    set_up(&[&BEGUN, &READY, &READ]);
    GO.iter().for_each(Gate::set_up);
    /// Leaves a helper behind that shares the worker's socket, reads from it, and kills the worker.
    fn prepare((round, all): (usize, u64)) -> u32 {
        let (worker, socket) = (me(), own_socket());
        forked(|| {
            GO[round].wait();
            // SAFETY: a second descriptor, of this process, for the same socket.
            let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
            unistd::read(socket, &mut [0; 1024]).expect("the task is coming");
            send(worker, Signal::SIGKILL);
            READ.increment();
        });
        READY.increment();
        READY.wait_for(all); // so that each worker gets a helper
        worker
    }
    for (round, workers, all) in [(0, 1, 1), (1, 3, 4)] {
        let pool = Pool::new(workers).unwrap();
        // Whoever has answered this is idle: it does not look for more before it is told to.
        let prepared =
            Vec::from_iter((0..workers).map(|_| pool.apply_async(prepare, (round, all)).unwrap()));
        prepared.into_iter().for_each(|worker| stop(worker.get().unwrap()));
        let handles = Vec::from_iter((0..workers).map(|_| {
            let length = |text: String| {
                BEGUN.increment();
                text.len()
            };
            pool.apply_async(length, "x".repeat(48 * MB)).unwrap()
        }));
        GO[round].open();
        for handle in handles {
            assert_eq!(handle.get(), Ok(48 * MB));
        }
        READ.wait_for(all); // a helper says so when it has killed its worker
        assert_eq!(BEGUN.get(), all, "each was begun once, by the second worker");
        everyone_works(&pool);
    }
}

/// Writes its first half, and then, if it was told so, dies.
#[derive(Deserialize)]
struct Halves {
    first: String,
    dies: bool,
    second: String,
}

impl Serialize for Halves {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut to = to.serialize_struct("Halves", 3)?;
        to.serialize_field("first", &self.first)?;
        if self.dies {
            send(me(), Signal::SIGKILL);
        }
        to.serialize_field("dies", &self.dies)?;
        to.serialize_field("second", &self.second)?;
        to.end()
    }
}

/// Three workers die when 12 of the 24 MB of their result are written.
pub fn workers_killed_in_the_middle_of_writing_large_results_fail_their_own_tasks() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&BEGUN]);
    fn half(index: usize) -> String {
        index.to_string().repeat(12 * MB / index.to_string().len())
    }
    fn task(index: usize) -> Halves {
        BEGUN.increment();
        let dies = [2, 7, 11].contains(&index);
        Halves { first: half(index), dies, second: half(index + 1) }
    }
    let pool = Pool::new(4).unwrap();
    let handles = Vec::from_iter((0..20).map(|index| pool.apply_async(task, index).unwrap()));
    for (index, handle) in handles.into_iter().enumerate() {
        match (index, handle.get()) {
            (2 | 7 | 11, answer) => {
                let (_, status) = died(answer.map(drop));
                assert_eq!(status, ExitStatus::Signaled(libc::SIGKILL));
            }
            (_, answer) => {
                let Halves { first, dies: false, second } = answer.unwrap() else { panic!() };
                let right = first == half(index) && second == half(index + 1);
                assert!(right, "the result of task {index} is spoiled");
            }
        }
    }
    assert_eq!(BEGUN.get(), 20);
    everyone_works(&pool);
}

/// The whole result was in the socket, unread, when its worker died.
pub fn a_result_that_was_written_before_the_death_counts() {
    static PARENT_IS_STOPPED: Gate = Gate::new();
    set_up(&[]);
    PARENT_IS_STOPPED.set_up();
    fn task(x: u32) -> u32 {
        let (worker, socket) = (me(), own_socket());
        forked(|| {
            PARENT_IS_STOPPED.wait();
            eventually("the result is in the socket", || has_unread(socket));
            send(worker, Signal::SIGKILL);
            eventually("the worker is dead", || !is_alive(worker));
            send(case(), Signal::SIGCONT);
        });
        stop(case());
        PARENT_IS_STOPPED.open();
        x + 1
    }
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(task, 41), Ok(42));
    everyone_works(&pool);
}

/// Each way to die, in each of the first five workers that are forked: in time one can start.
pub fn workers_that_die_in_the_initializer_are_replaced() {
    static STARTED: Counter = Counter::new();
    static BEGUN: Counter = Counter::new();
    set_up(&[&STARTED, &BEGUN]);
    for death in Death::all().into_iter().filter(|&death| death != Death::CloseAll) {
        let (first, begun) = (STARTED.get(), BEGUN.get());
        let pool = Pool::builder(2)
            .initializer(move || {
                if STARTED.increment() - first <= 5 {
                    death.now();
                }
            })
            .build()
            .unwrap();
        let task = |x: u64| {
            BEGUN.increment();
            x
        };
        assert_eq!(pool.chunksize(1).map(task, 0..6).unwrap(), [0, 1, 2, 3, 4, 5], "{death:?}");
        assert_eq!(BEGUN.get() - begun, 6);
        everyone_works(&pool);
        assert_eq!(STARTED.get() - first, 5 + 2, "{death:?}");
    }
}

/// The pool is made while its workers are killed as fast as they appear, five of them.
pub fn workers_killed_right_after_their_fork_are_replaced() {
    static IN_INITIALIZER: Counter = Counter::new();
    static GATE: Gate = Gate::new();
    set_up(&[&IN_INITIALIZER]);
    GATE.set_up();
    let pool = Pool::builder(1)
        .initializer(|| {
            IN_INITIALIZER.increment();
            GATE.wait();
        })
        .build()
        .unwrap();
    let handle = pool.apply_async(|x: u32| x + 1, 41).unwrap();
    for turn in 1..=5 {
        IN_INITIALIZER.wait_for(turn);
        eventually("the pool knows of it", || !pool.pids().is_empty());
        let pid = pool.pids()[0];
        send(pid, Signal::SIGKILL);
        eventually("another has its place", || pool.pids().iter().all(|&now| now != pid));
    }
    assert!(!handle.ready());
    GATE.open();
    assert_eq!(handle.get(), Ok(42));
    everyone_works(&pool);
}

static SENT: Counter = Counter::new();
static MAY_DIE: Gate = Gate::new();

/// A task after which its worker is to be stopped: it dies when the gate is open and the next task is in its socket,
/// unread.
fn await_the_next((): ()) -> u32 {
    let (worker, socket) = (me(), own_socket());
    forked(|| {
        eventually("the worker is stopped", || process_state(worker) == Some('T'));
        eventually("the task has come", || is_readable(socket));
        SENT.increment();
        MAY_DIE.wait();
        send(worker, Signal::SIGKILL);
    });
    worker
}

pub fn a_task_that_was_sent_and_not_begun_is_run_by_the_next_worker() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&SENT, &BEGUN]);
    MAY_DIE.set_up();
    MAY_DIE.open();
    let pool = Pool::new(1).unwrap();
    // As often as an unlucky task may lose its worker, and the pool goes on.
    for turn in 1..=20 {
        stop(pool.apply(await_the_next, ()).unwrap());
        let task = |x: u64| {
            BEGUN.increment();
            x + 1
        };
        assert_eq!(pool.apply(task, turn), Ok(turn + 1));
        assert_eq!((SENT.get(), BEGUN.get()), (turn, turn));
    }
    everyone_works(&pool);
}

/// Those are where every worker can take them by then.
pub fn a_task_that_was_sent_and_not_begun_is_run_before_younger_ones() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&SENT, &BEGUN]);
    MAY_DIE.set_up();
    let pool = Pool::new(1).unwrap();
    stop(pool.apply(await_the_next, ()).unwrap());
    let turn = |_: u32| BEGUN.increment();
    let sent = pool.apply_async(turn, 0).unwrap();
    SENT.wait_for(1);
    let younger = pool.chunksize(1).map_async(turn, 0..3).unwrap();
    MAY_DIE.open();
    assert_eq!((sent.get(), younger.get()), (Ok(1), Ok(vec![2, 3, 4])));
}

pub fn a_stopped_worker_delays_its_own_task_alone() {
    static BEGUN: Counter = Counter::new();
    static GATE: Gate = Gate::new();
    set_up(&[&BEGUN]);
    GATE.set_up();
    let pool = Pool::new(2).unwrap();
    let hold = |(): ()| {
        BEGUN.increment();
        GATE.wait();
        me()
    };
    let held = pool.apply_async(hold, ()).unwrap();
    BEGUN.wait_for(1);
    // The other worker answers, so the held one is the one that does not.
    let other = pool.apply(|(): ()| me(), ()).unwrap();
    let stopped = pool.pids().into_iter().find(|&pid| pid != other).unwrap();
    stop(stopped);
    GATE.open();
    assert_eq!(pool.map(|x: u32| x + 1, 0..100).unwrap().len(), 100);
    assert!(!held.ready());
    assert_eq!(process_state(stopped), Some('T'));
    send(stopped, Signal::SIGCONT);
    assert_eq!(held.get(), Ok(stopped));
    everyone_works(&pool);
}

pub fn a_worker_stopped_while_idle_delays_one_task_at_most() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    let stopped = pool.pids()[0];
    stop(stopped);
    let handles = Vec::from_iter((0..50).map(|x| pool.apply_async(|x: u32| x, x).unwrap()));
    eventually("all but one are done", || {
        handles.iter().filter(|handle| !handle.ready()).count() <= 1
    });
    send(stopped, Signal::SIGCONT);
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.get(), Ok(x));
    }
}

/// They wait where every worker can take them, as long as they are few: what does not find a place there is sent.
pub fn a_worker_stopped_while_idle_keeps_no_small_task_of_a_map_from_the_others() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    let stopped = pool.pids()[0];
    stop(stopped);
    let pids = pool.chunksize(1).map(|_: u32| me(), 0..50).unwrap();
    assert_eq!(process_state(stopped), Some('T'));
    assert!(!pids.contains(&stopped));
    send(stopped, Signal::SIGCONT);
    everyone_works(&pool);
}

/// Each worker goes from one to the next without asking; what it died of is still known.
pub fn each_death_among_many_small_tasks_of_a_map_has_one_victim() {
    static BEGUN: [Counter; 300] = [const { Counter::new() }; 300];
    set_up(&BEGUN.each_ref());
    fn task((index, death): (usize, Option<Death>)) -> usize {
        BEGUN[index].increment();
        if let Some(death) = death {
            death.now();
        }
        index
    }
    let pool = Pool::new(3).unwrap();
    let all = Death::all();
    let death = |index: usize| (index % 25 == 7).then(|| all[index / 25 % all.len()]);
    let other = pool.chunksize(2).map_async(|x: u64| x * x, 0..300).unwrap();
    let map = pool.chunksize(1).map_async(task, (0..300).map(|index| (index, death(index))));
    match map.unwrap().get() {
        Err(Error::Died { tasks, status, .. }) => {
            assert_eq!(tasks.range.len(), 1);
            assert!(death(tasks.range.start).is_some_and(|death| death.explains(status)));
        }
        other => panic!("{other:?}"),
    }
    assert!(BEGUN.iter().all(|begun| begun.get() == 1));
    assert!(other.get().unwrap().into_iter().eq((0..300).map(|x| x * x)));
    everyone_works(&pool);
}

pub fn a_stopped_worker_is_ended_by_a_limit_by_cancel_and_by_terminate() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&BEGUN]);
    fn hold((): ()) {
        BEGUN.increment();
        loop {
            unistd::pause();
        }
    }
    fn stop_oneself((): ()) {
        // SAFETY: it stops this process.
        unsafe { libc::raise(libc::SIGSTOP) };
        hold(());
    }
    let before = Before::now();
    let pool = Pool::new(1).unwrap();
    let limited = pool.limit(Duration::from_millis(20)).apply(stop_oneself, ());
    assert!(matches!(limited, Err(Error::TimeLimit { .. })));
    assert_eq!(BEGUN.get(), 0, "it did not go on");

    let begun = BEGUN.get();
    let held = pool.apply_async(hold, ()).unwrap();
    BEGUN.wait_for(begun + 1);
    stop(pool.pids()[0]);
    assert!(held.cancel());
    assert_eq!(held.get(), Err(Error::Cancelled));
    everyone_works(&pool);

    let begun = BEGUN.get();
    let held = pool.apply_async(hold, ()).unwrap();
    BEGUN.wait_for(begun + 1);
    stop(pool.pids()[0]);
    pool.terminate();
    assert_eq!(held.get(), Err(Error::Terminated));
    drop(pool);
    before.is_back();
}

/// The end of a worker's socket is hidden by a child of its task, which lives on.
pub fn a_child_of_a_task_does_not_hide_the_death_of_its_worker() {
    static GATE: Gate = Gate::new();
    static ENDED: Counter = Counter::new();
    set_up(&[&ENDED]);
    GATE.set_up();
    let pool = Pool::new(1).unwrap();
    fn task((): ()) {
        forked(|| {
            GATE.wait();
            ENDED.increment();
        });
        die(Death::Raise(libc::SIGKILL));
    }
    assert_eq!(died(pool.apply(task, ())).1, ExitStatus::Signaled(libc::SIGKILL));
    everyone_works(&pool);

    // And of one that dies idle.
    let leave_a_child = |(): ()| {
        forked(|| {
            GATE.wait();
            ENDED.increment();
        });
    };
    pool.apply(leave_a_child, ()).unwrap();
    let idle = pool.pids();
    send(idle[0], Signal::SIGKILL);
    eventually("it is replaced", || pool.pids() != idle && !pool.pids().is_empty());
    everyone_works(&pool);
    assert_eq!(ENDED.get(), 0, "the children are still there");
    GATE.open();
    ENDED.wait_for(2);
}

pub fn a_task_that_forks_and_returns_twice_has_one_result() {
    static RETURNED: Counter = Counter::new();
    set_up(&[&RETURNED]);
    fn twice(x: u32) -> u32 {
        // SAFETY: a worker has one thread.
        let _ = unsafe { unistd::fork() }.unwrap();
        RETURNED.increment();
        x + 1
    }
    fn twice_with_a_panic(x: u32) -> u32 {
        // SAFETY: a worker has one thread.
        if unsafe { unistd::fork() }.unwrap().is_child() {
            RETURNED.increment();
            panic!("in the child");
        }
        x + 1
    }
    let pool = Pool::new(2).unwrap();
    let before = pool.pids();
    for task in [twice, twice_with_a_panic] {
        let all = pool.chunksize(5).map(task, 0..50).unwrap();
        assert_eq!(all, (1..=50).collect::<Vec<_>>());
    }
    RETURNED.wait_for(150);
    assert_eq!(pool.pids(), before, "no worker was lost");
    everyone_works(&pool);
}

/// It has the file in which the results of the chunk are collected.
pub fn what_a_child_of_a_task_returns_is_in_no_result() {
    static GONE_ON: Counter = Counter::new();
    static CHILD: AtomicI32 = AtomicI32::new(0);
    set_up(&[&GONE_ON]);
    fn task(index: usize) -> Vec<usize> {
        match index {
            // SAFETY: a worker has one thread.
            1 => match unsafe { unistd::fork() }.unwrap() {
                ForkResult::Parent { child } => CHILD.store(child.as_raw(), Ordering::Relaxed),
                ForkResult::Child => {
                    GONE_ON.wait_for(1); // its parent's result is written
                    return vec![usize::MAX; MB];
                }
            },
            2 => {
                GONE_ON.increment();
                let child = Pid::from_raw(CHILD.load(Ordering::Relaxed));
                waitpid(child, None).expect("it ends without a result");
            }
            _ => {}
        }
        vec![index; MB]
    }
    let pool = Pool::new(1).unwrap();
    for (index, result) in pool.chunksize(4).map(task, 0..4).unwrap().into_iter().enumerate() {
        assert!(result == vec![index; MB], "{index}");
    }
    assert_eq!(GONE_ON.get(), 1);
}

/// Both would read the same tasks from the same socket.
pub fn an_initializer_that_forks_and_returns_twice_makes_one_worker() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&BEGUN]);
    let pool = Pool::builder(1)
        .initializer(|| {
            // SAFETY: a worker has one thread.
            let _ = unsafe { unistd::fork() }.unwrap();
        })
        .build()
        .unwrap();
    let worker = pool.pids()[0];
    for x in 0..50 {
        let task = |(x, text): (u32, String)| {
            BEGUN.increment();
            (x, text.len(), me())
        };
        assert_eq!(pool.apply(task, (x, "x".repeat(MB))), Ok((x, MB, worker)));
    }
    assert_eq!(BEGUN.get(), 50);
}

/// What a broken worker may send for a reply.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Lie {
    /// So many bytes without a meaning.
    Nonsense(usize),
    /// The results are in a file, which does not come.
    NoFile,
    /// It comes, and is shorter than it was said to be.
    ShortFile,
    /// It comes, and can be cut off while it is read.
    OpenFile,
    /// It comes, with 200 megabytes that were never written.
    Endless,
    /// It comes so many times.
    Files(usize),
}

pub fn a_lying_worker_costs_its_own_task_and_no_memory() {
    set_up(&[]);
    fn lie(lie: Lie) {
        let file = |length: usize, sealed| {
            let file = memfd_create(c"lie", MFdFlags::MFD_ALLOW_SEALING).unwrap();
            unistd::ftruncate(&file, length as i64).unwrap();
            if sealed {
                let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_WRITE;
                fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
            }
            file
        };
        // The header of a reply to the first task: its number, and how long the file is.
        let header = |length: usize| postcard::to_stdvec(&(1_u64, Some(length))).unwrap();
        let (bytes, file) = match lie {
            Lie::Nonsense(length) => (vec![0xff; length], None),
            Lie::NoFile => (header(1 << 39), None),
            Lie::ShortFile => (header(1 << 39), Some(file(MB, true))),
            Lie::OpenFile => (header(MB), Some(file(MB, false))),
            Lie::Endless => (header(200 * MB), Some(file(200 * MB, true))),
            Lie::Files(_) => (header(MB), Some(file(MB, true))),
        };
        let times = if let Lie::Files(times) = lie { times } else { 1 };
        let fds = file.iter().flat_map(|file| vec![file.as_raw_fd(); times]).collect::<Vec<_>>();
        let rights = [ControlMessage::ScmRights(&fds)];
        let rights = if fds.is_empty() { &[] } else { &rights[..] };
        let parts = [IoSlice::new(&bytes)];
        sendmsg::<()>(own_socket(), &parts, rights, MsgFlags::empty(), None).unwrap();
        die(Death::ExitAtOnce(7));
    }
    let (all, before) = (Before::now(), memory(me()).private);
    let nonsense = [1, 2, 8, 9, 200, 60_000].map(Lie::Nonsense);
    let files = [2, 3, 4, 253].map(Lie::Files); // a message brings no more
    let others = [Lie::NoFile, Lie::ShortFile, Lie::OpenFile, Lie::Endless];
    for told in nonsense.into_iter().chain(others).chain(files) {
        let pool = Pool::new(1).unwrap();
        let answer = pool.apply(lie, told);
        // Its place on the board says that it has not done the task: whatever it sends is not the result.
        let right = matches!(answer, Err(Error::Died { .. }));
        assert!(right, "{told:?}: {answer:?}");
        everyone_works(&pool);
    }
    let more = memory(me()).private.saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB more than before");
    all.is_back();
}

/// The worker goes on meanwhile, from one task to the next: what it has done counts.
pub fn nonsense_among_small_tasks_has_one_victim_at_most() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&BEGUN]);
    fn task((index, nonsense): (u32, Option<Vec<u8>>)) -> u32 {
        BEGUN.increment();
        if let Some(nonsense) = nonsense {
            // SAFETY: the worker's socket is open.
            let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(own_socket()) };
            (0..20).for_each(|_| _ = unistd::write(socket, &nonsense).unwrap());
        }
        index
    }
    for workers in [1, 2] {
        // The second one is what a worker says that has started; the third is about another task; the last is empty.
        for nonsense in [vec![0xff; 3], vec![0, 0], vec![1, 0], vec![]] {
            let pool = Pool::new(workers).unwrap();
            let before = BEGUN.get();
            let maps = Vec::from_iter((0..10).map(|map| {
                let items = (0..4).map(|item| match (map, item) {
                    (3, 2) => (item, Some(nonsense.clone())),
                    _ => (item, None),
                });
                pool.chunksize(1).map_async(task, items).unwrap()
            }));
            let answers = Vec::from_iter(maps.into_iter().map(|map| map.get()));
            let failed = answers.iter().filter(|answer| **answer != Ok(vec![0, 1, 2, 3])).count();
            assert!(failed <= 1, "{nonsense:?}: {answers:?}");
            let begun = BEGUN.get() - before;
            assert!(begun <= 40 && begun + failed as u64 >= 40, "{begun} were begun");
            everyone_works(&pool);
        }
    }
}

/// A task writes to the wrong descriptor, and the parent takes it for its result. The result that
/// follows must not be taken for that of the next task.
pub fn a_worker_that_answers_twice_answers_no_other_task() {
    static GO: [Gate; 8] = [const { Gate::new() }; 8];
    set_up(&[]);
    GO.iter().for_each(Gate::set_up);
    fn babble((turn, bytes): (usize, usize)) -> String {
        let nonsense: Vec<u8> = (0..bytes).map(|x| (x * turn) as u8).collect();
        // SAFETY: the worker's socket is open, and the bytes are there.
        let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(own_socket()) };
        unistd::write(socket, &nonsense).unwrap();
        GO[turn].wait();
        String::from("and then the truth")
    }
    let pool = Pool::new(1).unwrap();
    for (turn, bytes) in [1, 2, 8, 20, 200, 2000, 4, 3].into_iter().enumerate() {
        let _ = pool.apply(babble, (turn, bytes));
        let next = pool.apply_async(|x: u64| x + 1, 1).unwrap();
        GO[turn].open();
        assert_eq!(next.get(), Ok(2));
    }
    everyone_works(&pool);
}

/// The supervisor, and with it all workers: everybody is told, and nothing hangs.
pub fn a_killed_supervisor_is_told_to_everybody() {
    static BEGUN: Counter = Counter::new();
    set_up(&[&BEGUN]);
    let before = Before::now();
    for signal in [Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGABRT] {
        let begun = BEGUN.get();
        let pool = Pool::new(2).unwrap();
        let hold = |(): ()| {
            BEGUN.increment();
            loop {
                unistd::pause();
            }
        };
        let running: Vec<_> = (0..2).map(|_| pool.apply_async(hold, ()).unwrap()).collect();
        let queued = pool.map_async(|x: u32| x, 0..100).unwrap();
        BEGUN.wait_for(begun + 2);
        let (supervisor, workers) = (supervisor_of(&pool), pool.pids());
        eventually("the supervisor is dead", || {
            send(supervisor, signal);
            !is_alive(supervisor)
        });
        for handle in running {
            let answer: Result<(), Error> = handle.get();
            assert!(
                matches!(answer, Err(Error::SupervisorDied | Error::Died { .. })),
                "{answer:?}"
            );
        }
        assert_eq!(queued.get(), Err(Error::SupervisorDied));
        assert_eq!(pool.apply(|x: u32| x, 1), Err(Error::SupervisorDied));
        are_gone(&workers);
        drop(pool);
        before.is_back();
    }
}

/// No worker has room for the argument: each dies while it reads, and none has begun it.
pub fn an_argument_that_no_worker_can_hold_is_an_error_in_the_end() {
    static STARTED: Counter = Counter::new();
    set_up(&[&STARTED]);
    let pool = Pool::builder(2)
        .initializer(|| {
            STARTED.increment();
            limit_memory(64 * MB as u64);
        })
        .build()
        .unwrap();
    let handle = pool.apply_async(|text: String| text.len(), "x".repeat(200 * MB)).unwrap();
    eventually("there is an answer, or the pool forks without end", || {
        handle.ready() || STARTED.get() > 100
    });
    assert!(STARTED.get() <= 100, "{} workers died of one task", STARTED.get());
    assert!(handle.get().is_err());
    assert_eq!(pool.apply(|x: u32| x + 1, 1), Ok(2), "the pool goes on");
}
