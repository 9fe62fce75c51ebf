//! The timeout ends the waiting, not the work: tasks start and end after it as before. `get` gives all results or none. What
//! ends the work is leaving the scope: no worker says anything after "left".

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    [Possible, Impossible, Impossible, Possible, Impossible]
}
