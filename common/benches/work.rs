//! The tasks that the benches hand out: so small that what is measured is the pool.

use std::cell::RefCell;

/// As little as a task can do.
pub fn identity(x: u64) -> u64 {
    x
}

thread_local! {
    static TABLE: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// Makes the table of so many MiB that [`give_table`] returns: beforehand, so that making it is not
/// measured as a part of sending it.
pub fn make_table(mib: usize) {
    TABLE.set(table(mib));
}

/// A large result.
pub fn give_table((): ()) -> Vec<f64> {
    TABLE.take()
}

/// The task with a large argument.
pub fn length(table: Vec<f64>) -> usize {
    table.len()
}

/// So many MiB of numbers.
pub fn table(mib: usize) -> Vec<f64> {
    (0..mib * (1 << 20) / size_of::<f64>()).map(|x| x as f64).collect()
}
