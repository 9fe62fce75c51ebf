//! The exercises of lesson 2, with your answers. How they are judged is in `checks/`.

use common::exercise::{self, judged};

mod checks;

// An exercise that is still to do uses nothing that it is given. A result that is dropped is worth a warning, and no more:
// the check tells what comes of it.
#[allow(unused_imports, unused_variables)]
#[warn(unused_must_use)]
#[path = "../exercises"]
mod exercises {
    pub mod e1_four_tasks_two_workers;
    pub mod e2_which_line_comes_second;
    pub mod e3_the_order_of_the_results;
    pub mod e4_as_they_finish;
    pub mod e5_a_pool_of_your_own;
}

fn main() {
    exercise::main(
        env!("CARGO_PKG_NAME"),
        vec![
            judged!(exercises::e1_four_tasks_two_workers),
            judged!(exercises::e2_which_line_comes_second),
            judged!(exercises::e3_the_order_of_the_results),
            judged!(exercises::e4_as_they_finish),
            judged!(exercises::e5_a_pool_of_your_own),
        ],
    )
}
