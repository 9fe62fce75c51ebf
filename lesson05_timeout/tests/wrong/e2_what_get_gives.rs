use common::exercise::Get::{self, Terminated, Timeout, Value};

pub fn a_timeout_loses_the_result() -> [Get; 4] {
    [Timeout, Timeout, Value, Terminated]
}

pub fn a_timeout_stops_the_task() -> [Get; 4] {
    [Terminated, Terminated, Value, Terminated]
}

pub fn one_millisecond_is_too_short() -> [Get; 4] {
    [Timeout, Value, Timeout, Terminated]
}

pub fn results_go_with_their_pool() -> [Get; 4] {
    [Timeout, Value, Terminated, Terminated]
}

pub fn leaving_waits_for_the_work() -> [Get; 4] {
    [Timeout, Value, Value, Value]
}
