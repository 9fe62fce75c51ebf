//! By the contract of two processes, and by runs in which each event waits for its turn.

use common::Process;
use common::contract::{Contract, Event};
use common::exercise::{Guess, Verdict, judge_guesses, passes, task};

pub const SEE: &str = "Two processes: start both, then wait for both";

pub fn check(answer: fn() -> [Guess; 5]) -> Verdict {
    let orders = [
        "started 1, start 1",
        "start 1, end 1, started 1",
        "start 2, started 1",
        "started 1, started 2, start 2, end 2, start 1, end 1, joined 1",
        "started 1, started 2, joined 1, end 1",
    ];
    judge_guesses(&Contract::process(2), orders, answer(), || {
        let p0 = Process::new(|| task(1)).start().expect("a process");
        passes(Event::Started(1));
        let p1 = Process::new(|| task(2)).start().expect("a process");
        passes(Event::Started(2));
        p0.join().expect("a child");
        passes(Event::Joined(1));
        p1.join().expect("a child");
        passes(Event::Joined(2));
    })
}
