//! `imap_unordered` yields what has ended, in that order. `imap` would keep everything that comes after the long
//! item in the list until that one has ended.

use common::Pool;
use common::pool::Error;

pub fn answer(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    for result in pool.imap_unordered(task, items)? {
        tell(result?);
    }
    Ok(())
}
