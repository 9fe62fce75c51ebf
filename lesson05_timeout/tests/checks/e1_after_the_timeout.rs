//! By the contract, and by runs in which each event waits for its turn.

use std::time::Duration;

use common::Pool;
use common::contract::{Contract, Event};
use common::exercise::{Guess, Verdict, awaits, judge_guesses, passes, task};

pub const SEE: &str = "get with a timeout of 2 s, inside the pool's scope";

pub fn check(answer: fn() -> [Guess; 5]) -> Verdict {
    let orders = [
        "return, start 1, start 2, timeout, end 1",
        "return, start 1, start 2, end 1, got",
        "return, start 1, start 2, timeout, left, end 1",
        "return, timeout, start 1, end 1, start 2, end 2, left",
        "return, start 1, timeout, got",
    ];
    judge_guesses(&Contract::map_async(2, 2).get_timeout().leave(), orders, answer(), || {
        let pool = Pool::new(2).expect("a pool");
        let result = pool.map_async(task, 1..=2).expect("the pool runs");
        passes(Event::Return(None));
        match result.get_timeout(Duration::from_millis(50)) {
            Ok(_) => passes(Event::Got(None)),
            Err(_) => passes(Event::Timeout),
        }
        awaits(Event::Left);
        drop(pool);
        passes(Event::Left);
    })
}
