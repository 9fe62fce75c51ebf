//! The same work by this pool and by others, and what the system alone would need for it.
//!
//! ```text
//! pip install loky numpy                          if they shall take part
//! cargo bench -p benches --bench peers            measures, prints, writes results/costs.md
//! cargo bench -p benches --bench peers -- apply   these rows only, and writes nothing
//! ```
//!
//! With `--features lapack` the decompositions are OpenBLAS's, as numpy's are, larger, and the page is
//! `results/costs_openblas.md`.
//!
//! Each contestant is a process of its own that stays and does what it is told (`contestant`). They
//! take turns: in each round of a row each contestant is measured once, so that whatever else the
//! machine does meets all of them. What is reported is the median of the rounds.
//!
//! * this file: what is measured, and in which order
//! * `contestant`: starting and asking them
//! * `ours`: the contestants written in Rust; `peers.py`: those in Python
//! * `report`: the tables

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, slice};

use clap::Parser;
use clap::builder::PossibleValuesParser;

mod contestant;
mod ours;
mod report;

use contestant::{Cell, Contestant};
use report::{Report, Unit};

/// Compares this pool with others.
#[derive(Parser)]
struct Arguments {
    /// Only these rows; nothing is written
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    rows: Vec<String>,

    /// How often each contestant is measured in each row [default: as many as the row needs]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,

    /// A hundredth of the work, once: whether all can take part; nothing is written
    #[arg(long)]
    quick: bool,

    /// Be one of the contestants
    #[arg(long, hide = true)]
    contestant: Option<String>,

    /// What cargo adds
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

/// What is measured.
pub struct Row {
    /// How the contestants know it.
    name: &'static str,
    title: &'static str,
    unit: Unit,
    /// How many tasks, repetitions, MiB or rows of a matrix.
    count: usize,
    rounds: usize,
}

const fn row(name: &'static str, title: &'static str, count: usize) -> Row {
    Row { name, title, unit: Unit::Seconds, count, rounds: 9 }
}

const fn bytes(name: &'static str, title: &'static str, count: usize) -> Row {
    Row { unit: Unit::Bytes, rounds: 3, ..row(name, title, count) }
}

const fn long(name: &'static str, title: &'static str, count: usize) -> Row {
    Row { rounds: 3, ..row(name, title, count) }
}

/// Where the pages are that the book includes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
/// One for each engine.
const PAGE: &str = if cfg!(feature = "lapack") { "costs_openblas.md" } else { "costs.md" };

const CALLS: &[Row] = &[
    row("start", "start, one task, end", 5),
    row("apply", "`apply`, there and back", 500),
    row("map", "`map`, each item", 20_000),
    row("map-1", "`map` with chunk size 1, each task", 4_000),
    row("unordered-1", "`imap_unordered`, each task", 4_000),
    row("async-1", "`apply_async` and `get`, each task", 4_000),
    row("result", "a result of 64 MiB", 64),
    row("argument", "an argument of 64 MiB", 64),
    bytes("idle", "private memory of an idle worker", 0),
];

const LIMITS: &[Row] = &[
    row("fork", "a fork, the end of the child, and the wait for it", 100),
    row("copy", "copying 64 MiB to memory that was used before", 64),
];

/// nalgebra needs most of a minute for the size that the notes have.
const ONE: usize = if cfg!(feature = "lapack") { 2000 } else { 1000 };
const FOUR: usize = 500;

const DECOMPOSITIONS: &[Row] = &[
    long("svd", "one, large, one thread", ONE),
    long("svd-threads", "one, large, as many threads as CPUs", ONE),
    long("serial", "four, one after another, one thread", FOUR),
    long("parallel", "four, on two workers, one thread each", FOUR),
];

const GROWTH: &[Row] = &[
    long("map-1", "10² tasks, each", 100),
    long("map-1", "10³ tasks, each", 1_000),
    long("map-1", "10⁴ tasks, each", 10_000),
    long("map-1", "10⁵ tasks, each", 100_000),
    Row { rounds: 1, ..row("map-1", "10⁶ tasks, each", 1_000_000) },
    long("workers", "start, one task, end: 1 worker", 1),
    long("workers", "2 workers", 2),
    long("workers", "4 workers", 4),
    long("workers", "8 workers", 8),
    long("workers", "16 workers", 16),
    long("workers", "32 workers", 32),
    long("workers", "64 workers", 64),
    bytes("imap-rise", "memory that `imap` adds, read late: 10³ tasks", 1_000),
    bytes("imap-rise", "10⁴ tasks", 10_000),
    bytes("imap-rise", "10⁵ tasks", 100_000),
];

/// All rows' names, each once.
fn names() -> BTreeSet<&'static str> {
    [CALLS, LIMITS, DECOMPOSITIONS, GROWTH].into_iter().flatten().map(|row| row.name).collect()
}

/// The rows of a table, and for each contestant what was measured.
type Measured = Vec<(&'static Row, Vec<Cell>)>;

impl Arguments {
    fn want(&self, row: &Row) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row.name)
    }

    fn measure(&self, rows: &'static [Row], contestants: &mut [Contestant]) -> Measured {
        rows.iter()
            .filter(|row| self.want(row))
            .map(|row| {
                eprintln!("{}", row.title);
                let (count, rounds) = match self.quick {
                    true => (row.count.div_ceil(100), 1),
                    false => (row.count, self.rounds.map_or(row.rounds, NonZeroUsize::get)),
                };
                let mut cells = vec![Vec::new(); contestants.len()];
                for _ in 0..rounds {
                    for (contestant, cells) in contestants.iter_mut().zip(&mut cells) {
                        cells.push(contestant.ask(row.name, count));
                    }
                }
                (row, cells.into_iter().map(Cell::median).collect())
            })
            .collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.contestant {
        return contestant::serve(ours::measure(name));
    }
    let mut report = Report::begin();
    if arguments.quick {
        report.note("**A hundredth of the work, once: these are no measurements.**");
    }
    {
        let [this, rayon, limit] = ["this pool", "rayon", "limit"].map(Contestant::rust);
        let [pool, executor, loky] =
            ["Pool", "ProcessPoolExecutor", "loky"].map(Contestant::python);
        let mut all = [this, pool, executor, loky, rayon, limit];
        let rows = arguments.measure(CALLS, &mut all);
        report.calls(&all, &rows);
        let [.., limit] = &mut all;
        report.limits(&arguments.measure(LIMITS, slice::from_mut(limit)));
    }
    {
        let [this, rayon] = ["this pool", "rayon"].map(Contestant::rust);
        let mut all = [this, rayon, Contestant::python("numpy")];
        let rows = arguments.measure(DECOMPOSITIONS, &mut all);
        report.decompositions(&all, &rows);
    }
    {
        // New processes for each row: what a row has freed is not returned to the system, and a fork of a large
        // process costs more.
        let (mut all, mut rows) = (Vec::new(), Measured::new());
        for row in GROWTH.iter().filter(|row| arguments.want(row)) {
            all = vec![Contestant::rust("this pool"), Contestant::python("Pool")];
            rows.extend(arguments.measure(slice::from_ref(row), &mut all));
        }
        report.growth(&all, &rows);
    }
    let text = report.text();
    println!("{text}");
    if arguments.quick || !arguments.rows.is_empty() {
        return ExitCode::SUCCESS;
    }
    let page = Path::new(RESULTS).join(PAGE);
    match fs::create_dir_all(RESULTS).and_then(|()| fs::write(&page, text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", page.display());
            ExitCode::FAILURE
        }
    }
}
