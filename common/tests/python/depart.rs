//! Where we depart from Python, and say so: what Python does, and what this pool does.

use std::time::Duration;

use common::Pool;
use common::gate::{Counter, Gate};
use common::harness::{Test, eventually, is_alive, tests};
use common::pool::Error;
use common::random;
use nix::sys::signal::{SigHandler, Signal, raise, signal};
use rand::RngExt;

use crate::python;

static FIRST: Gate = Gate::new();
static RAN: Counter = Counter::new();

pub fn all() -> Vec<Test> {
    tests![
        a_worker_that_is_killed_python_waits_we_tell,
        a_task_that_exits_python_waits_we_tell,
        get_after_the_pool_python_waits_we_tell,
        a_chunksize_of_zero_python_runs_nothing_and_says_so_to_imap_only,
        a_callback_that_raises_python_hangs_before_3_16_we_tell,
        an_initializer_that_raises_python_forks_on_we_stop,
        a_task_that_ignores_sigterm_python_waits_for_it_we_kill_it,
        imap_python_reads_all_its_input_we_read_to_a_bound,
        random_numbers_python_copies_generators_we_give_each_worker_its_own,
        misuse_python_raises_we_return_errors,
        successful_before_there_is_a_result_python_raises_we_give_none,
    ]
}

/// What a case says in Python, and what its half here says.
#[track_caller]
fn pair(case: &str, expected: &str, here: impl ToString, expected_here: &str) {
    let said = python(case);
    assert_eq!(said, expected, "what Python does is not what it was");
    assert_eq!(here.to_string(), expected_here, "and in Python: {said}");
}

/// The text without the worker's pid.
fn of_worker_a(error: &Error) -> String {
    let Error::Died { pid, .. } = error else { panic!("{error}") };
    error.to_string().replace(&pid.to_string(), "A")
}

fn died(task: fn(i32)) -> String {
    let pool = Pool::new(2).unwrap();
    let error = pool.apply(task, 7).unwrap_err();
    let later = pool.apply(|x: i32| x, 4).unwrap();
    format!("get: {}; the next: {later}", of_worker_a(&error))
}

fn a_worker_that_is_killed_python_waits_we_tell() {
    pair(
        "a_worker_that_is_killed",
        "get: TimeoutError, and its worker is gone, replaced; the next: 4",
        died(|_| raise(Signal::SIGKILL).unwrap()),
        "get: worker A was killed by signal 9 (SIGKILL) while it ran task 1 of 1; the next: 4",
    );
}

fn a_task_that_exits_python_waits_we_tell() {
    pair(
        "a_task_that_exits",
        "get: TimeoutError, and its worker is gone, replaced; the next: 4",
        died(|code| std::process::exit(code)),
        "get: worker A exited with code 7 while it ran task 1 of 1; the next: 4",
    );
}

fn get_after_the_pool_python_waits_we_tell() {
    FIRST.set_up();
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(|()| FIRST.wait(), ()).unwrap();
    drop(pool);
    pair(
        "get_after_the_pool",
        "get: TimeoutError, the workers are gone: True",
        format!("get: {}", result.get().unwrap_err()),
        "get: the pool was terminated before there was a result",
    );
}

fn a_chunksize_of_zero_python_runs_nothing_and_says_so_to_imap_only() {
    RAN.set_up();
    let pool = Pool::new(2).unwrap().chunksize(0);
    let task = |_: u32| _ = RAN.increment();
    let map = pool.map(task, [1, 2, 3]).unwrap_err();
    let imap = pool.imap(task, [1, 2, 3]).err().unwrap();
    pair(
        "chunksize_of_zero",
        "map: [None, None, None], 0 tasks ran; imap: ValueError: Chunksize must be 1+, not 0",
        format!("map: {map}, {} tasks ran; imap: {imap}", RAN.get()),
        "map: chunksize must be at least 1, 0 tasks ran; imap: chunksize must be at least 1",
    );
}

fn a_callback_that_raises_python_hangs_before_3_16_we_tell() {
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async_with(|x: u32| x, 1, |_| panic!("the callback")).unwrap();
    let own = result.get().unwrap_err();
    let later = pool.apply(|x: u32| x, 2).unwrap();
    let here = format!("get: {own}; of the next task, which ran: {later}");
    assert_eq!(here, "get: a callback panicked: the callback; of the next task, which ran: 2");
    let hangs = "get: TimeoutError; of the next task, which ran: TimeoutError";
    let mended = "get: ValueError: the callback; of the next task, which ran: 2"; // as ours
    let said = python("a_callback_that_raises");
    assert!([hangs, mended].contains(&&*said), "{said}, and here {here}");
}

fn an_initializer_that_raises_python_forks_on_we_stop() {
    RAN.set_up();
    let initializer = || {
        RAN.increment();
        panic!("the initializer");
    };
    // It may end before it has been made.
    let pool = Pool::builder(2).initializer(initializer).build();
    let error = pool.and_then(|pool| pool.apply(|x: u32| x, 1)).unwrap_err();
    let Error::CannotStart(cause) = &error else { panic!("{error}") };
    assert!(cause.contains("the initializer"), "{cause}");
    let stopped = RAN.get() < 20;
    pair(
        "an_initializer_that_raises",
        "20 processes have been started for 2 workers; get: TimeoutError",
        format!("fewer than 20: {stopped}; get: workers cannot start"),
        "fewer than 20: true; get: workers cannot start",
    );
}

fn a_task_that_ignores_sigterm_python_waits_for_it_we_kill_it() {
    static NEVER: Gate = Gate::new();
    FIRST.set_up();
    NEVER.set_up();
    let pool = Pool::new(1).unwrap();
    let worker = pool.pids()[0];
    let task = |()| {
        // SAFETY: to ignore a signal runs no code.
        unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
        FIRST.open();
        NEVER.wait();
    };
    let result = pool.apply_async(task, ()).unwrap();
    FIRST.wait();
    pool.terminate();
    eventually("the worker is gone", || !is_alive(worker));
    pair(
        "terminate_and_a_task_that_ignores_it",
        "terminate waits while the task runs: True",
        format!("terminate came back, the task never ended; get: {}", result.get().unwrap_err()),
        "terminate came back, the task never ended; get: the pool was terminated before there was a result",
    );
}

fn imap_python_reads_all_its_input_we_read_to_a_bound() {
    RAN.set_up();
    let pool = Pool::new(2).unwrap();
    let inputs = (0..1_000).inspect(|_| _ = RAN.increment());
    let mut results = pool.imap(|x: u32| x, inputs).unwrap();
    let read = RAN.get();
    let first = results.next().unwrap().unwrap();
    pair(
        "how_far_imap_reads",
        "1000 of 1000 inputs are read before a result; the first: 0",
        format!("{read} of 1000 inputs are read before a result; the first: {first}"),
        "16 of 1000 inputs are read before a result; the first: 0",
    );
}

fn random_numbers_python_copies_generators_we_give_each_worker_its_own() {
    FIRST.set_up();
    RAN.set_up();
    let pool = Pool::new(2).unwrap();
    // Neither can end before both have begun, so two workers draw.
    let draws = |_: u32| {
        RAN.increment();
        FIRST.wait();
        random::rng().random::<u64>()
    };
    let result = pool.chunksize(1).map_async(draws, [1, 2]).unwrap();
    RAN.wait_for(2);
    FIRST.open();
    let numbers = result.get().unwrap();
    pair(
        "random_numbers",
        "a generator made before the fork: equal numbers True; the module's: False",
        format!("equal numbers: {}", numbers[0] == numbers[1]),
        "equal numbers: false",
    );
}

fn misuse_python_raises_we_return_errors() {
    let pool = Pool::new(1).unwrap();
    let mut refused = vec![pool.join().unwrap_err()];
    pool.close();
    refused.push(pool.apply(|x: u32| x, 1).unwrap_err());
    pool.join().unwrap();
    refused.push(Pool::new(0).err().unwrap());
    pair(
        "not_running",
        "ValueError: Pool is still running; ValueError: Pool not running; \
         ValueError: Number of processes must be at least 1",
        refused.iter().map(Error::to_string).collect::<Vec<_>>().join("; "),
        "the pool is still running: close it before you join it; \
         the pool is not running: it takes no more tasks; \
         the number of workers must be at least 1",
    );
}

fn successful_before_there_is_a_result_python_raises_we_give_none() {
    FIRST.set_up();
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(|()| FIRST.wait(), ()).unwrap();
    let before = result.successful();
    FIRST.open();
    result.wait_timeout(Duration::from_secs(30));
    pair(
        "successful_before_there_is_a_result",
        "ValueError, then True",
        format!("{before:?}, then {:?}", result.successful()),
        "None, then Some(true)",
    );
}
