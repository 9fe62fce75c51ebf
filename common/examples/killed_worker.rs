//! A worker is killed while it writes a large result: the pool answers that task with an error and
//! all others with their results, and has two workers again.
//!
//! Run it: `cargo run -p common --example killed_worker`
//!
//! CPython's `Pool` hangs here, with all its tasks. Its workers share one pipe for their results, and
//! one lock for writing to it. The dead worker leaves half a result in the pipe, and the lock locked.

use std::error::Error;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::process;
use std::sync::OnceLock;

use common::console::heading;
use common::gate::Gate;
use common::harness::eventually;
use common::{Pool, say};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize, Serializer};

const HALF: usize = 4 << 20;

static VICTIM: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();
static NEVER: Gate = Gate::new();

/// A large result.
#[derive(Serialize, Deserialize)]
struct Large {
    first: Vec<u8>,
    middle: Middle,
    second: Vec<u8>,
}

/// Is written after the first half and before the second. That of task 3 gets no further.
#[derive(Deserialize)]
struct Middle(u8);

// ANCHOR: middle
impl Serialize for Middle {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0 == 3 {
            let mut writer = &VICTIM.get().expect("made before the fork").1;
            writer.write_all(&process::id().to_ne_bytes()).expect("main reads");
            NEVER.wait();
        }
        to.serialize_newtype_struct("Middle", &self.0)
    }
}
// ANCHOR_END: middle

fn task(n: u8) -> Large {
    Large { first: vec![n; HALF], middle: Middle(n), second: vec![n; HALF] }
}

fn main() -> Result<(), Box<dyn Error>> {
    NEVER.set_up();
    let mut reader = &VICTIM.get_or_init(|| pipe().expect("two descriptors")).0;

    heading("A worker is killed while it writes its result");
    // ANCHOR: kill
    let pool = Pool::new(2)?;
    let before = pool.pids();
    let answers = pool.imap(task, 1..=6)?;
    let mut victim = [0; 4];
    reader.read_exact(&mut victim)?;
    let victim = u32::from_ne_bytes(victim);
    say!("pid {victim} has written {HALF} bytes of {}", 2 * HALF);
    kill(Pid::from_raw(victim as i32), Signal::SIGKILL)?;
    // ANCHOR_END: kill

    heading("Each task has its answer");
    for (n, answer) in (1..).zip(answers) {
        match answer {
            Ok(Large { first, second, .. }) => {
                let right = [&first, &second].iter().all(|half| **half == vec![n; HALF]);
                let verdict = if right { "right" } else { "WRONG" };
                say!("task {n}: {verdict}, {} bytes", first.len() + second.len());
            }
            Err(error) => say!("task {n}: {error}"),
        }
    }

    heading("Why only one is lost: nobody shares with a worker what it writes to");
    eventually("the dead worker has a successor", || pool.pids().len() == 2);
    let old = pool.pids().iter().filter(|pid| before.contains(pid)).count();
    say!("of two workers {old} has lived on, {} is new", 2 - old);
    say!("the next call: {:?}", pool.map(|x: u32| x * x, 1..=6)?);
    Ok(())
}
