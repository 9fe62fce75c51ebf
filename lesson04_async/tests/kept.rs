//! The solutions of lesson 4, and wrong answers with the message that each must get.

use common::exercise::kept::{self, kept};

mod checks;

#[path = "../solutions"]
mod solutions {
    pub mod e1_when_it_returns;
    pub mod e2_meanwhile;
    pub mod e3_one_bad_item;
    pub mod e4_at_most_at_a_time;
    pub mod e5_after_the_pool;
}

mod wrong {
    pub mod e1_when_it_returns;
    pub mod e2_meanwhile;
    pub mod e3_one_bad_item;
    pub mod e4_at_most_at_a_time;
    pub mod e5_after_the_pool;
}

fn main() {
    kept::main(
        include_str!("../src/main.rs"),
        vec![
            kept!(e1_when_it_returns {
                it_returns_when_all_is_done: "return, start 1\nThis run shows it",
                it_returns_before_anything_starts: "start 1, end 1, return\nThis run shows it",
                get_does_not_wait: "got before end 1: get waits for all its tasks",
                get_waits_for_the_first: "got before end 2: get waits for all its tasks",
            }),
            kept!(e2_meanwhile {
                map_and_then_own: "`own` was called when all tasks had ended",
                waited_too_early: "`own` was called when all tasks had ended",
                own_first: "`own` had ended before the first task started",
                own_in_a_process: "that has time for it",
                own_forgotten: "`own` was called 0 times",
                a_loop: "the parent: the workers are to run it",
            }),
            kept!(e3_one_bad_item {
                one_map: "a call has one answer, and an error takes them all",
                apply_in_a_loop: "one task at a time",
                get_in_the_loop: "before you made the second call",
                unwrapped: "your answer panicked",
                the_bad_one_left_out: "a place for each item is missing",
                popped_from_the_end: "not the results in the order of the items",
            }),
            kept!(e4_at_most_at_a_time {
                wait_does_no_harm: "before it makes the next call",
                all_tasks_at_once: "each worker runs one task",
                apply_never_overlaps: "all calls are made before main waits",
                the_lesson_s_numbers: "each worker runs one task",
            }),
            kept!(e5_after_the_pool {
                nobody_waits: "the pool was terminated before there was a result",
                a_timeout_that_waits_for_nothing: "the pool was terminated before there was a result",
                closed_and_left: "the pool was terminated before there was a result",
                the_pool_is_forgotten: "you have not waited for all of your processes",
                worked_out_here: "the parent",
            }),
        ],
    )
}
