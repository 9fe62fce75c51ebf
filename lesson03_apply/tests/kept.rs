//! The solutions of lesson 3, and wrong answers with the message that each must get.

use common::exercise::kept::{self, kept};

mod checks;

#[path = "../solutions"]
mod solutions {
    pub mod e1_apply_in_a_loop;
    pub mod e2_how_long;
    pub mod e3_survive_a_crash;
    pub mod e4_two_callers;
}

mod wrong {
    pub mod e1_apply_in_a_loop;
    pub mod e2_how_long;
    pub mod e3_survive_a_crash;
    pub mod e4_two_callers;
}

fn main() {
    kept::main(
        include_str!("../src/main.rs"),
        vec![
            kept!(e1_apply_in_a_loop {
                like_map: "start 2 before return 1",
                it_returns_at_once: "return 1 before end 1: apply waits for its task",
                the_next_starts_when_a_worker_is_idle: "start 2 before return 1",
                nothing_is_sure: "start 2 before return 1",
                nothing_is_possible: "return 1, start 2\nThis run shows it",
            }),
            kept!(e2_how_long {
                apply_is_like_map: "One task at a time, whoever is idle",
                map_runs_all_at_once: "map: you predicted 1 s for",
                rounded_down: "the last round is not full",
                a_pool_is_not_faster: "All workers at a time",
            }),
            kept!(e3_survive_a_crash {
                called_here: "your answer panicked at",
                catch_unwind_here: "your answer was killed by signal 6 (SIGABRT)",
                unwrapped: "your answer panicked at",
                always_instead: "the task returns a result on",
                zero_instead: "and you returned 0 instead of",
                tried_in_a_process_and_run_here: "the parent, which should only wait",
            }),
            kept!(e4_two_callers {
                one_after_the_other: "one task at a time",
                a_thread_that_is_joined_too_early: "one task at a time",
                map: "`apply` was called 0 times",
                threads_that_work: "the parent: this is a loop, not a pool",
                swapped: "expected",
            }),
        ],
    )
}
