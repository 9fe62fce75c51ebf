//! A lesson and the Python it mirrors, run side by side.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{self, Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;

use serde_json::Value;

use super::{Test, python, test};
use crate::contract::{Contract, Event, orders};
use crate::trace;

/// A call that both programs make, and what the contract says of it.
pub struct Section {
    contract: Contract,
    /// The tasks' labels, in the order of the input.
    tasks: Vec<String>,
    /// What main sees, in its order.
    main: Vec<Event>,
}

/// A call of the lesson: which orders there can be; the tasks' labels, in the order of the input; and what main
/// sees, as in [`contract::orders`](crate::contract::orders).
///
/// ```
/// use common::contract::Contract;
/// use common::harness::original::section;
///
/// section(Contract::map(4, 2), 1..=4, "return");
/// section(Contract::map_async(5, 2).wait().get(), 1..=5, "return, waited, got");
/// ```
pub fn section<L: ToString>(
    contract: Contract,
    tasks: impl IntoIterator<Item = L>,
    main: &str,
) -> Section {
    let tasks = tasks.into_iter().map(|label| label.to_string()).collect();
    Section { contract, tasks, main: orders(main).concat() }
}

/// Rows and columns of the matrices with which both programs are run.
pub const SIZE: usize = 60;

/// The calls of a lesson with so many workers, from its first on.
pub type Sections = fn(workers: usize) -> Vec<Section>;

/// The lesson's executable and its calls. The cases are plain functions and capture nothing.
static LESSON: OnceLock<(&'static str, Sections)> = OnceLock::new();

/// The tests of the lesson whose executable is `program`, beside the `original.py` in its folder.
///
/// To be added to [`lesson::tests`](super::lesson::tests).
pub fn tests(program: &'static str, sections: Sections) -> Vec<Test> {
    LESSON.get_or_init(|| (program, sections));
    python::needed_by(vec![
        test("original::both_keep_the_contract_with_two_workers", || both_keep_the_contract(2)),
        test("original::both_keep_the_contract_with_three_workers", || both_keep_the_contract(3)),
        test("original::both_refuse_a_trace_that_cannot_be_written", || {
            both_refuse(&["--trace", "no/such/file"])
        }),
        test("original::both_refuse_more_processes_than_there_is_memory_for", || {
            both_refuse(&["--workers", "99999999"])
        }),
        test("original::both_say_in_a_line_that_the_disk_is_full", both_meet_a_full_disk),
    ])
}

/// Those of a lesson that has the flag `--finish`. To be added to [`tests`].
pub fn finish_tests() -> Vec<Test> {
    python::needed_by(vec![
        test("original::both_finish_2_3_1_4_with_two_workers", || both_finish("2,3,1,4", "2")),
        test("original::both_finish_4_3_2_1_with_four_workers", || both_finish("4,3,2,1", "4")),
        test("original::both_finish_1_2_3_with_one_worker", || both_finish("1,2,3", "1")),
        test("original::both_refuse_3_1_2_with_two_workers", || {
            both_refuse(&["--finish", "3,1,2", "--workers", "2"])
        }),
        test("original::both_refuse_a_number_twice", || both_refuse(&["--finish", "1,1"])),
    ])
}

/// The original and the lesson, with the same arguments, at the same time.
fn both(arguments: &[&str]) -> [(&'static str, Output); 2] {
    both_to(Stdio::piped, arguments)
}

fn both_to(stdout: fn() -> Stdio, arguments: &[&str]) -> [(&'static str, Output); 2] {
    programs()
        .map(|(who, mut program)| (who, start(program.args(arguments).stdout(stdout()))))
        .map(|(who, child)| (who, child.wait_with_output().expect("it ends")))
}

fn programs() -> [(&'static str, Command); 2] {
    let (program, _) = LESSON.get().expect("`tests` was called");
    let name = Path::new(program).file_name().expect("a program is a file").to_string_lossy();
    let original = python::command(&format!("{name}/original.py"));
    [("original.py", original), ("the lesson", Command::new(program))]
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("it can be started")
}

/// What each of them printed, and what it recorded, in the order of time.
fn both_recorded(arguments: &[&str]) -> [(&'static str, String, Vec<trace::Event>); 2] {
    programs()
        .map(|(who, mut program)| {
            // A pipe that nothing else goes through. It ends when the program has, and this process.
            let (mut reader, writer) = io::pipe().expect("there are descriptors");
            let path = format!("/proc/{}/fd/{}", process::id(), writer.as_raw_fd());
            let child =
                start(program.args(arguments).args(["--trace", &path]).stdout(Stdio::piped()));
            let read = thread::spawn(move || io::read_to_string(&mut reader).expect("it is text"));
            (who, child, writer, read)
        })
        .map(|(who, child, writer, read)| {
            let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
            drop(writer);
            let said = String::from_utf8_lossy(&stderr);
            assert!(status.success(), "{who}: {status}\n{said}");
            // Lesson 1 has a child that fails.
            assert!(said.is_empty() || said.contains("the child gives up"), "{who}: {said}");
            let stdout = String::from_utf8(stdout).expect("it is text");
            (who, stdout, events(&read.join().expect("it is read")))
        })
}

fn both_keep_the_contract(workers: usize) {
    let (_, sections) = LESSON.get().expect("`tests` was called");
    let sections = sections(workers);
    let (size, workers) = (SIZE.to_string(), workers.to_string());
    let recorded = both_recorded(&["--size", &size, "--workers", &workers]);
    let [original, lesson] = recorded.map(|(who, _, events)| {
        let mut events = events.iter();
        let orders: Vec<Vec<Event>> =
            sections.iter().map(|section| section.read(who, &mut events)).collect();
        for (section, order) in sections.iter().zip(&orders) {
            if let Err(impossible) = section.contract.check(order) {
                panic!("{who}, {}: {impossible}\n{order:?}", section.contract);
            }
        }
        orders
    });
    // Workers run side by side, so what they show may come in different orders. That of main may not, unless it
    // reads what comes.
    for (section, (original, lesson)) in sections.iter().zip(original.iter().zip(&lesson)) {
        let main = |order: &[Event]| -> Vec<Event> {
            let of_a_task = |event: &&Event| matches!(event, Event::Start(_) | Event::End(_));
            let mut seen = Vec::from_iter(order.iter().copied().filter(|event| !of_a_task(&event)));
            if section.contract.reads_what_comes() {
                seen.sort_unstable();
            }
            seen
        };
        assert_eq!(main(original), main(lesson), "{}: what main sees", section.contract);
        let all = |order: &[Event]| BTreeSet::from_iter(order.iter().copied());
        assert_eq!(all(original), all(lesson), "{}: what happens at all", section.contract);
    }
}

/// Under its director each of them has one order, it is the same, and it is what a picture would show.
fn both_finish(order: &str, workers: &str) {
    let recorded = both_recorded(&["--finish", order, "--workers", workers]);
    let [original, lesson] = recorded.map(|(who, stdout, events)| {
        let recorded: Vec<String> = events.iter().filter_map(of_a_task).collect();
        let said = what_happens(&stdout);
        let tasks_said = said.iter().filter_map(|line| line.strip_prefix("worker: "));
        assert_eq!(recorded, Vec::from_iter(tasks_said), "{who}: recorded, and said");
        said
    });
    assert!(lesson.len() > 10, "{lesson:?}");
    assert_eq!(original, lesson, "the original, and the lesson");
}

/// In the words that the task says.
fn of_a_task(event: &trace::Event) -> Option<String> {
    match event.kind {
        trace::Kind::Start => Some(format!("start from {}", event.label)),
        trace::Kind::End => Some(format!("end from {}", event.label)),
        _ => None,
    }
}

/// The calls, what tasks and main say that they did, and why they could not as they were asked to. Without the process
/// ids, without which of several workers it was, and without what the lesson remarks about it all.
fn what_happens(output: &str) -> Vec<String> {
    let (output, _) = output.split_once("\nSide by side").unwrap_or((output, ""));
    let line = |line: &str| match line.split_once('│') {
        None => (!line.is_empty()).then(|| line.to_owned()),
        Some((who, text)) => {
            let text = text.trim().to_lowercase(); // Python's False is our false
            let who = who.split_whitespace().next().unwrap_or_default();
            let events = ["start from ", "end from ", " yields ", " returns"];
            let reasons =
                [" cannot finish ", " before main makes the call ", "so its tasks end in"];
            let mut words = events.iter().chain(&reasons);
            words.any(|word| text.contains(word)).then(|| format!("{who}: {text}"))
        }
    };
    output.lines().filter_map(line).collect()
}

fn both_refuse(arguments: &[&str]) {
    for (who, Output { status, stdout, stderr }) in both(arguments) {
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{who}: {status}\n{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{who}: {stderr}");
        assert!(stdout.is_empty(), "{who} began to work");
    }
}

fn both_meet_a_full_disk() {
    let full = || File::options().write(true).open("/dev/full").expect("Linux has it").into();
    for (who, Output { status, stderr, .. }) in both_to(full, &["--size", "1"]) {
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{who}: {status}\n{stderr}");
        assert!(stderr.contains("cannot write to standard output"), "{who}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{who}: {stderr}");
    }
}

/// What a program recorded: the original an event in each line, the lesson all events in one.
fn events(trace: &str) -> Vec<trace::Event> {
    let mut events = Vec::new();
    for line in trace.lines().filter(|&line| line != "[") {
        let mut value: Value = serde_json::from_str(line.trim_end_matches(','))
            .unwrap_or_else(|error| panic!("{line}\n{error}"));
        let read = match value.get_mut("events") {
            Some(events) => serde_json::from_value(events.take()),
            None => serde_json::from_value(value["args"].take()).map(|event| vec![event]),
        };
        events.extend::<Vec<trace::Event>>(read.expect("these are events"));
    }
    events.sort_by_key(|event| event.at);
    events
}

impl Section {
    /// Takes what belongs to this call, to the last that main sees of it.
    ///
    /// That an asynchronous call comes back, or `start`, is not recorded. It waits for nothing, so it is put where it comes
    /// first. What else main does, such as `get` after a `wait` in a loop, is passed over.
    fn read<'a>(
        &self,
        who: &str,
        events: &mut impl Iterator<Item = &'a trace::Event>,
    ) -> Vec<Event> {
        use trace::Kind;

        let (waits, one) = (|event: &&Event| !self.passes(event), self.contract.to_string());
        let mut main = self.main.iter().peekable();
        let mut order = Vec::new();
        loop {
            order.extend(std::iter::from_fn(|| main.next_if(|event| !waits(event))));
            let Some(&&expected) = main.peek() else { return order };
            let Some(event) = events.next() else {
                panic!("{who}, {one}: it ends before {expected}, after {order:?}")
            };
            let number = || {
                let index = self.tasks.iter().position(|label| *label == event.label);
                index.map(|index| index + 1).unwrap_or_else(|| {
                    panic!("{who}, {one}: {:?} is none of its tasks, {:?}", event, self.tasks)
                })
            };
            let seen = match (event.kind, event.label.as_str(), expected) {
                (Kind::Start, ..) => Event::Start(number()),
                (Kind::End, ..) => Event::End(number()),
                (Kind::Yield, _, Event::Yield(_)) => Event::Yield(number()),
                (Kind::Return, "map" | "starmap" | "apply", Event::Return(_))
                | (Kind::Return, "join", Event::Joined(_))
                | (Kind::Return, "get", Event::Got(_))
                | (Kind::Return, "wait", Event::Waited(_)) => expected,
                _ => continue,
            };
            if !matches!(seen, Event::Start(_) | Event::End(_)) {
                main.next();
            }
            order.push(seen);
        }
    }

    /// Whether this is the return of an asynchronous call, or of `start`.
    fn passes(&self, event: &Event) -> bool {
        let asked = |event: &Event| matches!(event, Event::Got(_) | Event::Waited(_));
        match event {
            Event::Return(_) => self.main.iter().any(asked),
            event => matches!(event, Event::Started(_)),
        }
    }
}
