//! Exercise 2, to predict: how long does it take?
//!
//! Each task takes one second, and each worker has a processor of its own. There are more tasks than
//! workers. What a call itself costs is nothing beside that. How many seconds do the two take, from the
//! first start to the last end?
//!
//!     for i in 0..tasks { pool.apply(task, i)?; }
//!
//!     pool.map(task, 0..tasks)?;

pub fn answer(tasks: usize, workers: usize) -> [usize; 2] {
    todo!("[apply, map], in seconds, for {tasks} tasks and {workers} workers")
}
