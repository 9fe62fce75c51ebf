//! A worker is killed while it writes a large result: the pool answers that task with an error and
//! all others with their results, and has two workers again.
//!
//! Run it: `cargo run -p common --example killed_worker`
//!
//! CPython's `Pool` hangs here, with all its tasks. Its workers share one pipe for their results, and
//! one lock for writing to it. The dead worker leaves half a result in the pipe, and the lock locked.

use std::error::Error;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::OnceLock;

use common::console::heading;
use common::gate::{Counter, Gate};
use common::harness::{eventually, process_state};
use common::{Pool, Process, say};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SIZE: usize = 8 << 20;

static VICTIM: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();
static GATE: Gate = Gate::new();
static RETURNED: Counter = Counter::new();

fn task(n: u8) -> Vec<u8> {
    if n == 3 {
        let mut writer = &VICTIM.get().expect("made before the fork").1;
        writer.write_all(&std::process::id().to_ne_bytes()).expect("main reads");
        GATE.wait();
        RETURNED.increment();
    }
    vec![n; SIZE]
}

fn main() -> Result<(), Box<dyn Error>> {
    GATE.set_up();
    RETURNED.set_up();
    let mut reader = &VICTIM.get_or_init(|| pipe().expect("two descriptors")).0;

    heading("A worker is killed while it writes its result");
    // The pool has a process of its own, because that can be stopped. Then nobody reads the result.
    let owner = Process::new(use_a_pool).daemon(true).start()?;
    let mut victim = [0; 4];
    reader.read_exact(&mut victim)?;
    let victim = u32::from_ne_bytes(victim);
    kill(Pid::from_raw(owner.pid() as i32), Signal::SIGSTOP)?;
    eventually("the pool's process is stopped", || process_state(owner.pid()) == Some('T'));
    GATE.open();
    RETURNED.wait_for(1);
    // After its task a worker sleeps for one reason only: its socket is full.
    eventually("the worker waits for its reader", || process_state(victim) == Some('S'));
    say!("pid {victim} writes a result of {SIZE} bytes, and nobody reads: it waits in the middle");
    kill(Pid::from_raw(victim as i32), Signal::SIGKILL)?;
    eventually("the worker has ended", || process_state(victim) == Some('Z'));
    say!("pid {victim} is dead; now its result is read");
    kill(Pid::from_raw(owner.pid() as i32), Signal::SIGCONT)?;
    say!("the process with the pool {}", owner.join()?);
    Ok(())
}

fn use_a_pool() {
    let pool = Pool::new(2).expect("a pool");
    let before = pool.pids();
    let answers: Vec<_> = pool.imap(task, 1..=6).expect("it runs").collect();

    heading("Each task has its answer");
    for (n, answer) in (1..).zip(answers) {
        match answer {
            Ok(result) if result == vec![n; SIZE] => {
                say!("task {n}: right, {} bytes", result.len())
            }
            Ok(result) => say!("task {n}: WRONG, {} bytes", result.len()),
            Err(error) => say!("task {n}: {error}"),
        }
    }

    heading("Why only one is lost: each worker has a socket of its own, whose end is its death");
    eventually("the dead worker has a successor", || pool.pids().len() == 2);
    let old = pool.pids().iter().filter(|pid| before.contains(pid)).count();
    say!("of two workers {old} has lived on, {} is new", 2 - old);
    say!("the next call: {:?}", pool.map(|x: u32| x * x, 1..=6));
}
