//! `apply` runs one task at a time: a second for each. `map` keeps all workers busy, and the last round takes its second
//! even if there is only one task left for it: rounded up.

pub fn answer(tasks: usize, workers: usize) -> [usize; 2] {
    [tasks, tasks.div_ceil(workers)]
}
