//! By a run with numbers drawn for this check.

use std::io::{self, Read, Write};

use common::Process;
use common::exercise::{Verdict, Wrong, numbers};

pub const SEE: &str = "Memory: the child has a copy";

pub fn check(answer: fn(u32, u32) -> [u32; 2]) -> Verdict {
    let [before, added] = numbers(2).try_into().expect("two numbers");
    let [child, parent] = run(before, added)?;
    let predicted = answer(before, added);
    if predicted == [child, parent] {
        return Ok(());
    }
    let why = match predicted[1] == parent {
        true => "the child begins with a copy of the parent's counter, and adds to that",
        false => "what the child changes is its own copy: the parent never sees it",
    };
    Err(Wrong::unseen(format_args!(
        "{why}.\nbefore {before}, added {added}\n\
         you predicted  child {}, parent {}\nthe run shows  child {child}, parent {parent}",
        predicted[0], predicted[1],
    )))
}

fn run(before: u32, added: u32) -> io::Result<[u32; 2]> {
    let (mut reader, mut writer) = io::pipe()?;
    let mut counter = before;
    let child = Process::new(|| {
        counter += added;
        writer.write_all(&counter.to_ne_bytes())
    });
    child.start()?.join()?;
    let mut seen = [0; 4];
    reader.read_exact(&mut seen)?;
    Ok([u32::from_ne_bytes(seen), counter])
}
