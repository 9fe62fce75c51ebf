//! By the contract of `map`, and by runs in which each line waits for its turn.

use common::Pool;
use common::contract::{Contract, Event};
use common::exercise::{Guess, Verdict, judge_guesses, passes, task};

pub const SEE: &str = "map: four tasks for the workers of one pool";

pub fn check(answer: fn() -> [Guess; 5]) -> Verdict {
    let orders = [
        "start 1, end 1",
        "start 1, start 3",
        "start 2, start 1",
        "start 1, end 2",
        "start 1, end 1, start 3, end 3, start 4",
    ];
    judge_guesses(&Contract::map(4, 2), orders, answer(), || {
        let pool = Pool::new(2).expect("a pool");
        pool.map(task, 1..=4).expect("no task fails");
        passes(Event::Return(None));
    })
}
