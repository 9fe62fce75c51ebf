use common::exercise::Guess::{self, Impossible, Possible};

pub fn whatever_you_like() -> [Guess; 5] {
    [Possible; 5]
}

pub fn lines_come_in_the_order_of_the_items() -> [Guess; 5] {
    [Possible, Impossible, Impossible, Impossible, Possible]
}

pub fn each_worker_has_two_of_the_tasks() -> [Guess; 5] {
    [Possible, Impossible, Possible, Impossible, Impossible]
}

pub fn all_start_at_once() -> [Guess; 5] {
    [Impossible, Possible, Possible, Impossible, Impossible]
}
