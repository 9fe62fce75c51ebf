//! Exercise 4, to predict: exit codes.
//!
//! Five processes, each started and joined. What does `join()?.code()` say of each? `n` is a number
//! from 1 to 255.
//!
//!     a    Process::new(|| n)                     returns n
//!     b    Process::new(|| exit(n))
//!     c    Process::new(|| exit(n + 256))
//!     d    Process::new(|| panic!("I give up"))
//!     e    a process that sleeps, on which the parent calls kill()

pub fn answer(n: i32) -> [i32; 5] {
    todo!("the exit codes of a, b, c, d, e, when n is {n}")
}
