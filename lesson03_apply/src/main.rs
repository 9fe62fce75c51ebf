//! Lesson 3, the notes' section *Pool: apply*: one task at a time, however many workers.
//!
//! ```text
//! cargo run -p lesson03_apply
//! ```
//!
//! You decide which task ends when: `-- --finish 2,3,1,4`.

use std::collections::HashSet;
use std::process::{ExitCode, abort};

use common::cli::{self, Defaults, Flags};
use common::console::heading;
use common::finish::Finish;
use common::pool::Error;
use common::trace::{self, Span, overlap, wall};
use common::workload::delay_function;
use common::{Pool, cpu, say};

mod finish;

fn main() -> ExitCode {
    cli::run(lesson)
}

fn lesson() -> Result<(), Error> {
    let (flags, Finish { finish }) =
        Flags::parse_with(Defaults { about: "Lesson 3: Pool.apply", size: 600, workers: 5 });
    if let Some(ends) = finish {
        return finish::lesson(ends, flags.workers);
    }

    // with Pool(5) as pool:
    let pool = Pool::new(flags.workers)?;
    heading("apply, five times: each call waits for its result");
    say!("the workers: {:?}", pool.pids());
    // ANCHOR: apply
    // for ii in range(5):
    //     pool.apply(delay_function, [ii])
    let mut applied = Vec::new();
    for ii in 0..5 {
        applied.push(pool.apply(timed, ii)?);
    }
    say!("each task started after the one before it had ended");
    // ANCHOR_END: apply

    heading("map: the same five tasks, the same pool");
    // ANCHOR: map
    let mapped = pool.map(timed, 0..5)?;
    // ANCHOR_END: map

    heading("Side by side");
    show("apply ×5", &applied, &pool);
    show("map", &mapped, &pool);
    match (flags.workers, overlap(&applied), overlap(&mapped)) {
        (1, _, _) => say!("with one worker there is nothing to lose: try --workers 5"),
        (all, one, more) if more > one => say!("apply had {all} workers, and used {one} at a time"),
        _ => say!("the tasks were too short to overlap: try a larger --size"),
    }
    say!("this process may use {} CPUs; where more tasks run, they take turns", cpu::usable());

    heading("When apply is right: one task that must not run in this process");
    say!("the next task aborts; in main that would end the program");
    // ANCHOR: crash
    match pool.apply(crashes, 6) {
        Ok(value) => say!("it survived: {value}"),
        Err(error) => say!("Err: {error}"),
    }
    say!("main goes on, and so does the pool:");
    let value = pool.apply(delay_function, 7)?;
    say!("result of 7: {value:.2}");
    // ANCHOR_END: crash
    Ok(())
}

fn timed(x: u32) -> Span {
    let (span, _) = Span::record(|| delay_function(x));
    span
}

/// Stands for a library in C that goes wrong: no panic, so nothing in its process can catch it.
fn crashes(x: u32) -> f64 {
    trace::task(x, || {
        say!("start from {x}, and abort");
        abort()
    })
}

fn show(call: &str, spans: &[Span], pool: &Pool) {
    let pids: HashSet<u32> = spans.iter().map(|span| span.pid).collect();
    let (time, at_once) = (wall(spans), overlap(spans));
    let (took_part, all) = (pids.len(), pool.workers());
    say!("{call:<9} {time:>8.2?}   at most {at_once} at a time   by {took_part} of {all} workers");
}
