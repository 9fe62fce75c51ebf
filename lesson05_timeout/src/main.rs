//! Lesson 5, the notes' section *Timeout*: how long to wait, and what goes on meanwhile.
//!
//! ```text
//! cargo run -p lesson05_timeout
//! ```
//!
//! You decide which task ends when, and when `get` gives up waiting: `-- --finish 2,1,timeout,4,3,5`.

use std::fs;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::cli::{self, Defaults, Flags};
use common::console::heading;
use common::finish::FinishOrTimeout;
use common::pool::Error;
use common::workload::{self, delay_function, delay_function_b};
use common::{Pool, say};

mod finish;

fn main() -> ExitCode {
    cli::run(lesson)
}

fn lesson() -> Result<(), Error> {
    // The notes' size: more than two seconds of work for today's machines. Nobody waits for it.
    let (flags, FinishOrTimeout { finish }) =
        Flags::parse_with(Defaults { about: "Lesson 5: timeout", size: 2000, workers: 5 });
    if let Some(ends) = finish {
        return finish::lesson(ends, flags.workers);
    }
    let (large, small) = (flags.size, (flags.size / 5).max(1));

    heading("get with a timeout of 2 s, inside the pool's scope");
    // ANCHOR: timeout
    // with Pool(5) as pool:
    //     result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    //     try:
    //         print(result.get(timeout=2))
    //     except multiprocessing.TimeoutError:
    //         print(TimeoutError.__name__)
    let pool = Pool::new(flags.workers)?;
    let pids = pool.pids();
    let result = pool.map_async(delay_function, [1, 2, 3, 4, 5])?;
    match result.get_timeout(Duration::from_secs(2)) {
        Ok(largest) => say!("ready within 2 s, so try a larger --size: {largest:.2?}"),
        Err(error @ Error::Timeout) => {
            say!("Error::{error:?}: {error}; in Python multiprocessing.TimeoutError");
            say!("the timeout ends the waiting, not the work");
        }
        Err(error) => return Err(error),
    }
    say!("the workers, as the kernel sees them (R: running, S: sleeping):");
    say!("in scope: {}", states(&pids));
    drop(pool); // here Python's `with` block ends
    say!("after it: {}", states(&pids));
    // ANCHOR_END: timeout
    // ANCHOR: after_scope
    if let Err(error) = result.get() {
        say!("get after it: {error}");
        say!("Python's get would wait for ever here");
    }
    // ANCHOR_END: after_scope

    heading("wait inside the scope, get with a timeout after it");
    say!("smaller matrices from here on: {small}×{small}");
    workload::set_size(small);
    // with Pool(5) as pool:
    //     result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    //     result.wait()
    // result.get(timeout=0.001)
    // ANCHOR: wait
    let start = Instant::now();
    let result = {
        let pool = Pool::new(flags.workers)?;
        let result = pool.map_async(delay_function, [1, 2, 3, 4, 5])?;
        result.wait();
        result
    };
    let waited = start.elapsed();
    let largest = result.get_timeout(Duration::from_millis(1))?;
    say!("pool and wait took {waited:.1?}; then get with a timeout of 1 ms:");
    say!("{largest:.2?}");
    say!("after wait the results are here: the timeout has no effect");
    // ANCHOR_END: wait

    heading("Not in Python's pool: a limit that kills");
    // ANCHOR: limit
    let pool = Pool::new(flags.workers)?;
    let limit = Duration::from_millis(500);
    let shapes = [(small, small), (large, large), (small, small)];
    say!("each task may run for {limit:?}: {shapes:?}");
    let task = |(x, y)| delay_function_b(x, y);
    for (shape, result) in shapes.iter().zip(pool.limit(limit).imap(task, shapes)?) {
        match result {
            Ok(largest) => say!("{shape:?}: {largest:.2}"),
            Err(error) => say!("{shape:?}: {error}"),
        }
    }
    // ANCHOR_END: limit
    drop(pool);

    heading("Not in Python's pool: cancel");
    // ANCHOR: cancel
    let pool = Pool::new(flags.workers)?;
    let pids = pool.pids();
    say!("one large task; main calls cancel after 300 ms");
    let result = pool.apply_async(task, (large, large))?;
    sleep(Duration::from_millis(300));
    let given_up = result.cancel();
    say!("cancel: {given_up}");
    match result.get() {
        Ok(largest) => say!("it had ended before: {largest:.2}"),
        Err(error) => say!("get: Error::{error:?}"),
    }
    let value = pool.apply(delay_function, 6)?;
    say!("the pool goes on, result of 6: {value:.2}");
    say!("before: {}", states(&pids));
    say!("now:    {}", states(&pool.pids()));
    // ANCHOR_END: cancel
    Ok(())
}

/// What the kernel says about each process: `4712 R` runs or waits for a processor, `4712 S`
/// sleeps.
fn states(pids: &[u32]) -> String {
    let state = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').next());
        format!("{pid} {}", state.unwrap_or("gone"))
    };
    pids.iter().map(state).collect::<Vec<_>>().join(", ")
}
