//! Recording by several processes, and the flags that ask for pictures of a run.

use std::{
    env,
    error::Error,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio, abort, id},
    thread,
};

use common::{
    ExitStatus, Pool, Process,
    cli::{self, Defaults, Flags},
    console::Role,
    gate::{Counter, Gate},
    harness::{self, tests},
    say,
    trace::{self, CAPACITY, Event, Kind},
    workload::{delay_function, delay_function_b},
};

/// Makes this executable a lesson: "ok" or "fails".
const LESSON: &str = "TRACE_LESSON";

fn main() -> ExitCode {
    if env::var_os(LESSON).is_some() {
        return cli::run(lesson);
    }
    harness::main(tests![
        nothing_is_recorded_unless_switched_on,
        nothing_is_lost_or_torn_when_processes_record_at_once,
        a_killed_process_loses_nothing_but_its_last_record,
        a_task_that_is_killed_has_no_end,
        a_worker_that_dies_in_its_task_is_recorded,
        a_task_that_panics_has_an_end,
        joins_are_recorded,
        the_workload_records_its_tasks,
        a_full_log_counts_what_it_loses,
        flags_draw_and_write,
        without_flags_nothing_is_drawn,
        a_file_that_was_there_is_replaced_through_its_link,
        a_device_is_written_to,
        what_cannot_be_written_is_refused_before_the_work,
        what_fails_at_the_end_is_one_line,
        a_lesson_that_fails_is_drawn_too,
    ])
}

fn of(pid: u32) -> Vec<Event> {
    trace::events().into_iter().filter(|event| event.pid == pid).collect()
}

fn kinds(pid: u32) -> Vec<Kind> {
    of(pid).iter().map(|event| event.kind).collect()
}

fn nothing_is_recorded_unless_switched_on() {
    trace::record(Kind::Mark, "too early");
    assert_eq!(trace::call("map", || trace::task(1, || 2)), 2);
    assert_eq!(trace::events(), []);
    trace::enable().unwrap();
    assert_eq!(trace::events(), []);
    trace::record(Kind::Mark, "in time");
    trace::enable().unwrap();
    assert_eq!(trace::events().len(), 1, "a second call changes nothing");
}

fn nothing_is_lost_or_torn_when_processes_record_at_once() {
    const EACH: usize = 5000;
    // Long and different in each word of the record, so that a torn one would show.
    let label =
        |process: usize, n: usize| format!("{process}/{n}/{}", process.to_string().repeat(25));
    static START: Gate = Gate::new();
    START.set_up();
    trace::enable().unwrap();
    let processes: Vec<_> = (1..=4)
        .map(|process| {
            let record = move || {
                START.wait();
                (0..EACH).for_each(|n| trace::record(Kind::Mark, label(process, n)));
            };
            Process::new(record).start().unwrap()
        })
        .collect();
    START.open();
    for process in &processes {
        assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    }

    let (joins, all): (Vec<_>, Vec<_>) = trace::events().into_iter().partition(|e| e.pid == id());
    assert!(joins.iter().all(|event| event.label == "join"));
    assert_eq!(all.len(), 4 * EACH);
    assert!(all.is_sorted_by_key(|event| event.at));
    for (number, process) in (1..).zip(&processes) {
        let events = of(process.pid());
        assert_eq!(events.len(), EACH);
        for (n, event) in events.iter().enumerate() {
            assert_eq!((event.kind, event.role), (Kind::Mark, Role::Process(number)));
            assert_eq!(event.label, label(number, n));
        }
    }
}

fn a_killed_process_loses_nothing_but_its_last_record() {
    /// All rounds together fit into the log, however late the signal comes.
    const ROUNDS: usize = 50;
    const STORM: usize = CAPACITY / ROUNDS - 2; // main's `join` and its return
    static DONE: [Counter; ROUNDS] = [const { Counter::new() }; ROUNDS];
    trace::enable().unwrap();
    for (round, done) in DONE.iter().enumerate() {
        done.set_up();
        let storm = || {
            for n in 0..STORM {
                trace::record(Kind::Mark, n);
                done.increment();
            }
            loop {
                thread::park();
            }
        };
        let process = Process::new(storm).start().unwrap();
        done.wait_for(10 * round as u64);
        process.kill().unwrap();
        assert_eq!(process.join().unwrap().code(), Some(-9));

        let labels: Vec<u64> = of(process.pid()).iter().map(|e| e.label.parse().unwrap()).collect();
        assert!(labels.iter().copied().eq(0..labels.len() as u64), "one is missing between others");
        let (recorded, known) = (labels.len() as u64, done.get());
        // Killed between the record and the count, it has one that it did not count.
        assert!(recorded == known || recorded == known + 1, "{recorded} of {known} are there");
    }
    assert_eq!(trace::lost(), 0);
}

fn a_task_that_is_killed_has_no_end() {
    static BEGUN: Gate = Gate::new();
    static NEVER: Gate = Gate::new();
    BEGUN.set_up();
    NEVER.set_up();
    trace::enable().unwrap();
    let work = || {
        BEGUN.open();
        NEVER.wait();
    };
    let process = Process::new(|| trace::task("1", work)).start().unwrap();
    BEGUN.wait();
    process.kill().unwrap();
    process.join().unwrap();
    assert_eq!(kinds(process.pid()), [Kind::Start]);
    trace::died(Role::Process(1), process.pid());
    assert_eq!(kinds(process.pid()), [Kind::Start, Kind::Died]);
    assert!(trace::timeline(&trace::events(), 80).contains("✗ the process died"));
}

fn a_worker_that_dies_in_its_task_is_recorded() {
    trace::enable().unwrap();
    let pool = Pool::new(1).unwrap();
    let pid = pool.pids()[0];
    let dies = |x: u32| {
        trace::task(x, || {
            if x == 1 {
                abort()
            }
        })
    };
    assert!(pool.apply(dies, 1).is_err());
    assert_eq!(kinds(pid), [Kind::Start, Kind::Died]);
}

fn a_task_that_panics_has_an_end() {
    trace::enable().unwrap();
    let pool = Pool::new(1).unwrap();
    let pid = pool.pids()[0];
    let gives_up = |x: u32| {
        trace::task(x, || {
            if x == 2 {
                panic!("two is too much")
            }
        })
    };
    assert!(pool.map(gives_up, [1, 2]).is_err());
    assert_eq!(kinds(pid), [Kind::Start, Kind::End, Kind::Start, Kind::End]);
    assert!(of(pid).iter().all(|event| event.role == Role::Worker(1)));
    assert_eq!(kinds(id()), [Kind::Call, Kind::Return]);
}

/// Those that the program makes, and not the looks at a process that nobody waits for.
fn joins_are_recorded() {
    trace::enable().unwrap();
    let process = Process::new(|| trace::record(Kind::Mark, "here")).start().unwrap();
    process.join().unwrap();
    process.join_timeout(std::time::Duration::ZERO).unwrap();
    assert_eq!((process.is_alive().unwrap(), process.exitcode().unwrap()), (false, Some(0)));
    drop(process);
    let events = trace::events().into_iter().map(|event| (event.kind, event.label));
    let (call, back) = ((Kind::Call, "join".to_owned()), (Kind::Return, "join".to_owned()));
    let here = (Kind::Mark, "here".to_owned());
    let (marks, joins): (Vec<_>, Vec<_>) = events.partition(|event| *event == here);
    assert_eq!((marks.len(), joins), (1, vec![call.clone(), back.clone(), call, back]));
}

fn the_workload_records_its_tasks() {
    trace::enable().unwrap();
    common::workload::set_size(2);
    delay_function(7);
    delay_function_b(2, 1);
    let events: Vec<_> = of(id()).into_iter().map(|event| (event.kind, event.label)).collect();
    let [seven, pair] = ["7".to_owned(), "2, 1".to_owned()];
    let expected = [
        (Kind::Start, seven.clone()),
        (Kind::End, seven),
        (Kind::Start, pair.clone()),
        (Kind::End, pair),
    ];
    assert_eq!(events, expected);
}

fn a_full_log_counts_what_it_loses() {
    trace::enable().unwrap();
    for n in 0..CAPACITY + 10 {
        trace::record(Kind::Mark, n);
    }
    let events = trace::events();
    assert_eq!(events.len(), CAPACITY);
    assert_eq!(events.last().unwrap().label, (CAPACITY - 1).to_string());
    assert_eq!(trace::lost(), 10);
}

fn lesson() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse(Defaults { about: "A <lesson>", size: 2, workers: 2 });
    say!("at work");
    let pool = Pool::new(flags.workers)?;
    pool.map(delay_function, [1, 2, 3, 4])?;
    match env::var(LESSON)?.as_str() {
        "fails" => Err("the lesson failed".into()),
        _ => Ok(()),
    }
}

/// A directory of the test's own, empty.
fn directory() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trace-{}", id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn run(how: &str, directory: &Path, arguments: &[&str]) -> Output {
    let program = env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).env(LESSON, how).current_dir(directory).stdin(Stdio::null());
    command.output().unwrap()
}

fn files(directory: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|e| name(e.unwrap())).collect();
    names.sort();
    names
}

/// The timeline at the end of a lesson's output.
fn timeline_in(stdout: &str) -> &str {
    let (_, picture) = stdout.split_once("\nWho ran what when\n").expect("it is drawn");
    // Whether a name fits, and whether one worker is quick enough to do it all, is up to the machine.
    let lanes: Vec<_> = picture.lines().filter_map(|line| line.split_once(" │")).collect();
    let [(main, _), workers @ ..] = &lanes[..] else { panic!("no lanes: {picture}") };
    assert!(main.starts_with("main "), "{picture}");
    let worked =
        |(lane, events): &(&str, &str)| lane.starts_with("worker ") && !events.trim().is_empty();
    assert!(workers.iter().any(worked), "{picture}");
    picture
}

fn flags_draw_and_write() {
    let here = directory();
    let arguments = ["--timeline", "--svg", "a.svg", "--trace", "b.json"];
    let Output { status, stdout, stderr } = run("ok", &here, &arguments);
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    let stdout = String::from_utf8(stdout).unwrap();
    let picture = timeline_in(&stdout);
    assert!(picture.lines().all(|line| line.chars().count() <= 80));

    assert_eq!(files(&here), ["a.svg", "b.json"]);
    let svg = fs::read_to_string(here.join("a.svg")).unwrap();
    assert!(svg.contains("<title>A &lt;lesson&gt;</title>") && svg.ends_with("</svg>\n"));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(here.join("b.json")).unwrap()).unwrap();
    let events: Vec<Event> = serde_json::from_value(json["events"].clone()).unwrap();
    for (kind, count) in [(Kind::Call, 1), (Kind::Start, 4), (Kind::End, 4), (Kind::Return, 1)] {
        assert_eq!(events.iter().filter(|event| event.kind == kind).count(), count);
    }
    fs::remove_dir_all(here).unwrap();
}

fn without_flags_nothing_is_drawn() {
    let here = directory();
    let Output { status, stdout, .. } = run("ok", &here, &[]);
    assert!(status.success());
    assert!(!String::from_utf8(stdout).unwrap().contains("Who ran"));
    assert!(files(&here).is_empty());
    fs::remove_dir_all(here).unwrap();
}

fn a_file_that_was_there_is_replaced_through_its_link() {
    let here = directory();
    fs::create_dir(here.join("deep")).unwrap();
    fs::write(here.join("deep/old.svg"), "old").unwrap();
    symlink("deep/old.svg", here.join("link.svg")).unwrap();
    assert!(run("ok", &here, &["--svg", "link.svg"]).status.success());
    assert!(fs::symlink_metadata(here.join("link.svg")).unwrap().is_symlink());
    assert!(fs::read_to_string(here.join("deep/old.svg")).unwrap().starts_with("<svg"));
    assert_eq!(files(&here.join("deep")), ["old.svg"]);
    fs::remove_dir_all(here).unwrap();
}

fn a_device_is_written_to() {
    let here = directory();
    let Output { status, stdout, .. } = run("ok", &here, &["--trace", "/dev/stdout"]);
    assert!(status.success());
    assert!(String::from_utf8(stdout).unwrap().contains("\"traceEvents\""));
    assert!(files(&here).is_empty());
    fs::remove_dir_all(here).unwrap();
}

fn what_cannot_be_written_is_refused_before_the_work() {
    let here = directory();
    fs::create_dir(here.join("directory")).unwrap();
    fs::write(here.join("kept.svg"), "kept").unwrap();
    fs::create_dir(here.join("locked")).unwrap();
    fs::set_permissions(here.join("locked"), PermissionsExt::from_mode(0o555)).unwrap();
    symlink("kept.svg", here.join("link")).unwrap();
    let absolute = here.join("a");
    let by_its_full_name = ["--svg", "a", "--trace", absolute.to_str().unwrap()];
    let mut bad: Vec<(&[&str], &str)> = vec![
        (&["--svg", "no/such/a.svg"], "--svg: cannot write"),
        (&["--trace", "directory"], "--trace: cannot write"),
        (&["--svg", "kept.svg", "--trace", "no/b"], "--trace: cannot write"),
        (&["--svg", "a", "--trace", "a"], "two files"),
        (&["--svg", "a", "--trace", "./a"], "two files"),
        (&["--svg", "directory/../a", "--trace", "a"], "two files"),
        (&by_its_full_name, "two files"),
        (&["--svg", "link", "--trace", "kept.svg"], "two files"),
        (&["--svg", "/dev/stdout", "--trace", "/dev/stdout"], "two files"),
        (&["--svg", ""], "--svg"),
        (&["--svg"], "--svg"),
    ];
    match fs::write(here.join("locked/b.svg"), "") {
        Ok(()) => fs::remove_file(here.join("locked/b.svg")).unwrap(), // root may
        Err(_) => bad.push((&["--svg", "locked/a.svg"], "--svg: cannot write")),
    }
    for (arguments, reason) in bad {
        let Output { status, stdout, stderr } = run("ok", &here, arguments);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(reason) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
        assert!(stdout.is_empty(), "{arguments:?}: it began to work");
    }
    assert_eq!(files(&here), ["directory", "kept.svg", "link", "locked"]);
    assert_eq!(fs::read(here.join("kept.svg")).unwrap(), b"kept");
    fs::remove_dir_all(here).unwrap();
}

fn what_fails_at_the_end_is_one_line() {
    let here = directory();
    let Output { status, stdout, stderr } =
        run("ok", &here, &["--svg", "/dev/full", "--trace", "b.json", "--timeline"]);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--svg: cannot write /dev/full"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
    timeline_in(&String::from_utf8(stdout).unwrap());
    assert_eq!(files(&here), ["b.json"], "one that fails does not keep others from being written");
    fs::remove_dir_all(here).unwrap();
}

fn a_lesson_that_fails_is_drawn_too() {
    let here = directory();
    let Output { status, stdout, stderr } = run("fails", &here, &["--svg", "a.svg", "--timeline"]);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("the lesson failed") && stderr.lines().count() == 1, "{stderr}");
    timeline_in(&String::from_utf8(stdout).unwrap());
    assert_eq!(files(&here), ["a.svg"]);
    fs::remove_dir_all(here).unwrap();
}
