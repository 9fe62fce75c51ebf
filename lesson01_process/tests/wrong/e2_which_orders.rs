use common::exercise::Guess::{self, Impossible, Possible};

pub fn whatever_you_like() -> [Guess; 5] {
    [Possible; 5]
}

pub fn the_parent_always_goes_on_first() -> [Guess; 5] {
    [Possible, Impossible, Impossible, Possible, Impossible]
}

pub fn the_first_ends_first() -> [Guess; 5] {
    [Possible, Possible, Impossible, Impossible, Impossible]
}

pub fn join_does_not_wait() -> [Guess; 5] {
    [Possible, Possible, Impossible, Possible, Possible]
}
