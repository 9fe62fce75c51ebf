//! The exercises of lesson 1, with your answers. How they are judged is in `checks/`.

use common::exercise::{self, judged};

mod checks;

// An exercise that is still to do uses nothing that it is given. A result that is dropped is worth a warning, and no more:
// the check tells what comes of it.
#[allow(unused_imports, unused_variables)]
#[warn(unused_must_use)]
#[path = "../exercises"]
mod exercises {
    pub mod e1_two_at_once;
    pub mod e2_which_orders;
    pub mod e3_whose_counter;
    pub mod e4_exit_codes;
    pub mod e5_a_number_back;
}

fn main() {
    exercise::main(
        env!("CARGO_PKG_NAME"),
        vec![
            judged!(exercises::e1_two_at_once),
            judged!(exercises::e2_which_orders),
            judged!(exercises::e3_whose_counter),
            judged!(exercises::e4_exit_codes),
            judged!(exercises::e5_a_number_back),
        ],
    )
}
