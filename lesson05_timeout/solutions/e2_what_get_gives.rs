//! A timeout changes nothing: the task goes on, and a later `get` gives its result. After `wait` the result is in the
//! handle, so there is nothing left to wait for, and no timeout is too short. Without `wait`, leaving the scope
//! ends the task: there will never be a result. Python's `get` would wait for ever there.

use common::exercise::Get::{self, Terminated, Timeout, Value};

pub fn answer() -> [Get; 4] {
    [Timeout, Value, Value, Terminated]
}
