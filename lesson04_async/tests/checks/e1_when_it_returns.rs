//! By the contract of `map_async`, and by runs in which each event waits for its turn.

use common::Pool;
use common::contract::{Contract, Event};
use common::exercise::{Guess, Verdict, judge_guesses, passes, task};

pub const SEE: &str = "map_async: the call returns at once, get waits";

pub fn check(answer: fn() -> [Guess; 5]) -> Verdict {
    let orders = [
        "return, start 1",
        "start 1, end 1, return",
        "return, got",
        "start 2, return, start 1, end 1, end 2, got",
        "return, start 1, end 1, got",
    ];
    judge_guesses(&Contract::map_async(2, 2).get(), orders, answer(), || {
        let pool = Pool::new(2).expect("a pool");
        let result = pool.map_async(task, 1..=2).expect("the pool runs");
        passes(Event::Return(None));
        result.get().expect("no task fails");
        passes(Event::Got(None));
    })
}
