//! Main does one thing after another, and each process too; between them nothing is ordered but what `start` and `join`
//! order. A process can start only once main calls `start` for it, so 2 cannot run before 1 is started. `join` waits for
//! the end. But a process may be done before its `start` has come back.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    [Possible, Possible, Impossible, Possible, Impossible]
}
