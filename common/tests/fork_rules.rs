//! The twenty rules of forking, a test for each, named by its number. A promise's test (see the target `promises`)
//! that covers a rule is not repeated here:
//!
//! | rule | also covered by |
//! |---|---|
//! | 2 flush before the fork and before `_exit` | `promise_8::an_unfinished_line_appears_once`, `…the_programs_exit_handlers_run_in_the_program_alone` |
//! | 4 signals and stdin | `promise_8::the_input_of_a_task_is_empty_and_the_programs_is_untouched`, `promise_4::ctrl_c_…` |
//! | 5 each way to die | `promise_1::each_way_to_die_fails_its_own_task_and_no_other`, `…forks_and_returns_twice…` |
//! | 11 a constructor that fails half way | `promise_7::no_…_to_be_had_is_an_error_that_leaves_nothing` |
//! | 13 both directions full | `promise_6::four_megabytes_against_four_megabytes_on_each_of_many_tasks` |
//! | 14 lengths, EPIPE | `promise_1::a_lying_worker_costs_its_own_task_and_no_memory`, `…idle_workers_that_are_killed…` |
//! | 15 drain | `promise_1::a_result_that_was_written_before_the_death_counts` |
//! | 18 grace, then SIGKILL | `promise_3::terminate_ends_workers_whatever_they_do`, `…get_to_see_sigterm…` |
//! | 19 the parent is killed | `promise_4` |
//! | 20 restarts are limited | `promise_7::an_initializer_that_always_fails_ends_the_pool_with_its_cause`, `…die_at_once…` |

#[path = "promises/support.rs"]
mod support;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    io::{self, Read, Write},
    mem,
    os::{fd::AsRawFd, unix::process::ExitStatusExt},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use common::{
    ExitStatus, Pool, Process,
    gate::{Counter, Gate},
    harness::{
        self, children, eventually, is_alive, open_descriptors, process_state, tests, threads,
    },
    pool::Error,
};
use nix::{
    libc,
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction, signal},
        wait::{WaitStatus, waitpid},
    },
    unistd::{self, Pid},
};
use rand::{RngExt, rng};

use support::*;

fn main() {
    harness::main(tests![
        rule_01_nothing_unwinds_past_the_fork,
        rule_02_what_was_printed_before_the_fork_is_out_before_it,
        rule_03_copies_of_handles_end_nothing,
        rule_04_signals_are_back_to_their_defaults,
        rule_04_what_a_task_starts_is_ended_by_ctrl_c_like_any_program,
        rule_04_real_time_signals_are_back_to_their_defaults,
        rule_05_a_second_return_is_not_taken_for_a_result,
        rule_06_generators_are_seeded_anew,
        rule_07_a_lock_held_at_the_fork_is_not_held_in_the_child,
        rule_07_a_replacement_is_not_forked_from_the_program,
        rule_08_a_worker_has_one_thread,
        rule_09_concurrent_forks_copy_no_ends,
        rule_09_a_tasks_own_command_gets_no_ends,
        rule_10_a_fork_of_the_program_hides_no_end,
        rule_11_a_supervisor_that_cannot_be_made_leaves_nothing,
        rule_12_interrupted_calls_are_resumed,
        rule_13_an_argument_and_a_result_that_fill_their_directions,
        rule_14_writing_to_a_dead_worker_is_no_sigpipe,
        rule_15_the_last_words_of_a_worker_are_heard,
        rule_16_a_status_that_somebody_else_took_is_unknown,
        rule_17_a_pid_that_is_used_again_is_left_alone,
        rule_18_no_zombie_on_any_path,
        rule_19_a_parent_that_dies_while_it_makes_a_pool_leaves_nobody,
        rule_20_the_first_cause_is_told,
    ]);
}

fn rule_01_nothing_unwinds_past_the_fork() {
    static DROPPED: Counter = Counter::new();
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            DROPPED.increment();
        }
    }
    set_up(&[&DROPPED]);
    let panics = || -> () { panic!("in the child") };
    let fork_and_die = move || {
        let _guard = Guard;
        let process = Process::new(panics).start().unwrap();
        assert_eq!(process.join().unwrap(), ExitStatus::Exited(1));
        let pool = Pool::builder(1).initializer(panics).build().unwrap();
        assert!(matches!(pool.apply(|x: u32| x, 1), Err(Error::CannotStart(_))));
        let pool = Pool::new(1).unwrap();
        let task = |(): ()| -> () { panic!("in a task") };
        assert!(matches!(pool.apply(task, ()), Err(Error::Panicked { .. })));
    };
    // On the main thread an escaping panic would run our destructors; on another it would exit 0.
    fork_and_die();
    assert_eq!(DROPPED.get(), 1, "once, in the program");
    thread::spawn(fork_and_die).join().unwrap();
    assert_eq!(DROPPED.get(), 2);
}

fn rule_02_what_was_printed_before_the_fork_is_out_before_it() {
    set_up(&[]);
    let (reader, writer) = io::pipe().unwrap();
    let mut reader = reader;
    let process = Process::new(|| {
        // SAFETY: descriptor 1 is this process's standard output, and stays open.
        assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), 1) }, 1);
        print!("before");
        let inner = Process::new(|| print!("in the child")).start().unwrap();
        inner.join().unwrap();
        print!("after");
        // A child that skips its own flush says nothing, and nothing of ours.
        let mute = Process::new(|| {
            print!("lost");
            Death::ExitAtOnce(0).now()
        });
        mute.start().unwrap().join().unwrap();
    })
    .start()
    .unwrap();
    drop(writer);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    process.join().unwrap();
    assert_eq!(output, "beforein the childafter");
}

fn rule_03_copies_of_handles_end_nothing() {
    static GATE: Gate = Gate::new();
    static BUSY: Counter = Counter::new();
    set_up(&[&BUSY]);
    GATE.set_up();
    let hold = |x: u32| {
        BUSY.increment();
        GATE.wait();
        x
    };
    let pool = Pool::new(2).unwrap();
    let handle = pool.apply_async(hold, 7).unwrap();
    let waiting = pool.imap(hold, [8]).unwrap();
    BUSY.wait_for(2);
    let other = Process::new(|| GATE.wait()).start().unwrap();
    // The copies in a child: used, then dropped. SAFETY of the reads: the originals are never touched in
    // the child, which leaves by _exit.
    let misuse = || {
        let wrong = Err(Error::WrongProcess(case()));
        // SAFETY: see above.
        let (pool, handle, mut waiting, other) = unsafe {
            (
                std::ptr::read(&pool),
                std::ptr::read(&handle),
                std::ptr::read(&waiting),
                std::ptr::read(&other),
            )
        };
        assert_eq!(pool.apply(|x: u32| x, 1), wrong);
        assert!(!handle.cancel());
        assert_eq!(handle.get(), wrong);
        assert_eq!(waiting.by_ref().take(3).collect::<Vec<_>>(), [wrong]); // and no more
        pool.close();
        pool.terminate();
        assert!(pool.join().is_err());
        assert!(other.kill().is_err() && other.join().is_err());
        drop((pool, waiting, other));
    };
    // A fork of ours has none of the descriptors, one by other means has them all.
    assert_eq!(Process::new(misuse).start().unwrap().join().unwrap(), ExitStatus::Exited(0));
    let child = Pid::from_raw(forked(misuse) as i32);
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    assert!(other.is_alive().unwrap());
    assert!(pool.pids().into_iter().all(is_alive));
    GATE.open();
    assert_eq!(handle.get(), Ok(7));
    assert_eq!(waiting.collect::<Vec<_>>(), [Ok(8)]);
    assert_eq!(other.join().unwrap(), ExitStatus::Exited(0));
    everyone_works(&pool);
}

extern "C" fn never(_: i32) {
    // SAFETY: ends this process, and may be called in a handler.
    unsafe { libc::_exit(99) };
}

fn rule_04_signals_are_back_to_their_defaults() {
    set_up(&[]);
    let action = SigAction::new(SigHandler::Handler(never), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGCHLD, Signal::SIGALRM] {
        // SAFETY: the handler only ends the process.
        unsafe { sigaction(signal, &action) }.unwrap();
    }
    // SAFETY: to ignore signals runs no code.
    unsafe {
        signal(Signal::SIGUSR2, SigHandler::SigIgn).unwrap();
        signal(Signal::SIGQUIT, SigHandler::SigIgn).unwrap();
    }
    SigSet::all().thread_block().unwrap();
    let state = |(): ()| signal_state();
    let bit = |signal: Signal| 1 << (signal as u64 - 1);
    // Rust's own, for a stack overflow, and that a closed pipe is an error.
    let rust = bit(Signal::SIGSEGV) | bit(Signal::SIGBUS);
    let ignored = bit(Signal::SIGPIPE);
    let of_a_worker = [
        (String::from("SigBlk"), 0),
        (String::from("SigIgn"), ignored),
        (String::from("SigCgt"), rust | bit(Signal::SIGINT)), // by a handler that does nothing
    ];
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(state, ()).unwrap(), of_a_worker);
    let process = Process::new(|| {
        assert_eq!(
            signal_state(),
            [
                (String::from("SigBlk"), 0),
                (String::from("SigIgn"), ignored), // Ctrl-C ends it like any program
                (String::from("SigCgt"), rust),
            ]
        );
    });
    assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
}

/// What is ignored stays ignored across an exec, what has a handler does not.
fn rule_04_what_a_task_starts_is_ended_by_ctrl_c_like_any_program() {
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    let start = |()| {
        let program = Command::new("sh").args(["-c", "kill -INT $$; exit 0"]).status().unwrap();
        (program.signal(), program.code())
    };
    assert_eq!(pool.apply(start, ()), Ok((Some(libc::SIGINT), None)));
}

fn rule_04_real_time_signals_are_back_to_their_defaults() {
    set_up(&[]);
    let (handled, ignored) = (libc::SIGRTMIN() + 1, libc::SIGRTMIN() + 2);
    // SAFETY: the handler only ends the process.
    unsafe {
        libc::signal(handled, never as *const () as usize);
        libc::signal(ignored, libc::SIG_IGN);
    }
    let process = Process::new(move || {
        let bits = 1 << (handled - 1) | 1 << (ignored - 1);
        for (which, signals) in signal_state() {
            assert_eq!(signals & bits, 0_u64, "{which}");
        }
    });
    assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
}

/// Of a task that forked by `Process`, of a process that forked by itself.
fn rule_05_a_second_return_is_not_taken_for_a_result() {
    static RETURNED: Counter = Counter::new();
    set_up(&[&RETURNED]);
    let pool = Pool::new(1).unwrap();
    let nested = |x: u32| {
        let process = Process::new(|| std::process::exit(3)).start().unwrap();
        let status = process.join().unwrap();
        (x, status)
    };
    assert_eq!(pool.apply(nested, 7), Ok((7, ExitStatus::Exited(3))));
    let process = Process::new(|| {
        // SAFETY: this process has one thread.
        let _ = unsafe { unistd::fork() }.unwrap();
        RETURNED.increment();
    });
    assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
    RETURNED.wait_for(2);
    everyone_works(&pool);
}

fn rule_06_generators_are_seeded_anew() {
    set_up(&[]);
    let _used = rng().random::<u64>();
    let draw = |_: u32| {
        let _ = ROUND.increment();
        ROUND.wait_for(8); // so that each worker draws
        (me(), rng().random::<u64>(), common::random::rng().random::<u64>())
    };
    static ROUND: Counter = Counter::new();
    ROUND.set_up();
    let pool = Pool::new(8).unwrap();
    let drawn = pool.chunksize(1).map(draw, 0..8).unwrap();
    let workers: BTreeSet<u32> = drawn.iter().map(|(pid, ..)| *pid).collect();
    assert_eq!(workers.len(), 8);
    let numbers: HashSet<u64> = drawn.iter().flat_map(|(_, a, b)| [*a, *b]).collect();
    assert_eq!(numbers.len(), 16);
    assert!(!numbers.contains(&rng().random::<u64>()));
}

/// Another thread prints all the time, and holds the lock of standard output for most of it.
fn rule_07_a_lock_held_at_the_fork_is_not_held_in_the_child() {
    static STOP: AtomicBool = AtomicBool::new(false);
    set_up(&[]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !STOP.load(Ordering::Relaxed) {
                    let mut out = io::stdout().lock();
                    let _ = out.write_all(b".\n");
                    drop(out);
                    eprint!(".");
                    drop(open_descriptors(me())); // and allocates
                }
            });
        }
        for _ in 0..30 {
            let pool = Pool::new(2).unwrap();
            let print = |x: u32| {
                println!("{x}");
                eprintln!("{x}");
            };
            pool.chunksize(1).map(print, 0..4).unwrap();
            let process = Process::new(|| println!("p")).start().unwrap();
            assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
        }
        STOP.store(true, Ordering::Relaxed);
    });
}

/// All locks of the program are held, and a worker is replaced.
fn rule_07_a_replacement_is_not_forked_from_the_program() {
    static LOCK: Mutex<u32> = Mutex::new(7);
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    everyone_works(&pool);
    let supervisor = supervisor_of(&pool);
    assert_eq!(threads(supervisor), 1);
    let (_lock, _out, _err) = (LOCK.lock().unwrap(), io::stdout().lock(), io::stderr().lock());
    let use_them = |(): ()| {
        println!("out");
        eprintln!("err");
        *LOCK.lock().unwrap()
    };
    for _ in 0..3 {
        let idle = pool.pids();
        send(idle[0], Signal::SIGKILL);
        assert_eq!(pool.apply(use_them, ()), Ok(7));
        eventually("it is another", || pool.pids() != idle);
        assert_eq!(parent_of(pool.pids()[0]), supervisor);
    }
}

/// And a thread that a task starts is its own.
fn rule_08_a_worker_has_one_thread() {
    set_up(&[]);
    let _others = Pool::new(3).unwrap(); // handlers are threads
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    assert!(threads(me()) > 5);
    assert!(pool.pids().into_iter().all(|pid| threads(pid) == 1));
    assert_eq!(threads(supervisor_of(&pool)), 1);
    let sum = |n: u64| {
        thread::scope(|scope| {
            let threads = Vec::from_iter((0..n).map(|x| scope.spawn(move || x)));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        })
    };
    assert_eq!(pool.map(sum, [3, 4, 5]), Ok(vec![3, 6, 10]));
}

/// The sockets of a process: descriptors that lead to one.
fn sockets(pid: u32) -> BTreeSet<String> {
    open_descriptors(pid).into_values().filter(|target| target.starts_with("socket:")).collect()
}

fn rule_09_concurrent_forks_copy_no_ends() {
    set_up(&[]);
    let inherited = sockets(me());
    let pools = thread::scope(|scope| {
        let makers = Vec::from_iter((0..6).map(|_| {
            scope.spawn(|| {
                Vec::from_iter((0..5).map(|_| {
                    let process = Process::new(|| ()).start().unwrap();
                    let pool = Pool::new(2).unwrap();
                    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
                    let _ = died(pool.apply(die, Death::ExitAtOnce(1)));
                    pool
                }))
            })
        }));
        Vec::from_iter(makers.into_iter().flat_map(|maker| maker.join().unwrap()))
    });
    let mut seen = inherited.clone();
    for pool in &pools {
        everyone_works(pool);
        for pid in pool.pids() {
            let own = &sockets(pid) - &inherited;
            assert_eq!(own.len(), 1, "a worker has one socket, and no other process's");
            assert!(seen.insert(own.into_iter().next().unwrap()), "two have the same end");
        }
        let supervisor = supervisor_of(pool);
        assert_eq!((&sockets(supervisor) - &inherited).len(), 1, "it keeps the control socket");
    }
    // None of the ends that the program holds is in any other process.
    let ends = &sockets(me()) - &inherited;
    assert_eq!(ends.len(), 30 * 3);
    for child in children() {
        assert!(ends.is_disjoint(&sockets(child.pid)), "{child:?}");
    }
}

fn rule_09_a_tasks_own_command_gets_no_ends() {
    set_up(&[]);
    let inherited = sockets(me());
    let list = |(): ()| {
        let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let has_sockets = |list: String| list.matches("socket:").count() > inherited.len();
    let pool = Pool::new(2).unwrap();
    assert!(!has_sockets(pool.apply(list, ()).unwrap()));
    assert!(!has_sockets(list(())), "nor does the program's");
    // Nor does a command that is started while pools are made.
    thread::scope(|scope| {
        scope.spawn(|| drop(Vec::from_iter((0..10).map(|_| Pool::new(1).unwrap()))));
        for _ in 0..10 {
            assert!(!has_sockets(list(())));
        }
    });
}

/// It has copies of everything: of the control socket, of each worker's.
fn rule_10_a_fork_of_the_program_hides_no_end() {
    static GATE: Gate = Gate::new();
    set_up(&[]);
    GATE.set_up();
    let before = Before::now();
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    let copy = forked(|| GATE.wait());
    let idle = pool.pids();
    idle.iter().for_each(|&pid| send(pid, Signal::SIGKILL));
    eventually("both are replaced", || pool.pids().len() == 2 && pool.pids() != idle);
    let _ = died(pool.apply(die, Death::Abort));
    everyone_works(&pool);
    let supervisor = supervisor_of(&pool);
    drop(pool);
    are_gone(&[supervisor]);
    assert!(process_state(copy).is_some());
    GATE.open();
    let copy = Pid::from_raw(copy as i32);
    assert_eq!(waitpid(copy, None), Ok(WaitStatus::Exited(copy, 0)));
    before.is_back();

    // A program that is killed while such a copy lives on.
    static READY: Counter = Counter::new();
    static LATER: Gate = Gate::new();
    READY.set_up();
    LATER.set_up();
    let program = Process::new(|| {
        let pool = Pool::new(2).unwrap();
        forked(|| {
            READY.increment();
            LATER.wait();
            READY.increment();
        });
        mem::forget(pool);
        loop {
            unistd::pause();
        }
    });
    let program = program.start().unwrap();
    READY.wait_for(1);
    let all = Vec::from_iter(children());
    let supervisor = all.iter().find(|child| {
        all.iter().any(|other| other.parent == child.pid) && child.parent == program.pid()
    });
    let supervisor = supervisor.expect("it has children").pid;
    let family = all.iter().filter(|child| child.pid == supervisor || child.parent == supervisor);
    let family = Vec::from_iter(family.map(|child| child.pid));
    assert_eq!(family.len(), 3);
    program.kill().unwrap();
    program.join().unwrap();
    are_gone(&family);
    assert_eq!(READY.get(), 1, "the copy is still there");
    LATER.open();
    READY.wait_for(2);
}

/// The supervisor's own descriptors: two for the control socket, one for the parent, one for it.
fn rule_11_a_supervisor_that_cannot_be_made_leaves_nothing() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    set_up(&[]);
    let before = Before::now();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let mut failures = 0;
    // As low as it goes, then one more each time: each step of the constructor is the one that fails.
    for limit in 3.. {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
        let (pool, process) = (Pool::new(1).map(drop), Process::new(|| ()).start().map(drop));
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        before.is_back();
        match (pool, process) {
            (Ok(()), Ok(())) => break,
            (Err(Error::System(_, nix::Error::EMFILE)), _) => failures += 1,
            (other, _) => panic!("{other:?} with {limit} descriptors"),
        }
    }
    assert!(failures >= 4, "{failures}");
}

/// A timer interrupts every call of the program a thousand times a second, in the hope of an EINTR.
fn rule_12_interrupted_calls_are_resumed() {
    static TICKS: Counter = Counter::new();
    extern "C" fn tick(_: i32) {
        TICKS.increment();
    }
    set_up(&[&TICKS]);
    let action = SigAction::new(SigHandler::Handler(tick), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only adds to an atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    fn start_timer() {
        let every = libc::timeval { tv_sec: 0, tv_usec: 500 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        // SAFETY: the timer's values are read, and nothing is written.
        let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
        assert_eq!(result, 0);
    }
    /// In a worker: its own reads and writes are interrupted from now on.
    fn disturb(_: u32) -> u32 {
        let action = SigAction::new(SigHandler::Handler(tick), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler only adds to an atomic.
        unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
        start_timer();
        me()
    }
    start_timer();
    let pool = Pool::new(2).unwrap();
    let disturbed: BTreeSet<u32> =
        pool.chunksize(1).map(disturb, 0..50).unwrap().into_iter().collect();
    let workers = pool.pids();
    for round in 0..6_u32 {
        let text = round.to_string().repeat(4 << 20);
        let reply = |text: String| text + "!";
        let replies = pool.imap(reply, vec![text.clone(); 3]).unwrap();
        assert!(replies.map(Result::unwrap).all(|reply| reply == text.clone() + "!"));
        let waited_for = pool.apply_async(|x: u32| x, 1).unwrap();
        assert!(waited_for.wait_timeout(Duration::from_secs(3600)));
    }
    assert_eq!(pool.pids(), workers, "no worker was taken for dead");
    assert!(disturbed.iter().all(|pid| workers.contains(pid)));
    let _ = died(pool.apply(die, Death::Abort));
    everyone_works(&pool);
    let process = Process::new(|| ()).start().unwrap();
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    drop(pool);
    TICKS.wait_for(10);
}

fn rule_13_an_argument_and_a_result_that_fill_their_directions() {
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    let argument = "x".repeat(4 << 20);
    let result = pool.apply(|argument: String| argument.to_uppercase(), argument);
    assert!(result.unwrap() == "X".repeat(4 << 20));
}

/// SIGPIPE has its default action in this program, which would end it.
fn rule_14_writing_to_a_dead_worker_is_no_sigpipe() {
    set_up(&[]);
    // SAFETY: the default action runs no code.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.unwrap();
    let pool = Pool::new(1).unwrap();
    for _ in 0..20 {
        everyone_works(&pool);
        // A task that is too large for the socket is being sent when its reader dies.
        let worker = pool.pids()[0];
        stop(worker);
        let handle = pool.apply_async(|text: String| text.len(), "x".repeat(1 << 20)).unwrap();
        send(worker, Signal::SIGKILL);
        assert_eq!(handle.get(), Ok(1 << 20));
    }
}

/// What the initializer panicked with is read from a socket whose worker is gone.
fn rule_15_the_last_words_of_a_worker_are_heard() {
    set_up(&[]);
    for _ in 0..20 {
        let words = "I cannot go on".repeat(100);
        let expected = words.clone();
        let pool = Pool::builder(2).initializer(move || panic!("{words}")).build().unwrap();
        match pool.map(|x: u32| x, 0..3) {
            Err(Error::CannotStart(cause)) => assert!(cause.ends_with(&expected), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
}

fn rule_16_a_status_that_somebody_else_took_is_unknown() {
    set_up(&[]);
    let process = Process::new(|| std::process::exit(3)).start().unwrap();
    let pid = Pid::from_raw(process.pid() as i32);
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 3)));
    assert_eq!(process.join().unwrap(), ExitStatus::Unknown);
    assert!(!process.is_alive().unwrap());
    assert_eq!(process.exitcode().unwrap(), None);
    process.kill().unwrap();
    let pool = Pool::new(1).unwrap();
    let supervisor = supervisor_of(&pool);
    send(supervisor, Signal::SIGKILL);
    waitpid(Pid::from_raw(supervisor as i32), None).unwrap();
    drop(pool);
    assert!(children().is_empty());
}

/// Forks a child whose number is chosen; `None` if only root may choose.
fn forked_as(pid: u32, body: impl FnOnce()) -> Option<()> {
    let number = pid as i32;
    // SAFETY: zero is a value of each of its fields.
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = &raw const number as u64;
    arguments.set_tid_size = 1;
    let size = mem::size_of::<libc::clone_args>();
    // SAFETY: without shared memory it is a fork; the child calls only `body`, which waits or exits.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) } {
        -1 => None,
        0 => {
            body();
            // SAFETY: ends this process and runs none of its parent's destructors.
            unsafe { libc::_exit(7) }
        }
        _ => Some(()),
    }
}

/// Somebody else reaped the supervisor, and a process, and their numbers went to other children of the program.
/// Those must be neither signalled nor waited for.
fn rule_17_a_pid_that_is_used_again_is_left_alone() {
    static GATE: Gate = Gate::new();
    set_up(&[]);
    GATE.set_up();
    let pool = Pool::new(1).unwrap();
    let supervisor = supervisor_of(&pool);
    send(supervisor, Signal::SIGKILL);
    waitpid(Pid::from_raw(supervisor as i32), None).unwrap();
    let process = Process::new(|| ()).daemon(true).start().unwrap();
    let ended = process.pid();
    waitpid(Pid::from_raw(ended as i32), None).unwrap();
    if forked_as(supervisor, || GATE.wait()).and(forked_as(ended, || GATE.wait())).is_none() {
        return eprintln!("skipped: only root may choose the number of a process");
    }
    process.terminate().unwrap();
    process.kill().unwrap();
    // Dropping waits for neither: they would be waited for until the gate opens.
    let opened_too_late = thread::spawn(|| {
        eventually("the handles are gone", || DROPPED.load(Ordering::SeqCst));
        GATE.open();
    });
    static DROPPED: AtomicBool = AtomicBool::new(false);
    drop(process);
    drop(pool);
    DROPPED.store(true, Ordering::SeqCst);
    opened_too_late.join().unwrap();
    for child in [supervisor, ended] {
        let child = Pid::from_raw(child as i32);
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 7)));
    }
}

fn rule_18_no_zombie_on_any_path() {
    set_up(&[]);
    let before = Before::now();
    let zombies = || children().into_iter().filter(|child| child.state == 'Z').count();
    let pool = Pool::new(2).unwrap();
    for death in Death::all() {
        let _ = died(pool.apply(die, death));
        assert_eq!(zombies(), 0, "its worker is reaped before anybody hears of a death");
    }
    everyone_works(&pool);
    let pool_of_one = Pool::builder(1).maxtasksperchild(1).build().unwrap();
    assert_eq!(pool_of_one.chunksize(1).map(|x: u32| x, 0..20).unwrap().len(), 20);
    everyone_works(&pool);
    eventually("the last of them is replaced", || zombies() == 0);
    pool.close();
    pool.join().unwrap();
    assert_eq!(zombies(), 0);
    drop((pool, pool_of_one));
    let daemon = Process::new(|| {
        SigSet::all().thread_block().unwrap();
        loop {
            unistd::pause();
        }
    });
    drop(daemon.daemon(true).start().unwrap());
    drop(Process::new(|| Death::Abort.now()).start().unwrap());
    before.is_back();
}

/// At each step: after the first supervisor, in the middle of forking workers, after the last.
fn rule_19_a_parent_that_dies_while_it_makes_a_pool_leaves_nobody() {
    static STARTED: Counter = Counter::new();
    set_up(&[&STARTED]);
    for at in 1..=12 {
        let first = STARTED.get();
        let program = Process::new(move || {
            let parent = me();
            // The worker that is the n-th to start kills the program, which may be forking the next.
            let count = move || {
                if STARTED.increment() - first == at {
                    send(parent, Signal::SIGKILL);
                }
            };
            let _pools = [(); 4].map(|()| Pool::builder(3).initializer(count).build().unwrap());
            loop {
                unistd::pause();
            }
        });
        let program = program.start().unwrap();
        assert_eq!(program.join().unwrap(), ExitStatus::Signaled(libc::SIGKILL));
        let me = me();
        eventually("nobody is left in this session", || {
            let others = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let session: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(3)?.parse().ok()?;
                (session == me && pid != me).then_some(pid)
            });
            others.count() == 0
        });
    }
}

fn rule_20_the_first_cause_is_told() {
    static STARTED: Counter = Counter::new();
    set_up(&[&STARTED]);
    let pool =
        Pool::builder(1).initializer(|| panic!("cause {}", STARTED.increment())).build().unwrap();
    match pool.map(|x: u32| x, 0..3) {
        Err(Error::CannotStart(cause)) => assert!(cause.ends_with("cause 1"), "{cause}"),
        other => panic!("{other:?}"),
    }
    assert!((2..=20).contains(&STARTED.get()), "{}", STARTED.get());
}
