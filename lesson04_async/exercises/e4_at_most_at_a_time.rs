//! Exercise 4, to predict: how many at a time?
//!
//! There are more tasks than workers. How many tasks run at one time, at most, in each of the two?
//!
//!     let mut results = Vec::new();
//!     for i in 0..tasks { results.push(pool.apply_async(task, i)?); }
//!     for r in results { r.get()?; }
//!
//!     for i in 0..tasks {
//!         let r = pool.apply_async(task, i)?;
//!         r.wait();
//!     }

pub fn answer(tasks: usize, workers: usize) -> [usize; 2] {
    todo!("[get after the loop, wait in the loop] for {tasks} tasks and {workers} workers")
}
