//! The exercises of lesson 5, with your answers. How they are judged is in `checks/`.

use common::exercise::{self, judged};

mod checks;

// An exercise that is still to do uses nothing that it is given. A result that is dropped is worth a warning, and no more:
// the check tells what comes of it.
#[allow(unused_imports, unused_variables)]
#[warn(unused_must_use)]
#[path = "../exercises"]
mod exercises {
    pub mod e1_after_the_timeout;
    pub mod e2_what_get_gives;
    pub mod e3_give_up;
    pub mod e4_the_first_wins;
}

fn main() {
    exercise::main(
        env!("CARGO_PKG_NAME"),
        vec![
            judged!(exercises::e1_after_the_timeout),
            judged!(exercises::e2_what_get_gives),
            judged!(exercises::e3_give_up),
            judged!(exercises::e4_the_first_wins),
        ],
    )
}
