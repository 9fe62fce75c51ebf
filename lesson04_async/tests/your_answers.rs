//! The exercises of lesson 4, with your answers. How they are judged is in `checks/`.

use common::exercise::{self, judged};

mod checks;

// An exercise that is still to do uses nothing that it is given. A result that is dropped is worth a warning, and no more:
// the check tells what comes of it.
#[allow(unused_imports, unused_variables)]
#[warn(unused_must_use)]
#[path = "../exercises"]
mod exercises {
    pub mod e1_when_it_returns;
    pub mod e2_meanwhile;
    pub mod e3_one_bad_item;
    pub mod e4_at_most_at_a_time;
    pub mod e5_after_the_pool;
}

fn main() {
    exercise::main(
        env!("CARGO_PKG_NAME"),
        vec![
            judged!(exercises::e1_when_it_returns),
            judged!(exercises::e2_meanwhile),
            judged!(exercises::e3_one_bad_item),
            judged!(exercises::e4_at_most_at_a_time),
            judged!(exercises::e5_after_the_pool),
        ],
    )
}
