//! What is wrong with an answer, and how it is said.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::{Mutex, PoisonError};

use super::seen;
use crate::{panics, trace};

/// What a check finds: nothing wrong, or this.
pub type Verdict = Result<(), Wrong>;

/// A misconception, in words, and what was seen that shows it.
#[derive(Debug, Clone)]
pub struct Wrong {
    what: String,
    seen: String,
}

impl Wrong {
    /// Something that the timeline of the run shows.
    pub fn new(what: impl Display) -> Wrong {
        Wrong::shown_by(what, &trace::events())
    }

    /// The same, shown by some of the events only.
    pub fn shown_by(what: impl Display, events: &[trace::Event]) -> Wrong {
        let seen = if events.is_empty() { String::new() } else { trace::timeline(events, WIDTH) };
        let mut lines: Vec<&str> = seen.lines().collect();
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines.push("…");
        }
        Wrong { what: what.to_string(), seen: lines.join("\n") }
    }

    /// Something that no timeline shows.
    pub fn unseen(what: impl Display) -> Wrong {
        Wrong { what: what.to_string(), seen: String::new() }
    }
}

impl<E: std::error::Error> From<E> for Wrong {
    fn from(error: E) -> Wrong {
        Wrong::new(format_args!("your answer returned an error: {error}"))
    }
}

const WIDTH: usize = 76;

/// More lines than this are no longer the few that matter.
const LINES: usize = 14;

/// How much is shown of what an answer printed itself: its end.
const PRINTED: usize = 1000;

/// What stands around the verdict in the output of the case, and in nobody's own.
const BEGIN: &str = "\u{1}verdict\u{2}\n";
const END: &str = "\n\u{3}verdict\u{2}\n";

/// Runs a check in the harness's case, with recording on. It returns if nothing is wrong. Otherwise it prints what is,
/// and ends the process.
///
/// # Panics
///
/// If there is no memory for the trace.
pub fn judge(check: impl FnOnce() -> Verdict) {
    trace::enable().expect("there is memory for the trace");
    note_panics();
    seen::draw_salt();
    match panic::catch_unwind(AssertUnwindSafe(check)) {
        Ok(Ok(())) => {}
        Ok(Err(wrong)) => stop(&wrong),
        Err(payload) => {
            let what = panics::message(payload);
            stop(&panicked(&what));
        }
    }
}

/// Prints the verdict and ends the process, which may be a fork of the case.
pub(super) fn stop(wrong: &Wrong) -> ! {
    tell(wrong);
    process::exit(101)
}

pub(super) fn tell(wrong: &Wrong) {
    let mut text = format!("\n{BEGIN}{}", wrong.what);
    if !wrong.seen.is_empty() {
        let _ = write!(text, "\n\n{}", wrong.seen);
    }
    text += END;
    // In one piece, between whatever other processes write.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Where this process has panicked last.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// A panic of the answer is told in the verdict. One in a process that the answer started is printed as ever.
fn note_panics() {
    let me = process::id();
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if process::id() != me {
            return print(info);
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

fn panicked(what: &str) -> Wrong {
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    match what.starts_with("not yet implemented") {
        true => Wrong::new(format_args!(
            "half an answer: it came to the `todo!` at {place}. An exercise is to do until you begin it; \
             then all of it is judged"
        )),
        false => Wrong::new(format_args!("your answer panicked at {place}: {what}")),
    }
}

/// The message for the learner, from all that the case and its keeper printed.
pub(super) fn of_output(output: &str) -> String {
    let (printed, verdict) = match output.split_once(BEGIN) {
        Some((printed, rest)) => {
            (printed, rest.split_once(END).map_or(rest, |(verdict, _)| verdict))
        }
        // It did not come back to its check: then the keeper, who speaks last, tells why.
        None => ("", output.trim()),
    };
    let verdict = end_of(verdict, 4 * PRINTED);
    match printed.trim() {
        "" => format!("{verdict}\n"),
        printed => format!("{verdict}\n\nYour answer printed:\n{}\n", end_of(printed, PRINTED)),
    }
}

fn end_of(text: &str, length: usize) -> &str {
    let mut from = text.len().saturating_sub(length);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_comes_first_and_then_what_was_printed() {
        let output = format!("hello\n{BEGIN}a loop{END}\nyour answer ended with exit code 101\n");
        assert_eq!(of_output(&output), "a loop\n\nYour answer printed:\nhello\n");
        assert_eq!(of_output(&format!("\n{BEGIN}a loop{END}x")), "a loop\n");
    }

    #[test]
    fn without_a_verdict_the_keeper_tells() {
        assert_eq!(of_output("\nyour answer hung\n"), "your answer hung\n");
        let flood = "x".repeat(100_000) + "\nyour answer was killed";
        let message = of_output(&flood);
        assert!(message.len() < 5000 && message.ends_with("your answer was killed\n"));
    }
}
