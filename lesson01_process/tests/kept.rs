//! The solutions of lesson 1, and wrong answers with the message that each must get.

use common::exercise::kept::{self, kept};

mod checks;

#[path = "../solutions"]
mod solutions {
    pub mod e1_two_at_once;
    pub mod e2_which_orders;
    pub mod e3_whose_counter;
    pub mod e4_exit_codes;
    pub mod e5_a_number_back;
}

mod wrong {
    pub mod e1_two_at_once;
    pub mod e2_which_orders;
    pub mod e3_whose_counter;
    pub mod e4_exit_codes;
    pub mod e5_a_number_back;
}

fn main() {
    kept::main(
        include_str!("../src/main.rs"),
        vec![
            kept!(e1_two_at_once {
                in_the_parent: "the parent: a function that you call runs where you are",
                threads: "and so does a thread",
                one_after_the_other: "the second did not start before the first had ended",
                dropped_at_once: "returns waits, too, when it is dropped",
                both_in_one_process: "each is to have a process of its own",
                one_in_the_parent: "the parent: a function that you call runs where you are",
                nobody_waits: "you have not waited for all of your processes",
                never_started: "0 functions were run",
            }),
            kept!(e2_which_orders {
                whatever_you_like: "start 2 before started 1: only then",
                the_parent_always_goes_on_first: "start 1, end 1, started 1\nThis run shows it",
                the_first_ends_first: "end 1, joined 1\nThis run shows it",
                join_does_not_wait: "joined 1 before end 1: join waits for its task",
            }),
            kept!(e3_whose_counter {
                one_counter_for_both: "the parent never sees it",
                the_child_begins_at_zero: "a copy of the parent's counter",
                nothing_is_added: "and adds to that",
                the_example_of_the_lesson: "the parent never sees it",
            }),
            kept!(e4_exit_codes {
                the_result_is_the_exit_code: "a: what the closure returns is dropped",
                an_exit_code_is_any_number: "c: an exit code has 8 bits",
                a_panic_as_in_main: "d: a panic that nobody catches",
                the_shell_s_number_of_a_signal: "e: who was killed by a signal",
                the_lesson_s_numbers: "b: `exit(n)` is the exit code n",
            }),
            kept!(e5_a_number_back {
                the_exit_code: "an exit code has 8 bits",
                a_captured_variable: "it stores in its own copy",
                in_the_parent: "the task ran in process",
                run_twice: "the task ran in process",
                the_parent_holds_the_writing_end: "your answer waits for ever",
            }),
        ],
    )
}
