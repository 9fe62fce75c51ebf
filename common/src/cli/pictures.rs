//! The flags that ask for pictures of the run, and what they ask for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

use clap::Args;

use crate::{console, os, trace};

/// The flags that ask for pictures of the run: `--timeline`, `--svg FILE`, `--trace FILE`.
///
/// [`Flags::parse`](super::Flags::parse) switches recording on if there is one of them, and
/// [`run`](super::run) draws when the lesson has ended, also if it has failed. What cannot be
/// written is refused before the lesson starts. A file appears when it is complete; one that
/// was there before stays as it is until then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Pictures {
    /// Draw who ran what when, after the run
    #[arg(long)]
    pub timeline: bool,

    /// Draw the same as a picture for a browser
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Write the same for ui.perfetto.dev or chrome://tracing (JSON)
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

/// Where the lines of a file of text go when no terminal says how wide it is.
const WIDTH: usize = 80;

/// What is to be drawn at the end.
static PREPARED: OnceLock<Prepared> = OnceLock::new();

struct Prepared {
    title: &'static str,
    timeline: bool,
    svg: Option<Destination>,
    trace: Option<Destination>,
}

impl Pictures {
    /// Switches recording on if there is something to draw. In an error: what cannot be done.
    pub(super) fn prepare(&self, title: &'static str) -> Result<(), String> {
        if *self == Pictures::default() {
            return Ok(());
        }
        let open = |flag, path: &Option<PathBuf>| {
            path.as_deref().map(|path| Destination::open(flag, path)).transpose()
        };
        let (svg, trace) = (open("--svg", &self.svg)?, open("--trace", &self.trace)?);
        // Not as they were named: a file has many names.
        if let (Some(svg), Some(trace)) = (&svg, &trace)
            && svg.path == trace.path
        {
            return Err("--svg and --trace must name two files, not one".to_owned());
        }
        trace::enable().map_err(|error| format!("no memory to record the run: {error}"))?;
        let _ = PREPARED.set(Prepared { title, timeline: self.timeline, svg, trace });
        Ok(())
    }
}

/// Draws what was asked for. In an error: what could not be written.
pub(super) fn draw() -> Result<(), String> {
    let Some(prepared) = PREPARED.get() else { return Ok(()) };
    let events = trace::events();
    // The files first: whoever reads standard output may go before its end, which ends us.
    let svg = prepared.svg.as_ref().map_or(Ok(()), |file| {
        file.write(&trace::svg(&events, prepared.title, &trace::describe(&events)))
    });
    let json =
        prepared.trace.as_ref().map_or(Ok(()), |file| file.write(&trace::trace_json(&events)));
    if prepared.timeline {
        console::heading("Who ran what when");
        let width = os::terminal_width().unwrap_or(WIDTH);
        console::write_at_once(|colour| trace::timeline_in(&events, width, colour));
    }
    svg.and(json)?;
    match trace::lost() {
        0 => Ok(()),
        lost => Err(format!(
            "the pictures lack the last {lost} events: the log holds {}",
            trace::CAPACITY
        )),
    }
}

/// A file that can be written.
struct Destination {
    flag: &'static str,
    path: PathBuf,
    /// A device or a pipe is open from the beginning. A regular file is replaced at the end.
    open: Option<File>,
}

impl Destination {
    fn open(flag: &'static str, path: &Path) -> Result<Destination, String> {
        let open = || {
            let exists = path.exists();
            if exists && !path.is_file() {
                let open = File::options().write(true).open(path)?;
                return Ok(Destination { flag, path: path.to_owned(), open: Some(open) });
            }
            // The lesson may change its directory, and the file may be a link.
            let path = match exists {
                true => fs::canonicalize(path)?,
                false => canonical_but_for_its_name(path)?,
            };
            if exists {
                File::options().write(true).open(&path)?;
            }
            let destination = Destination { flag, path, open: None };
            let (unfinished, _) = destination.create()?;
            fs::remove_file(unfinished)?;
            Ok(destination)
        };
        open().map_err(|error| cannot_write(flag, path, &error))
    }

    /// A file beside the one that is to be.
    fn create(&self) -> io::Result<(PathBuf, File)> {
        let name = format!(".unfinished{}-{}", self.flag, process::id());
        let path = self.path.with_file_name(name);
        File::create_new(&path).map(|file| (path, file))
    }

    fn write(&self, text: &str) -> Result<(), String> {
        let written = match &self.open {
            Some(open) => (&*open).write_all(text.as_bytes()),
            None => self.replace(text),
        };
        written.map_err(|error| cannot_write(self.flag, &self.path, &error))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let (unfinished, mut file) = self.create()?;
        let done =
            file.write_all(text.as_bytes()).and_then(|()| fs::rename(&unfinished, &self.path));
        done.inspect_err(|_| _ = fs::remove_file(&unfinished))
    }
}

/// For a file that is not there yet: of it there is only the directory to ask.
fn canonical_but_for_its_name(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
        _ => Err(io::ErrorKind::IsADirectory.into()),
    }
}

fn cannot_write(flag: &str, path: &Path, error: &io::Error) -> String {
    format!("{flag}: cannot write {}: {error}", path.display())
}
