//! The two wait for each other: one after the other stands still.

use std::io;
use std::process;

use common::exercise::{Meeting, Verdict, Watch, Wrong, ran, stood_still, work};
use common::trace::{self, Kind};

pub const SEE: &str = "Two processes: start both, then wait for both";

type Answer = fn(fn(), fn()) -> io::Result<()>;

static BOTH: Meeting = Meeting::new();

fn task(name: &str) {
    trace::task(name, || {
        BOTH.wait_for(2);
        work();
    })
}

pub fn check(answer: Answer) -> Verdict {
    let watch = Watch::opening(&[BOTH.gate()]);
    answer(|| task("a"), || task("b"))?;
    watch.nobody_is_left()?;

    let me = process::id();
    match &ran()[..] {
        all if all.iter().any(|ran| ran.pid == me) => Err(Wrong::new(format_args!(
            "this ran in process {me}, the parent: a function that you call runs where you are, and \
             so does a thread"
        ))),
        [one, two] if one.pid == two.pid => Err(Wrong::new(format_args!(
            "both ran in process {}, one after the other: each is to have a process of its own",
            one.pid
        ))),
        [_, _] if stood_still() > 0 => Err(Wrong::new(
            "the second did not start before the first had ended: start both, then wait. (What `start` \
             returns waits, too, when it is dropped.)",
        )),
        [_, _] => match trace::events().iter().filter(|event| event.kind == Kind::End).count() {
            2 => Ok(()),
            _ => Err(Wrong::new("you came back before both had ended")),
        },
        all => Err(Wrong::new(format_args!(
            "{} functions were run: `a` and `b` are to run once each",
            all.len()
        ))),
    }
}
