//! The two tasks wait for each other, and the calls are counted.

use common::exercise::{
    Meeting, Verdict, Watch, Wrong, by_workers, numbers, salted, stood_still, work,
};
use common::pool::{Error, Pool};
use common::trace::{self, Kind};

pub const SEE: &str = "apply, five times: each call waits for its result";

type Answer = fn(&Pool, fn(u32) -> u32, u32, u32) -> Result<(u32, u32), Error>;

static BOTH: Meeting = Meeting::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        BOTH.wait_for(2);
        work();
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    let _watch = Watch::opening(&[BOTH.gate()]);
    let pool = Pool::new(2)?;
    let pids = pool.pids();
    let [x, y] = numbers(2).try_into().expect("two numbers");
    let results = answer(&pool, task, x, y)?;

    by_workers(2, &pids)?;
    let applied = |event: &&trace::Event| event.kind == Kind::Call && event.label == "apply";
    let calls = trace::events().iter().filter(applied).count();
    if calls != 2 {
        return Err(Wrong::new(format_args!(
            "`apply` was called {calls} times: this exercise is about `apply`, once for each item"
        )));
    }
    if stood_still() > 0 {
        return Err(Wrong::new(
            "one task at a time: the second call was not made before the first had come back",
        ));
    }
    let expected = (salted(x), salted(y));
    if results != expected {
        return Err(Wrong::new(format_args!(
            "the results of {x} and {y}: expected {expected:?}, returned {results:?}"
        )));
    }
    Ok(())
}
