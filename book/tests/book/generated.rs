//! What the pages include and nobody writes: outputs, tables, pictures. Each is made here from its source, and
//! compared with the file in `book/src/generated/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use common::contract::Contract;
use common::trace::{self, Event, Kind};

use crate::refused;
use crate::run::{self, Run};

pub fn what_the_book_includes_is_current() {
    let folder = run::top().join("book/src/generated");
    let made = all();
    let there = files_below(&folder);
    let surplus: Vec<_> = there.keys().filter(|path| !made.contains_key(*path)).collect();
    let stale: Vec<_> = made.iter().filter(|&(path, text)| there.get(path) != Some(text)).collect();
    if surplus.is_empty() && stale.is_empty() {
        return;
    }
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        for path in surplus {
            fs::remove_file(folder.join(path)).expect("it can be removed");
        }
        for (path, text) in stale {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("it is below a folder")).expect("a folder");
            fs::write(path, text).expect("it can be written");
        }
        return;
    }
    for (path, text) in &stale {
        let committed = there.get(*path).map_or("", String::as_str);
        let lines = text.lines().chain([""]).zip(committed.lines().chain([""]));
        if let Some((new, old)) = lines.into_iter().find(|(new, old)| new != old) {
            eprintln!("{}:\n-{old}\n+{new}", path.display());
        }
    }
    let stale: Vec<_> = stale.iter().map(|(path, _)| path).collect();
    panic!(
        "in book/src/generated stale: {stale:?}, of no source: {surplus:?}\n\
         To accept what is now: INSTA_UPDATE=always cargo test -p book"
    );
}

/// The files by their paths below `book/src/generated`.
fn all() -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut add = |path: String, text: String| {
        let twice = all.insert(path.clone().into(), text);
        assert_eq!(twice, None, "two sources for {path}");
    };
    for (name, text) in outputs() {
        add(format!("{name}.txt"), text);
    }
    for lesson in run::lessons() {
        let text = exercises(&lesson);
        add(format!("{lesson}/exercises.md"), text);
    }
    for contract in contracts() {
        let (name, text) = table(&contract);
        add(format!("contracts/{name}.html"), text);
    }
    for path in run::files("book/runs", ".json") {
        for (name, text) in pictures(&Run::read(&path)) {
            add(format!("pictures/{name}.html"), text);
        }
    }
    for (name, text) in refused::messages() {
        add(format!("refused/{name}.txt"), text);
    }
    all
}

/// The texts below a folder, by their paths.
pub fn files_below(folder: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(top: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                walk(top, &path, files);
            } else {
                let text = fs::read_to_string(&path).expect("it is text");
                files.insert(path.strip_prefix(top).expect("it is below").to_owned(), text);
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(folder, folder, &mut files);
    files
}

// --- Outputs -------------------------------------------------------------------------------------

/// The snapshots of the examples, and those of the lessons, these also in parts.
fn outputs() -> Vec<(String, String)> {
    let lessons = run::lessons().into_iter();
    let folders = lessons.map(|lesson| {
        let folder = format!("{lesson}/tests/snapshots");
        (lesson, folder)
    });
    let examples = ("examples".to_owned(), "common/tests/snapshots/examples".to_owned());
    let mut outputs = Vec::new();
    for (name, folder) in folders.chain([examples]) {
        for path in run::files(&folder, ".snap") {
            let snapshot = fs::read_to_string(&path).expect("it is text");
            let (_, output) = snapshot.split_once("\n---\n").expect("a snapshot has a head");
            let stem = path.file_stem().expect("a file has a name").to_string_lossy();
            if name != "examples" {
                let parts = parts(output).into_iter();
                outputs.extend(parts.map(|(part, text)| (format!("{name}/{stem}/{part}"), text)));
            }
            outputs.push((format!("{name}/{stem}"), output.trim_end().to_owned() + "\n"));
        }
    }
    outputs
}

/// The command that was run, and what came below each heading, by the words of the heading before a colon: `map`,
/// `two_processes`. Two headings that begin alike are told apart by all their words.
fn parts(output: &str) -> Vec<(String, String)> {
    let (command, output) = output.split_once('\n').expect("the command comes first");
    let sections = output.trim_end().split("\n\n").collect::<Vec<_>>();
    let heading = |section: &str| section.lines().next().unwrap_or_default().to_owned();
    let begin = |section: &str| slug(heading(section).split(':').next().unwrap_or_default());
    let named = |section: &&str| {
        let begin_alike = sections.iter().filter(|other| begin(other) == begin(section)).count();
        let name = if begin_alike == 1 { begin(section) } else { slug(&heading(section)) };
        (name, format!("{section}\n"))
    };
    // Without the prompt, so that it can be copied.
    let command = ("command".to_owned(), format!("{}\n", command.trim_start_matches("$ ")));
    sections.iter().map(named).chain([command]).collect()
}

/// `map, 4 tasks` becomes `map_4_tasks`.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words = words.filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.collect::<Vec<_>>().join("_")
}

// --- Exercises -----------------------------------------------------------------------------------

/// What is asked, from the head of the exercise's file, and the steps of its hint, each behind a fold.
fn exercises(lesson: &str) -> String {
    let mut text = String::new();
    for (index, path) in run::files(&format!("{lesson}/exercises"), ".rs").iter().enumerate() {
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        let source = fs::read_to_string(path).expect("it is text");
        let head = source.lines().map_while(|line| line.strip_prefix("//!"));
        let head = head.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>();
        let [title, asked @ ..] = &head[..] else { panic!("{name} asks nothing") };
        let (title, asked) = (title.trim_end_matches('.'), asked.join("\n"));
        let number = index + 1;
        _ = writeln!(text, "### {title} {{#exercise-{number}}}\n{asked}\n");
        _ = writeln!(text, "Your file: `{lesson}/exercises/{name}.rs`.\n");

        let hint = fs::read_to_string(run::top().join(format!("{lesson}/hints/{name}.md")));
        let hint = hint.unwrap_or_else(|error| panic!("{lesson}/hints/{name}.md: {error}"));
        for (step, part) in hint.split("\n## ").skip(1).enumerate() {
            let (title, words) = part.split_once('\n').expect("below a heading there is something");
            let (step, title, words) = (step + 1, title.to_lowercase(), words.trim());
            let summary = format!("<summary>Hint {step}: {title}</summary>");
            _ = writeln!(text, "<details>\n{summary}\n\n{words}\n\n</details>\n");
        }
    }
    text
}

// --- Contracts -----------------------------------------------------------------------------------

/// Those that the pages show.
fn contracts() -> Vec<Contract> {
    vec![
        Contract::process(2),
        Contract::map(4, 2),
        Contract::imap(4, 2),
        Contract::imap_unordered(4, 2),
        Contract::apply(4, 5),
        Contract::map(4, 5),
        Contract::map_async(4, 5).get(),
        Contract::apply_async(4, 5).get(),
        Contract::apply_async_wait(4, 5),
        Contract::map_async(2, 2).get_timeout().leave(),
        Contract::map_async(2, 2).leave().get(),
        Contract::map_async(2, 2).wait().leave().get_timeout(),
    ]
}

/// In HTML, because Markdown has no lists in tables. Its cells stand below each other where the screen is narrow, so each
/// cell says of which column it is.
fn table(contract: &Contract) -> (String, String) {
    let columns = [
        ("guaranteed", "in every run", contract.guaranteed()),
        ("possible", "in some runs", contract.possible()),
        ("impossible", "in no run", contract.impossible()),
    ];
    let orders = match contract.count() {
        1 => "one order".to_owned(),
        count => format!("{} orders", grouped(count)),
    };
    let mut head = String::new();
    let mut body = String::new();
    for (name, when, sentences) in columns {
        _ = writeln!(head, r#"<th scope="col">{name}<br><small>{when}</small></th>"#);
        _ = writeln!(body, r#"<td data-column="{name}: {when}">"#);
        match sentences.is_empty() {
            true => body += "nothing else\n",
            false => {
                let item =
                    |sentence: &String| format!("<li>{}</li>\n", sentence.replace('<', "&lt;"));
                body += &format!("<ul>\n{}</ul>\n", sentences.iter().map(item).collect::<String>());
            }
        }
        body += "</td>\n";
    }
    let text = format!(
        "<table class=\"contract\">\n<caption>{contract}: {orders}</caption>\n\
         <thead>\n<tr>\n{head}</tr>\n</thead>\n<tbody>\n<tr>\n{body}</tr>\n</tbody>\n</table>\n"
    );
    (slug(&contract.to_string()), text)
}

/// `580,185`
fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let comma = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    digits
        .char_indices()
        .flat_map(|(at, digit)| comma(at).then_some(',').into_iter().chain([digit]))
        .collect()
}

// --- Pictures ------------------------------------------------------------------------------------

fn pictures(run: &Run) -> Vec<(String, String)> {
    let parts = match run.arguments.contains("--finish") {
        true => calls(&run.events),
        false => vec![two_joins(&run.events)],
    };
    let named = run.pictures.iter().map(|picture| &picture.name).collect::<Vec<_>>();
    assert_eq!(parts.len(), named.len(), "{} and its pictures {named:?}", run.command());
    let draw = |(picture, events): (&run::Picture, &Vec<Event>)| {
        let words = trace::describe(events);
        let svg = trace::svg(events, &picture.title, &words);
        let (title, command) = (&picture.title, run.command());
        let words = words.replace(". ", ".<br>\n");
        let text = format!(
            "<figure>\n{svg}<figcaption>{title}. Recorded from <code>{command}</code></figcaption>\n\
             <details>\n<summary>The picture in words</summary>\n<p>{words}</p>\n</details>\n</figure>\n"
        );
        (picture.name.clone(), text)
    };
    run.pictures.iter().zip(&parts).map(draw).collect()
}

/// The first section of lesson 1: it ends when main has joined two processes.
fn two_joins(events: &[Event]) -> Vec<Event> {
    let mut joined = (1..).zip(events).filter(|(_, event)| event.kind == Kind::Return);
    let (end, _) = joined.nth(1).expect("there are two");
    events[..end].to_vec()
}

/// The calls of a run with `--finish`. Each begins its tasks anew: so a task that starts again, or the call of main just
/// before it, is the first event of the next one. How workers end with their pool is not shown, if they had no task.
fn calls(events: &[Event]) -> Vec<Vec<Event>> {
    let mut calls = vec![Vec::<Event>::new()];
    for event in events {
        let current = calls.last_mut().expect("there is always one");
        let of_its_process = current.iter().rfind(|earlier| earlier.pid == event.pid);
        let at_work = of_its_process.is_some_and(|earlier| earlier.kind == Kind::Start);
        if event.kind == Kind::Died && !at_work {
            continue;
        }
        let same = |earlier: &Event| earlier.kind == Kind::Start && earlier.label == event.label;
        if event.kind == Kind::Start && current.iter().any(same) {
            let next = current.pop_if(|last| last.kind == Kind::Call).into_iter().collect();
            calls.push(next);
        }
        calls.last_mut().expect("there is always one").push(event.clone());
    }
    calls
}
