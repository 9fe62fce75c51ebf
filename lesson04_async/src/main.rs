//! Lesson 4, the notes' section *Asynchronous*: calls that return before their tasks have ended.
//!
//! ```text
//! cargo run -p lesson04_async
//! ```
//!
//! You decide which task ends when: `-- --finish 2,3,1,4`.

use std::process::ExitCode;
use std::time::Instant;

use common::cli::{self, Defaults, Flags};
use common::console::heading;
use common::finish::Finish;
use common::pool::Error;
use common::trace::{Span, overlap, wall};
use common::workload::{delay_function, delay_function_b, largest_singular_value};
use common::{Pool, say};

mod finish;

fn main() -> ExitCode {
    cli::run(lesson)
}

fn lesson() -> Result<(), Error> {
    let (flags, Finish { finish }) =
        Flags::parse_with(Defaults { about: "Lesson 4: map_async", size: 500, workers: 5 });
    if let Some(ends) = finish {
        return finish::lesson(ends, flags.workers);
    }
    let (n, half, small) = (flags.size, (flags.size / 2).max(1), (flags.size / 5).max(1));

    heading("map_async: the call returns at once, get waits");
    // ANCHOR: map_async
    // with Pool(5) as pool:
    //     result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    //     result.get()
    {
        let pool = Pool::new(flags.workers)?;
        let start = Instant::now();
        let result = pool.map_async(delay_function, [1, 2, 3, 4, 5])?;
        let (returned, ready) = (start.elapsed(), result.ready());
        say!("map_async returned after {returned:.1?}; ready: {ready}");
        let mut own = 0;
        while !result.ready() {
            largest_singular_value(small, small);
            own += 1;
        }
        let time = start.elapsed();
        say!("ready after {time:.1?}; meanwhile main did {own} small matrices of its own");
        say!("get: {:.2?}", result.get()?);
    }
    say!("ending");
    // ANCHOR_END: map_async

    heading("wait inside the pool's scope, get after it");
    // ANCHOR: wait
    // with Pool(5) as pool:
    //     result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    //     result.wait()
    // output = result.get()
    let result = {
        let pool = Pool::new(flags.workers)?;
        let result = pool.map_async(delay_function, [1, 2, 3, 4, 5])?;
        result.wait();
        result
    };
    say!("the pool is gone, the results are here");
    let output = result.get()?;
    say!("get: {output:.2?}");
    say!("ending");
    // ANCHOR_END: wait

    heading("starmap_async: the same with two arguments");
    let pool = Pool::new(flags.workers)?;
    // ANCHOR: starmap_async
    let result = pool.starmap_async(delay_function_b, [(n, half), (half, n), (half, half)])?;
    say!("main is here, ready: {}", result.ready());
    say!("get: {:.2?}", result.get()?);
    // ANCHOR_END: starmap_async

    heading("apply_async in a loop, get after the loop");
    // ANCHOR: apply_async
    // for ii in range(4):
    //     result.append(pool.apply_async(delay_function, [ii]))
    // for r in result:
    //     r.get()
    let mut results = Vec::new();
    for ii in 0..4 {
        results.push(pool.apply_async(timed, ii)?);
    }
    let mut after_loop = Vec::new();
    for r in results {
        after_loop.push(r.get()?);
    }
    say!("ending");
    // ANCHOR_END: apply_async

    heading("apply_async in a loop, wait inside the loop");
    // ANCHOR: wait_in_loop
    let mut in_loop = Vec::new();
    for ii in 0..4 {
        let r = pool.apply_async(timed, ii)?;
        r.wait();
        in_loop.push(r.get()?);
    }
    say!("ending");
    // ANCHOR_END: wait_in_loop

    heading("Side by side");
    show("get after the loop", &after_loop);
    show("wait in the loop", &in_loop);
    match (flags.workers, overlap(&after_loop) > overlap(&in_loop)) {
        (1, _) => say!("with one worker there is nothing to lose: try --workers 5"),
        (_, true) => say!("wait in the loop: one task at a time, as with apply"),
        (_, false) => say!("the tasks were too short to overlap: try a larger --size"),
    }
    Ok(())
}

fn timed(x: u32) -> Span {
    let (span, _) = Span::record(|| delay_function(x));
    span
}

fn show(way: &str, spans: &[Span]) {
    say!("{way:<18} {:>8.2?}   at most {} at a time", wall(spans), overlap(spans));
}
