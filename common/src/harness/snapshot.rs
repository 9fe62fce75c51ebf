//! A program's output as it is in every run and on every machine: for snapshots.
//!
//! What varies gets a name or a mark and stays where it is; nothing is left out. A snapshot begins with the command as a
//! reader would type it.

use std::collections::HashMap;
use std::fmt::Write as _;

/// Stands for what differs from run to run: a time, a number, one of two sentences.
pub const VARIES: &str = "▒";

/// Compares `$text` with the snapshot `$name` in the folder `$folder` of the test's own crate, which has `insta` among its
/// dev-dependencies. `INSTA_UPDATE=always cargo test` accepts what was changed on purpose.
#[macro_export]
macro_rules! pin {
    ($folder:literal, $name:expr, $text:expr $(,)?) => {{
        let mut settings = ::insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path($folder);
        settings.bind(|| ::insta::assert_snapshot!($name, $text));
    }};
}

pub use crate::pin;

/// Names for process ids, in the order in which they appear: A, B, C.
///
/// ```
/// use common::harness::snapshot::Names;
///
/// let output = "worker 1      4712 │ start\nmain          4710 │ pid 4712 is at work\n";
/// let named = "worker 1         A │ start\nmain             B │ pid A is at work\n";
/// assert_eq!(Names::default().text(output), named);
/// ```
#[derive(Debug, Default)]
pub struct Names(HashMap<u32, char>);

impl Names {
    /// The name of a process.
    ///
    /// # Panics
    ///
    /// If there are more processes than letters.
    pub fn name(&mut self, pid: u32) -> char {
        let next = (b'A'..=b'Z').nth(self.0.len());
        *self.0.entry(pid).or_insert_with(|| next.expect("more than 26 processes").into())
    }

    /// The output of a program that has one order. In its sentences a number is a process id if it follows the word `pid`
    /// or `worker`.
    pub fn text(&mut self, output: &str) -> String {
        self.lines(output.lines().map(Line::parse))
    }

    /// The output of a run with `--finish`, which has one order. The contract leaves open which of several idle workers
    /// takes a task: so the workers are numbered, too, in the order in which they appear below a heading. Below one that
    /// starts with one of `anybody`, where all workers are idle each time, none of them has a name.
    pub fn directed(&mut self, output: &str, anybody: &[&str]) -> String {
        let mut lines = Vec::new();
        for section in sections(output) {
            let open = is_below(&section, anybody);
            let mut workers: Vec<Option<u32>> = Vec::new();
            for mut line in section {
                if line.is_by_a_worker() {
                    let known = workers.iter().position(|pid| *pid == line.pid);
                    let number = known.unwrap_or_else(|| {
                        workers.push(line.pid);
                        workers.len() - 1
                    });
                    line = if open { line.by_anybody() } else { line.by(number + 1) };
                }
                lines.push(line);
            }
        }
        self.lines(lines)
    }

    /// The output of a run without a director: what the workers say below a heading comes task by task, and
    /// without their names, before what main says there. Times become [`VARIES`]. A line that fits one of the `patterns` is shown as
    /// that pattern: [`VARIES`] in it stands for any text, and `|` is between sentences of which one is said. Below a heading
    /// that starts with one of `cut_short`, where tasks are killed after a while, one line stands for all that the workers
    /// say: how far a task comes in that while is up to the machine.
    pub fn free(&mut self, output: &str, patterns: &[&str], cut_short: &[&str]) -> String {
        let mut lines = Vec::new();
        for section in sections(output) {
            let cut_short = is_below(&section, cut_short);
            let section = section.into_iter().map(|line| line.in_general(patterns));
            let (mut workers, others): (Vec<_>, Vec<_>) = section.partition(Line::is_by_a_worker);
            let mut others = others.into_iter().peekable();
            lines.extend(others.next_if(|line| line.pid.is_none() && line.text.is_empty()));
            lines.extend(others.next_if(|line| line.pid.is_none()));
            let marker = match workers.len() {
                _ if cut_short => {
                    "[the workers' lines: how far a task comes before it is killed is open]"
                }
                0 | 1 => "",
                _ => "[the workers' lines by task: who says what when is open]",
            };
            if !marker.is_empty() {
                lines.push(Line { role: String::new(), pid: None, text: marker.to_owned() });
            }
            workers.retain(|_| !cut_short);
            workers.sort_by_cached_key(Line::by_task);
            lines.extend(workers.into_iter().map(Line::by_anybody));
            lines.extend(others);
        }
        self.lines(lines)
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = Line>) -> String {
        lines.into_iter().fold(String::new(), |mut text, line| {
            let Line { role, pid, text: words } = &line;
            match pid {
                None if role.is_empty() => writeln!(text, "{words}"),
                None => writeln!(text, "{role:<10} {VARIES:>7} │{words}"),
                Some(pid) => {
                    let name = self.name(*pid);
                    writeln!(text, "{role:<10} {name:>7} │{}", self.sentence(words))
                }
            }
            .expect("writing to a string does not fail");
            text
        })
    }

    fn sentence(&mut self, text: &str) -> String {
        let mut before = "";
        let word = |word| {
            let digits = word_digits(word);
            let follows = ["pid", "worker"].contains(&std::mem::replace(&mut before, word));
            match word[..digits].parse() {
                Ok(pid) if follows => format!("{}{}", self.name(pid), &word[digits..]),
                _ => word.to_owned(),
            }
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

fn word_digits(word: &str) -> usize {
    word.bytes().take_while(u8::is_ascii_digit).count()
}

/// A line with who said it, or a heading or an empty line that nobody says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    role: String,
    /// None: a heading, or somebody without a name.
    pid: Option<u32>,
    /// After the label.
    text: String,
}

impl Line {
    /// `main          4710 │ worker 4712 has ended`.
    fn parse(line: &str) -> Line {
        let labelled = || {
            let (label, text) = line.split_once(" │")?;
            let (role, pid) = label.rsplit_once(' ')?;
            Some(Line {
                role: role.trim_end().to_owned(),
                pid: Some(pid.parse().ok()?),
                text: text.to_owned(),
            })
        };
        let heading = || Line { role: String::new(), pid: None, text: line.to_owned() };
        labelled().unwrap_or_else(heading)
    }

    fn is_heading(&self, beginning: &str) -> bool {
        self.pid.is_none() && self.text.starts_with(beginning)
    }

    fn is_by_a_worker(&self) -> bool {
        self.role.starts_with("worker") || self.role.starts_with("process")
    }

    /// `start from 1`, `end from 1`, `start from 2`.
    fn by_task(&self) -> (String, bool) {
        let task = self.text.split_once(" from ").map_or("", |(_, task)| task);
        (task.to_owned(), self.text.starts_with(" end"))
    }

    fn by(self, number: usize) -> Line {
        Line { role: format!("worker {number}"), ..self }
    }

    fn by_anybody(self) -> Line {
        let kind = self.role.split(' ').next().unwrap_or_default();
        Line { role: format!("{kind} {VARIES}"), pid: None, ..self }
    }

    fn in_general(self, patterns: &[&str]) -> Line {
        if self.pid.is_none() {
            return self;
        }
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let text = words.join(" ");
        let one_fits = |pattern: &&&str| pattern.split('|').any(|one| fits(one.trim(), &text));
        let text = match patterns.iter().find(one_fits) {
            Some(pattern) => pattern.to_string(),
            None => words.into_iter().map(without_time).collect::<Vec<_>>().join(" "),
        };
        Line { text: format!(" {text}"), ..self }
    }
}

/// Whether the text is the pattern, with anything in the place of each [`VARIES`].
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once(VARIES) else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|end| fits(after, &rest[end..]))
}

fn without_time(word: &str) -> String {
    let (time, after) = word.split_at(word.trim_end_matches([',', ';', ':']).len());
    if is_time(time) { format!("{VARIES}{after}") } else { word.to_owned() }
}

/// `1.5ms`, as durations print themselves.
fn is_time(word: &str) -> bool {
    let number = word.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = &word[number.len()..];
    ["ns", "µs", "ms", "s"].contains(&unit) && number.parse::<f64>().is_ok()
}

/// Whether the section's heading starts with one of these.
fn is_below(section: &[Line], headings: &[&str]) -> bool {
    headings.iter().any(|heading| section.iter().any(|line| line.is_heading(heading)))
}

/// Each with its heading and the empty line above it.
fn sections(output: &str) -> Vec<Vec<Line>> {
    let mut sections: Vec<Vec<Line>> = Vec::new();
    for line in output.lines().map(Line::parse) {
        match sections.last_mut() {
            Some(section) if !(line.pid.is_none() && line.text.is_empty()) => section.push(line),
            _ => sections.push(vec![line]),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
map
worker 2        12 │ start from 1
worker 1        11 │ start from 2
main            10 │ map returns after 1.5ms: [1, 2]

imap
worker 1        11 │ start from 1
";

    #[test]
    fn in_a_directed_run_workers_are_numbered_as_they_appear() {
        let text = Names::default().directed(OUTPUT, &[]);
        assert_eq!(
            text,
            "\
map
worker 1         A │ start from 1
worker 2         B │ start from 2
main             C │ map returns after 1.5ms: [1, 2]

imap
worker 1         B │ start from 1
"
        );
    }

    #[test]
    fn where_anybody_takes_a_task_it_has_no_name() {
        let text = Names::default().directed(OUTPUT, &["imap"]);
        assert!(text.ends_with("\n\nimap\nworker ▒         ▒ │ start from 1\n"), "{text}");
    }

    #[test]
    fn in_a_free_run_order_and_times_are_open() {
        let text = Names::default().free(OUTPUT, &["other ▒"], &[]);
        assert_eq!(
            text,
            "\
map
[the workers' lines by task: who says what when is open]
worker ▒         ▒ │ start from 1
worker ▒         ▒ │ start from 2
main             A │ map returns after ▒: [1, 2]

imap
worker ▒         ▒ │ start from 1
"
        );
        let pattern = "map has failed | map returns after ▒: ▒]";
        let text = Names::default().free(OUTPUT, &[pattern], &[]);
        assert!(text.contains(&format!("main             A │ {pattern}\n")), "{text}");
    }

    #[test]
    fn how_far_tasks_come_before_they_are_killed_is_open() {
        let all = Names::default().free(OUTPUT, &[], &["imap"]);
        let (end, _) = OUTPUT.rsplit_once("worker").unwrap();
        assert_eq!(all, Names::default().free(end, &[], &["imap"]));
        let marker = "[the workers' lines: how far a task comes before it is killed is open]";
        assert!(all.ends_with(&format!("\n\nimap\n{marker}\n")), "{all}");
    }

    #[test]
    fn a_pattern_fits_as_a_whole() {
        for (pattern, text) in [("a", "a"), ("▒", ""), ("▒ b ▒", "1 b 2"), ("a ▒ c", "a c c")]
        {
            assert!(fits(pattern, text), "{pattern}: {text}");
        }
        for (pattern, text) in [("a", "ab"), ("▒ b", "1 b 2"), ("b ▒", "1 b 2"), ("a▒c", "ab")]
        {
            assert!(!fits(pattern, text), "{pattern}: {text}");
        }
    }

    #[test]
    fn only_what_a_duration_prints_is_a_time() {
        for time in ["1.5ms", "22µs", "3s", "12.30ns"] {
            assert!(is_time(time), "{time}");
        }
        for other in ["2", "ms", "5x5", "is", "A", "2.50", "1.5.ms"] {
            assert!(!is_time(other), "{other}");
        }
    }
}
