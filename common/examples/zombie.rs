//! A child that has ended stays in the list of processes until its parent asks how it ended. Until
//! then it is a zombie: state Z.
//!
//! Run it: `cargo run -p common --example zombie`
//!
//! Python: the same. A `multiprocessing.Process` that ended is a zombie until `join`, `is_alive` or
//! `exitcode` asks, or until the next process is started, which asks for all that have ended.

use std::error::Error;
use std::fs;
use std::process::exit;

use common::console::heading;
use common::harness::{eventually, process_state};
use common::{Process, say};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    // ANCHOR: by_hand
    heading("Forked by hand, and nobody asks how it ended");
    // SAFETY: this process has one thread, so nobody can hold a lock; the child only exits.
    let child = match unsafe { fork() }? {
        // SAFETY: _exit takes any number and does not return.
        ForkResult::Child => unsafe { libc::_exit(3) },
        ForkResult::Parent { child } => child,
    };
    let pid = child.as_raw() as u32;
    eventually("the child has ended", || process_state(pid) == Some('Z'));
    say!("pid {pid} {}", state(pid));
    kill(child, Signal::SIGKILL)?;
    say!("pid {pid} {}, after SIGKILL: what has ended cannot be killed", state(pid));
    // ANCHOR_END: by_hand

    heading("Why: somebody may still ask, and the answer is all that is left");
    // The first number is the size of its memory, in pages.
    let pages = |pid| fs::read_to_string(format!("/proc/{pid}/statm"));
    let pages = pages(pid)?.split(' ').next().map(str::to_owned).unwrap_or_default();
    say!("pid {pid} has {pages} pages of memory");
    if let WaitStatus::Exited(_, code) = waitpid(child, None)? {
        say!("asked with waitpid: it exited with code {code}");
    }
    say!("pid {pid} {}", state(pid));
    say!("asked once more: {}", waitpid(child, None).expect_err("it was asked for already"));

    heading("Process asks: by join, or when its handle is dropped");
    let process = Process::new(|| exit(3)).start()?;
    let pid = process.pid();
    eventually("the process has ended", || process_state(pid) == Some('Z'));
    say!("pid {pid} {}", state(pid));
    say!("join: it {}", process.join()?);
    say!("pid {pid} {}; join once more: it {}", state(pid), process.join()?);

    let process = Process::new(|| exit(3)).start()?;
    let pid = process.pid();
    eventually("the process has ended", || process_state(pid) == Some('Z'));
    say!("pid {pid} {}", state(pid));
    drop(process);
    say!("pid {pid} {}, after its handle was dropped", state(pid));
    Ok(())
}

fn state(pid: u32) -> String {
    match process_state(pid) {
        Some('Z') => String::from("is a zombie (state Z)"),
        Some(other) => format!("is in state {other}"),
        None => String::from("is gone"),
    }
}
