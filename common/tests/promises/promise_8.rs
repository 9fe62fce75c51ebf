//! Good manners.

use std::{
    env,
    io::{self, Read, Write},
    os::fd::AsRawFd,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use common::{
    ExitStatus, Pool, Process,
    gate::{Counter, Gate},
    harness::{children, eventually, process_state},
    random,
};
use nix::{
    libc,
    sys::{
        signal::{SigHandler, SigSet, SigmaskHow, Signal, signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{self, Pid},
};
use rand::RngExt;

use crate::support::*;

/// A pool's whole life: work, deaths, replacements, its end.
fn live() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(|x: u32| x + 1, 0..20), Ok((1..=20).collect()));
    for death in [Death::Raise(libc::SIGKILL), Death::Exit(3), Death::Abort] {
        let (_, status) = died(pool.apply(die, death));
        assert!(death.explains(status), "{status:?}");
    }
    pool.pids().into_iter().for_each(|pid| send(pid, Signal::SIGKILL));
    everyone_works(&pool);
}

pub fn the_programs_own_children_are_its_own() {
    static GATE: Gate = Gate::new();
    set_up(&[]);
    GATE.set_up();
    let mut ended = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    eventually("it has ended", || process_state(ended.id()) == Some('Z'));
    let killed = forked(|| Death::Raise(libc::SIGKILL).now());
    let running = forked(|| GATE.wait());
    let process = Process::new(|| std::process::exit(9)).start().unwrap();
    live();
    drop(Pool::new(2).unwrap());
    assert_eq!(ended.wait().unwrap().code(), Some(7));
    let pid = Pid::from_raw(killed as i32);
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Signaled(pid, Signal::SIGKILL, false)));
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(9));
    let pid = Pid::from_raw(running as i32);
    let not_yet = waitpid(pid, Some(WaitPidFlag::WNOHANG));
    assert_eq!(not_yet, Ok(WaitStatus::StillAlive), "nobody has signalled it");
    GATE.open();
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));
}

pub fn a_program_that_ignores_sigchld_is_served_the_same() {
    set_up(&[]);
    // SAFETY: to ignore a signal runs no code.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
    let before = Before::now();
    live();
    before.is_back();
    let process = Process::new(|| std::process::exit(9)).start().unwrap();
    assert_eq!(process.join().unwrap(), ExitStatus::Unknown, "the kernel has thrown it away");
}

pub fn a_thread_that_reaps_every_child_does_no_harm() {
    set_up(&[]);
    static STOP: AtomicBool = AtomicBool::new(false);
    let reaper = thread::spawn(|| {
        while !STOP.load(Ordering::Relaxed) {
            if waitpid(None, Some(WaitPidFlag::WNOHANG)).is_err() {
                thread::yield_now();
            }
        }
    });
    for _ in 0..10 {
        live();
    }
    // The supervisor itself: everybody is told.
    let pool = Pool::new(2).unwrap();
    let supervisor = supervisor_of(&pool);
    send(supervisor, Signal::SIGKILL);
    eventually("somebody else has reaped the supervisor", || process_state(supervisor).is_none());
    eventually("the pool has noticed", || pool.apply(|x: u32| x, 1).is_err());
    drop(pool);
    for _ in 0..10 {
        let process = Process::new(|| std::process::exit(9)).start().unwrap();
        let status = process.join().unwrap();
        assert!([ExitStatus::Exited(9), ExitStatus::Unknown].contains(&status));
    }
    STOP.store(true, Ordering::Relaxed);
    reaper.join().unwrap();
    eventually("nobody is left", || children().is_empty());
}

/// What everything that a program and its processes wrote to its standard output comes to.
fn output_of(program: impl FnOnce()) -> String {
    let (mut reader, writer) = io::pipe().unwrap();
    let process = Process::new(|| {
        // SAFETY: descriptor 1 is this process's standard output, and stays open.
        assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), 1) }, 1);
        program();
    })
    .start()
    .unwrap();
    drop(writer);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap(); // it ends when the last who could write is gone
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    output
}

pub fn an_unfinished_line_appears_once() {
    set_up(&[]);
    fn task(x: u32) {
        print!("[task {x}]");
    }
    fn task_that_exits((): ()) {
        print!("[exit]");
        std::process::exit(0);
    }
    let output = output_of(|| {
        print!("[program]");
        let pool = Pool::new(2).unwrap();
        print!("[with pool]");
        pool.map(task, 0..4).unwrap();
        died(pool.apply(task_that_exits, ()));
        everyone_works(&pool);
        print!("[process]");
        Process::new(|| print!("[in process]")).start().unwrap().join().unwrap();
        drop(pool);
        print!("[after]");
    });
    for once in [
        "[program]",
        "[with pool]",
        "[task 0]",
        "[task 1]",
        "[task 2]",
        "[task 3]",
        "[exit]",
        "[process]",
        "[in process]",
        "[after]",
    ] {
        assert_eq!(output.matches(once).count(), 1, "{once} in {output}");
    }
}

pub fn whoever_has_a_result_can_rely_on_its_lines() {
    set_up(&[]);
    let output = output_of(|| {
        let pool = Pool::new(1).unwrap();
        for x in 0..50 {
            pool.apply(|x: u32| print!("<{x}"), x).unwrap();
            print!("{x}>");
            io::stdout().flush().unwrap();
        }
    });
    let expected: String = (0..50).map(|x| format!("<{x}{x}>")).collect();
    assert_eq!(output, expected);
}

pub fn the_programs_exit_handlers_run_in_the_program_alone() {
    static CALLED: Counter = Counter::new();
    extern "C" fn called() {
        CALLED.increment();
    }
    set_up(&[&CALLED]);
    let program = forked(|| {
        // SAFETY: the function only adds to an atomic.
        assert_eq!(unsafe { libc::atexit(called) }, 0);
        drop(Pool::new(2).unwrap());
        live_without_exit();
        Process::new(|| ()).start().unwrap().join().unwrap();
        Process::new(|| panic!("on purpose")).start().unwrap().join().unwrap();
        assert_eq!(CALLED.get(), 0);
        std::process::exit(5);
    });
    let pid = Pid::from_raw(program as i32);
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 5)));
    assert_eq!(CALLED.get(), 1);
}

fn live_without_exit() {
    let pool = Pool::builder(2).maxtasksperchild(2).build().unwrap();
    assert_eq!(pool.chunksize(1).map(|x: u32| x + 1, 0..20), Ok((1..=20).collect()));
    let _ = died(pool.apply(die, Death::Abort));
}

pub fn the_input_of_a_task_is_empty_and_the_programs_is_untouched() {
    set_up(&[]);
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"first\nsecond\nthird\n").unwrap();
    drop(writer);
    // SAFETY: descriptor 0 is this process's standard input, and stays open.
    assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), 0) }, 0);
    drop(reader);
    fn read((): ()) -> String {
        let mut all = String::new();
        io::stdin().read_to_string(&mut all).unwrap();
        all + &String::from_utf8(Command::new("cat").output().unwrap().stdout).unwrap()
    }
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(read, [(); 4]), Ok(vec![String::new(); 4]));
    let process = Process::new(|| assert_eq!(read(()), "")).start().unwrap();
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    let lines: Vec<String> = io::stdin().lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["first", "second", "third"]);
}

pub fn the_programs_random_numbers_are_as_without_a_pool() {
    set_up(&[]);
    let draw = || random::rng().random::<u64>();
    random::set_seed(Some(7));
    let without = [draw(), draw(), draw()];
    random::set_seed(Some(7));
    let first = draw();
    let pool = Pool::new(2).unwrap();
    let task = |_: u32| random::rng().random::<u64>();
    let of_tasks = pool.chunksize(1).map(task, 0..20).unwrap();
    let second = draw();
    drop(pool);
    assert_eq!([first, second, draw()], without);
    let mut all = of_tasks;
    all.extend(without);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 23, "nobody has drawn another's number");
}

pub fn the_programs_signals_and_folder_are_as_they_were() {
    extern "C" fn ignore(_: i32) {}
    set_up(&[]);
    // SAFETY: neither runs any code that could be harmed.
    unsafe {
        signal(Signal::SIGUSR1, SigHandler::Handler(ignore)).unwrap();
        signal(Signal::SIGHUP, SigHandler::SigIgn).unwrap();
    }
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGUSR2);
    mask.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap();
    env::set_current_dir("/usr").unwrap();
    let (signals, files) = (signal_state(), unistd::getcwd().unwrap());
    live();
    let pool = Pool::new(1).unwrap();
    let wander = |(): ()| {
        env::set_current_dir("/tmp").unwrap();
        SigSet::all().thread_block().unwrap();
    };
    pool.apply(wander, ()).unwrap();
    assert_eq!(signal_state(), signals);
    assert_eq!(unistd::getcwd().unwrap(), files);
    drop(pool);
    Process::new(|| ()).start().unwrap().join().unwrap();
    assert_eq!(signal_state(), signals);
}
