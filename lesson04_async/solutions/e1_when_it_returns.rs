//! `map_async` hands the tasks over and returns: it waits for nothing, so the workers may be behind it or ahead of it. `get`
//! waits for all of its tasks.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    [Possible, Possible, Impossible, Possible, Impossible]
}
