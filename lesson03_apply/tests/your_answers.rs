//! The exercises of lesson 3, with your answers. How they are judged is in `checks/`.

use common::exercise::{self, judged};

mod checks;

// An exercise that is still to do uses nothing that it is given. A result that is dropped is worth a warning, and no more:
// the check tells what comes of it.
#[allow(unused_imports, unused_variables)]
#[warn(unused_must_use)]
#[path = "../exercises"]
mod exercises {
    pub mod e1_apply_in_a_loop;
    pub mod e2_how_long;
    pub mod e3_survive_a_crash;
    pub mod e4_two_callers;
}

fn main() {
    exercise::main(
        env!("CARGO_PKG_NAME"),
        vec![
            judged!(exercises::e1_apply_in_a_loop),
            judged!(exercises::e2_how_long),
            judged!(exercises::e3_survive_a_crash),
            judged!(exercises::e4_two_callers),
        ],
    )
}
