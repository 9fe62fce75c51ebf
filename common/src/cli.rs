//! The flags that all lessons have, and what every lesson's `main` does around its own work.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::str::FromStr;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Command, FromArgMatches};

use crate::{random, workload};

mod pictures;

pub use pictures::Pictures;

/// The flags that all lessons have: `--size N`, `--workers N`, `--seed N` and those for
/// [`Pictures`] of the run.
///
/// A lesson reads them first of all, before it forks:
///
/// ```
/// use common::cli::{Defaults, Flags};
///
/// let flags = Flags::parse(Defaults {
///     about: "Pool: map and starmap",
///     size: 300,
///     workers: 2,
/// });
/// assert_eq!(flags.workers, 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Flags {
    /// Rows and columns of the random matrices: time grows with the cube of it
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub size: usize,

    /// Processes that work at the same time
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub workers: usize,

    /// Draw the same random numbers in each run [default: other numbers each time]
    #[arg(long, value_name = "N", value_parser = whole_number::<u64>, allow_negative_numbers = true)]
    pub seed: Option<u64>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would show it in the help")]
    pub pictures: Pictures,
}

/// What a lesson says about itself and what holds unless a flag says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// The lesson in a line, the first of `--help`.
    pub about: &'static str,
    /// Without `--size`: rows and columns, at least 1.
    pub size: usize,
    /// Without `--workers`: processes, at least 1.
    pub workers: usize,
}

impl Flags {
    /// Reads the program's flags and makes them hold: [`random::set_seed`] and
    /// [`workload::set_size`] are called, and recording is switched on if there is to be a picture.
    ///
    /// `--help` prints the help and ends the program with exit status 0. Flags that are wrong,
    /// matrices for which the machine has no memory (see [`workload::check_size`]), or pictures that
    /// cannot be written, end it with exit status 2 and one line on standard error:
    ///
    /// ```text
    /// lesson02_pool_map: --workers must be at least 1, not 0 (try --help)
    /// ```
    ///
    /// In Python: `argparse.ArgumentParser().parse_args()`.
    pub fn parse(defaults: Defaults) -> Flags {
        let (flags, ()) = Flags::parse_with(defaults);
        flags
    }

    /// As [`parse`](Flags::parse), for a lesson that has flags of its own beside the common ones.
    ///
    /// ```
    /// use common::cli::{Defaults, Flags};
    ///
    /// #[derive(clap::Args)]
    /// struct Own {
    ///     /// Leave the largest task out
    ///     #[arg(long)]
    ///     short: bool,
    /// }
    ///
    /// let (flags, own) = Flags::parse_with::<Own>(Defaults {
    ///     about: "apply: one task at a time",
    ///     size: 300,
    ///     workers: 5,
    /// });
    /// assert_eq!(flags.workers, 5);
    /// assert!(!own.short);
    /// ```
    pub fn parse_with<Own: Args>(defaults: Defaults) -> (Flags, Own) {
        let (flags, own) = parse_from(defaults, env::args_os()).unwrap_or_else(|error| {
            if matches!(error.kind(), ErrorKind::DisplayHelp) {
                error.exit(); // with 0, after the help went to standard output
            }
            refuse(&format!("{} (try --help)", one_line(&error)))
        });
        if let Err(error) = workload::check_size(flags.size, flags.size, flags.workers) {
            refuse(&format!("{error}: try a smaller --size or fewer --workers"));
        }
        flags.pictures.prepare(defaults.about).unwrap_or_else(|error| refuse(&error));
        random::set_seed(flags.seed);
        workload::set_size(flags.size);
        (flags, own)
    }
}

/// Runs a lesson, draws the [`Pictures`] that its flags asked for and turns what it returns into
/// the program's exit status: 0, or 1 after one line on standard error that says what went wrong.
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     common::cli::run(lesson)
/// }
///
/// fn lesson() -> Result<(), std::num::ParseIntError> {
///     let n: u32 = "4".parse()?;
///     assert_eq!(n, 4);
///     Ok(())
/// }
/// ```
///
/// Rust prints an error that `main` returns as its `Debug` text, which is for programmers.
/// In Python: `sys.exit("message")` in an `except` around it all.
pub fn run<E: Display>(lesson: impl FnOnce() -> Result<(), E>) -> ExitCode {
    let done = lesson().map_err(|error| error.to_string());
    // Also of a lesson that failed: the picture may show why.
    let drawn = pictures::draw();
    let errors: Vec<String> = [done.err(), drawn.err()].into_iter().flatten().collect();
    errors.iter().for_each(|error| complain(error));
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse_from<Own: Args>(
    defaults: Defaults,
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Flags, Own), clap::Error> {
    // Put together here and not derived, because each lesson has its own defaults. clap keeps
    // them as `&'static str`; flags are parsed once, so the leak is a few bytes.
    let text = |default: usize| -> &'static str { default.to_string().leak() };
    // The name in the help is not this one: clap takes the program's from the arguments.
    let command = Own::augment_args(Flags::augment_args(Command::new("lesson")))
        // After the flags, which would put their own documentation here.
        .about(defaults.about)
        .long_about(None)
        .mut_arg("size", |arg| arg.required(false).default_value(text(defaults.size)))
        .mut_arg("workers", |arg| arg.required(false).default_value(text(defaults.workers)));
    let matches = command.try_get_matches_from(args)?;
    Ok((Flags::from_arg_matches(&matches)?, Own::from_arg_matches(&matches)?))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match whole_number(text)? {
        0 => Err("must be at least 1, not 0".to_owned()),
        n => Ok(n),
    }
}

fn whole_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("is too large: {text}")
        } else {
            format!("must be a whole number, not {text:?}")
        }
    })
}

/// clap's message without usage and tips. It tells what is wrong in the paragraph it starts with;
/// for a value that one of our parsers refused, in the parser's error.
fn one_line(error: &clap::Error) -> String {
    if let (Some(arg), Some(reason)) =
        (error.get(ContextKind::InvalidArg), std::error::Error::source(error))
    {
        let arg = arg.to_string();
        let flag = arg.split(' ').next().unwrap_or_default();
        return format!("{flag} {reason}");
    }
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.strip_prefix("error: ").unwrap_or(paragraph).to_owned()
}

pub(crate) fn refuse(reason: &str) -> ! {
    complain(reason);
    process::exit(2);
}

/// One line on standard error, whatever the text.
fn complain(text: &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    // Not `eprintln!`, which panics when standard error is closed.
    let _ = writeln!(io::stderr(), "{}: {}", program(), words.join(" "));
}

/// The name of the lesson: under `cargo run` the program's name is its whole path.
fn program() -> String {
    let path = env::args_os().next().unwrap_or_default();
    Path::new(&path).file_name().map_or("lesson".into(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults = Defaults { about: "a lesson", size: 300, workers: 2 };

    #[derive(Debug, PartialEq, Args)]
    struct Own {
        /// Leave the largest task out
        #[arg(long)]
        short: bool,
    }

    fn parse<T: Args>(args: &str) -> Result<(Flags, T), String> {
        let args = ["lesson"].into_iter().chain(args.split_whitespace());
        parse_from(DEFAULTS, args.map(OsString::from)).map_err(|error| one_line(&error))
    }

    #[test]
    fn help_begins_with_the_lesson_and_tells_its_defaults() {
        let help = parse::<Own>("--help").unwrap_err();
        assert_eq!(help, "a lesson");
        let args = ["lesson", "--help"].map(OsString::from);
        let help = parse_from::<Own>(DEFAULTS, args).unwrap_err().to_string();
        for part in ["--short", "--timeline", "[default: 300]", "[default: 2]"] {
            assert!(help.contains(part), "{help}");
        }
    }

    fn error(args: &str) -> String {
        parse::<()>(args).unwrap_err()
    }

    #[test]
    fn without_flags_the_defaults_hold() {
        let (flags, ()) = parse("").unwrap();
        assert_eq!((flags.size, flags.workers, flags.seed), (300, 2, None));
    }

    #[test]
    fn flags_are_read() {
        let (flags, own) = parse::<Own>("--size 7 --workers=3 --short --seed 0").unwrap();
        assert_eq!((flags.size, flags.workers, flags.seed), (7, 3, Some(0)));
        assert!(own.short);
    }

    #[test]
    fn pictures_are_asked_for() {
        let (flags, ()) = parse("").unwrap();
        assert_eq!(flags.pictures, Pictures::default());
        let (flags, ()) = parse("--svg a.svg --timeline --trace=b.json").unwrap();
        assert!(flags.pictures.timeline);
        assert_eq!(flags.pictures.svg, Some("a.svg".into()));
        assert_eq!(flags.pictures.trace, Some("b.json".into()));
        assert!(error("--svg").contains("--svg"));
    }

    #[test]
    fn a_wrong_number_is_refused_in_a_line() {
        assert_eq!(error("--workers 0"), "--workers must be at least 1, not 0");
        assert_eq!(error("--size=0"), "--size must be at least 1, not 0");
        assert_eq!(error("--size -5"), "--size must be a whole number, not \"-5\"");
        assert_eq!(error("--seed x1"), "--seed must be a whole number, not \"x1\"");
        assert_eq!(
            error("--size 99999999999999999999"),
            "--size is too large: 99999999999999999999"
        );
    }

    #[test]
    fn whatever_else_is_wrong_is_one_line_too() {
        for args in ["--sise 3", "3", "--size", "--size 3 --size 4", "--seed=", "-x"] {
            let line = error(args);
            assert!(!line.contains('\n') && line.len() > 10, "{args}: {line}");
        }
        assert_eq!(error("--sise 3"), "unexpected argument '--sise' found");
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_flags() {
        Own::augment_args(Flags::augment_args(Command::new("lesson"))).debug_assert();
    }
}
