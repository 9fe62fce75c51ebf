//! The ordering contract, checked from both sides: what it allows is forced to happen on the real pool, and what
//! the real pool does by itself is allowed. A pool that breaks a promise is caught, with the promise named.
//!
//! The snapshots beside this file are the contract written out: all orders for few tasks and workers.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use common::contract::{Before, Contract, Event, Impossible, orders};
use common::director::{Director, Stage};
use common::harness::snapshot::pin;
use common::harness::{self, Test, test, tests};
use common::pool::{Error, Pool};
use common::{ExitStatus, Process};
use nix::sys::signal::{Signal, raise};

fn main() {
    let mut all = tests![
        snapshots,
        counts,
        map_is_the_set_that_its_rules_describe,
        what_follows_a_possible_beginning_is_possible_or_has_a_reason,
        imap_unordered_is_checked_however_late_main_reads,
        before_is_what_the_orders_say,
        so_many_of_is_impossible_and_one_less_happens,
        can_finish_knows_the_orders_of_the_ends,
        patience_ends_where_it_is_to_end_and_only_in_a_get_with_a_timeout,
        every_impossible_order_has_its_reason,
        every_impossible_finish_has_its_reason,
        imap_in_order_of_completion_is_caught,
        map_with_three_tasks_on_two_workers_is_caught,
        map_that_hands_out_in_another_order_is_caught,
        map_that_ignores_chunks_is_caught,
        map_that_returns_early_is_caught,
        apply_that_does_not_block_is_caught,
        imap_that_reads_too_far_ahead_is_caught,
        get_that_does_not_wait_is_caught,
        join_that_does_not_wait_is_caught,
        a_pool_whose_workers_outlive_it_is_caught,
        nobody_waits_for_a_killed_task,
        nobody_waits_for_a_main_that_has_given_up,
        what_is_not_in_the_script_ends_the_direction,
    ];
    all.extend(forced());
    all.extend(free());
    harness::main(all);
}

// ---------------------------------------------------------------------------------------------
// The program whose events are seen
// ---------------------------------------------------------------------------------------------

/// A task: its number, and for how many microseconds it is busy before its start, before its end and after it,
/// or that the director decides.
type Task = (usize, Option<[u64; 3]>);

/// Says what it does, and does nothing else.
fn task((number, busy): Task) {
    match busy {
        None => STAGE.task(number, || (), || ()),
        Some(micros) => {
            let [before, between, after] = micros.map(Duration::from_micros);
            spin(before);
            STAGE.tell(Event::Start(number));
            spin(between);
            STAGE.tell(Event::End(number));
            spin(after);
        }
    }
}

/// Is busy, as a task that computes: the length makes runs differ, and no verdict depends on it.
fn spin(length: Duration) {
    let start = Instant::now();
    while start.elapsed() < length {
        spin_loop();
    }
}

/// One run of one call.
struct Run<'a> {
    tasks: Vec<Task>,
    workers: usize,
    /// The order that the director forces, if it does.
    order: Option<&'a [Event]>,
    /// If the director does not decide: how long main waits in `get_timeout`, and how long it is busy before it
    /// says what it sees.
    pause: Duration,
}

impl Run<'_> {
    /// The pool is kept for the next run.
    fn pool<'a>(&self, pool: &'a mut Option<Pool>) -> &'a Pool {
        pool.get_or_insert_with(|| Pool::new(self.workers).unwrap())
    }

    fn tasks(&self) -> impl Iterator<Item = Task> {
        self.tasks.iter().copied()
    }

    /// A call of main's has come back.
    fn sees(&self, event: Event) {
        self.waits_its_turn();
        STAGE.tell(event);
    }

    fn waits_its_turn(&self) {
        match self.order {
            Some(_) => STAGE.wait_for_turn(),
            None => spin(self.pause),
        }
    }

    fn get_timeout<T>(&self, result: &common::pool::AsyncResult<T>) {
        self.waits_its_turn();
        let timeout = match self.order {
            Some(order) if order.contains(&Event::Timeout) => Duration::ZERO,
            Some(_) => Duration::from_secs(30),
            None => self.pause,
        };
        match result.get_timeout(timeout) {
            Ok(_) => STAGE.tell(Event::Got(None)),
            Err(Error::Timeout) => STAGE.tell(Event::Timeout),
            Err(other) => panic!("{other}"),
        }
    }

    fn leave(&self, pool: &mut Option<Pool>) {
        self.waits_its_turn();
        *pool = None;
        STAGE.tell(Event::Left);
    }
}

/// What main does, written like the lessons; `sees` is its `println!`.
mod program {
    use super::{Event, Pool, Process, Run, Task, task};
    use common::pool::Error;

    pub type Program = fn(&Run, &mut Option<Pool>);

    /// A task whose result says whose it is.
    fn numbered(argument: Task) -> usize {
        task(argument);
        argument.0
    }

    /// All results, in input order.
    fn all(run: &Run) -> Vec<usize> {
        run.tasks().map(|(number, _)| number).collect()
    }

    pub fn process(run: &Run, _: &mut Option<Pool>) {
        let mut processes = Vec::new();
        for (i, argument) in (1..).zip(run.tasks()) {
            processes.push(Process::new(move || task(argument)).start().unwrap());
            run.sees(Event::Started(i));
        }
        for (i, process) in (1..).zip(processes) {
            process.join().unwrap();
            run.sees(Event::Joined(i));
        }
    }

    pub fn map(run: &Run, pool: &mut Option<Pool>) {
        assert_eq!(run.pool(pool).map(numbered, run.tasks()).unwrap(), all(run));
        run.sees(Event::Return(None));
    }

    pub fn map_in_chunks(run: &Run, pool: &mut Option<Pool>) {
        let pool = run.pool(pool).chunksize(2);
        assert_eq!(pool.map(numbered, run.tasks()).unwrap(), all(run));
        run.sees(Event::Return(None));
    }

    pub fn starmap(run: &Run, pool: &mut Option<Pool>) {
        let task = |number, busy| numbered((number, busy));
        assert_eq!(run.pool(pool).starmap(task, run.tasks()).unwrap(), all(run));
        run.sees(Event::Return(None));
    }

    pub fn imap(run: &Run, pool: &mut Option<Pool>) {
        for result in run.pool(pool).imap(numbered, run.tasks()).unwrap() {
            run.sees(Event::Yield(result.unwrap()));
        }
    }

    pub fn imap_in_chunks(run: &Run, pool: &mut Option<Pool>) {
        let pool = run.pool(pool).chunksize(2);
        for result in pool.imap(numbered, run.tasks()).unwrap() {
            run.sees(Event::Yield(result.unwrap()));
        }
    }

    pub fn imap_with_a_buffer_of_2(run: &Run, pool: &mut Option<Pool>) {
        let pool = run.pool(pool).buffersize(2);
        for result in pool.imap(numbered, run.tasks()).unwrap() {
            run.sees(Event::Yield(result.unwrap()));
        }
    }

    pub fn imap_unordered(run: &Run, pool: &mut Option<Pool>) {
        for result in run.pool(pool).imap_unordered(numbered, run.tasks()).unwrap() {
            run.sees(Event::Yield(result.unwrap()));
        }
    }

    pub fn imap_unordered_in_chunks(run: &Run, pool: &mut Option<Pool>) {
        let pool = run.pool(pool).chunksize(2);
        for result in pool.imap_unordered(numbered, run.tasks()).unwrap() {
            run.sees(Event::Yield(result.unwrap()));
        }
    }

    pub fn imap_unordered_with_a_buffer_of_2(run: &Run, pool: &mut Option<Pool>) {
        let pool = run.pool(pool).buffersize(2);
        for result in pool.imap_unordered(numbered, run.tasks()).unwrap() {
            run.sees(Event::Yield(result.unwrap()));
        }
    }

    pub fn apply(run: &Run, pool: &mut Option<Pool>) {
        for (i, argument) in (1..).zip(run.tasks()) {
            assert_eq!(run.pool(pool).apply(numbered, argument).unwrap(), i);
            run.sees(Event::Return(Some(i)));
        }
    }

    pub fn map_async(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(numbered, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        assert_eq!(results.get().unwrap(), all(run));
        run.sees(Event::Got(None));
    }

    pub fn starmap_async(run: &Run, pool: &mut Option<Pool>) {
        let task = |number, busy| numbered((number, busy));
        let results = run.pool(pool).starmap_async(task, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        assert_eq!(results.get().unwrap(), all(run));
        run.sees(Event::Got(None));
    }

    pub fn apply_async(run: &Run, pool: &mut Option<Pool>) {
        let mut results = Vec::new();
        for (i, argument) in (1..).zip(run.tasks()) {
            results.push(run.pool(pool).apply_async(numbered, argument).unwrap());
            run.sees(Event::Return(Some(i)));
        }
        for (i, result) in (1..).zip(results) {
            assert_eq!(result.get().unwrap(), i);
            run.sees(Event::Got(Some(i)));
        }
    }

    pub fn apply_async_wait(run: &Run, pool: &mut Option<Pool>) {
        for (i, argument) in (1..).zip(run.tasks()) {
            let result = run.pool(pool).apply_async(numbered, argument).unwrap();
            run.sees(Event::Return(Some(i)));
            result.wait();
            run.sees(Event::Waited(Some(i)));
        }
    }

    pub fn get_timeout_and_leave(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(numbered, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        run.get_timeout(&results);
        run.leave(pool);
    }

    pub fn get_timeout_and_get(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(numbered, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        run.get_timeout(&results);
        assert_eq!(results.get().unwrap(), all(run));
        run.sees(Event::Got(None));
    }

    pub fn wait_and_leave_and_get(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(numbered, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        results.wait();
        run.sees(Event::Waited(None));
        run.leave(pool);
        results.get_timeout(std::time::Duration::ZERO).unwrap();
        run.sees(Event::Got(None));
    }

    pub fn leave_and_get(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(numbered, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        if run.order.is_some_and(|order| order.contains(&Event::Got(None))) {
            results.wait(); // nobody sees that results come, and here they are to come before main leaves
        }
        run.leave(pool);
        match results.get() {
            Ok(_) => run.sees(Event::Got(None)),
            Err(Error::Terminated) => run.sees(Event::Terminated),
            Err(other) => panic!("{other}"),
        }
    }

    // Programs that break a promise on purpose.

    pub fn map_from_the_back(run: &Run, pool: &mut Option<Pool>) {
        let tasks = run.tasks().collect::<Vec<_>>();
        run.pool(pool).map(task, tasks.into_iter().rev()).unwrap();
        run.sees(Event::Return(None));
    }

    /// `apply_async`, and nobody waits.
    pub fn apply_in_the_background(run: &Run, pool: &mut Option<Pool>) {
        for (i, argument) in (1..).zip(run.tasks()) {
            let _ = run.pool(pool).apply_async(task, argument).unwrap();
            run.sees(Event::Return(Some(i)));
        }
    }

    /// `map_async`, and nobody waits.
    pub fn map_in_the_background(run: &Run, pool: &mut Option<Pool>) {
        let _ = run.pool(pool).map_async(task, run.tasks()).unwrap();
        run.sees(Event::Return(None));
    }

    /// `get`, which gives up at once and does not say so.
    pub fn get_at_once(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(task, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        let _ = results.get_timeout(std::time::Duration::ZERO);
        run.sees(Event::Got(None));
    }

    /// `join`, which gives up at once and does not say so.
    pub fn join_at_once(run: &Run, _: &mut Option<Pool>) {
        let tasks = run.tasks();
        let processes = tasks.map(|argument| Process::new(move || task(argument)).start().unwrap());
        let processes = processes.collect::<Vec<_>>();
        for (i, process) in (1..).zip(&processes) {
            run.sees(Event::Started(i));
            let _ = process.join_timeout(std::time::Duration::ZERO).unwrap();
        }
        (1..=processes.len()).for_each(|i| run.sees(Event::Joined(i)));
        processes.iter().for_each(|process| _ = process.join().unwrap());
    }

    /// Says that it has left the pool, and keeps it.
    pub fn leave_and_keep_the_pool(run: &Run, pool: &mut Option<Pool>) {
        let results = run.pool(pool).map_async(task, run.tasks()).unwrap();
        run.sees(Event::Return(None));
        run.get_timeout(&results);
        run.sees(Event::Left);
    }
}

use program::Program;

// ---------------------------------------------------------------------------------------------
// Seeing and directing
// ---------------------------------------------------------------------------------------------

static STAGE: Stage = Stage::new();

fn yields(order: &[Event]) -> Vec<usize> {
    let task = |event: &Event| if let Event::Yield(task) = event { Some(*task) } else { None };
    order.iter().filter_map(task).collect()
}

fn ends(order: &[Event]) -> Vec<usize> {
    let task = |event: &Event| if let Event::End(task) = event { Some(*task) } else { None };
    order.iter().filter_map(task).collect()
}

/// Runs a program once for each order, and sees to it that this is the order in which its events come.
fn force(orders: &[Vec<Event>], workers: usize, program: Program) {
    let start = |event: &Event| if let Event::Start(task) = event { *task } else { 0 };
    let tasks = orders.iter().flatten().map(start).max().expect("no orders, no proof");
    let unordered = orders.iter().any(|order| !yields(order).is_sorted());
    STAGE.set_up(tasks);
    // A process, forked before there is a pool and its threads.
    let director = Process::new(|| {
        for order in orders {
            let late = |event: &Event| matches!(event, Event::Timeout | Event::Terminated);
            let mut director = Director::new(&STAGE, workers)
                .directs_main()
                .holds_results(unordered || order.iter().any(late));
            director.direct(order).unwrap_or_else(|wrong| panic!("{wrong}, in {order:?}"));
        }
    });
    let director = director.start().unwrap();
    let mut pool = None;
    for order in orders {
        let tasks = (1..=tasks).map(|i| (i, None)).collect();
        let run = Run { tasks, workers, order: Some(order), pause: Duration::ZERO };
        program(&run, &mut pool);
    }
    assert_eq!(director.join().unwrap(), ExitStatus::Exited(0));
}

/// Both ways, for one claim after another: the test's name says which.
macro_rules! forced {
    ($($name:literal: $contract:expr, $program:ident, $workers:literal;)*) => {
        vec![$(test(
            concat!($name, "_every_allowed_order_happens"),
            || force(&$contract.orders(), $workers, program::$program),
        )),*]
    };
}

/// Each order that the contract allows happens on the real pool.
fn forced() -> Vec<Test> {
    forced![
        "process_2_tasks": Contract::process(2), process, 1;
        "map_2_tasks_1_worker": Contract::map(2, 1), map, 1;
        "map_2_tasks_2_workers": Contract::map(2, 2), map, 2;
        "map_3_tasks_2_workers": Contract::map(3, 2), map, 2;
        "map_4_tasks_2_workers": Contract::map(4, 2), map, 2;
        "map_3_tasks_3_workers": Contract::map(3, 3), map, 3;
        "map_4_tasks_2_workers_chunks_of_2":
            Contract::map(4, 2).chunksize(2), map_in_chunks, 2;
        "starmap_3_tasks_2_workers": Contract::starmap(3, 2), starmap, 2;
        "imap_2_tasks_2_workers": Contract::imap(2, 2), imap, 2;
        "imap_3_tasks_2_workers": Contract::imap(3, 2), imap, 2;
        "imap_3_tasks_2_workers_chunks_of_2":
            Contract::imap(3, 2).chunksize(2), imap_in_chunks, 2;
        "imap_4_tasks_2_workers_buffersize_2":
            Contract::imap(4, 2).buffersize(2), imap_with_a_buffer_of_2, 2;
        "imap_unordered_2_tasks_2_workers": Contract::imap_unordered(2, 2), imap_unordered, 2;
        "imap_unordered_3_tasks_2_workers": Contract::imap_unordered(3, 2), imap_unordered, 2;
        "imap_unordered_3_tasks_2_workers_buffersize_2":
            Contract::imap_unordered(3, 2).buffersize(2), imap_unordered_with_a_buffer_of_2, 2;
        "apply_3_tasks_2_workers": Contract::apply(3, 2), apply, 2;
        "map_async_3_tasks_2_workers": Contract::map_async(3, 2).get(), map_async, 2;
        "starmap_async_2_tasks_2_workers":
            Contract::starmap_async(2, 2).get(), starmap_async, 2;
        "apply_async_2_tasks_2_workers": Contract::apply_async(2, 2).get(), apply_async, 2;
        "apply_async_3_tasks_1_worker": Contract::apply_async(3, 1).get(), apply_async, 1;
        "apply_async_wait_in_the_loop_3_tasks_2_workers":
            Contract::apply_async_wait(3, 2), apply_async_wait, 2;
        "get_timeout_and_leave_2_tasks_2_workers":
            Contract::map_async(2, 2).get_timeout().leave(), get_timeout_and_leave, 2;
        "get_timeout_and_get_2_tasks_2_workers":
            Contract::map_async(2, 2).get_timeout().get(), get_timeout_and_get, 2;
        "wait_and_leave_and_get_2_tasks_2_workers":
            Contract::map_async(2, 2).wait().leave().get(), wait_and_leave_and_get, 2;
        "leave_and_get_2_tasks_2_workers":
            Contract::map_async(2, 2).leave().get(), leave_and_get, 2;
    ]
}

/// Runs a program many times and checks that the contract allows what is seen.
fn run_freely(contract: fn(usize, usize) -> Contract, program: Program) {
    STAGE.set_up(0);
    let mut random = 1_u64;
    let mut micros = move |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    for (tasks, workers) in [(1, 1), (3, 1), (2, 2), (4, 2), (7, 2), (5, 3)] {
        let contract = contract(tasks, workers);
        let mut pool = None;
        for length in [1, 50, 500].into_iter().flat_map(|length| [length; 15]) {
            let mut busy = || Some([micros(length), micros(length), micros(length)]);
            let tasks = (1..=tasks).map(|i| (i, busy())).collect();
            let pause = Duration::from_micros(micros(2 * length));
            program(&Run { tasks, workers, order: None, pause }, &mut pool);
            let order = STAGE.told();
            if let Err(Impossible { position, reason }) = contract.check(&order) {
                panic!("{contract}: {order:?}\nis impossible from event {position} on: {reason}");
            }
        }
    }
}

macro_rules! free {
    ($($name:literal: $contract:expr, $program:ident;)*) => {
        vec![$(test(
            concat!($name, "_free_runs_stay_inside"),
            || run_freely($contract, program::$program),
        )),*]
    };
}

/// What the real pool does by itself, the contract allows.
fn free() -> Vec<Test> {
    free![
        "process": |tasks, _| Contract::process(tasks), process;
        "map": Contract::map, map;
        "map_in_chunks": |n, w| Contract::map(n, w).chunksize(2), map_in_chunks;
        "starmap": Contract::starmap, starmap;
        "imap": Contract::imap, imap;
        "imap_in_chunks": |n, w| Contract::imap(n, w).chunksize(2), imap_in_chunks;
        "imap_with_buffersize":
            |n, w| Contract::imap(n, w).buffersize(2), imap_with_a_buffer_of_2;
        "imap_unordered": Contract::imap_unordered, imap_unordered;
        "imap_unordered_in_chunks":
            |n, w| Contract::imap_unordered(n, w).chunksize(2), imap_unordered_in_chunks;
        "imap_unordered_with_buffersize":
            |n, w| Contract::imap_unordered(n, w).buffersize(2), imap_unordered_with_a_buffer_of_2;
        "apply": Contract::apply, apply;
        "map_async": |n, w| Contract::map_async(n, w).get(), map_async;
        "starmap_async": |n, w| Contract::starmap_async(n, w).get(), starmap_async;
        "apply_async": |n, w| Contract::apply_async(n, w).get(), apply_async;
        "apply_async_wait_in_the_loop": Contract::apply_async_wait, apply_async_wait;
        "get_timeout_and_leave":
            |n, w| Contract::map_async(n, w).get_timeout().leave(), get_timeout_and_leave;
        "get_timeout_and_get":
            |n, w| Contract::map_async(n, w).get_timeout().get(), get_timeout_and_get;
        "wait_and_leave_and_get":
            |n, w| Contract::map_async(n, w).wait().leave().get(), wait_and_leave_and_get;
        "leave_and_get": |n, w| Contract::map_async(n, w).leave().get(), leave_and_get;
    ]
}

// ---------------------------------------------------------------------------------------------
// Broken on purpose
// ---------------------------------------------------------------------------------------------

/// A program that claims to be what the contract is about, and is not: on so many workers it shows this order, and the
/// contract says what is wrong with it.
fn caught(claim: Contract, program: Program, workers: usize, order: &str, reason: &str) {
    let orders = orders(order);
    force(&orders, workers, program);
    let impossible = claim.check(&orders[0]).expect_err("a broken promise is not seen");
    assert_eq!(impossible.reason, reason);
}

fn imap_in_order_of_completion_is_caught() {
    caught(
        Contract::imap(2, 2),
        program::imap_unordered,
        2,
        "start 1, start 2, end 2, yield 2, end 1, yield 1",
        "yield 2 before yield 1: imap yields in input order",
    );
}

fn map_with_three_tasks_on_two_workers_is_caught() {
    caught(
        Contract::map(3, 2),
        program::map,
        3,
        "start 1, start 2, start 3, end 1, end 2, end 3, return",
        "start 3 while both workers were busy: tasks 1 and 2 come first and have not ended",
    );
}

fn map_that_hands_out_in_another_order_is_caught() {
    caught(
        Contract::map(2, 1),
        program::map_from_the_back,
        1,
        "start 2, end 2, start 1, end 1, return",
        "start 2 while the only worker was busy: task 1 comes first and has not ended",
    );
}

fn map_that_ignores_chunks_is_caught() {
    caught(
        Contract::map(4, 2).chunksize(2),
        program::map,
        2,
        "start 1, start 2, end 1, end 2, start 3, start 4, end 3, end 4, return",
        "start 2 before end 1: the tasks of a chunk run one after another in one worker",
    );
}

fn map_that_returns_early_is_caught() {
    caught(
        Contract::map(2, 2),
        program::map_in_the_background,
        2,
        "start 1, start 2, end 1, return, end 2",
        "return before end 2: map waits for all its tasks",
    );
}

fn apply_that_does_not_block_is_caught() {
    caught(
        Contract::apply(2, 2),
        program::apply_in_the_background,
        2,
        "start 1, return 1, start 2, end 1, end 2, return 2",
        "return 1 before end 1: apply waits for its task",
    );
}

fn imap_that_reads_too_far_ahead_is_caught() {
    caught(
        Contract::imap(3, 2).buffersize(1),
        program::imap_with_a_buffer_of_2,
        2,
        "start 1, start 2, end 1, end 2, yield 1, yield 2, start 3, end 3, yield 3",
        "start 2 before main had read 1 result: with buffersize 1 imap takes no more from its input",
    );
}

fn get_that_does_not_wait_is_caught() {
    caught(
        Contract::map_async(2, 2).get(),
        program::get_at_once,
        2,
        "return, start 1, end 1, got, start 2, end 2",
        "got before end 2: get waits for all its tasks",
    );
}

fn join_that_does_not_wait_is_caught() {
    caught(
        Contract::process(1),
        program::join_at_once,
        1,
        "started 1, start 1, joined 1, end 1",
        "joined 1 before end 1: join waits for its task",
    );
}

fn a_pool_whose_workers_outlive_it_is_caught() {
    caught(
        Contract::map_async(1, 1).get_timeout().leave(),
        program::leave_and_keep_the_pool,
        1,
        "return, start 1, timeout, left, end 1",
        "end 1 after left: leaving the pool's scope ends its workers",
    );
}

// ---------------------------------------------------------------------------------------------
// A director whose run goes wrong
// ---------------------------------------------------------------------------------------------

/// Runs `program` while a thread directs its tasks, and gives both answers.
fn direct<T>(script: &str, program: impl FnOnce(&Pool) -> T) -> (T, String) {
    STAGE.set_up(2);
    let pool = Pool::new(2).unwrap();
    let script = &orders(script)[0];
    thread::scope(|scope| {
        let director = scope.spawn(|| Director::new(&STAGE, 2).direct(script));
        let answer = program(&pool);
        (answer, director.join().unwrap().unwrap_err().to_string())
    })
}

fn nobody_waits_for_a_killed_task() {
    fn task(number: usize) {
        let end = || {
            if number == 1 {
                raise(Signal::SIGKILL).unwrap()
            }
        };
        STAGE.task(number, || (), end);
    }
    let script = "start 1, start 2, end 1, end 2, return";
    let (result, wrong) = direct(script, |pool| pool.chunksize(1).map(task, [1, 2]));
    assert!(matches!(result, Err(Error::Died { .. })), "{result:?}");
    assert_eq!(wrong, "end 1 is to come, and the process of task 1 is gone");
}

fn nobody_waits_for_a_main_that_has_given_up() {
    let script = "start 1, start 2, end 1, end 2, return";
    let ((), wrong) = direct(script, |_| STAGE.free());
    assert_eq!(wrong, "task 1 is to be handed out, and main has given up");
}

fn what_is_not_in_the_script_ends_the_direction() {
    fn task(number: usize) {
        STAGE.task(number, || (), || ());
    }
    let script = "return 1, start 1, end 1";
    let (result, wrong) = direct(script, |pool| {
        STAGE.tell(Event::Timeout);
        pool.apply(task, 1)
    });
    assert_eq!((result, wrong.as_str()), (Ok(()), "timeout before return 1"));
}

// ---------------------------------------------------------------------------------------------
// The model by itself
// ---------------------------------------------------------------------------------------------

/// The contracts that the book speaks of.
fn book() -> Vec<(&'static str, Contract)> {
    vec![
        ("process_2", Contract::process(2)),
        ("map_2_tasks_1_worker", Contract::map(2, 1)),
        ("map_2_tasks_2_workers", Contract::map(2, 2)),
        ("map_3_tasks_2_workers", Contract::map(3, 2)),
        ("map_4_tasks_2_workers", Contract::map(4, 2)),
        ("map_4_tasks_2_workers_chunks_of_2", Contract::map(4, 2).chunksize(2)),
        ("starmap_2_tasks_2_workers", Contract::starmap(2, 2)),
        ("imap_2_tasks_2_workers", Contract::imap(2, 2)),
        ("imap_3_tasks_2_workers", Contract::imap(3, 2)),
        ("imap_3_tasks_2_workers_buffersize_2", Contract::imap(3, 2).buffersize(2)),
        ("imap_unordered_2_tasks_2_workers", Contract::imap_unordered(2, 2)),
        ("imap_unordered_3_tasks_2_workers", Contract::imap_unordered(3, 2)),
        ("apply_2_tasks_2_workers", Contract::apply(2, 2)),
        ("map_async_2_tasks_2_workers", Contract::map_async(2, 2).get()),
        ("starmap_async_2_tasks_2_workers", Contract::starmap_async(2, 2).get()),
        ("apply_async_2_tasks_2_workers", Contract::apply_async(2, 2).get()),
        ("apply_async_wait_2_tasks_2_workers", Contract::apply_async_wait(2, 2)),
        ("get_timeout_and_leave", Contract::map_async(2, 2).get_timeout().leave()),
        ("get_timeout_and_get", Contract::map_async(2, 2).get_timeout().get()),
        ("wait_and_leave_and_get", Contract::map_async(2, 2).wait().leave().get()),
        ("leave_and_get", Contract::map_async(2, 2).leave().get()),
    ]
}

fn snapshots() {
    for (name, contract) in book() {
        let orders = contract.orders();
        let mut text = format!("{contract}: {} orders\n", orders.len());
        let columns = [
            ("guaranteed", contract.guaranteed()),
            ("possible", contract.possible()),
            ("impossible", contract.impossible()),
        ];
        for (heading, sentences) in columns {
            text += &format!("\n{heading}\n");
            sentences.iter().for_each(|sentence| text += &format!("- {sentence}\n"));
        }
        text += "\norders\n";
        for order in orders {
            let order = order.iter().map(Event::to_string).collect::<Vec<_>>();
            text += &format!("- {}\n", order.join(", "));
        }
        pin!("snapshots/contract", name, text);
    }
}

fn counts() {
    let mut text = String::from("how many orders there are\n\n");
    let larger = [
        Contract::process(3),
        Contract::process(4),
        Contract::map(4, 1),
        Contract::map(4, 3),
        Contract::map(4, 4),
        Contract::map(5, 5),
        Contract::map(8, 2),
        Contract::map(16, 2).chunksize(2),
        Contract::imap(4, 2),
        Contract::imap(8, 2),
        Contract::imap_unordered(4, 2),
        Contract::imap_unordered(6, 2),
        Contract::imap_unordered(4, 2).chunksize(2),
        Contract::apply(8, 4),
        Contract::map_async(5, 5).get(),
        Contract::apply_async(3, 2).get(),
        Contract::apply_async(4, 2).get(),
        Contract::apply_async(4, 4).get(),
        Contract::map_async(5, 5).get_timeout().leave(),
    ];
    for contract in book().into_iter().map(|(_, contract)| contract).chain(larger) {
        text += &format!("{:>12}  {contract}\n", contract.count());
    }
    pin!("snapshots/contract", "counts", text);
}

/// All orders of the items.
fn permutations<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    let Some((&first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let insert = |order: Vec<T>| {
        (0..=order.len()).map(move |at| {
            let mut order = order.clone();
            order.insert(at, first);
            order
        })
    };
    permutations(rest).into_iter().flat_map(insert).collect()
}

/// The same set, made in another way: of all permutations, those that break none of the rules.
fn map_is_the_set_that_its_rules_describe() {
    for (tasks, workers) in [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 2), (4, 3)] {
        let events = (1..=tasks).flat_map(|i| [Event::Start(i), Event::End(i)]);
        let mut allowed = permutations(&events.collect::<Vec<_>>());
        allowed.retain(|order| {
            let at = |event| order.iter().position(|&other| other == event).unwrap();
            (1..=tasks).all(|i| {
                let start = at(Event::Start(i));
                let ended = (1..i).filter(|&before| at(Event::End(before)) < start).count();
                start < at(Event::End(i)) && ended + workers >= i
            })
        });
        allowed.iter_mut().for_each(|order| order.push(Event::Return(None)));
        allowed.sort();
        assert_eq!(Contract::map(tasks, workers).orders(), allowed);
    }
}

/// An order can stop only where it is complete; every other event has a reason why it does not come next.
fn what_follows_a_possible_beginning_is_possible_or_has_a_reason() {
    for (_, contract) in book() {
        let orders = contract.orders();
        let mut events = orders.iter().flatten().copied().collect::<Vec<_>>();
        events.extend([Event::Start(9), Event::Timeout, Event::Left, Event::Terminated]);
        events.sort();
        events.dedup();
        for order in &orders {
            assert_eq!(contract.check(order), Ok(()));
            for position in 0..order.len() {
                let mut changed = order[..position].to_vec();
                let stopped = contract.check(&changed).unwrap_err();
                assert_eq!(stopped.position, position);
                changed.push(order[position]);
                for &event in &events {
                    changed[position] = event;
                    match contract.check(&changed) {
                        // It goes on, or it is an order.
                        Ok(()) => assert!(orders.contains(&changed)),
                        Err(impossible) if impossible.position == position => {
                            assert!(impossible.reason.starts_with(&event.to_string()));
                            assert!(!orders.iter().any(|order| order.starts_with(&changed)));
                        }
                        Err(_) => {
                            assert!(orders.iter().any(|order| order.starts_with(&changed)));
                        }
                    }
                }
            }
        }
    }
}

/// By then the results may have come in as many orders as there are permutations of the tasks.
fn imap_unordered_is_checked_however_late_main_reads() {
    let of = |event: fn(usize) -> Event| (1..=20).map(event);
    let order =
        of(Event::Start).chain(of(Event::End)).chain(of(Event::Yield).rev()).collect::<Vec<_>>();
    assert_eq!(Contract::imap_unordered(20, 20).check(&order), Ok(()));
}

/// The tables are made from the graph of the orders; here from the orders themselves.
fn before_is_what_the_orders_say() {
    for (_, contract) in book() {
        let orders = contract.orders();
        let mut events = orders.iter().flatten().copied().collect::<Vec<_>>();
        events.sort();
        events.dedup();
        let comes_before = |a: Event, b: Event| {
            orders.iter().any(|order| {
                let first = order.iter().position(|&event| event == a);
                let last = order.iter().rposition(|&event| event == b);
                first.is_some() && last.is_some() && first < last
            })
        };
        for (&a, &b) in events.iter().flat_map(|a| events.iter().map(move |b| (a, b))) {
            let expected = match (comes_before(a, b), comes_before(b, a)) {
                (true, true) => Before::Sometimes,
                (true, false) => Before::Always,
                (false, _) => Before::Never,
            };
            assert_eq!(contract.before(a, b), expected, "{contract}: {a} before {b}");
        }
    }
}

/// "start 5 before three of end 1, end 2, end 3 and end 4": there are three in no order, and two in some.
fn so_many_of_is_impossible_and_one_less_happens() {
    let mut sentences = 0;
    for contract in [Contract::map(4, 2), Contract::map(4, 3), Contract::map(5, 3)] {
        let orders = contract.orders();
        for sentence in contract.impossible() {
            let of_many = |(event, rest)| {
                let number = |(n, word): (usize, &str)| {
                    Some((n, str::strip_prefix(rest, word)?.strip_prefix(" of ")?))
                };
                let (n, of) = (2..).zip(["two", "three", "four"]).find_map(number)?;
                Some((str::parse::<Event>(event).unwrap(), n, of.replace(" and ", ", ")))
            };
            let Some((event, n, of)) = sentence.split_once(" before ").and_then(of_many) else {
                continue;
            };
            let of = Vec::from_iter(of.split(", ").map(|event| event.parse::<Event>().unwrap()));
            let later = |order: &Vec<Event>| {
                let after = order.iter().skip_while(|other| **other != event);
                after.filter(|other| of.contains(other)).count()
            };
            assert_eq!(orders.iter().map(later).max(), Some(n - 1), "{contract}: {sentence}");
            sentences += 1;
        }
    }
    assert_eq!(sentences, 2, "start 4 on two workers, start 5 on three");
}

fn can_finish_knows_the_orders_of_the_ends() {
    let others = [
        Contract::map(4, 1),
        Contract::map(5, 2).chunksize(2),
        Contract::imap(4, 2).buffersize(3),
        Contract::imap_unordered(4, 3).buffersize(1),
        Contract::apply(3, 2),
        Contract::apply_async(3, 2).get(),
    ];
    for contract in book().into_iter().map(|(_, contract)| contract).chain(others) {
        let seen = contract.orders().iter().map(|order| ends(order)).collect::<Vec<_>>();
        let tasks = seen.iter().map(Vec::len).max().unwrap();
        for order in permutations(&(1..=tasks).collect::<Vec<_>>()) {
            let answer = contract.can_finish(&order);
            assert_eq!(answer.is_ok(), seen.contains(&order), "{contract}: {order:?}, {answer:?}");
        }
    }
}

fn patience_ends_where_it_is_to_end_and_only_in_a_get_with_a_timeout() {
    for workers in 1..=4 {
        let map_async = || Contract::map_async(4, workers).chunksize(1);
        for (contract, times_out) in [
            (map_async().get_timeout().get(), true),
            (map_async().get_timeout().leave().get(), true),
            (map_async().wait().leave().get_timeout(), false),
            (Contract::map(4, workers), false),
        ] {
            let finishes = |order: &Vec<usize>| contract.can_finish(order).is_ok();
            for finish in permutations(&[1, 2, 3, 4]).into_iter().filter(finishes) {
                for patience in 0..=4 {
                    let order = contract.eager_with_patience(&finish, patience).unwrap();
                    assert_eq!(contract.check(&order), Ok(()), "{contract}: {order:?}");
                    let timeout = order.iter().position(|event| *event == Event::Timeout);
                    let ended = timeout.map(|timeout| ends(&order[..timeout]).len());
                    let expected = (times_out && patience < 4).then_some(patience);
                    assert_eq!(ended, expected, "{contract}: {order:?}");
                }
            }
        }
    }
}

fn every_impossible_order_has_its_reason() {
    let map = || Contract::map(3, 2);
    let chunks = || Contract::imap_unordered(4, 2).chunksize(2);
    let timeout = || Contract::map_async(1, 1).get_timeout().leave();
    for (contract, order, reason) in [
        (map(), "end 3", "end 3 before start 3"),
        (map(), "start 1, start 1", "start 1 twice"),
        (map(), "start 4", "start 4, and there is no task 4"),
        (map(), "start 1, end 1", "it stops too early: start 2 or start 3 would come next"),
        (map(), "start 1, yield 1", "yield 1, which map, 3 tasks, 2 workers does not show"),
        (
            Contract::map(6, 4),
            "start 1, end 1, start 6",
            "start 6 while all 4 workers were busy: tasks 2, 3, 4 and 5 come first and have not ended",
        ),
        (Contract::imap(2, 2), "start 1, yield 1", "yield 1 before end 1"),
        (
            Contract::imap(2, 2).chunksize(2),
            "start 1, end 1, yield 1",
            "yield 1 before end 2: a chunk's results come together",
        ),
        (Contract::imap_unordered(2, 2), "start 1, end 1, yield 1, yield 1", "yield 1 twice"),
        (
            Contract::imap_unordered(3, 2),
            "start 1, end 1, start 2, start 3, end 2, yield 2",
            "yield 2 before yield 1: that result had come before end 2",
        ),
        (
            Contract::imap_unordered(3, 2),
            "start 1, end 1, start 2, end 2, start 3, end 3, yield 3",
            "yield 3 before yield 1 or yield 2: one of these results had come before end 3",
        ),
        (
            chunks(),
            "start 1, end 1, start 2, end 2, yield 2",
            "yield 2 before yield 1: a chunk's results come in input order",
        ),
        (
            chunks(),
            "start 3, end 3, yield 3",
            "yield 3 before end 4: a chunk's results come together",
        ),
        (
            chunks(),
            "start 1, end 1, start 2, end 2, start 3, end 3, start 4, end 4, yield 1, yield 3",
            "yield 3 before yield 2: that result had come before end 3",
        ),
        (
            Contract::apply(2, 2),
            "start 1, end 1, start 2",
            "start 2 before return 1: only then main makes the call for task 2",
        ),
        (
            Contract::apply_async(2, 2).get(),
            "return 1, start 1, end 1, got 1",
            "got 1 before return 2: main does one thing after another",
        ),
        (Contract::map_async(1, 1).get(), "return, return", "return twice"),
        (
            Contract::process(2),
            "start 2",
            "start 2 before started 1: only then main makes the call for task 2",
        ),
        (
            Contract::apply_async_wait(2, 2),
            "return 1, waited 1",
            "waited 1 before end 1: wait waits for its task",
        ),
        (
            timeout(),
            "return, left",
            "left before got or timeout: main does one thing after another",
        ),
        (
            timeout(),
            "return, timeout, left, start 1",
            "start 1 after left: leaving the pool's scope ends its workers",
        ),
        (
            Contract::map_async(1, 1).get().get_timeout(),
            "return, start 1, end 1, got, timeout",
            "timeout, although the result had come",
        ),
        (
            Contract::map_async(1, 1).leave().get(),
            "return, left, got",
            "got without end 1: its worker was ended when main left",
        ),
        (
            timeout().get(),
            "return, timeout, left, terminated, got",
            "got, and no call is left that could show it: the last came back with terminated",
        ),
        (
            timeout(),
            "return, start 1, timeout, left, got",
            "got, and no call is left that could show it: the last came back with timeout",
        ),
        (
            timeout(),
            "return, start 1, timeout, left, waited",
            "waited, which map_async, 1 task, 1 worker, get_timeout, leave does not show",
        ),
    ] {
        let impossible = contract.check(&orders(order)[0]).unwrap_err();
        assert_eq!(impossible.reason, reason);
    }
}

fn every_impossible_finish_has_its_reason() {
    for (contract, order, reason) in [
        (
            Contract::map(4, 2),
            vec![3, 1, 2, 4],
            "with two workers 3 cannot finish first: it starts only when 1 or 2 has finished",
        ),
        (
            Contract::map(4, 2),
            vec![1, 4, 2, 3],
            "with two workers 4 cannot finish second: it starts only when two of 1, 2 and 3 have finished",
        ),
        (
            Contract::map(3, 1),
            vec![1, 3, 2],
            "with one worker 3 cannot finish second: it starts only when 1 and 2 have finished",
        ),
        (Contract::map(4, 2), vec![1, 2, 2, 4], "2 is named twice"),
        (Contract::map(4, 2), vec![1, 2, 5, 4], "there is no task 5: they are 1 to 4"),
        (Contract::map(4, 2), vec![1, 2, 3], "4 is missing: all of 1 to 4 must finish"),
        (
            Contract::map(4, 2).chunksize(2),
            vec![2, 1, 3, 4],
            "2 cannot finish first: it is in one chunk with 1 and runs after it",
        ),
        (
            Contract::map(6, 2).chunksize(2),
            vec![1, 5, 2, 3, 4, 6],
            "with two workers 5 cannot finish second: it starts only when one of the chunks before its own has finished",
        ),
        (
            Contract::apply(3, 2),
            vec![2, 1, 3],
            "2 cannot finish first: apply waits for 1 before main makes the call for 2",
        ),
        (
            Contract::apply_async_wait(3, 2),
            vec![1, 3, 2],
            "3 cannot finish second: wait waits for 2 before main makes the call for 3",
        ),
        (
            Contract::imap(4, 4).buffersize(2),
            vec![2, 3, 1, 4],
            "3 cannot finish second: with buffersize 2 imap takes it from its input only when main has read 1 result",
        ),
        (
            Contract::imap(4, 1).buffersize(2),
            vec![1, 2, 4, 3],
            "with one worker 4 cannot finish third: it starts only when 1, 2 and 3 have finished",
        ),
    ] {
        assert_eq!(contract.can_finish(&order).unwrap_err().reason, reason);
    }
}
