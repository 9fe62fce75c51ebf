//! With `get` after the loop all calls are made before anybody waits: all workers are busy. `wait` in the loop lets the
//! next call be made only when the task has ended: that is `apply`.

pub fn answer(_tasks: usize, workers: usize) -> [usize; 2] {
    [workers, 1]
}
