//! Random numbers in a program that forks: nobody draws another's, and a seed makes a run repeatable.

use std::collections::HashSet;

use common::harness::{self, tests};
use common::{Pool, Process, random};
use rand::RngExt;

fn main() {
    harness::main(tests![
        no_two_tasks_draw_the_same_numbers,
        a_generator_that_the_parent_has_used_is_fresh_in_each_worker,
        a_generator_that_the_parent_has_used_is_fresh_in_a_process,
        forking_does_not_touch_the_parents_generator,
        with_a_seed_the_results_do_not_depend_on_who_ran_the_tasks,
        with_a_seed_no_two_tasks_of_a_run_draw_the_same_numbers,
    ])
}

fn draw(_: usize) -> u64 {
    random::rng().random()
}

/// What a learner writes who knows `rand` and not this course.
fn draw_plainly(_: usize) -> u64 {
    rand::rng().random()
}

fn distinct(numbers: &[u64]) -> usize {
    numbers.iter().collect::<HashSet<_>>().len()
}

fn no_two_tasks_draw_the_same_numbers() {
    draw(0);
    let pool = Pool::new(4).unwrap();
    let numbers = pool.chunksize(1).map(draw, 0..100).unwrap();
    assert_eq!(distinct(&numbers), 100);
}

fn a_generator_that_the_parent_has_used_is_fresh_in_each_worker() {
    let mine = draw_plainly(0);
    // One worker after another, each with its first number.
    let pool = Pool::builder(4).maxtasksperchild(1).build().unwrap();
    let mut numbers = pool.chunksize(1).map(draw_plainly, 0..20).unwrap();
    numbers.extend([mine, draw_plainly(0)]);
    assert_eq!(distinct(&numbers), 22);
}

fn a_generator_that_the_parent_has_used_is_fresh_in_a_process() {
    draw_plainly(0);
    let (reader, writer) = std::io::pipe().unwrap();
    let tell = |writer: &std::io::PipeWriter| {
        use std::io::Write;
        let mut writer = writer;
        writer.write_all(&draw_plainly(0).to_ne_bytes()).unwrap();
    };
    for _ in 0..3 {
        let child = Process::new(|| tell(&writer)).start().unwrap();
        assert!(child.join().unwrap().success());
    }
    let mut numbers = vec![draw_plainly(0)];
    let mut reader = reader;
    for _ in 0..3 {
        use std::io::Read;
        let mut bytes = [0; 8];
        reader.read_exact(&mut bytes).unwrap();
        numbers.push(u64::from_ne_bytes(bytes));
    }
    assert_eq!(distinct(&numbers), 4);
}

fn forking_does_not_touch_the_parents_generator() {
    random::set_seed(Some(3));
    let without: Vec<u64> = (0..4).map(draw).collect();
    random::set_seed(Some(3));
    let mut with = vec![draw(0), draw(0)];
    let pool = Pool::new(2).unwrap();
    pool.map(draw, 0..8).unwrap();
    with.extend([draw(0), draw(0)]);
    assert_eq!(with, without);
}

/// The same calls with so many workers, in a process of its own: as a second run of the program.
fn run(workers: usize, chunksize: usize) -> Vec<u64> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = Process::new(move || {
        use std::io::Write;
        random::set_seed(Some(7));
        let pool = Pool::new(workers).unwrap();
        let calls = pool.chunksize(chunksize);
        let mut numbers = calls.map(draw, 0..30).unwrap();
        numbers.extend(calls.imap(draw, 0..30).unwrap().map(Result::unwrap));
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_ne_bytes).collect();
        (&writer).write_all(&bytes).unwrap();
    });
    let child = child.start().unwrap();
    let mut bytes = vec![0; 60 * 8];
    std::io::Read::read_exact(&mut reader, &mut bytes).unwrap();
    assert!(child.join().unwrap().success());
    bytes.chunks(8).map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap())).collect()
}

fn with_a_seed_the_results_do_not_depend_on_who_ran_the_tasks() {
    let one = run(1, 1);
    assert_eq!(run(3, 1), one);
    assert_eq!(run(2, 7), one);
}

fn with_a_seed_no_two_tasks_of_a_run_draw_the_same_numbers() {
    assert_eq!(distinct(&run(3, 1)), 60);
}
