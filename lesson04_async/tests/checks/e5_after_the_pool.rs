//! The tasks end only when everybody waits, main included: who does not wait, leaves before that.

use std::time::Duration;

use common::exercise::{Verdict, Watch, Wrong, numbers, ran, salted, work};
use common::gate::Gate;
use common::pool::{AsyncResult, Error};
use common::trace;

pub const SEE: &str = "wait inside the pool's scope, get after it";

type Answer = fn(usize, fn(u32) -> u32, Vec<u32>) -> Result<AsyncResult<Vec<u32>>, Error>;

static EVERYBODY_WAITS: Gate = Gate::new();

fn task(x: u32) -> u32 {
    trace::task(x, || {
        EVERYBODY_WAITS.wait();
        work();
        salted(x)
    })
}

pub fn check(answer: Answer) -> Verdict {
    let watch = Watch::opening(&[&EVERYBODY_WAITS]);
    let items = numbers(3);
    let result = answer(2, task, items.clone())?;
    watch.nobody_is_left()?;

    let me = std::process::id();
    if ran().iter().any(|ran| ran.pid == me) {
        return Err(Wrong::new(format_args!("tasks ran in process {me}, the parent")));
    }
    match result.get_timeout(Duration::ZERO) {
        Ok(results) => {
            let expected: Vec<u32> = items.iter().copied().map(salted).collect();
            match *results == expected {
                true => Ok(()),
                false => Err(Wrong::new(format_args!(
                    "the results of {items:?}: expected {expected:?}, got {results:?}"
                ))),
            }
        }
        Err(Error::Terminated) => Err(Wrong::new(
            "`get` says that the pool was terminated before there was a result: you left its scope, \
             which ends the workers, while they worked. In Python this `get` waits for ever",
        )),
        Err(error) => Err(error.into()),
    }
}
