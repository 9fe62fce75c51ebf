//! By the contract of each program, and by running it: the task ends when a gate is opened.

use std::time::Duration;

use common::contract::{Contract, orders};
use common::exercise::Get::{Terminated, Timeout, Value};
use common::exercise::{Get, Verdict, Watch, Wrong};
use common::gate::Gate;
use common::pool::{Error, Pool};
use common::trace;

pub const SEE: &str = "wait inside the scope, get with a timeout after it";

static MOMENT: Gate = Gate::new();
static HOUR: Gate = Gate::new();

fn a_moment(x: u32) -> u32 {
    trace::task("a moment", || MOMENT.wait());
    x
}

fn an_hour(x: u32) -> u32 {
    trace::task("an hour", || HOUR.wait());
    x
}

pub fn check(answer: fn() -> [Get; 4]) -> Verdict {
    HOUR.set_up();
    // The moment is over when everybody waits.
    let _watch = Watch::opening(&[&MOMENT]);
    let short = Duration::from_millis(1);

    let a = {
        let pool = Pool::new(1)?;
        let result = pool.apply_async(an_hour, 1)?;
        came(result.get_timeout(short).copied())
    };
    let b = {
        let pool = Pool::new(1)?;
        let result = pool.apply_async(a_moment, 1)?;
        assert_eq!(result.get_timeout(Duration::ZERO), Err(Error::Timeout));
        came(result.get())
    };
    let c = {
        let result = {
            let pool = Pool::new(1)?;
            let result = pool.apply_async(a_moment, 1)?;
            result.wait();
            result
        };
        came(result.get_timeout(short).copied())
    };
    let d = {
        let result = Pool::new(1)?.apply_async(an_hour, 1)?;
        came(result.get())
    };

    let call = || Contract::apply_async(1, 1);
    let programs = [
        (
            a,
            call().get_timeout(),
            "return 1, start 1",
            "the task goes on for an hour: there is no result after 1 ms",
        ),
        (
            b,
            call().get_timeout(),
            "return 1, start 1, end 1",
            "a timeout loses nothing: the task went on, and its result came",
        ),
        (
            c,
            call().wait().leave().get_timeout(),
            "return 1, start 1, end 1, waited 1, left",
            "after `wait` the result is in the handle: no timeout is too short for it",
        ),
        (
            d,
            call().leave().get(),
            "return 1, start 1, left",
            "leaving the scope ended the worker, and the result never comes. Python's `get` waits for ever",
        ),
    ];
    for ((predicted, (seen, contract, before, why)), letter) in
        answer().into_iter().zip(programs).zip('a'..)
    {
        let event = match seen {
            Value => "got 1",
            Timeout => "timeout",
            Terminated => "terminated",
        };
        let order = &orders(&format!("{before}, {event}"))[0];
        let impossible = contract.check(order).err().filter(|why| why.position < order.len());
        assert_eq!(impossible, None, "contract and run disagree about {letter}");
        if predicted != seen {
            return Err(Wrong::unseen(format_args!(
                "{letter}: you predicted {predicted:?}, the run gave {seen:?}: {why}"
            )));
        }
    }
    Ok(())
}

fn came(result: Result<u32, Error>) -> Get {
    match result {
        Ok(_) => Value,
        Err(Error::Timeout) => Timeout,
        Err(Error::Terminated) => Terminated,
        Err(error) => panic!("{error}"),
    }
}
