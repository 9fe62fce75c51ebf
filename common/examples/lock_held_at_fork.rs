//! A lock that another thread holds at the fork stays locked in the child for ever: the child has a
//! copy of the lock, and no copy of the thread that would unlock it.
//!
//! Run it: `cargo run -p common --example lock_held_at_fork`
//!
//! Python: the same with `threading.Lock`. Since 3.12 a fork of a process with threads warns, and since
//! 3.14 Linux's default is `forkserver`, for this reason.

use std::error::Error;
use std::process::id;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::console::heading;
use common::gate::Gate;
use common::harness::{eventually, process_state, threads};
use common::{Process, say};

/// How long the watchdog waits before it kills. The child would wait for ever.
const LIMIT: Duration = Duration::from_millis(200);

static LOCK: Mutex<()> = Mutex::new(());
static TRIED: Gate = Gate::new();
static HELD: Gate = Gate::new();

fn main() -> Result<(), Box<dyn Error>> {
    TRIED.set_up();
    HELD.set_up();

    // ANCHOR: child
    heading("Forked while another thread holds a lock");
    let (unlock, holder) = hold_the_lock();
    let child = Process::new(|| {
        say!("the lock is {}", state());
        TRIED.open();
        let _guard = LOCK.lock();
        say!("this line is never printed");
    });
    let child = child.daemon(true).start()?;
    // ANCHOR_END: child
    TRIED.wait();
    say!("threads: {} here, {} in the child", threads(id()), threads(child.pid()));
    unlock();
    holder.join().expect("it does not panic");
    say!("the thread has unlocked it: here the lock is {}", state());
    eventually("the child waits", || process_state(child.pid()) == Some('S'));
    match child.join_timeout(LIMIT)? {
        Some(status) => say!("the child {status}"),
        None => {
            say!("watchdog: after {LIMIT:?} the child still waits: nobody unlocks its copy");
            child.kill()?;
            say!("the child {}", child.join()?);
        }
    }

    heading("Forked first, before there is a thread");
    let child = Process::new(|| {
        HELD.wait();
        say!("the lock is {}", state());
        let _guard = LOCK.lock();
        say!("now I have it");
    });
    let child = child.daemon(true).start()?;
    let (unlock, holder) = hold_the_lock();
    HELD.open();
    say!("the child {}", child.join()?);
    say!("here a thread has held it all the time: the lock is {}", state());
    unlock();
    holder.join().expect("it does not panic");
    Ok(())
}

/// A thread that has locked it, and what makes the thread unlock it.
// ANCHOR: holder
fn hold_the_lock() -> (impl FnOnce(), JoinHandle<()>) {
    let (unlock, wait) = channel::<()>();
    let (held, is_held) = channel();
    let holder = thread::spawn(move || {
        let _guard = LOCK.lock();
        let _ = held.send(());
        let _ = wait.recv();
    });
    is_held.recv().expect("the thread locks it");
    (move || drop(unlock), holder)
}
// ANCHOR_END: holder

fn state() -> &'static str {
    if LOCK.try_lock().is_ok() { "free" } else { "locked" }
}
