//! `cargo test` as exercises: what the learner sees, and how an answer is judged.
//!
//! An answer is a function in `lessonNN_…/exercises/`. A *check* calls it in a process of its own with tasks that
//! the check provides, and looks at what happened: who ran them, which of them ran at one time, who was left behind.
//! The results alone would not tell a pool from a loop.
//!
//! ```text
//! lessonNN_…/exercises/eN_….rs     what the learner edits, and nobody else
//!            hints/eN_….md         a nudge, the idea, the code
//!            solutions/eN_….rs     an answer, with the reason
//!            tests/checks/eN_….rs  how an answer is judged: `check`, `SEE`
//!            tests/wrong/eN_….rs   answers that many people would give first
//!            tests/your_answers.rs judges the learner's answers: `main`
//!            tests/kept.rs         judges the solution and the wrong answers by the same checks: `kept::main`
//! ```
//!
//! * this file: the list that the learner sees, and the line at its end
//! * `untouched`: whether an exercise is still to be begun
//! * `verdict`: what is wrong, and how it is said
//! * `standstill`: finds out that everybody waits, without a guess at how long anything takes
//! * `forced`: makes a run show a given order, or shows that it cannot
//! * `seen`: who ran what, and the tasks' inputs
//! * `kept`: the solutions and the wrong answers

mod forced;
pub mod kept;
mod seen;
mod standstill;
mod untouched;
mod verdict;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use crate::harness::{self, Test, test};

pub use forced::{Forced, Guess, awaits, forced, judge_guesses, passes, rounds, stop, task};
pub use seen::{Ran, by_workers, numbers, ran, salted, shuffled, work};
pub use standstill::{Meeting, Watch, stood_still};
pub use verdict::{Verdict, Wrong, judge};

pub use crate::judged;

/// How long an answer may take that is busy and does not end. Answers that wait for ever are found out sooner.
const LIMIT: Duration = Duration::from_secs(8);

/// How many processes an answer may have at one time.
const CROWD: usize = 100;

/// What comes of a `get`, to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Get {
    /// The result.
    Value,
    /// [`Error::Timeout`](crate::pool::Error::Timeout): there is no result yet.
    Timeout,
    /// [`Error::Terminated`](crate::pool::Error::Terminated): there will never be one.
    Terminated,
}

/// One exercise with one answer. Made by [`judged!`](crate::judged!).
pub struct Exercise {
    /// The file's name without its extension: `e1_two_at_once`.
    pub name: &'static str,
    /// Where the lesson shows what the exercise is about: a heading in its `main.rs`.
    pub see: &'static str,
    /// The answer's source text.
    pub source: &'static str,
    /// Checks the answer: passes by returning.
    pub case: fn(),
}

/// The exercise whose answer is `$folder::$name::answer`, judged by `checks::$name::check`, from the file
/// `../$folder/$name.rs`.
///
/// ```ignore
/// judged!(exercises::e1_two_at_once)
/// ```
#[macro_export]
macro_rules! judged {
    ($folder:ident::$name:ident) => {
        $crate::exercise::Exercise {
            name: stringify!($name),
            see: checks::$name::SEE,
            source: include_str!(concat!(
                "../",
                stringify!($folder),
                "/",
                stringify!($name),
                ".rs"
            )),
            case: || $crate::exercise::judge(|| checks::$name::check($folder::$name::answer)),
        }
    };
}

/// The `main` of a lesson's target `your_answers`: judges what the learner has begun, lists what is still to do, and says
/// in its last line how many are solved and which is next.
///
/// `folder` is the lesson's package and folder, `CARGO_PKG_NAME`.
pub fn main(folder: &'static str, exercises: Vec<Exercise>) -> ! {
    let tests = exercises.iter().map(|exercise| {
        test(exercise.name, exercise.case).within(LIMIT).crowd(CROWD).about("your answer")
    });
    let tests = harness::admit(tests);
    let names: Vec<&str> = exercises.iter().map(|exercise| exercise.name).collect();

    let solved = Arc::new(Mutex::new(BTreeSet::new()));
    let trials = exercises.into_iter().zip(tests);
    let trials = trials.map(|(exercise, test)| trial(folder, exercise, test, solved.clone()));
    let mut arguments = Arguments::from_args();
    // In the order of the list, and so is what is said about them.
    arguments.test_threads.get_or_insert(1);
    let conclusion = libtest_mimic::run(&arguments, trials.collect());

    // Of those that were filtered out nobody knows whether they are solved.
    if conclusion.num_filtered_out == 0 && !arguments.list {
        let solved = solved.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{}\n", last_line(folder, &names, &solved));
    }
    conclusion.exit()
}

fn trial(
    folder: &'static str,
    exercise: Exercise,
    test: Test,
    solved: Arc<Mutex<BTreeSet<&'static str>>>,
) -> Trial {
    let Exercise { name, see, source, .. } = exercise;
    let to_do = untouched::is_untouched(source);
    let trial = Trial::test(name, move || {
        test.run().map_err(|failed| {
            let verdict = verdict::of_output(failed.message().unwrap_or_default());
            let lesson = lesson(folder);
            format!(
                "{verdict}\n\
                 See {lesson}, \"{see}\": cargo run -p {folder}\n\
                 The exercise: {folder}/exercises/{name}.rs\n\
                 Hints, in three steps: {folder}/hints/{name}.md\n"
            )
        })?;
        solved.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        Ok(())
    });
    trial.with_ignored_flag(to_do).with_kind(if to_do { "to do" } else { "" })
}

/// "Lesson 2" for `lesson02_pool_map`.
fn lesson(folder: &str) -> String {
    let number = folder.trim_start_matches("lesson").trim_start_matches('0');
    format!("Lesson {}", number.split('_').next().unwrap_or_default())
}

fn last_line(folder: &str, names: &[&str], solved: &BTreeSet<&str>) -> String {
    let (lesson, count, all) = (lesson(folder), solved.len(), names.len());
    match names.iter().find(|name| !solved.contains(*name)) {
        Some(next) => {
            format!("{lesson}: {count} of {all} solved. Next: {folder}/exercises/{next}.rs")
        }
        None => format!("{lesson}: all {all} solved."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_the_first_that_is_not_solved() {
        let names = ["e1_a", "e2_b", "e3_c"];
        let line = |solved: &[&'static str]| {
            last_line("lesson02_pool_map", &names, &solved.iter().copied().collect())
        };
        assert_eq!(
            line(&["e1_a", "e3_c"]),
            "Lesson 2: 2 of 3 solved. Next: lesson02_pool_map/exercises/e2_b.rs"
        );
        assert_eq!(line(&names), "Lesson 2: all 3 solved.");
    }
}
