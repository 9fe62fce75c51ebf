//! The solutions of lesson 2, and wrong answers with the message that each must get.

use common::exercise::kept::{self, kept};

mod checks;

#[path = "../solutions"]
mod solutions {
    pub mod e1_four_tasks_two_workers;
    pub mod e2_which_line_comes_second;
    pub mod e3_the_order_of_the_results;
    pub mod e4_as_they_finish;
    pub mod e5_a_pool_of_your_own;
}

mod wrong {
    pub mod e1_four_tasks_two_workers;
    pub mod e2_which_line_comes_second;
    pub mod e3_the_order_of_the_results;
    pub mod e4_as_they_finish;
    pub mod e5_a_pool_of_your_own;
}

fn main() {
    kept::main(
        include_str!("../src/main.rs"),
        vec![
            kept!(e1_four_tasks_two_workers {
                a_loop: "the parent: this is a loop, not a pool",
                apply_in_a_loop: "one task at a time: the second did not start",
                as_they_finish: "the results are not in the order of the items",
                a_pool_of_its_own: "a worker of another pool",
                nothing_is_run: "no task was run",
                half_an_answer: "half an answer: it came to the `todo!`",
            }),
            kept!(e2_which_line_comes_second {
                whatever_you_like: "start 3 while both workers were busy",
                lines_come_in_the_order_of_the_items: "you say that this order is impossible:\n    start 2, start 1",
                each_worker_has_two_of_the_tasks: "start 1, end 1, start 3, end 3, start 4\nThis run shows it",
                all_start_at_once: "you say that this order is impossible:\n    start 1, end 1",
            }),
            kept!(e3_the_order_of_the_results {
                always_the_order_of_the_items: "imap_unordered: it gives what has ended",
                always_the_order_of_the_ends: "map: it keeps the order of the items",
                imap_is_like_imap_unordered: "imap: it keeps the order of the items",
                the_other_way_round: "map: it keeps the order of the items",
            }),
            kept!(e4_as_they_finish {
                map_and_then_tell: "0 of 3 results were told while task",
                imap: "0 of 3 results were told while task",
                collected_first: "0 of 3 results were told while task",
                the_long_one_left_out: "3 tasks were run, and there are 4 items",
                told_twice: "each result is to be told once",
            }),
            kept!(e5_a_pool_of_your_own {
                the_pool_that_is_there: "this is the course's pool",
                a_loop: "the parent: it should only start the workers",
                a_process_for_each_item: "7 processes for 7 tasks",
                one_worker_after_another: "not all workers ran at one time",
                one_worker_s_results_after_another_s: "not in the order of the items",
                nobody_waits: "you have not waited for all of your processes",
            }),
        ],
    )
}
