//! Tasks are handed out in the order of the items, each to an idle worker. So 3 starts only when 1 or 2 has ended,
//! and nothing ends before it starts. But two workers that got 1 and 2 print as they like: "start 2" may come
//! first, and one worker may run 1, 3 and 4 before the other has printed a line.

use common::exercise::Guess::{self, Impossible, Possible};

pub fn answer() -> [Guess; 5] {
    [Possible, Impossible, Possible, Impossible, Possible]
}
