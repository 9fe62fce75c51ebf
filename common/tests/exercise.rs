//! The exercises' mechanism: what is said of answers that do what they like. Each case runs this executable once more,
//! with a variable that makes `main` list the *sample exercises*.

use std::env;
use std::io::{self, Write};
use std::process::{self, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::exercise::{self, Exercise, Meeting, Verdict, Watch, Wrong, judge, stood_still};
use common::gate::Gate;
use common::harness::{self, WATCHDOG, tests};
use common::{Process, trace};

/// Chooses the sample exercises.
const SAMPLE: &str = "EXERCISE_SAMPLE";
/// All but the one that takes as long as it may.
const ALL: &str = "all";
const BUSY: &str = "busy";

/// Longer than the slowest machine takes.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    match env::var(SAMPLE).as_deref() {
        Ok(BUSY) => exercise::main("lesson09_sample", sample::busy()),
        Ok(_) => exercise::main("lesson09_sample", sample::exercises()),
        Err(_) => {}
    }
    let tests = tests![
        an_untouched_exercise_is_to_do,
        a_right_answer_is_solved,
        a_wrong_answer_gets_its_message_and_what_was_seen,
        half_an_answer_is_wrong,
        a_panic_is_told_with_its_place,
        what_an_answer_prints_is_shown,
        an_exit_is_told,
        an_abort_is_told,
        an_answer_that_waits_for_ever_is_found_out,
        an_answer_that_is_busy_for_ever_is_stopped,
        an_answer_that_kills_its_parent_is_told,
        an_answer_that_forks_without_end_is_stopped,
        a_flood_is_cut_off,
        no_answer_disturbs_another,
        the_line_is_silent_about_what_was_not_run,
        whoever_waits_in_vain_goes_on_when_everybody_waits,
        who_is_busy_does_not_wait,
        who_sleeps_for_a_moment_does_not_wait,
        one_who_is_left_is_told_and_gone,
    ];
    // What a sample starts before it is stopped are this test's processes, too.
    harness::main(tests.into_iter().map(|test| test.crowd(usize::MAX).within(PATIENCE)))
}

mod sample {
    use super::*;

    fn exercise(name: &'static str, case: fn()) -> Exercise {
        Exercise { name, see: "A heading", source: "pub fn answer() { begun() }", case }
    }

    pub fn busy() -> Vec<Exercise> {
        let busy = || {
            judge(|| {
                loop {
                    std::hint::spin_loop()
                }
            })
        };
        vec![exercise("e1_is_busy", busy)]
    }

    pub fn exercises() -> Vec<Exercise> {
        let untouched = Exercise {
            source: "pub fn answer() { /* here */ todo!(\"it\") }",
            ..exercise("e2_untouched", || panic!("it was run"))
        };
        vec![
            exercise("e1_right", || judge(|| Ok(()))),
            untouched,
            exercise("e3_wrong", || judge(wrong)),
            exercise("e4_half", || judge(|| todo!("the rest"))),
            exercise("e5_panics", || judge(|| panic!("no idea"))),
            exercise("e6_prints", || judge(prints)),
            exercise("e7_exits", || judge(|| process::exit(0))),
            exercise("e8_aborts", || judge(|| process::abort())),
            exercise("e9_waits", || judge(waits)),
            exercise("e10_kills_its_parent", || judge(kills_its_parent)),
            exercise("e11_forks", || judge(forks)),
            exercise("e12_floods", || judge(floods)),
            exercise("e13_right", || judge(|| Ok(()))),
        ]
    }

    fn wrong() -> Verdict {
        trace::task("the task", || ());
        Err(Wrong::new("this is a loop"))
    }

    fn prints() -> Verdict {
        println!("I was here");
        Err(Wrong::new("this is a loop"))
    }

    fn waits() -> Verdict {
        let _watch = Watch::opening(&[]);
        let (reader, _writer) = io::pipe()?;
        io::read_to_string(reader)?;
        Ok(())
    }

    fn kills_its_parent() -> Verdict {
        let parent = nix::unistd::Pid::parent();
        nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGKILL)?;
        loop {
            sleep(Duration::from_secs(1));
        }
    }

    fn forks() -> Verdict {
        loop {
            std::mem::forget(Process::new(forks).start());
        }
    }

    fn floods() -> Verdict {
        let megabyte = vec![b'x'; 1 << 20];
        loop {
            io::stdout().write_all(&megabyte)?;
        }
    }
}

/// What the sample exercises say when they are run with these arguments, however slow the machine is.
fn sample(arguments: &[&str]) -> String {
    run(ALL, PATIENCE, arguments)
}

/// What some of the sample exercises say when each may take so long.
fn run(which: &str, limit: Duration, arguments: &[&str]) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(arguments)
        .env(SAMPLE, which)
        .env(WATCHDOG, limit.as_secs().to_string())
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn says(name: &str, expected: &[&str]) -> String {
    let said = sample(&["--exact", name]);
    for part in expected {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    said
}

fn an_untouched_exercise_is_to_do() {
    says("e2_untouched", &["[to do] e2_untouched ... ignored", "0 failed; 1 ignored"]);
}

fn a_right_answer_is_solved() {
    says("e1_right", &["test e1_right ... ok"]);
}

fn a_wrong_answer_gets_its_message_and_what_was_seen() {
    let said = says(
        "e3_wrong",
        &[
            "test e3_wrong ... FAILED",
            "this is a loop\n",
            "├─the task─",
            "See Lesson 9, \"A heading\": cargo run -p lesson09_sample",
            "lesson09_sample/exercises/e3_wrong.rs",
            "lesson09_sample/hints/e3_wrong.md",
        ],
    );
    for noise in ["panicked", "exit code", "left processes", "answer printed"] {
        assert!(!said.contains(noise), "{noise:?} is noise in:\n{said}");
    }
}

fn half_an_answer_is_wrong() {
    says(
        "e4_half",
        &["FAILED", "half an answer: it came to the `todo!` at common/tests/exercise.rs"],
    );
}

fn a_panic_is_told_with_its_place() {
    says("e5_panics", &["your answer panicked at common/tests/exercise.rs:", ": no idea"]);
}

fn what_an_answer_prints_is_shown() {
    says("e6_prints", &["this is a loop", "Your answer printed:\nI was here"]);
}

fn an_exit_is_told() {
    says("e7_exits", &["your answer ended with exit code 0 before it had returned"]);
}

fn an_abort_is_told() {
    says("e8_aborts", &["your answer was killed by signal 6 (SIGABRT)"]);
}

fn an_answer_that_waits_for_ever_is_found_out() {
    says("e9_waits", &["your answer waits for ever", "none of its processes has moved"]);
}

fn an_answer_that_is_busy_for_ever_is_stopped() {
    let said = run(BUSY, Duration::from_secs(1), &[]);
    assert!(said.contains("your answer hung: it had not ended after 1s"), "{said}");
}

fn an_answer_that_kills_its_parent_is_told() {
    says(
        "e10_kills_its_parent",
        &["the keeper of your answer, its parent, ended before it: signal: 9"],
    );
}

fn an_answer_that_forks_without_end_is_stopped() {
    says("e11_forks", &["your answer was stopped: it had more than 100 processes at one time"]);
}

fn a_flood_is_cut_off() {
    let said = says("e12_floods", &["your answer was killed by signal 25 (SIGXFSZ): its output"]);
    assert!(said.len() < 10_000, "{} bytes", said.len());
}

fn no_answer_disturbs_another() {
    let said = sample(&[]);
    assert!(said.contains("2 passed; 10 failed; 1 ignored"), "{said}");
    let line = "Lesson 9: 2 of 13 solved. Next: lesson09_sample/exercises/e2_untouched.rs";
    assert_eq!(said.trim_end().lines().last(), Some(line), "{said}");
}

fn the_line_is_silent_about_what_was_not_run() {
    assert!(!sample(&["--exact", "e1_right"]).contains("solved"));
    assert!(!sample(&["--list"]).contains("solved"));
}

fn whoever_waits_in_vain_goes_on_when_everybody_waits() {
    static ALONE: Meeting = Meeting::new();
    static LATER: Gate = Gate::new();
    let _watch = Watch::opening(&[ALONE.gate(), &LATER]);
    let child = Process::new(|| ALONE.wait_for(2)).start().unwrap();
    LATER.wait();
    child.join().unwrap();
    assert_eq!(stood_still(), 1);
}

fn who_is_busy_does_not_wait() {
    static GATE: Gate = Gate::new();
    let _watch = Watch::opening(&[&GATE]);
    // It is the child that has the processor, however slow it is.
    let busy = Process::new(|| {
        for round in 0..300_000_000_u64 {
            std::hint::black_box(round);
        }
    });
    busy.start().unwrap().join().unwrap();
    assert_eq!(stood_still(), 0);
}

fn who_sleeps_for_a_moment_does_not_wait() {
    static GATE: Gate = Gate::new();
    let _watch = Watch::opening(&[&GATE]);
    // Each is some looks long, and all of them are longer than a standstill.
    for _ in 0..10 {
        sleep(Duration::from_millis(50));
    }
    assert_eq!(stood_still(), 0);
}

fn one_who_is_left_is_told_and_gone() {
    let watch = Watch::opening(&[]);
    assert!(watch.nobody_is_left().is_ok());
    std::mem::forget(Process::new(|| sleep(Duration::from_secs(3600))).start().unwrap());
    let wrong = format!("{:?}", watch.nobody_is_left());
    assert!(wrong.contains("1 of them are left"), "{wrong}");
    assert!(watch.nobody_is_left().is_ok());
}
