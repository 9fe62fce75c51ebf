//! A contestant: a process that does what it is told, and how it is told.
//!
//! It says in a line what it is, or `- REASON` if it cannot take part. Then, line by line: the name of
//! a row and a number; the answer is a number, or `-` if it has no such row.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use common::pool;

/// What was measured, or why nothing was.
#[derive(Clone, Copy)]
pub enum Cell {
    Measured(f64),
    /// The contestant has no such row.
    NoSuchRow,
    NotInstalled,
    /// It ended in the middle.
    Failed,
}

impl Cell {
    pub fn number(self) -> Option<f64> {
        match self {
            Cell::Measured(number) => Some(number),
            _ => None,
        }
    }

    /// That of the numbers, if all are numbers.
    pub fn median(mut cells: Vec<Cell>) -> Cell {
        if let Some(&other) = cells.iter().find(|cell| cell.number().is_none()) {
            return other;
        }
        let number = |cell: &Cell| cell.number().unwrap_or(f64::NAN);
        cells.sort_by(|a, b| number(a).total_cmp(&number(b)));
        cells[cells.len() / 2]
    }
}

pub struct Contestant {
    pub name: &'static str,
    /// What it says that it is; nothing, if it is this program.
    pub version: String,
    process: Result<Process, Cell>,
}

struct Process {
    child: Child,
    /// Taken at the end.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Contestant {
    /// One of [`ours`](crate::ours): this program again.
    pub fn rust(name: &'static str) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.args(["--contestant", name]);
        Contestant { version: String::new(), ..Self::start(name, command) }
    }

    /// One of `peers.py`, run by `$PYTHON` or `python3`.
    pub fn python(name: &'static str) -> Self {
        let python = env::var_os("PYTHON").unwrap_or("python3".into());
        let mut command = Command::new(python);
        command.args([concat!(env!("CARGO_MANIFEST_DIR"), "/peers/peers.py"), name]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Self::start(name, command)
    }

    fn start(name: &'static str, mut command: Command) -> Self {
        let absent = |version: String| {
            eprintln!("{name} does not take part: {version}");
            Contestant { name, version: String::new(), process: Err(Cell::NotInstalled) }
        };
        let mut child = match command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => return absent(format!("{command:?}: {error}")),
        };
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut process = Process { child, questions, answers };
        match process.answer() {
            Some(version) if !version.starts_with('-') => {
                Contestant { name, version, process: Ok(process) }
            }
            reason => absent(reason.unwrap_or_default()),
        }
    }

    /// Has a row measured once.
    pub fn ask(&mut self, row: &str, count: usize) -> Cell {
        let process = match &mut self.process {
            Ok(process) => process,
            Err(cell) => return *cell,
        };
        match process.ask(&format!("{row} {count}\n")).as_deref() {
            Some("-") => return Cell::NoSuchRow,
            Some(answer) if let Ok(number) = answer.parse() => return Cell::Measured(number),
            _ => {}
        }
        eprintln!("{} failed at {row}", self.name);
        self.process = Err(Cell::Failed);
        Cell::Failed
    }
}

impl Process {
    fn ask(&mut self, question: &str) -> Option<String> {
        self.questions.as_mut()?.write_all(question.as_bytes()).ok()?;
        self.answer()
    }

    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody asks any more: that is its end.
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}

/// How a contestant measures a row once; `None` if it has no such row.
pub type Measure = Box<dyn FnMut(&str, usize) -> Result<Option<f64>, pool::Error>>;

/// A contestant's whole life.
pub fn serve(mut measure: Measure) -> ExitCode {
    println!("ready");
    for line in io::stdin().lines().map_while(Result::ok) {
        let (row, count) = line.split_once(' ').expect("a row and a number");
        match measure(row, count.parse().expect("a row and a number")) {
            Ok(Some(number)) => println!("{number}"),
            Ok(None) => println!("-"),
            Err(error) => {
                eprintln!("{row}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
