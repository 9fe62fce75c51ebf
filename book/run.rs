//! A recorded run: the command that made it, its events, and which pictures are drawn from it.

use std::fs;
use std::path::{Path, PathBuf};

use common::trace::Event;
use serde::{Deserialize, Serialize};

/// A file `runs/NAME.json`.
#[derive(Serialize, Deserialize)]
pub struct Run {
    pub package: String,
    pub arguments: String,
    pub pictures: Vec<Picture>,
    pub events: Vec<Event>,
}

/// One of the pictures of a run. Of a run with `--finish` each call has its own, in the order of the calls.
#[derive(Serialize, Deserialize)]
pub struct Picture {
    pub name: String,
    pub title: String,
}

impl Run {
    /// As the reader types it.
    pub fn command(&self) -> String {
        format!("cargo run -p {} -- {}", self.package, self.arguments)
    }

    pub fn read(path: &Path) -> Run {
        let text = fs::read_to_string(path).expect("the run can be read");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The top of the repository.
pub fn top() -> PathBuf {
    let book = Path::new(env!("CARGO_MANIFEST_DIR"));
    book.parent().expect("the book is a folder of the repository").to_owned()
}

/// The files in a folder of the repository whose names end like this, sorted.
pub fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(top().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    paths.sort();
    paths
}

/// The folders of the lessons.
#[allow(dead_code, reason = "the recording takes what is to be recorded from the runs")]
pub fn lessons() -> Vec<String> {
    let folders = files("", "").into_iter();
    let names =
        folders.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("lesson")).collect()
}
