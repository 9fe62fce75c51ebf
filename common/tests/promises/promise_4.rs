//! Nobody is orphaned.

use std::{io::Read, mem, os::fd::AsRawFd, panic::panic_any, thread};

use common::{
    ExitStatus, Pool, Process,
    gate::{Counter, Gate},
    harness::children,
    process::Running,
};
use nix::{
    libc,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, sigaction},
    unistd::{self, Pid},
};

use crate::support::*;

static READY: Counter = Counter::new();
static GO: Gate = Gate::new();

fn for_ever() -> ! {
    loop {
        unistd::pause();
    }
}

/// What a worker may be doing when its parent dies.
fn be_busy(how: u32) {
    match how {
        0 => {}
        1 => SigSet::all().thread_block().unwrap(),
        2 => {
            READY.increment();
            loop {
                std::hint::spin_loop();
            }
        }
        3 => {
            READY.increment();
            // SAFETY: it stops this process.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
        // A pool inside the task: an idle worker and a busy one.
        _ => {
            let inner = Pool::new(2).unwrap();
            let _busy = inner.apply_async(be_busy, 1).unwrap();
            READY.increment();
            for_ever();
        }
    }
    READY.increment();
    for_ever();
}

/// A program with an idle pool, a pool that is busy in five ways, and one whose workers are still in
/// their initializer: 17 processes.
fn program() {
    let idle = Pool::new(2).unwrap();
    let busy = Pool::new(5).unwrap();
    let _running = [0, 1, 2, 3, 4].map(|how| busy.apply_async(be_busy, how).unwrap());
    let starting = Pool::builder(2)
        .initializer(|| {
            READY.increment();
            for_ever();
        })
        .build()
        .unwrap();
    GO.wait();
    mem::forget((idle, busy, starting)); // each way to end this program must end them
}

/// The program in a process, and all of its processes.
fn started(end: fn()) -> (Running, Vec<u32>) {
    set_up(&[&READY]);
    GO.set_up();
    let running = Process::new(move || {
        program();
        end();
    })
    .start()
    .unwrap();
    READY.wait_for(5 + 1 + 2);
    let all: Vec<u32> = children().into_iter().map(|child| child.pid).collect();
    let (pools, workers, inner) = (3, 2 + 5 + 2, 1 + 2);
    assert_eq!(all.len(), 1 + pools + workers + inner, "{:?}", children());
    (running, all)
}

pub fn when_the_parent_is_killed_the_workers_of_all_its_pools_go() {
    let (program, all) = started(|| ());
    program.kill().unwrap();
    assert_eq!(program.join().unwrap(), ExitStatus::Signaled(libc::SIGKILL));
    are_gone(&all);
}

pub fn when_the_parent_ends_without_ending_its_pools_their_workers_go() {
    let ends: [(fn(), i32); 4] = [
        (|| (), 0),
        (|| std::process::exit(3), 3),
        (|| Death::ExitAtOnce(4).now(), 4),
        (|| panic_any("and nobody catches it"), 1),
    ];
    // One program after another, each in a process of its own: gates open once.
    for (end, code) in ends {
        let outer = Process::new(move || {
            let (program, all) = started(end);
            GO.open();
            assert_eq!(program.join().unwrap(), ExitStatus::Exited(code));
            are_gone(&all);
        });
        assert_eq!(outer.start().unwrap().join().unwrap(), ExitStatus::Exited(0), "{code}");
    }
}

pub fn when_the_parent_aborts_the_workers_of_all_its_pools_go() {
    let (program, all) = started(|| std::process::abort());
    GO.open();
    assert_eq!(program.join().unwrap(), ExitStatus::Signaled(libc::SIGABRT));
    are_gone(&all);
}

/// The worker is the parent of the pool in its task.
pub fn when_a_worker_is_killed_the_pool_inside_its_task_goes() {
    set_up(&[&READY]);
    let pool = Pool::new(1).unwrap();
    let running = pool.apply_async(be_busy, 4).unwrap();
    READY.wait_for(2);
    let supervisor = supervisor_of(&pool);
    let all = children().into_iter().map(|child| child.pid).filter(|&pid| pid != supervisor);
    let all = Vec::from_iter(all);
    assert_eq!(all.len(), 1 + 1 + 2);
    send(pool.pids()[0], Signal::SIGKILL);
    assert_eq!(died(running.get()), (all[0], ExitStatus::Signaled(libc::SIGKILL)));
    are_gone(&all);
    everyone_works(&pool);
}

pub fn when_the_supervisor_is_killed_its_workers_go() {
    set_up(&[&READY]);
    let pool = Pool::new(5).unwrap();
    let running = [0, 1, 2, 3, 4].map(|how| pool.apply_async(be_busy, how).unwrap());
    READY.wait_for(5 + 1);
    let supervisor = supervisor_of(&pool);
    let all: Vec<u32> = children().into_iter().map(|child| child.pid).collect();
    let all: Vec<u32> = all.into_iter().filter(|&pid| pid != supervisor).collect();
    assert_eq!(all.len(), 5 + 1 + 2);
    send(supervisor, Signal::SIGKILL);
    are_gone(&all);
    assert!(running.into_iter().all(|handle| handle.get().is_err()));
}

/// The kernel's signal for the death of a parent is tied to the thread that forked.
pub fn when_the_thread_that_made_the_pool_ends_nothing_happens() {
    set_up(&[&READY]);
    let pool = thread::spawn(|| {
        let pool = Pool::new(2).unwrap();
        everyone_works(&pool);
        pool
    });
    let pool = pool.join().unwrap();
    let workers = pool.pids();
    for _ in 0..3 {
        everyone_works(&pool);
    }
    assert_eq!(pool.pids(), workers);
    // Replacements are no children of that thread either.
    send(workers[0], Signal::SIGKILL);
    thread::scope(|scope| {
        scope.spawn(|| everyone_works(&pool));
    });
    everyone_works(&pool);
    let process = thread::spawn(|| {
        let wait = || {
            READY.increment();
            GO.wait();
        };
        GO.set_up();
        Process::new(wait).start().unwrap()
    });
    let process = process.join().unwrap();
    READY.wait_for(1);
    assert!(process.is_alive().unwrap());
    GO.open();
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
}

pub fn ctrl_c_leaves_nobody_and_at_most_three_lines() {
    let (mut errors, writer) = std::io::pipe().unwrap();
    set_up(&[&READY]);
    GO.set_up();
    let foreground = Process::new(|| {
        unistd::setpgid(Pid::this(), Pid::this()).unwrap();
        // SAFETY: descriptor 2 is this process's standard error, and stays open.
        assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), 2) }, 2);
        program();
    })
    .start()
    .unwrap();
    drop(writer);
    READY.wait_for(5 + 1 + 2);
    let all: Vec<u32> = children().into_iter().map(|child| child.pid).collect();
    killpg(Pid::from_raw(foreground.pid() as i32), Signal::SIGINT).unwrap();
    assert_eq!(foreground.join().unwrap(), ExitStatus::Signaled(libc::SIGINT));
    are_gone(&all);
    let mut said = String::new();
    errors.read_to_string(&mut said).unwrap(); // it ends when the last who could write is gone
    assert!(said.lines().count() <= 3, "{said}");
}

/// It reaches the whole group; the workers leave it to the program, which goes on.
pub fn ctrl_c_that_the_program_handles_harms_no_task() {
    static CALLED: Counter = Counter::new();
    extern "C" fn handle(_: i32) {
        CALLED.increment();
    }
    set_up(&[&READY, &CALLED]);
    GO.set_up();
    let program = Process::new(|| {
        unistd::setpgid(Pid::this(), Pid::this()).unwrap();
        let handler = SigHandler::Handler(handle);
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler only adds to an atomic.
        unsafe { sigaction(Signal::SIGINT, &action) }.unwrap();
        let pool = Pool::new(2).unwrap();
        let workers = pool.pids();
        let task = |x: u32| {
            READY.increment();
            GO.wait();
            x + 1
        };
        let running = pool.map_async(task, [1, 2]).unwrap();
        assert_eq!(running.get(), Ok(vec![2, 3]));
        everyone_works(&pool);
        assert_eq!(pool.pids(), workers);
    })
    .start()
    .unwrap();
    READY.wait_for(2);
    for turn in 1..=5 {
        killpg(Pid::from_raw(program.pid() as i32), Signal::SIGINT).unwrap();
        CALLED.wait_for(turn);
    }
    GO.open();
    assert_eq!(program.join().unwrap(), ExitStatus::Exited(0));
    assert_eq!(CALLED.get(), 5, "the handler is the program's, not its workers'");
}
