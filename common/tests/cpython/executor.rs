//! What `concurrent.futures` checks of its `ProcessPoolExecutor`.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::process;
use std::sync::mpsc::channel;
use std::time::Duration;

use common::gate::{Counter, Gate};
use common::harness::{self, children, eventually, is_alive, tests};
use common::pool::{AsyncResult, Error, Tasks};
use common::{ExitStatus, Pool};
use nix::sys::signal::Signal;

use crate::tools::{
    MET, NotDecoded, NotEncoded, Trouble, crash, ends, everybody_works_at_once, exit_at_once,
    nobody_is_left, panicked, pid_and_square, send, square, squares, task,
};

const NOW: Duration = Duration::ZERO;

pub fn all() -> Vec<harness::Test> {
    tests![
        imap_goes_on_after_an_error,
        a_timeout_of_next_loses_nothing,
        a_task_that_speaks_of_timeouts_is_no_timeout,
        dropping_an_iterator_leaves_the_pool_as_it_was,
        a_buffer_of_nothing_is_an_error,
        the_size_of_the_buffer_does_not_change_the_results,
        an_endless_input_is_read_as_far_as_needed,
        the_input_is_not_read_ahead_of_the_buffer,
        join_does_not_wait_for_an_iterator_to_be_read,
        a_killed_worker_fails_only_its_own_task,
        each_death_has_its_own_error,
        chunks_of_any_size_give_the_same,
        a_chunk_of_nothing_is_an_error,
        an_exit_in_a_task_is_told_with_its_code,
        more_tasks_than_workers_wait_for_their_turn,
        idle_workers_are_used_again,
        a_worker_does_exactly_its_tasks,
        a_backlog_outlives_the_workers,
        closing_at_the_last_task_of_a_worker_strands_nobody,
        leaving_at_the_last_task_of_a_worker_strands_nobody,
        an_error_at_the_last_task_of_a_worker_strands_nobody,
        a_worker_that_cannot_be_replaced_ends_the_pool,
        terminate_stops_a_task_that_runs,
        terminate_after_a_death_is_quiet,
        terminate_before_the_first_task_is_quiet,
        close_and_join_finish_what_was_submitted,
        terminate_answers_what_has_not_ended,
        a_cancelled_task_that_waits_never_runs,
        a_cancelled_task_that_runs_costs_its_worker,
        a_cancelled_call_tells_its_callback,
        close_does_not_wait,
        join_after_a_cancel_does_not_hang,
        results_that_have_come_outlive_the_pool,
        the_initializer_runs_once_in_each_worker,
        a_failing_initializer_ends_the_pool_with_its_reason,
        a_channel_tells_which_is_first,
        a_channel_tells_of_the_first_error,
        all_are_waited_for_one_after_another,
        an_argument_that_panics_while_it_is_encoded_panics_in_the_caller,
        an_argument_that_cannot_be_decoded_is_the_tasks_error,
        an_argument_that_ends_its_worker_is_the_tasks_error,
        a_task_that_ends_its_worker_is_an_error,
        a_result_that_ends_its_worker_is_the_tasks_error,
        a_result_that_cannot_be_decoded_is_the_tasks_error,
        a_crash_after_close_lets_join_return,
        an_error_before_close_lets_join_return,
        crashes_with_large_arguments_hang_nobody,
        a_crash_beside_large_results_harms_nobody,
        submitting_never_waits_for_the_workers,
        a_chunk_may_be_larger_than_any_input,
        an_argument_that_cannot_be_decoded_fails_alone_in_its_chunk,
        a_result_that_cannot_be_decoded_fails_alone_in_its_chunk,
    ]
}

fn remainder((x, y): (u64, u64)) -> (u64, u64) {
    (x / y, x % y)
}

fn imap_goes_on_after_an_error() {
    let pool = Pool::new(4).unwrap();
    for (chunksize, divisors, failing) in [(1, [2, 3, 0, 5], 2), (3, [2, 0, 3, 5], 1)] {
        let mut results =
            pool.chunksize(chunksize).imap(remainder, divisors.map(|y| (5, y))).unwrap();
        for (index, &divisor) in divisors.iter().enumerate() {
            match results.next().unwrap() {
                Ok(result) => assert_eq!(result, remainder((5, divisor))),
                Err(error) => {
                    assert_eq!(index, failing);
                    assert_eq!(panicked(&error).0, "attempt to divide by zero");
                    assert!(error.to_string().starts_with(&format!("task {} ", failing + 1)));
                }
            }
        }
        assert_eq!(results.next(), None);
        assert_eq!(results.next(), None);
    }
    // `map` gives up the rest of a chunk, and its answer is the error.
    let error = pool.map(remainder, [(5, 2), (5, 0)]).unwrap_err();
    assert_eq!(panicked(&error).0, "attempt to divide by zero");
}

fn a_timeout_of_next_loses_nothing() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let last_waits = |x: u64| {
        if x == 2 {
            GATE.wait();
        }
        x
    };
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(last_waits, 0..3).unwrap();
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(results.next(), Some(Ok(1)));
    for timeout in [NOW, Duration::from_millis(1), NOW] {
        assert_eq!(results.next_timeout(timeout), Some(Err(Error::Timeout)));
    }
    GATE.open();
    assert_eq!(results.next(), Some(Ok(2)), "in Python the rest would be cancelled");
    assert_eq!(results.next(), None);
}

fn a_task_that_speaks_of_timeouts_is_no_timeout() {
    let pool = Pool::new(2).unwrap();
    let refuse_one = |x: u64| if x == 1 { Err("no result yet".to_string()) } else { Ok(x) };
    let mut results = pool.imap(refuse_one, 0..3).unwrap();
    assert_eq!(results.next(), Some(Ok(Ok(0))));
    assert_eq!(results.next(), Some(Ok(Err("no result yet".into()))), "the task's own words");
    assert_eq!(results.next(), Some(Ok(Ok(2))));
    let panics = |_: u64| -> u64 { panic!("no result yet") };
    assert_eq!(panicked(&pool.apply(panics, 1).unwrap_err()).0, "no result yet");
}

fn dropping_an_iterator_leaves_the_pool_as_it_was() {
    static RUNS: Counter = Counter::new();
    RUNS.set_up();
    let count = |_: u64| {
        RUNS.increment();
    };
    let pool = Pool::new(2).unwrap();
    for (dropped, chunksize) in [1, 3].into_iter().enumerate() {
        let mut input = 0..;
        let mut results =
            pool.chunksize(chunksize).buffersize(6).imap(count, input.by_ref()).unwrap();
        assert_eq!(results.next(), Some(Ok(())));
        drop(results);
        assert_eq!(input.next(), Some(6), "no more is read");
        RUNS.wait_for(6 * (dropped as u64 + 1)); // What was sent is run, as in Python.
    }
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)));
    assert_eq!(RUNS.get(), 12);
}

fn a_buffer_of_nothing_is_an_error() {
    let pool = Pool::new(2).unwrap();
    let read = Cell::new(0);
    let input = || (0..3).inspect(|_| read.set(read.get() + 1));
    let refused = Some(Error::Zero("buffersize"));
    assert_eq!(pool.buffersize(0).imap(square, input()).err(), refused);
    assert_eq!(pool.buffersize(0).imap_unordered(square, input()).err(), refused);
    assert_eq!(read.get(), 0);
}

fn the_size_of_the_buffer_does_not_change_the_results() {
    let pool = Pool::new(4).unwrap();
    for buffersize in [1, 2, 4, 8, usize::MAX] {
        for chunksize in [1, 3, 5] {
            let pool = pool.buffersize(buffersize).chunksize(chunksize);
            let results: Result<Vec<_>, _> = pool.imap(square, 0..4).unwrap().collect();
            assert_eq!(results, Ok(squares(4)));
            // Several inputs: they are zipped.
            let sums = pool.imap(|(x, y)| x + y, (0..4).zip(0..4)).unwrap();
            assert_eq!(sums.collect::<Result<Vec<u64>, _>>(), Ok(vec![0, 2, 4, 6]));
            assert_eq!(pool.imap(square, []).unwrap().next(), None);
        }
    }
}

fn an_endless_input_is_read_as_far_as_needed() {
    let pool = Pool::new(4).unwrap();
    for pool in [pool.buffersize(2), pool.clone()] {
        let mut results = pool.imap(square, 0..).unwrap();
        for x in 0..100 {
            assert_eq!(results.next(), Some(Ok(x * x)));
        }
        let sums = pool.imap(|(x, y)| x + y, (0..).zip(0..)).unwrap();
        assert_eq!(sums.take(3).collect::<Result<Vec<u64>, _>>(), Ok(vec![0, 2, 4]));
    }
}

fn the_input_is_not_read_ahead_of_the_buffer() {
    let pool = Pool::new(4).unwrap();
    let mut input = 0..4;
    drop(pool.buffersize(2).imap(square, input.by_ref()).unwrap());
    assert_eq!(input.next(), Some(2));

    let read = Cell::new(0);
    // (the buffer, the chunk, how many items may be under way: whole chunks, one at least)
    for (buffersize, chunksize, ahead) in [(2, 1, 2), (1, 1, 1), (5, 2, 4), (1, 3, 3)] {
        for in_order in [true, false] {
            read.set(0);
            let input = (0..100).inspect(|_| read.set(read.get() + 1));
            let pool = pool.buffersize(buffersize).chunksize(chunksize);
            let mut results: Box<dyn Iterator<Item = _>> = match in_order {
                true => Box::new(pool.imap(square, input).unwrap()),
                false => Box::new(pool.imap_unordered(square, input).unwrap()),
            };
            let mut seen = 0;
            loop {
                // A chunk counts as read when its last item is.
                let chunks_read = seen - seen % chunksize;
                assert!((seen..=chunks_read + ahead).contains(&read.get()), "{read:?} {seen}");
                match results.next() {
                    Some(result) => assert!(result.is_ok()),
                    None => break,
                }
                seen += 1;
            }
            assert_eq!((seen, read.get()), (100, 100));
        }
    }
}

fn join_does_not_wait_for_an_iterator_to_be_read() {
    let pool = Pool::new(4).unwrap();
    let results = pool.imap(square, 0..5).unwrap();
    pool.close();
    pool.join().unwrap();
    nobody_is_left();
    assert_eq!(results.collect::<Result<Vec<_>, _>>(), Ok(squares(5)));
}

/// Tells who it is, and is at work from then on.
static AT_WORK: Counter = Counter::new();
/// Never opened.
static HELD: Gate = Gate::new();

fn set_up() {
    AT_WORK.set_up();
    HELD.set_up();
    MET.set_up();
}

fn held(_: u64) -> u64 {
    AT_WORK.increment();
    HELD.wait();
    unreachable!("nobody opens this gate")
}

/// The answer of a call of one input whose worker has died like this; says which worker it was.
#[track_caller]
fn died<T>(answer: Result<T, Error>, with: ExitStatus) -> u32 {
    match answer {
        Err(Error::Died { tasks, pid, status }) => {
            assert_eq!(tasks, task(0, 1));
            assert_eq!(status, with);
            pid
        }
        Err(other) => panic!("no death of a worker: {other:?}"),
        Ok(_) => panic!("no death of a worker: there is a result"),
    }
}

fn a_killed_worker_fails_only_its_own_task() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let before = everybody_works_at_once(&pool);
    let victim = pool.apply_async(held, 0).unwrap();
    AT_WORK.wait_for(1);
    // The other worker does these; those behind them wait.
    let (other, _) = pool.apply(pid_and_square, 1).unwrap();
    let others = pool.map_async(square, 0..100).unwrap();
    let idle: HashSet<u32> = before.iter().copied().filter(|&pid| pid != other).collect();
    let worker = idle.into_iter().next().unwrap();
    send(worker, Signal::SIGTERM);
    assert_eq!(died(victim.get(), ExitStatus::Signaled(15)), worker);
    assert_eq!(others.get(), Ok(squares(100)));
    // In Python this would be a `BrokenProcessPool`.
    assert_eq!(pool.apply(|(x, y)| u64::pow(x, y), (2, 8)), Ok(256));
    let after = everybody_works_at_once(&pool);
    assert!(after.contains(&other) && !after.contains(&worker), "{before:?} {after:?}");
    assert_eq!(AT_WORK.get(), 1, "the task was not run again");
}

fn each_death_has_its_own_error() {
    set_up();
    let pool = Pool::new(3).unwrap();
    let before = everybody_works_at_once(&pool);
    let victims: Vec<_> = (0..3).map(|x| pool.apply_async(held, x).unwrap()).collect();
    AT_WORK.wait_for(3);
    for &worker in &before {
        send(worker, Signal::SIGKILL);
    }
    let died: HashSet<u32> = victims
        .into_iter()
        .map(|victim| {
            let error = victim.get().unwrap_err();
            let worker = died(Err::<u64, _>(error.clone()), ExitStatus::Signaled(9));
            let told = format!(
                "worker {worker} was killed by signal 9 (SIGKILL) while it ran task 1 of 1"
            );
            assert_eq!(error.to_string(), told);
            worker
        })
        .collect();
    assert_eq!(died, before);
    assert!(everybody_works_at_once(&pool).is_disjoint(&before));
    assert_eq!(AT_WORK.get(), 3);
}

fn chunks_of_any_size_give_the_same() {
    let pool = Pool::new(4).unwrap();
    let pairs = || (0..40_u32).map(|x| (u64::from(x), x % 12));
    let expected: Vec<u64> = pairs().map(|(x, y)| x.pow(y)).collect();
    for chunksize in [1, 6, 39, 40, 50, 1 << 40] {
        let pool = pool.chunksize(chunksize);
        assert_eq!(pool.starmap(u64::pow, pairs()).unwrap(), expected);
        let results = pool.imap(|(x, y)| u64::pow(x, y), pairs()).unwrap();
        assert_eq!(results.collect::<Result<Vec<_>, _>>().unwrap(), expected);
    }
}

fn a_chunk_may_be_larger_than_any_input() {
    let pool = Pool::new(4).unwrap();
    let all = pool.chunksize(usize::MAX);
    assert_eq!(all.map(square, 0..10), Ok(squares(10)));
    assert_eq!(all.imap(square, 0..10).unwrap().collect::<Result<Vec<_>, _>>(), Ok(squares(10)));
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)));
}

fn a_chunk_of_nothing_is_an_error() {
    let pool = Pool::new(4).unwrap();
    let read = Cell::new(0);
    let input = || (0..3).inspect(|_| read.set(read.get() + 1));
    let refused = Some(Error::Zero("chunksize"));
    let nothing = pool.chunksize(0);
    assert_eq!(nothing.map(square, input()).err(), refused);
    assert_eq!(nothing.map_async(square, input()).err(), refused);
    assert_eq!(nothing.starmap(u64::pow, [(2, 3)]).err(), refused);
    assert_eq!(nothing.apply(square, 1).err(), refused);
    assert_eq!(nothing.imap(square, input()).err(), refused);
    assert_eq!(nothing.imap_unordered(square, input()).err(), refused);
    assert_eq!(read.get(), 0);
}

fn an_exit_in_a_task_is_told_with_its_code() {
    set_up();
    let pool = Pool::new(1).unwrap();
    let exits: [fn(i32); 2] = [|code| exit_at_once(code), |code| process::exit(code)];
    for exit in exits {
        for code in [99, 0] {
            let worker = everybody_works_at_once(&pool);
            let error = pool.apply(exit, code).unwrap_err();
            let told = format!("exited with code {code} while it ran task 1 of 1");
            assert!(error.to_string().ends_with(&told), "{error}");
            assert!(worker.contains(&died(Err::<(), _>(error), ExitStatus::Exited(code))));
        }
    }
    assert_eq!(pool.apply(square, 6), Ok(36));
}

fn more_tasks_than_workers_wait_for_their_turn() {
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let pool = Pool::new(4).unwrap();
    let workers = pool.pids();
    let held = |x: u64| {
        STARTED.increment();
        GATE.wait();
        pid_and_square(x)
    };
    let results: Vec<_> = (0..60).map(|x| pool.apply_async(held, x).unwrap()).collect();
    STARTED.wait_for(4);
    assert_eq!(STARTED.get(), 4);
    // The supervisor and the workers: no process was added.
    assert_eq!(children().len(), 5);
    assert!(results.iter().all(|result| !result.ready()));
    GATE.open();
    for (x, result) in results.into_iter().enumerate() {
        let (worker, result) = result.get().unwrap();
        assert!(workers.contains(&worker));
        assert_eq!(result, square(x as u64));
    }
    assert_eq!(pool.pids(), workers);
    assert_eq!(STARTED.get(), 60);
}

fn idle_workers_are_used_again() {
    let pool = Pool::new(4).unwrap();
    let workers = pool.pids();
    for x in 0..20 {
        let (worker, result) = pool.apply(pid_and_square, x).unwrap();
        assert!(workers.contains(&worker));
        assert_eq!(result, square(x));
    }
    assert_eq!(pool.pids(), workers);
    assert_eq!(children().len(), 5, "they and the supervisor");
}

fn a_worker_does_exactly_its_tasks() {
    let pool = Pool::builder(1).maxtasksperchild(3).build().unwrap();
    let mut workers = Vec::new();
    for x in 0..9 {
        let (worker, result) = pool.apply(pid_and_square, x).unwrap();
        assert_eq!(result, square(x));
        workers.push(worker);
    }
    for three in workers.chunks(3) {
        assert!(three.iter().all(|pid| *pid == three[0]), "{workers:?}");
    }
    let different: HashSet<_> = workers.iter().collect();
    assert_eq!(different.len(), 3, "{workers:?}");
    different.into_iter().for_each(|&pid| ends(pid));
    // A chunk is one task, however many items it has; one that fails counts as well.
    let pids = pool.chunksize(5).map(pid_and_square, 0..15).unwrap();
    assert_eq!(pids.iter().map(|item| item.0).collect::<HashSet<_>>().len(), 1);
    for _ in 0..3 {
        let _ = pool.apply(remainder, (1, 0)).unwrap_err();
    }
    ends(pids[0].0);
}

fn a_backlog_outlives_the_workers() {
    for (workers, most, tasks) in [(1, 2, 6), (2, 2, 8), (2, 1, 100)] {
        let pool = Pool::builder(workers).maxtasksperchild(most).build().unwrap();
        let results: Vec<_> =
            (0..tasks).map(|x| pool.apply_async(pid_and_square, x).unwrap()).collect();
        let mut tasks_of = HashMap::new();
        for (x, result) in results.into_iter().enumerate() {
            let (worker, result) = result.get().unwrap();
            assert_eq!(result, square(x as u64));
            *tasks_of.entry(worker).or_insert(0) += 1;
        }
        assert!(tasks_of.values().all(|&tasks| tasks <= most), "{tasks_of:?}");
        pool.close();
        pool.join().unwrap();
        nobody_is_left();
    }
}

fn an_error_at_the_last_task_of_a_worker_strands_nobody() {
    GATE.set_up();
    AT_WORK.set_up();
    for workers in [2, 4] {
        let pool = Pool::builder(workers).maxtasksperchild(1).build().unwrap();
        let fail = |x: u64| -> u64 { panic!("{x} fails") };
        let [first, failed, last] = [(1, square as fn(u64) -> u64), (2, fail), (3, until_opened)]
            .map(|(x, function)| pool.apply_async(function, x).unwrap());
        assert_eq!(first.get(), Ok(1));
        assert_eq!(panicked(&failed.get().unwrap_err()).0, "2 fails");
        pool.close();
        GATE.open();
        assert_eq!(last.get(), Ok(9));
        pool.join().unwrap();
        nobody_is_left();
    }
}

/// A pool whose only worker is inside its only task, the first of three.
fn at_the_last_task(gate: &Gate) -> (Pool, Vec<AsyncResult<u64>>) {
    gate.set_up();
    AT_WORK.set_up();
    let pool = Pool::builder(1).maxtasksperchild(1).build().unwrap();
    let results = (0..3).map(|x| pool.apply_async(until_opened, x).unwrap()).collect();
    AT_WORK.wait_for(1);
    (pool, results)
}

static GATE: Gate = Gate::new();

fn until_opened(x: u64) -> u64 {
    AT_WORK.increment();
    GATE.wait();
    x * x
}

fn closing_at_the_last_task_of_a_worker_strands_nobody() {
    let (pool, results) = at_the_last_task(&GATE);
    pool.close();
    GATE.open();
    for (x, result) in results.into_iter().enumerate() {
        assert_eq!(result.get(), Ok(square(x as u64)));
    }
    assert_eq!(AT_WORK.get(), 3);
    pool.join().unwrap();
    nobody_is_left();
}

fn leaving_at_the_last_task_of_a_worker_strands_nobody() {
    let (pool, results) = at_the_last_task(&GATE);
    drop(pool);
    GATE.open();
    for result in results {
        assert_eq!(result.get(), Err(Error::Terminated));
    }
    nobody_is_left(); // No worker was made for the tasks that were left.
    assert_eq!(AT_WORK.get(), 1);
}

fn a_worker_that_cannot_be_replaced_ends_the_pool() {
    static STARTS: Counter = Counter::new();
    STARTS.set_up();
    GATE.set_up();
    AT_WORK.set_up();
    let only_once = || assert_eq!(STARTS.increment(), 1, "no second worker");
    let pool = Pool::builder(1).maxtasksperchild(1).initializer(only_once).build().unwrap();
    let mut results: Vec<_> = (0..3).map(|x| pool.apply_async(until_opened, x).unwrap()).collect();
    AT_WORK.wait_for(1);
    GATE.open();
    assert_eq!(results.remove(0).get(), Ok(0));
    for result in results {
        is_the_initializers_panic(result.get(), "no second worker");
    }
    is_the_initializers_panic(pool.apply(square, 1), "no second worker");
    assert_eq!(AT_WORK.get(), 1);
    assert_eq!(STARTS.get(), 1 + 10, "it was tried again, and not for ever");
    pool.join().unwrap();
    nobody_is_left();
}

#[track_caller]
fn is_the_initializers_panic<T>(answer: Result<T, Error>, reason: &str) {
    match answer {
        Err(Error::CannotStart(cause)) => {
            assert!(cause.contains("the initializer panicked in worker "), "{cause}");
            assert!(cause.contains(reason), "{cause}");
            assert!(cause.contains(&format!(" at {}:", file!())), "{cause}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("no worker could run this"),
    }
}

fn terminate_stops_a_task_that_runs() {
    static FINISHED: Counter = Counter::new();
    FINISHED.set_up();
    AT_WORK.set_up();
    GATE.set_up();
    let pool = Pool::new(1).unwrap();
    let worker = pool.pids()[0];
    let task = |x: u64| {
        let result = until_opened(x);
        FINISHED.increment();
        result
    };
    let result = pool.apply_async(task, 1).unwrap();
    AT_WORK.wait_for(1);
    pool.terminate();
    assert!(!is_alive(worker), "not even a moment later");
    nobody_is_left();
    GATE.open();
    assert_eq!(result.get(), Err(Error::Terminated));
    assert_eq!(FINISHED.get(), 0);
    assert_eq!(pool.apply(square, 1), Err(Error::NotRunning));
}

fn terminate_after_a_death_is_quiet() {
    let pool = Pool::new(1).unwrap();
    died(pool.apply(exit_at_once, 1), ExitStatus::Exited(1));
    pool.terminate();
    nobody_is_left();
    // The supervisor's death is the worst: the pool is over, and terminate finds nobody.
    let pool = Pool::new(2).unwrap();
    let workers = pool.pids();
    let supervisor = children().iter().find(|child| child.parent == process::id()).unwrap().pid;
    send(supervisor, Signal::SIGKILL);
    eventually("the pool is over", || {
        pool.apply_async(square, 1).map(AsyncResult::get) != Ok(Ok(1))
    });
    assert_eq!(pool.apply(square, 1), Err(Error::SupervisorDied));
    workers.into_iter().for_each(ends);
    pool.terminate();
    pool.join().unwrap();
    nobody_is_left();
}

fn terminate_before_the_first_task_is_quiet() {
    for workers in [1, 5] {
        // Its workers may not have run a line of their own yet.
        let pool = Pool::new(workers).unwrap();
        pool.terminate();
        nobody_is_left();
        drop(pool);
    }
}

fn close_and_join_finish_what_was_submitted() {
    let pool = Pool::new(4).unwrap();
    let results: Vec<_> = (0..50).map(|x| pool.apply_async(square, x).unwrap()).collect();
    let mapped = pool.map_async(square, 0..1000).unwrap();
    pool.close();
    pool.join().unwrap();
    nobody_is_left();
    assert!(pool.pids().is_empty());
    for (x, result) in results.into_iter().enumerate() {
        assert_eq!(result.get_timeout(NOW), Ok(&square(x as u64)));
    }
    assert_eq!(mapped.get_timeout(NOW), Ok(&squares(1000)));
}

fn terminate_answers_what_has_not_ended() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let done: Vec<_> = (0..3).map(|x| pool.apply_async(square, x).unwrap()).collect();
    done.iter().for_each(AsyncResult::wait);
    let lost: Vec<_> = (0..50).map(|x| pool.apply_async(held, x).unwrap()).collect();
    AT_WORK.wait_for(2);
    pool.terminate();
    for (x, result) in done.into_iter().enumerate() {
        assert_eq!(result.get(), Ok(square(x as u64)));
    }
    for result in lost {
        assert_eq!(result.get_timeout(NOW), Err(Error::Terminated), "it is told at once");
    }
    assert_eq!(AT_WORK.get(), 2, "what waited has not begun");
}

fn a_cancelled_task_that_waits_never_runs() {
    GATE.set_up();
    AT_WORK.set_up();
    let pool = Pool::new(1).unwrap();
    let worker = pool.pids();
    let [first, cancelled, last] = [0, 1, 2].map(|x| pool.apply_async(until_opened, x).unwrap());
    AT_WORK.wait_for(1);
    assert!(cancelled.cancel());
    assert!(!cancelled.cancel(), "it has its answer");
    assert_eq!(cancelled.get_timeout(NOW), Err(Error::Cancelled));
    GATE.open();
    assert_eq!((first.get(), last.get_timeout(Duration::MAX)), (Ok(0), Ok(&4)));
    assert!(!last.cancel(), "too late");
    assert_eq!(last.get(), Ok(4));
    assert_eq!(AT_WORK.get(), 2);
    assert_eq!(pool.pids(), worker);
}

fn a_cancelled_task_that_runs_costs_its_worker() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let before = everybody_works_at_once(&pool);
    let running = pool.apply_async(held, 1).unwrap();
    AT_WORK.wait_for(1);
    let (other, _) = pool.apply(pid_and_square, 1).unwrap();
    assert!(running.cancel());
    assert_eq!(running.get(), Err(Error::Cancelled));
    for &pid in before.iter().filter(|&&pid| pid != other) {
        ends(pid);
    }
    let after = everybody_works_at_once(&pool);
    assert_eq!(before.intersection(&after).collect::<Vec<_>>(), [&other]);
    assert_eq!(AT_WORK.get(), 1, "it was not begun again");
}

fn a_cancelled_call_tells_its_callback() {
    GATE.set_up();
    AT_WORK.set_up();
    let pool = Pool::new(1).unwrap();
    let (sender, called) = channel();
    let first = pool.apply_async(until_opened, 1).unwrap();
    let tell = move |answer: &Result<u64, Error>| sender.send(answer.clone()).unwrap();
    let second = pool.apply_async_with(until_opened, 2, tell).unwrap();
    assert!(second.cancel());
    assert_eq!(called.try_recv(), Ok(Err(Error::Cancelled)), "before `cancel` returns");
    GATE.open();
    assert_eq!(first.get(), Ok(1));
    drop(pool);
    assert!(called.recv().is_err(), "once is enough");
}

fn close_does_not_wait() {
    GATE.set_up();
    AT_WORK.set_up();
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(until_opened, 3).unwrap();
    pool.close();
    assert_eq!(result.get_timeout(NOW), Err(Error::Timeout));
    GATE.open();
    assert_eq!(result.get(), Ok(9));
}

fn join_after_a_cancel_does_not_hang() {
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(square, 1), Ok(1));
    let result = pool.apply_async(square, 2).unwrap();
    let cancelled = result.cancel();
    pool.close();
    pool.join().unwrap();
    nobody_is_left();
    let expected = if cancelled { Err(Error::Cancelled) } else { Ok(4) };
    assert_eq!(result.get(), expected);
}

fn results_that_have_come_outlive_the_pool() {
    let pool = Pool::new(1).unwrap();
    let first = pool.apply_async(square, 6).unwrap();
    let all = pool.map_async(square, 0..10).unwrap();
    let items = pool.imap(square, 0..5).unwrap();
    // The only worker does this last. Nobody has asked for the results before it.
    pool.apply(square, 1).unwrap();
    drop(pool);
    nobody_is_left();
    assert_eq!(first.get(), Ok(36));
    assert_eq!(all.get(), Ok(squares(10)));
    assert_eq!(items.collect::<Result<Vec<_>, _>>(), Ok(squares(5)));
}

fn the_initializer_runs_once_in_each_worker() {
    static STATUS: Counter = Counter::new(); // shared by all
    static MINE: std::sync::OnceLock<(u32, String)> = std::sync::OnceLock::new(); // one in each
    STATUS.set_up();
    MET.set_up();
    let word = String::from("initialized"); // captured: the fork copies it
    let initialize = move || {
        STATUS.increment();
        MINE.set((process::id(), word.clone())).expect("once");
    };
    let pool = Pool::builder(2).initializer(initialize).build().unwrap();
    for _ in 0..3 {
        everybody_works_at_once(&pool);
    }
    assert_eq!(STATUS.get(), 2);
    assert!(MINE.get().is_none(), "not in this process");
    for (worker, status) in pool.map(|_: u32| (process::id(), MINE.get().cloned()), 0..20).unwrap()
    {
        assert_eq!(status, Some((worker, "initialized".into())));
    }
    // In a replacement, too.
    died(pool.apply(exit_at_once, 1), ExitStatus::Exited(1));
    everybody_works_at_once(&pool);
    assert_eq!(STATUS.get(), 3);
    let mut said: Vec<_> = pool.map(|_: u32| MINE.get().is_some(), 0..20).unwrap();
    said.dedup();
    assert_eq!(said, [true]);

    // Even if no task ever comes.
    let pool = Pool::builder(1).initializer(|| _ = STATUS.increment()).build().unwrap();
    STATUS.wait_for(4);
    pool.close();
    pool.join().unwrap();
    assert_eq!(STATUS.get(), 4);
}

fn a_failing_initializer_ends_the_pool_with_its_reason() {
    static STARTS: Counter = Counter::new();
    STARTS.set_up();
    let fail = || {
        STARTS.increment();
        panic!("error in the initializer")
    };
    let pool = Pool::builder(2).initializer(fail).build().unwrap();
    // The pool may have found out already.
    is_the_initializers_panic(pool.apply(square, 1), "error in the initializer");
    is_the_initializers_panic(pool.apply(square, 1), "error in the initializer");
    let refused = pool.map_async(square, []).map(drop);
    is_the_initializers_panic(refused, "error in the initializer");
    pool.join().unwrap();
    nobody_is_left();
    // Ten in a row are enough. The other handler may have had one more under way.
    assert!((10..=11).contains(&STARTS.get()), "{} workers were forked", STARTS.get());
}

static GATES: [Gate; 3] = [const { Gate::new() }; 3];

/// Waits for its gate; 1 fails.
fn at_its_gate(x: usize) -> usize {
    GATES[x].wait();
    assert_ne!(x, 1, "one is refused");
    x
}

fn a_channel_tells_which_is_first() {
    GATES.iter().for_each(Gate::set_up);
    let pool = Pool::new(3).unwrap();
    let (sender, ended) = channel();
    let submit = |x: usize| {
        let sender = sender.clone();
        pool.apply_async_with(at_its_gate, x, move |_| sender.send(x).unwrap()).unwrap()
    };
    let [first, _second, third] = [0, 1, 2].map(submit);
    GATES[0].open();
    assert_eq!(ended.recv(), Ok(0));
    assert!(ended.try_recv().is_err(), "the others have not ended");
    assert_eq!(first.get(), Ok(0));
    assert!(!third.ready());
    GATES[2].open();
    assert_eq!(ended.recv(), Ok(2), "as they are completed, not as they were submitted");
    GATES[1].open();
    assert_eq!(ended.recv(), Ok(1), "errors count");
}

fn a_channel_tells_of_the_first_error() {
    GATES.iter().for_each(Gate::set_up);
    let pool = Pool::new(3).unwrap();
    let (sender, ended) = channel();
    let submit = |x: usize| {
        let sender = sender.clone();
        let tell = move |answer: &Result<usize, Error>| {
            if answer.is_err() {
                sender.send(x).unwrap();
            }
        };
        pool.apply_async_with(at_its_gate, x, tell).unwrap()
    };
    let [first, second, third] = [0, 1, 2].map(submit);
    GATES[0].open();
    first.wait();
    assert!(ended.try_recv().is_err(), "a result is no error");
    GATES[1].open();
    assert_eq!(ended.recv(), Ok(1));
    assert!(first.ready());
    assert!(!third.ready());
    assert!(panicked(&second.get().unwrap_err()).0.contains("one is refused"));
    assert_eq!(third.get_timeout(NOW), Err(Error::Timeout));
    GATES[2].open();
    assert_eq!(third.get(), Ok(2));
}

fn all_are_waited_for_one_after_another() {
    GATES.iter().for_each(Gate::set_up);
    let pool = Pool::new(3).unwrap();
    let results = [0, 1, 2].map(|x| pool.apply_async(at_its_gate, x).unwrap());
    GATES[0].open();
    GATES[1].open();
    results[0].wait();
    results[1].wait();
    let ready = || results.iter().map(|result| result.wait_timeout(NOW)).collect::<Vec<_>>();
    assert_eq!(ready(), [true, true, false]);
    GATES[2].open();
    results.iter().for_each(AsyncResult::wait);
    results.iter().for_each(AsyncResult::wait); // the same again: nothing happens
    assert_eq!(ready(), [true; 3]);
    let successful = results.iter().map(AsyncResult::successful).collect::<Vec<_>>();
    assert_eq!(successful, [Some(true), Some(false), Some(true)]);
}

fn an_argument_that_panics_while_it_is_encoded_panics_in_the_caller() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let before = everybody_works_at_once(&pool);
    let take = |_: NotEncoded| {};
    let submit = || pool.apply(take, NotEncoded(Trouble::Panic));
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(submit)).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"in the middle of a value"));
    assert_eq!(pool.map(square, 0..10), Ok(squares(10)));
    assert_eq!(everybody_works_at_once(&pool), before);
}

/// The pool of two goes on as if nothing had happened; it has lost the worker that is named.
#[track_caller]
fn goes_on(pool: &Pool, before: &HashSet<u32>, lost: Option<u32>) -> HashSet<u32> {
    assert_eq!(pool.map(square, 0..100), Ok(squares(100)));
    let after = everybody_works_at_once(pool);
    let gone: Vec<&u32> = before.difference(&after).collect();
    assert_eq!(gone, Vec::from_iter(&lost));
    after
}

fn an_argument_that_cannot_be_decoded_is_the_tasks_error() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let before = everybody_works_at_once(&pool);
    let take = |_: NotDecoded| {};
    match pool.apply(take, NotDecoded(Trouble::Error)) {
        Err(Error::Codec { tasks, message }) => {
            assert_eq!(tasks, task(0, 1));
            assert!(message.starts_with("argument cannot be decoded: "), "{message}");
        }
        other => panic!("{other:?}"),
    }
    goes_on(&pool, &before, None);
    let error = pool.apply(take, NotDecoded(Trouble::Panic)).unwrap_err();
    assert_eq!(panicked(&error).0, "in the middle of a value");
    goes_on(&pool, &before, None);
}

fn an_argument_that_ends_its_worker_is_the_tasks_error() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let mut before = everybody_works_at_once(&pool);
    let take = |_: NotDecoded| {};
    let ends = [(Trouble::Exit, ExitStatus::Exited(7)), (Trouble::Crash, ExitStatus::Signaled(11))];
    for (trouble, status) in ends {
        let lost = died(pool.apply(take, NotDecoded(trouble)), status);
        before = goes_on(&pool, &before, Some(lost));
    }
}

fn a_task_that_ends_its_worker_is_an_error() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let mut before = everybody_works_at_once(&pool);
    let ends: [(fn(()), ExitStatus); 4] = [
        (|()| crash(), ExitStatus::Signaled(11)),
        (|()| process::abort(), ExitStatus::Signaled(6)),
        (|()| process::exit(1), ExitStatus::Exited(1)),
        (|()| exit_at_once(1), ExitStatus::Exited(1)),
    ];
    for (end, status) in ends {
        let lost = died(pool.apply(end, ()), status);
        before = goes_on(&pool, &before, Some(lost));
    }
    let error = pool.apply(|()| -> u32 { panic!("a panic is no end") }, ()).unwrap_err();
    assert_eq!(panicked(&error).0, "a panic is no end");
    goes_on(&pool, &before, None);
}

fn a_result_that_ends_its_worker_is_the_tasks_error() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let mut before = everybody_works_at_once(&pool);
    let ends = [(Trouble::Exit, ExitStatus::Exited(7)), (Trouble::Crash, ExitStatus::Signaled(11))];
    for (trouble, status) in ends {
        let lost = died(pool.apply(NotEncoded, trouble).map(drop), status);
        before = goes_on(&pool, &before, Some(lost));
    }
    let error = pool.apply(NotEncoded, Trouble::Panic).map(drop).unwrap_err();
    assert_eq!(panicked(&error).0, "in the middle of a value");
    goes_on(&pool, &before, None);
}

fn a_result_that_cannot_be_decoded_is_the_tasks_error() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let before = everybody_works_at_once(&pool);
    match pool.apply(NotDecoded, Trouble::Error).map(drop) {
        Err(Error::Codec { tasks, message }) => {
            assert_eq!(tasks, task(0, 1));
            assert!(message.starts_with("result cannot be decoded: "), "{message}");
        }
        other => panic!("{other:?}"),
    }
    goes_on(&pool, &before, None);
    // It panics here, on a thread of the pool.
    let error = pool.apply(NotDecoded, Trouble::Panic).map(drop).unwrap_err();
    assert_eq!(error, Error::Callback("in the middle of a value".into()));
    goes_on(&pool, &before, None);
    // In an iterator it is the error of that item alone.
    let results: Vec<_> = pool.imap(undecodable_one, 0..3).unwrap().collect();
    assert!(matches!(results[..], [Ok(Ok(0)), Err(Error::Codec { .. }), Ok(Ok(2))]));
}

fn undecodable_one(x: u64) -> Result<u64, NotDecoded> {
    if x == 1 { Err(NotDecoded(Trouble::Error)) } else { Ok(x) }
}

fn a_result_that_cannot_be_decoded_fails_alone_in_its_chunk() {
    let pool = Pool::new(1).unwrap();
    let results: Vec<_> = pool.chunksize(3).imap(undecodable_one, 0..6).unwrap().collect();
    let good = |index: usize| matches!(results[index], Ok(Ok(x)) if x == index as u64);
    assert!(matches!(results[1], Err(Error::Codec { .. })));
    assert_eq!([0, 2, 3, 4, 5].map(good), [true; 5]);
}

fn an_argument_that_cannot_be_decoded_fails_alone_in_its_chunk() {
    let pool = Pool::new(1).unwrap();
    let same = |x: Result<u64, NotDecoded>| x.unwrap_or_default();
    let input = (0..6).map(undecodable_one);
    let results: Vec<_> = pool.chunksize(3).imap(same, input).unwrap().collect();
    assert!(matches!(results[1], Err(Error::Codec { .. })), "{results:?}");
    assert_eq!(results[0], Ok(0));
    assert_eq!(results[2..], [Ok(2), Ok(3), Ok(4), Ok(5)]);
}

fn a_crash_after_close_lets_join_return() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let pool = Pool::new(2).unwrap();
    let crash_later = |()| -> u64 {
        GATE.wait();
        crash()
    };
    let crashed = pool.apply_async(crash_later, ()).unwrap();
    let others: Vec<_> = (0..10).map(|x| pool.apply_async(square, x).unwrap()).collect();
    pool.close();
    GATE.open();
    pool.join().unwrap();
    nobody_is_left();
    died(crashed.get(), ExitStatus::Signaled(11));
    for (x, other) in others.into_iter().enumerate() {
        assert_eq!(other.get(), Ok(square(x as u64)));
    }
}

fn an_error_before_close_lets_join_return() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(square, 2), Ok(4));
    assert!(pool.apply_async(|_: NotEncoded| {}, NotEncoded(Trouble::Error)).is_err());
    let failed = pool.apply_async(|_: NotDecoded| {}, NotDecoded(Trouble::Error)).unwrap();
    pool.close();
    pool.join().unwrap();
    nobody_is_left();
    assert!(matches!(failed.get(), Err(Error::Codec { .. })));
}

/// More than any pipe or socket holds.
const LARGE: usize = 4 << 20;

fn crashes_with_large_arguments_hang_nobody() {
    set_up();
    let pool = Pool::new(2).unwrap();
    let crash_with = |argument: Vec<u8>| -> u64 {
        assert_eq!(argument.len(), LARGE);
        crash()
    };
    let arguments = || (0..10).map(|_| vec![1; LARGE]);
    let mut lost = HashSet::new();
    for (index, result) in pool.imap(crash_with, arguments()).unwrap().enumerate() {
        match result {
            Err(Error::Died { tasks, pid, status: ExitStatus::Signaled(11) }) => {
                assert_eq!(tasks, Tasks { range: index..index + 1, total: None });
                assert!(lost.insert(pid), "{pid} has died twice");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lost.len(), 10);
    let error = pool.chunksize(1).map(crash_with, arguments()).unwrap_err();
    assert!(matches!(error, Error::Died { .. }), "{error:?}");
    // And one that dies while it decodes its argument.
    let unread: fn((NotDecoded, Vec<u8>)) = |_| {};
    let argument = (NotDecoded(Trouble::Crash), vec![1; LARGE]);
    died(pool.apply(unread, argument), ExitStatus::Signaled(11));
    assert!(everybody_works_at_once(&pool).is_disjoint(&lost));
}

fn a_crash_beside_large_results_harms_nobody() {
    let pool = Pool::new(2).unwrap();
    let large_or_crash = |x: usize| {
        if x % 4 == 3 {
            crash();
        }
        vec![x as u8; LARGE]
    };
    let results = pool.imap(large_or_crash, 0..20).unwrap();
    let mut deaths = 0;
    for (x, result) in results.enumerate() {
        match result {
            Ok(result) => assert!(x % 4 != 3 && result == vec![x as u8; LARGE]),
            Err(Error::Died { tasks, status, .. }) => {
                assert_eq!((tasks.range, status), (x..x + 1, ExitStatus::Signaled(11)));
                deaths += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(deaths, 5);
}

fn submitting_never_waits_for_the_workers() {
    const MANY: u64 = 20_000;
    GATE.set_up();
    AT_WORK.set_up();
    let pool = Pool::new(2).unwrap();
    // No task can end before all are submitted: whatever is full then must not block.
    let results: Vec<_> = (0..MANY).map(|x| pool.apply_async(until_opened, x).unwrap()).collect();
    AT_WORK.wait_for(2);
    assert_eq!(AT_WORK.get(), 2);
    GATE.open();
    for (x, result) in results.into_iter().enumerate() {
        assert_eq!(result.get(), Ok(square(x as u64)));
    }
    assert_eq!(AT_WORK.get(), MANY);
}
