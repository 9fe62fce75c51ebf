//! Records the runs that the book's pictures are drawn from, each by the command in its file:
//!
//! ```text
//! cargo run -p book
//! INSTA_UPDATE=always cargo test -p book
//! ```
//!
//! The second command draws the pictures anew. For a new picture write a file in `book/runs/` like those that are there,
//! with no events.

use std::error::Error;
use std::process::{Command, Stdio};
use std::{env, fs, process};

use common::trace::Event;
use run::Run;
use serde::Deserialize;

mod run;

/// What the lessons write with `--trace`: the member that is for programs.
#[derive(Deserialize)]
struct Trace {
    events: Vec<Event>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let recorded = env::temp_dir().join(format!("recorded-{}.json", process::id()));
    for path in run::files("book/runs", ".json") {
        let mut run = Run::read(&path);
        println!("$ {}", run.command());
        let status = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", &run.package, "--"])
            .args(run.arguments.split_whitespace())
            .arg("--trace")
            .arg(&recorded)
            .current_dir(run::top())
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("{}: {status}", run.command()).into());
        }
        run.events = serde_json::from_str::<Trace>(&fs::read_to_string(&recorded)?)?.events;
        // With an event on each line, so that a new recording can be compared with the old one.
        let json = serde_json::to_string(&run)?;
        fs::write(&path, json.replace(r#"{"at":"#, "\n{\"at\":") + "\n")?;
        fs::remove_file(&recorded)?;
    }
    Ok(())
}
