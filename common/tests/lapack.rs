//! OpenBLAS and forks: `cargo test -p common --features lapack`.

use std::process;

use common::harness::{self, tests, threads};
use common::workload::{engine, largest_singular_value};
use common::{ExitStatus, Pool, Process};

/// Large enough for OpenBLAS to use its threads.
const SIZE: usize = 200;

fn main() {
    harness::main(tests![
        a_pool_that_is_forked_after_blas_was_used_decomposes,
        a_process_that_is_forked_after_blas_was_used_decomposes,
        the_number_of_threads_is_handed_down,
        one_thread_is_one_thread,
    ])
}

/// A random matrix of numbers between 0 and 1: the value is near half its size.
fn decompose(size: usize) -> f64 {
    largest_singular_value(size, size)
}

fn is_right(value: f64) -> bool {
    let expected = SIZE as f64 / 2.0;
    (0.9 * expected..1.1 * expected).contains(&value)
}

fn a_pool_that_is_forked_after_blas_was_used_decomposes() {
    engine::set_threads(4);
    assert!(is_right(decompose(SIZE)));
    let pool = Pool::new(2).expect("a pool");
    let values = pool.map(decompose, [SIZE; 8]).expect("results");
    assert!(values.into_iter().all(is_right));
    assert!(is_right(decompose(SIZE)), "the parent's threads are there again");
}

fn a_process_that_is_forked_after_blas_was_used_decomposes() {
    engine::set_threads(4);
    assert!(is_right(decompose(SIZE)));
    let child = Process::new(|| assert!(is_right(decompose(SIZE)))).start().expect("a process");
    assert_eq!(child.join().expect("it is a child"), ExitStatus::Exited(0));
}

fn the_number_of_threads_is_handed_down() {
    for threads in [1, 2] {
        engine::set_threads(threads);
        let pool = Pool::new(1).expect("a pool");
        let before_and_after = |size| {
            let before = engine::threads();
            decompose(size);
            (before, engine::threads())
        };
        assert_eq!(pool.apply(before_and_after, SIZE).expect("a result"), (threads, threads));
    }
}

/// A child that says it itself gets all of OpenBLAS's threads, and the idle ones keep processors busy for a while.
fn one_thread_is_one_thread() {
    engine::set_threads(1);
    let child = Process::new(|| {
        assert!(is_right(decompose(SIZE)));
        assert_eq!(threads(process::id()), 1);
    });
    assert_eq!(child.start().expect("a process").join().expect("a child"), ExitStatus::Exited(0));
}
