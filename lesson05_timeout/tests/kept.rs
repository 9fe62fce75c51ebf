//! The solutions of lesson 5, and wrong answers with the message that each must get.

use common::exercise::kept::{self, kept};

mod checks;

#[path = "../solutions"]
mod solutions {
    pub mod e1_after_the_timeout;
    pub mod e2_what_get_gives;
    pub mod e3_give_up;
    pub mod e4_the_first_wins;
}

mod wrong {
    pub mod e1_after_the_timeout;
    pub mod e2_what_get_gives;
    pub mod e3_give_up;
    pub mod e4_the_first_wins;
}

fn main() {
    kept::main(
        include_str!("../src/main.rs"),
        vec![
            kept!(e1_after_the_timeout {
                a_timeout_stops_the_work: "timeout, end 1\nThis run shows it",
                get_gives_what_is_there: "got before end 2",
                the_work_goes_on_after_the_scope: "leaving the pool's scope ends its workers",
                nothing_starts_after_a_timeout: "end 2, left\nThis run shows it",
                get_goes_on_waiting: "you say that this order is possible:\n    return, start 1, timeout, got",
            }),
            kept!(e2_what_get_gives {
                a_timeout_loses_the_result: "b: you predicted Timeout, the run gave Value: a timeout loses nothing",
                a_timeout_stops_the_task: "a: you predicted Terminated",
                one_millisecond_is_too_short: "no timeout is too short",
                results_go_with_their_pool: "c: you predicted Terminated, the run gave Value",
                leaving_waits_for_the_work: "the result never comes",
            }),
            kept!(e3_give_up {
                a_timeout_only: "A timeout ends the waiting, not the work",
                a_handle_that_is_dropped: "waited for its worker",
                no_patience_at_all: "ends in time, with",
                waits_for_ever: "your answer waits for ever",
                the_pool_ended_with_it: "the pool is to go on",
            }),
            kept!(e4_the_first_wins {
                the_others_go_on: "the other tasks went on",
                the_first_of_the_list: "your answer waits for ever",
                one_item_only: "so they could not compete",
                the_pool_ended_with_them: "the pool is to go on",
                only_one_of_the_others_is_cancelled: "the other tasks went on",
            }),
        ],
    )
}
