//! How lines are written by many processes at once.
//!
//! All processes of a lesson write to the same terminal, pipe or file. Each line of
//! [`say!`](crate::say) is handed to the kernel in one piece, and says who wrote it:
//!
//! ```text
//! main          4710 │ two tasks, two workers
//! worker 1      4712 │ start from 1
//! worker 2      4713 │ start from 2
//! ```
//!
//! Python's `print` is like that on a terminal only. Into a pipe or a file it writes blocks of
//! 8 KiB that end in the middle of a line, and with `python -u` the text and the newline one after
//! the other: either way the lines of several processes get mixed up.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, StdoutLock, Write as _};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anstream::{AutoStream, ColorChoice};
use serde::{Deserialize, Serialize};

/// What a process is to the program. Numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The process that the user started.
    Main,
    /// The n-th worker of a pool.
    Worker(usize),
    /// The n-th process that was started by itself.
    Process(usize),
}

/// `main`, `worker 2`, `process 1`.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Main => f.pad("main"),
            Role::Worker(n) => f.pad(&format!("worker {n}")),
            Role::Process(n) => f.pad(&format!("process {n}")),
        }
    }
}

impl Role {
    /// In one number: that of the process times three, plus one of the kinds.
    pub(crate) fn pack(self) -> usize {
        match self {
            Role::Main => MAIN,
            Role::Worker(n) => n * 3 + WORKER,
            Role::Process(n) => n * 3 + PROCESS,
        }
    }

    pub(crate) fn unpack(packed: usize) -> Role {
        match packed % 3 {
            MAIN => Role::Main,
            WORKER => Role::Worker(packed / 3),
            _ => Role::Process(packed / 3),
        }
    }

    /// The terminal's code for how its name is shown.
    pub(crate) fn style(self) -> &'static str {
        match self.colour() {
            None => "1",
            Some(colour) => COLOURS[colour],
        }
    }

    /// Which of the [`COLOURS`] it has; the main process has none.
    pub(crate) fn colour(self) -> Option<usize> {
        match self {
            Role::Main => None,
            Role::Worker(n) | Role::Process(n) => Some(n.saturating_sub(1) % COLOURS.len()),
        }
    }
}

/// The role of this process, packed. An atomic and no mutex, because one that another thread
/// holds at the fork stays locked in the child.
static SPEAKER: AtomicUsize = AtomicUsize::new(MAIN);
const MAIN: usize = 0;
const WORKER: usize = 1;
const PROCESS: usize = 2;

/// Says what this process is, once after the fork, in the child. Without it a process is what
/// its parent is, and a process that nobody forked is [`Role::Main`].
///
/// In Python: `multiprocessing.current_process().name`.
///
/// ```
/// use common::console::{self, Role};
/// use common::say;
///
/// console::set_speaker(Role::Worker(2));
/// say!("start from {}", 1); // worker 2      4713 │ start from 1
/// ```
pub fn set_speaker(role: Role) {
    SPEAKER.store(role.pack(), Ordering::Relaxed);
}

/// What this process is.
pub fn speaker() -> Role {
    Role::unpack(SPEAKER.load(Ordering::Relaxed))
}

/// Writes a line to standard output, with the role and the id of this process before it. The
/// arguments are those of [`println!`].
///
/// The line goes out at once and in one piece, whatever other processes write. For a pipe that
/// is so up to 4096 bytes, where the kernel's own promise ends. Text of several lines gets
/// the label before each.
///
/// If nobody reads any more (`… | head -1`), the main process ends quietly with exit status 0.
/// In other processes the line is lost and the work goes on.
///
/// ```
/// use common::say;
///
/// let results = [1.0, 2.0];
/// say!("the results: {results:?}");
/// say!("pi is {:.3}", std::f64::consts::PI);
/// ```
#[macro_export]
macro_rules! say {
    ($($arg:tt)+) => {
        $crate::console::write_line(::std::format_args!($($arg)+))
    };
}

/// What [`say!`] expands to.
#[doc(hidden)]
pub fn write_line(text: fmt::Arguments<'_>) {
    // Formatted before the lock is taken: what is formatted may itself print.
    let text = text.to_string();
    write_at_once(|colour| labelled(speaker(), process::id(), &text, colour));
}

/// Writes a title above what a lesson shows next, with an empty line before it, unless it is
/// the first.
///
/// ```
/// use common::console::heading;
///
/// heading("map: results in the order of the input");
/// ```
pub fn heading(text: &str) {
    static FIRST: AtomicBool = AtomicBool::new(true);
    let above = if FIRST.swap(false, Ordering::Relaxed) { "" } else { "\n" };
    write_at_once(|colour| match colour {
        true => format!("{above}\x1b[1m{text}\x1b[0m\n"),
        false => format!("{above}{text}\n"),
    });
}

/// Cyan, magenta, green, yellow, blue: they can be read on a dark and on a light background. No red: that is for errors.
pub(crate) const COLOURS: [&str; 5] = ["36", "35", "32", "33", "34"];

fn labelled(role: Role, pid: u32, text: &str, colour: bool) -> String {
    // Wide enough for `process 99` and for the largest pid that Linux gives.
    let mut label = format!("{role:<10} {pid:>7} │");
    if colour {
        label = format!("\x1b[{}m{label}\x1b[0m", role.style());
    }
    text.split('\n').fold(String::new(), |mut lines, line| {
        writeln!(lines, "{label} {line}").expect("writing to a string does not fail");
        lines
    })
}

/// Writes what `text` makes (it is told whether in colour) with one system call.
pub(crate) fn write_at_once(text: impl FnOnce(bool) -> String) {
    let mut stdout = io::stdout().lock();
    let text = text(in_colour(&stdout));
    // Standard output passes text that ends in a newline on as a whole, unless something
    // unfinished waits before it. `flush` sends it out even then.
    let result = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    drop(stdout);

    let Err(error) = result else { return };
    if speaker() != Role::Main {
        return; // the main process notices, too, and its word is enough
    }
    if error.kind() == io::ErrorKind::BrokenPipe {
        process::exit(0); // not an error: the reader has seen enough
    }
    let _ = writeln!(io::stderr(), "cannot write to standard output: {error}");
    process::exit(1);
}

/// Whether standard output is a terminal that shows colours and nobody objects (`NO_COLOR`).
///
/// Decided once: children inherit the answer. Only called with standard output locked, and a
/// fork waits for that lock; so no child inherits a decision that is being made and never ends.
fn in_colour(stdout: &StdoutLock<'_>) -> bool {
    static IN_COLOUR: OnceLock<bool> = OnceLock::new();
    *IN_COLOUR.get_or_init(|| {
        // `anstream` alone lets CLICOLOR_FORCE colour a file, too. Our snapshots are files.
        stdout.is_terminal() && AutoStream::choice(stdout) != ColorChoice::Never
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned() {
        let of = |role, pid| labelled(role, pid, "text", false);
        assert_eq!(of(Role::Main, 4710), "main          4710 │ text\n");
        assert_eq!(of(Role::Worker(2), 12), "worker 2        12 │ text\n");
        assert_eq!(of(Role::Process(12), 4194304), "process 12 4194304 │ text\n");
    }

    #[test]
    fn every_line_of_a_text_has_its_label() {
        let lines = labelled(Role::Main, 1, "a\n\nb", false);
        assert_eq!(lines.lines().filter(|l| l.starts_with("main ")).count(), 3);
        assert_eq!(labelled(Role::Main, 1, "", false).lines().count(), 1);
    }

    #[test]
    fn colour_is_around_the_label_only() {
        let line = labelled(Role::Worker(1), 7, "text", true);
        assert!(line.starts_with("\x1b[36mworker 1") && line.ends_with("│\x1b[0m text\n"));
        assert_ne!(Role::Worker(1).style(), Role::Worker(2).style());
        assert_eq!(Role::Worker(1).style(), Role::Process(6).style());
        assert!(!labelled(Role::Worker(1), 7, "text", false).contains('\x1b'));
    }

    #[test]
    fn a_role_survives_being_packed() {
        for role in [Role::Worker(1_000_000), Role::Process(1), Role::Main] {
            set_speaker(role);
            assert_eq!(speaker(), role);
        }
    }
}
