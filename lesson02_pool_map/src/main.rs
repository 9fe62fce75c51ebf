//! Lesson 2, the notes' section *Pool: map*: workers that live longer than one task.
//!
//! ```text
//! cargo run -p lesson02_pool_map
//! ```
//!
//! You decide which task ends when: `-- --finish 2,3,1,4`.

use std::cell::Cell;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::cli::{self, Defaults, Flags};
use common::console::heading;
use common::finish::Finish;
use common::trace::{self, Span};
use common::workload::{self, delay_function, delay_function_b, largest_singular_value};
use common::{Pool, Process, pool, say};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

mod finish;

fn main() -> ExitCode {
    cli::run(lesson)
}

fn lesson() -> Result<(), Box<dyn Error>> {
    let (flags, Finish { finish }) =
        Flags::parse_with(Defaults { about: "Lesson 2: Pool.map", size: 500, workers: 2 });
    if let Some(ends) = finish {
        return Ok(finish::lesson(ends, flags.workers)?);
    }
    let (n, half) = (flags.size, (flags.size / 2).max(1));

    heading("map: four tasks for the workers of one pool");
    // ANCHOR: map
    // with Pool(2) as pool:
    let pool = Pool::new(flags.workers)?;
    //     pool.map(delay_function, [1, 2, 3, 4])
    let largest = pool.map(delay_function, [1, 2, 3, 4])?;
    say!("results of 1, 2, 3, 4: {largest:.2?}");
    // ANCHOR_END: map

    heading("starmap: two arguments for each task");
    // ANCHOR: starmap
    // pool.starmap(delay_function_b, [(1, 2), (3, 4)])
    let tiny = pool.starmap(delay_function_b, [(1, 2), (3, 4)])?;
    say!("results: {tiny:.2?}");
    // ANCHOR_END: starmap

    heading("Results come in the order of the input, whatever ends first");
    let shapes = [(n, n), (half, half), (half, n), (n, half)];
    say!("the four tasks: {shapes:?}");
    // ANCHOR: order
    let timed = |x, y| Span::record(|| delay_function_b(x, y));
    let (spans, values): (Vec<Span>, Vec<f64>) = pool.starmap(timed, shapes)?.into_iter().unzip();

    let mut ended = [1, 2, 3, 4];
    ended.sort_by_key(|task| spans[task - 1].end);
    say!("they ended in the order {ended:?}");
    say!("the results of [1, 2, 3, 4]: {values:.2?}");
    // ANCHOR_END: order
    match ended.is_sorted() {
        false => say!("that is the order of the input, and not the one in which they ended"),
        true => say!("this time they ended in the order of the input, too"),
    }
    drop(pool); // here Python's `with` block ends, and the workers with it

    heading("imap: each result as soon as it is its turn; imap_unordered: as soon as it is there");
    say!("{TASKS} tasks; 1, 6, 11, 16 are larger than the others");
    let pool = Pool::new(flags.workers)?;
    let read = Cell::new(0);
    // ANCHOR: imap
    let lazy = || (1..=TASKS).inspect(|&task| read.set(task));
    // for result in pool.imap(decompose, lazy):
    watch("imap", pool.imap(decompose, lazy())?, &read)?;
    watch("imap_unordered", pool.imap_unordered(decompose, lazy())?, &read)?;
    // ANCHOR_END: imap

    heading("What a process for each task costs, and what a warm pool costs");
    say!("{MANY} tasks that do next to nothing, in three ways; time for each task:");
    // ANCHOR: cost
    let process = each(|| {
        for x in 0..MANY {
            Process::new(|| trivial(x)).start()?.join()?;
        }
        Ok(())
    })?;
    say!("{:>9.1?}  a process started and joined for it", process);
    let apply = each(|| {
        for x in 0..MANY {
            pool.apply(trivial, x)?;
        }
        Ok(())
    })?;
    say!("{:>9.1?}  pool.apply", apply);
    let map = each(|| {
        pool.map(trivial, 0..MANY)?;
        Ok(())
    })?;
    say!("{:>9.1?}  pool.map, which sends several at once", map);
    // ANCHOR_END: cost

    let large = spans[0].duration();
    let percent = 100.0 * process.as_secs_f64() / large.as_secs_f64();
    say!("the {n}×{n} matrix above took {large:.1?}: a process for it adds {percent:.1} %");
    Ok(())
}

const TASKS: u32 = 20;
const MANY: u32 = 200;

/// Prints nothing: a line in the middle of a progress bar spoils both.
fn decompose(task: u32) -> u32 {
    let n = if task % 5 == 1 { workload::size() } else { workload::size() / 2 };
    trace::task(task, || largest_singular_value(n, n));
    task
}

fn trivial(x: u32) -> u32 {
    x + 1
}

/// Reads the results behind a progress bar, and tells when and in which order they came.
fn watch(
    name: &'static str,
    results: impl Iterator<Item = Result<u32, pool::Error>>,
    read: &Cell<u32>,
) -> Result<(), Box<dyn Error>> {
    // Drawn on standard output and not, as by default, on standard error: the bar shall go
    // where the lines go, and indicatif hides it where that is no terminal.
    let bar = ProgressBar::with_draw_target(Some(TASKS.into()), ProgressDrawTarget::stdout())
        .with_style(ProgressStyle::with_template("{msg:14} {bar:40} {pos}/{len}")?)
        .with_message(name);
    let (start, mut first, mut order) = (Instant::now(), None, String::new());
    bar.tick(); // empty, until the first result is there
    for result in results {
        order += &format!(" {}", result?);
        first.get_or_insert_with(|| (start.elapsed(), read.get()));
        bar.inc(1);
    }
    bar.finish();
    let (first, inputs) = first.unwrap_or_default();
    say!("{name}: all {TASKS} after {:.1?}", start.elapsed());
    say!("the first after {first:.1?}, when {inputs} of the {TASKS} inputs had been read");
    say!("came:{order}");
    Ok(())
}

/// How long one of [`MANY`] tasks takes.
fn each(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed() / MANY)
}
