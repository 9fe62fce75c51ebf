//! By running the five, with a number drawn for this check.

use std::io;
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

use common::exercise::{Verdict, Wrong, numbers};
use common::{ExitStatus, Process};

pub const SEE: &str = "Exit codes: how a process ended, seen from its parent";

pub fn check(answer: fn(i32) -> [i32; 5]) -> Verdict {
    // From 100 to 254, but no number that a shell or Rust gives a meaning to.
    let n = (numbers(1)[0] % 25) as i32 + 200;
    let predicted = answer(n);
    let sleeper = Process::new(|| sleep(Duration::from_secs(3600))).start()?;
    sleeper.kill()?;
    let ended = [
        run(Process::new(|| n))?,
        run(Process::new(|| exit(n)))?,
        run(Process::new(|| exit(n + 256)))?,
        // Quietly: the message of a panic that was asked for tells nothing.
        run(Process::new(|| std::panic::resume_unwind(Box::new("I give up"))))?,
        sleeper.join()?,
    ];
    let why = [
        "what the closure returns is dropped: who returns exits with 0",
        "`exit(n)` is the exit code n",
        "an exit code has 8 bits: n + 256 is n",
        "a panic that nobody catches in the child is the exit code 1, as an exception is in Python",
        "who was killed by a signal has the signal's number, negated: kill() is signal 9",
    ];
    for (index, letter) in ('a'..='e').enumerate() {
        let seen = ended[index].code().ok_or_else(|| io::Error::other("the status was lost"))?;
        if predicted[index] != seen {
            return Err(Wrong::unseen(format_args!(
                "{letter}: {}.\nn is {n}. You predicted {}, the run shows {seen}: the process {}",
                why[index], predicted[index], ended[index]
            )));
        }
    }
    Ok(())
}

fn run<F: FnOnce() -> T, T>(process: Process<F>) -> io::Result<ExitStatus> {
    process.start()?.join()
}
