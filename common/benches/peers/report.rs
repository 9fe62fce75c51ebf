//! The page with the tables: Markdown, as the book includes it.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use common::cpu;
use common::workload::engine;
use nix::sys::utsname::uname;

use crate::contestant::{Cell, Contestant};
use crate::{FOUR, Measured, ONE};

/// What a row's numbers are.
#[derive(Clone, Copy)]
pub enum Unit {
    Seconds,
    Bytes,
}

/// With a higher load average than this before the run its numbers say little.
const QUIET: f64 = 0.5;

/// The page as far as it is written.
pub struct Report {
    machine: String,
    versions: Vec<String>,
    tables: String,
}

impl Report {
    /// To be called before anything is measured: it notes how busy the machine is with other things.
    pub fn begin() -> Self {
        let date = output("date", &["+%-d %B %Y"]);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?");
        // Behind the version is who built it.
        let kernel = uname().map(|name| name.release().to_string_lossy().into_owned());
        let kernel = kernel.unwrap_or_default();
        let machine = format!(
            "Measured on {date}: {}, {} CPUs, Linux {}; load average before: {load}",
            processor(),
            cpu::usable(),
            kernel.split('-').next().unwrap_or_default(),
        );
        let rustc = output("rustc", &["--version"]);
        let rustc = rustc.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let mut report = Report { machine, versions: vec![rustc], tables: String::new() };
        if load.parse().is_ok_and(|load: f64| load > QUIET) {
            report.note("**The machine was busy with other things: measure again.**");
        }
        report
    }

    pub fn text(&self) -> String {
        format!(
            "<!-- Written by `cargo bench -p benches --bench peers`. -->\n\n\
             {}. {}. Medians.\n{}",
            self.machine,
            self.versions.join(", "),
            self.tables
        )
    }

    /// Each call by each contestant.
    pub fn calls(&mut self, contestants: &[Contestant], rows: &Measured) {
        if rows.is_empty() {
            return;
        }
        let ratios = |cells: &[Cell]| match cells {
            [this, pool, .., limit] => vec![ratio(*pool, *this), ratio(*this, *limit)],
            _ => Vec::new(),
        };
        self.table(
            "Two workers",
            contestants,
            &["Pool ÷ this pool", "this pool ÷ limit"],
            rows,
            ratios,
        );
        self.note(
            "Started by fork, but for loky, which starts new programs, and rayon, which starts \
             threads, has nothing to send and does not wait for their end. `Pool`'s chunk size is \
             the default of all in the row `map`. The tables of 64 MiB of `f64` (in Python: `array.array`) cross to one worker and \
             are there before the clock starts. The limit is: three forks and waits, for a \
             supervisor and two workers, one after another; 8 bytes through a pair of sockets to another process and back; copying 64 MiB \
             to new memory.",
        );
    }

    /// What the limit consists of.
    pub fn limits(&mut self, rows: &Measured) {
        if !rows.is_empty() {
            let list = rows
                .iter()
                .map(|(row, cells)| format!("{}: {}", row.title, shown(cells[0], row.unit)));
            let list = list.collect::<Vec<_>>().join("; ");
            self.note(&format!("For comparison, {list}."));
        }
    }

    pub fn decompositions(&mut self, contestants: &[Contestant], rows: &Measured) {
        if rows.is_empty() {
            return;
        }
        // The book's introduction includes this table without the others.
        self.note("<!-- ANCHOR: decompositions -->");
        self.table("Decompositions", contestants, &[], rows, |_| Vec::new());
        let find = |name: &str| rows.iter().find(|(row, _)| row.name == name);
        if let (Some((_, serial)), Some((_, parallel))) = (find("serial"), find("parallel")) {
            let gains =
                serial.iter().zip(parallel).map(|(serial, parallel)| ratio(*serial, *parallel));
            let gains: Vec<String> = gains.collect();
            let _ = writeln!(self.tables, "| gain by two workers | {} |", gains.join(" | "));
        }
        self.note("<!-- ANCHOR_END: decompositions -->");
        self.note(&format!(
            "Here {} decomposes. The large matrix is {ONE}×{ONE}, the four are {FOUR}×{FOUR}. \
             numpy's two workers are those of `multiprocessing.Pool`.",
            engine::NAME
        ));
    }

    pub fn growth(&mut self, contestants: &[Contestant], rows: &Measured) {
        if rows.is_empty() {
            return;
        }
        self.table("Growth", contestants, &[], rows, |_| Vec::new());
        self.note("Tasks are those of `map` with chunk size 1.");
    }

    fn table(
        &mut self,
        title: &str,
        contestants: &[Contestant],
        more: &[&str],
        rows: &Measured,
        ratios: impl Fn(&[Cell]) -> Vec<String>,
    ) {
        for contestant in contestants {
            let version = &contestant.version;
            if !version.is_empty() && !self.versions.contains(version) {
                self.versions.push(version.clone());
            }
        }
        let names = contestants.iter().map(|contestant| contestant.name);
        let columns: Vec<&str> =
            [title].into_iter().chain(names).chain(more.iter().copied()).collect();
        let line = "|---".to_owned() + &"|--:".repeat(columns.len() - 1);
        let _ = writeln!(self.tables, "\n| {} |\n{line}|", columns.join(" | "));
        for (row, cells) in rows {
            let cells_shown = cells.iter().map(|cell| shown(*cell, row.unit));
            let all: Vec<String> = cells_shown.chain(ratios(cells)).collect();
            let _ = writeln!(self.tables, "| {} | {} |", row.title, all.join(" | "));
        }
    }

    /// A paragraph.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.tables, "\n{text}");
    }
}

fn shown(cell: Cell, unit: Unit) -> String {
    let number = match cell {
        Cell::Measured(number) => number,
        Cell::NoSuchRow => return "—".into(),
        Cell::NotInstalled => return "not installed".into(),
        Cell::Failed => return "failed".into(),
    };
    let units: &[(f64, &str)] = match unit {
        Unit::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
        Unit::Bytes => &[(1024.0 * 1024.0, "MiB"), (1024.0, "KiB")],
    };
    let fits = |(size, _): &&(f64, &str)| number >= *size;
    let (size, name) = units.iter().find(fits).or(units.last()).expect("there are units");
    format!("{} {name}", three_digits(number / size))
}

fn ratio(a: Cell, b: Cell) -> String {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => three_digits(a / b),
        _ => "—".into(),
    }
}

fn three_digits(number: f64) -> String {
    let decimals = match number {
        0.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    model.unwrap_or(std::env::consts::ARCH).trim().to_owned()
}

/// What a command says, in a line.
fn output(command: &str, arguments: &[&str]) -> String {
    // `LC_ALL`: the months in English.
    let output = Command::new(command).args(arguments).env("LC_ALL", "C").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}
