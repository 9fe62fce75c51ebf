//! What must hold for every lesson, whatever it shows: how it begins, ends and is interrupted.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::{fs, iter};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::snapshot::Names;
use super::{Test, tests};

/// The lesson's executable. The cases are plain functions and capture nothing.
static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// The tests of the lesson whose executable is `program`. To be called by the `main` of a test
/// target with `harness = false`; each test also fails if the lesson leaves a process behind.
///
/// ```no_run
/// use common::harness::lesson;
///
/// fn main() {
///     # const PROGRAM: &str = "lesson04_async";
///     # /*
///     const PROGRAM: &str = env!("CARGO_BIN_EXE_lesson04_async");
///     # */
///     lesson::main(lesson::tests(PROGRAM))
/// }
/// ```
pub fn tests(program: &'static str) -> Vec<Test> {
    PROGRAM.get_or_init(|| program);
    tests![
        it_runs_at_a_small_size,
        it_runs_with_one_worker_and_the_smallest_matrix,
        bad_input_gets_one_line_and_exit_status_2,
        the_flags_on_the_pages_are_its_own,
        it_ends_quietly_when_nobody_reads_on,
        ctrl_c_ends_it_without_a_trace,
    ]
}

/// Those of a lesson that has the flag `--finish`.
pub fn finish_tests() -> Vec<Test> {
    tests![
        an_order_that_cannot_be_gets_one_line_and_exit_status_2,
        an_order_for_which_there_are_no_descriptors_gets_them_too,
        ctrl_c_ends_a_directed_run_without_a_trace,
        a_directed_run_can_be_drawn,
    ]
}

/// What the lesson prints with these arguments, `--finish` among them, below the command: for a snapshot. What `anybody` is, says
/// [`Names::directed`].
pub fn directed(arguments: &str, anybody: &[&str]) -> String {
    command(arguments) + &Names::default().directed(&stdout(arguments), anybody)
}

/// What the lesson prints with these arguments, below the command: for a snapshot. What the `patterns` are and what `cut_short`
/// is, says [`Names::free`].
pub fn free(arguments: &str, patterns: &[&str], cut_short: &[&str]) -> String {
    command(arguments) + &Names::default().free(&stdout(arguments), patterns, cut_short)
}

/// As a reader types it.
fn command(arguments: &str) -> String {
    format!("$ cargo run -p {} -- {arguments}\n", package())
}

fn package() -> String {
    let program = Path::new(PROGRAM.get().expect("`tests` was called"));
    program.file_name().expect("a program is a file").to_string_lossy().into_owned()
}

fn stdout(arguments: &str) -> String {
    let Output { status, stdout, stderr } = run(&arguments.split(' ').collect::<Vec<_>>());
    assert!(status.success(), "{status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("it is text")
}

/// The `main` of a lesson's target. Its tests mostly wait, for each other's processes, for a director, for Python: more of
/// them run at one time than there are processors.
pub fn main(tests: Vec<Test>) -> ! {
    super::main_with_threads(tests, Some(8))
}

fn lesson(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM.get().expect("`tests` was called"));
    command.args(arguments).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    lesson(arguments).output().expect("the lesson can be started")
}

fn it_runs_at_a_small_size() {
    let Output { status, stdout, stderr } = run(&["--size", "40", "--workers", "3"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{stderr}");
    assert!(stdout.lines().count() > 10, "it says little:\n{stdout}");
    assert!(!stdout.contains('\x1b'), "colours in a file:\n{stdout}");
}

fn it_runs_with_one_worker_and_the_smallest_matrix() {
    let Output { status, stderr, .. } = run(&["--size", "1", "--workers", "1", "--seed", "1"]);
    assert!(status.success(), "{status}\n{}", String::from_utf8_lossy(&stderr));
}

fn bad_input_gets_one_line_and_exit_status_2() {
    are_refused(&[
        &["--workers", "0"],
        &["--workers", "-1"],
        &["--size", "0"],
        &["--size", "abc"],
        &["--size", "9000000"],
        &["--seed", "x"],
        &["--no-such-flag"],
    ]);
}

/// Whatever flags the book or the README say of this lesson: with `--help` after them they are read, and nothing is run.
fn the_flags_on_the_pages_are_its_own() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = fs::read_dir(top.join("book/src")).expect("the book is there");
    let pages = pages.map(|page| page.expect("it can be listed").path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    for page in iter::once(top.join("README.md")).chain(pages) {
        let text = fs::read_to_string(&page).expect("it is text");
        for flags in flags(&text, &package()) {
            let Output { status, stderr, .. } = run(&[&flags[..], &["--help"]].concat());
            let said = String::from_utf8_lossy(&stderr);
            assert!(status.success(), "{}: {flags:?}: {said}", page.display());
        }
    }
}

/// What follows `cargo run -p PACKAGE --` to the end of the line, or of the words in code type.
fn flags<'a>(text: &'a str, package: &str) -> Vec<Vec<&'a str>> {
    let command = format!("cargo run -p {package} -- ");
    let after = text.match_indices(&command).map(|(at, _)| {
        let end = if text[..at].ends_with('`') { '`' } else { '\n' };
        let flags = text[at + command.len()..].split(end).next().unwrap_or_default();
        flags.split_whitespace().take_while(|word| !word.starts_with('#')).collect()
    });
    after.collect()
}

fn an_order_that_cannot_be_gets_one_line_and_exit_status_2() {
    are_refused(&[
        &["--finish", "3,1,2,4", "--workers", "2"],
        &["--finish", "2,1", "--workers", "1"],
        &["--finish", "1,1"],
        &["--finish", "0"],
        &["--finish", "x"],
        &["--finish", ""],
        &["--finish", "-1"],
        &["--finish", "1,3"],
        &["--finish"],
    ]);
}

fn an_order_for_which_there_are_no_descriptors_gets_them_too() {
    let program = PROGRAM.get().expect("`tests` was called");
    let order = (1..=26).map(|task| task.to_string()).collect::<Vec<_>>().join(",");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -n 40 && exec "$0" "$@""#, program, "--finish", &order]);
    is_refused(&["--finish", &order], &shell.output().expect("the lesson can be started"));
}

fn are_refused(bad: &[&[&str]]) {
    bad.iter().for_each(|arguments| is_refused(arguments, &run(arguments)));
}

fn is_refused(arguments: &[&str], Output { status, stdout, stderr }: &Output) {
    let stderr = String::from_utf8_lossy(stderr);
    assert_eq!(status.code(), Some(2), "{arguments:?}: {status}\n{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    assert!(stdout.is_empty(), "{arguments:?}: it began to work");
}

/// A lesson with a group of its own, and its first line.
fn first_line(arguments: &[&str]) -> (Child, impl BufRead) {
    let mut command = lesson(arguments);
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the lesson can be started");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("it says something");
    assert!(!line.trim().is_empty(), "the first line says nothing");
    (child, stdout)
}

fn it_ends_quietly_when_nobody_reads_on() {
    let (mut child, stdout) = first_line(&["--size", "200"]);
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it is text");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}\n{stderr}");
    assert!(!stderr.contains("stdout") && !stderr.contains("ipe"), "{stderr}");
}

fn ctrl_c_ends_it_without_a_trace() {
    // Large enough not to end before the signal comes.
    is_interrupted(&["--size", "900"]);
}

fn ctrl_c_ends_a_directed_run_without_a_trace() {
    is_interrupted(&["--finish", "2,1,3", "--workers", "3"]);
}

fn is_interrupted(arguments: &[&str]) {
    let (mut child, mut stdout) = first_line(arguments);
    killpg(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("the group is there");
    // The end of both: nobody who could write is left.
    let (mut rest, mut stderr) = (Vec::new(), String::new());
    stdout.read_to_end(&mut rest).expect("it can be read");
    child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it is text");
    let status = child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32), "{status}");
    assert!(stderr.lines().count() <= 3, "{stderr}");
}

fn a_directed_run_can_be_drawn() {
    let drawn = stdout("--finish 2,1,3 --workers 3 --timeline");
    let (_, timeline) = drawn.split_once("Who ran what when").expect("a timeline is there");
    for lane in ["main", "worker 1", "worker 2", "worker 3"] {
        assert!(timeline.contains(lane), "{timeline}");
    }
}
