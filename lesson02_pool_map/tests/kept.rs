//! The solutions of lesson 2, and wrong answers with the message that each must get.

use common::exercise::kept::{self, kept};

mod checks;

#[path = "../solutions"]
mod solutions {
    pub mod e1_four_tasks_two_workers;
}

mod wrong {
    pub mod e1_four_tasks_two_workers;
}

fn main() {
    kept::main(
        include_str!("../src/main.rs"),
        vec![kept!(e1_four_tasks_two_workers {
            a_loop: "the parent: this is a loop, not a pool",
            apply_in_a_loop: "one task at a time: the second did not start",
            as_they_finish: "the results are not in the order of the items",
            a_pool_of_its_own: "a worker of another pool",
            nothing_is_run: "no task was run",
            half_an_answer: "half an answer: it came to the `todo!`",
        })],
    )
}
