use common::exercise::Guess::{self, Impossible, Possible};

pub fn a_timeout_stops_the_work() -> [Guess; 5] {
    [Impossible, Impossible, Impossible, Impossible, Impossible]
}

pub fn get_gives_what_is_there() -> [Guess; 5] {
    [Possible, Possible, Impossible, Possible, Impossible]
}

pub fn the_work_goes_on_after_the_scope() -> [Guess; 5] {
    [Possible, Impossible, Possible, Possible, Impossible]
}

pub fn nothing_starts_after_a_timeout() -> [Guess; 5] {
    [Possible, Impossible, Impossible, Impossible, Impossible]
}

pub fn get_goes_on_waiting() -> [Guess; 5] {
    [Possible, Impossible, Impossible, Possible, Possible]
}
