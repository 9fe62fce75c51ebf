//! By the contract of `apply`, and by runs in which each event waits for its turn.

use common::Pool;
use common::contract::{Contract, Event};
use common::exercise::{Guess, Verdict, judge_guesses, passes, task};

pub const SEE: &str = "apply, five times: each call waits for its result";

pub fn check(answer: fn() -> [Guess; 5]) -> Verdict {
    let orders = [
        "start 1, start 2",
        "start 1, end 1, return 1, start 2",
        "start 2, end 2, start 1",
        "start 1, return 1",
        "start 1, end 1, start 2",
    ];
    judge_guesses(&Contract::apply(3, 2), orders, answer(), || {
        let pool = Pool::new(2).expect("a pool");
        for number in 1..=3 {
            pool.apply(task, number).expect("no task fails");
            passes(Event::Return(Some(number)));
        }
    })
}
