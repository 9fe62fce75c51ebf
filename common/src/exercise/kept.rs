//! The solutions and the wrong answers: judged by the same checks as the learner's answers, in the same `cargo test`.

use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use super::{Exercise, untouched, verdict};
use crate::harness::{self, Test, test};

pub use crate::kept;

/// What is kept of one exercise. Made by [`kept!`](crate::kept!).
pub struct Kept {
    /// The exercise, with the solution as its answer.
    pub solution: Exercise,
    /// `hints/eN_….md`.
    pub hints: &'static str,
    /// Plausible wrong answers, and what the message to each must say.
    pub wrong: Vec<Wrong>,
}

/// A wrong answer.
pub struct Wrong {
    /// The function's name: what is wrong with it.
    pub name: &'static str,
    /// Checks it.
    pub case: fn(),
    /// A part of the message that it must get.
    pub message: &'static str,
}

/// An exercise's solution `solutions::$name::answer` and its wrong answers `wrong::$name::$answer`.
///
/// ```ignore
/// kept!(e1_two_at_once { a_loop: "this is a loop", one_after_another: "…" })
/// ```
#[macro_export]
macro_rules! kept {
    ($name:ident { $($wrong:ident: $message:literal),+ $(,)? }) => {
        $crate::exercise::kept::Kept {
            solution: $crate::judged!(solutions::$name),
            hints: include_str!(concat!("../hints/", stringify!($name), ".md")),
            wrong: vec![$($crate::exercise::kept::Wrong {
                name: stringify!($wrong),
                case: || $crate::exercise::judge(|| checks::$name::check(wrong::$name::$wrong)),
                message: $message,
            }),+],
        }
    };
}

/// The `main` of a lesson's target `kept`. For each exercise there are two tests: that the solution is right, and that
/// each wrong answer fails with its own message. `lesson` is the source text of the lesson.
pub fn main(lesson: &'static str, kept: Vec<Kept>) -> ! {
    let tests = kept.iter().flat_map(|kept| {
        let solution = test(format!("{}::solution", kept.solution.name), kept.solution.case);
        let wrong = kept
            .wrong
            .iter()
            .map(|wrong| test(format!("{}::{}", kept.solution.name, wrong.name), wrong.case));
        [solution].into_iter().chain(wrong).map(|test| test.about("your answer"))
    });
    let mut tests = harness::admit(tests).into_iter();

    let mut trials = Vec::new();
    for Kept { solution, hints, wrong } in kept {
        let answer = tests.next().expect("each has a test");
        let of_wrong: Vec<Test> = tests.by_ref().take(wrong.len()).collect();
        let name = solution.name;
        trials.push(Trial::test(format!("{name}::solution"), move || {
            complete(lesson, &solution, hints)?;
            answer.run()
        }));
        trials.push(Trial::test(format!("{name}::wrong_answers"), move || {
            // They mostly wait, so they do it together.
            let complaints: Vec<String> = thread::scope(|scope| {
                let running: Vec<_> = of_wrong
                    .iter()
                    .zip(&wrong)
                    .map(|(test, wrong)| scope.spawn(|| complaint(test, wrong)))
                    .collect();
                running.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
            });
            match complaints.is_empty() {
                true => Ok(()),
                false => Err(complaints.join("\n").into()),
            }
        }));
    }
    let mut arguments = Arguments::from_args();
    // Answers mostly wait: more of them can run at one time than there are processors.
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials).exit()
}

/// What is wrong with the message to a wrong answer.
fn complaint(test: &Test, wrong: &Wrong) -> Option<String> {
    let Wrong { name, message, .. } = wrong;
    match test.run() {
        Ok(()) => Some(format!("{name} is taken for right")),
        Err(failed) => {
            let output = verdict::of_output(failed.message().unwrap_or_default());
            let missing = !output.contains(message);
            missing.then(|| format!("{name}: {message:?} is missing in:\n{output}"))
        }
    }
}

/// Whether all that a message points to is there.
fn complete(lesson: &str, solution: &Exercise, hints: &str) -> Result<(), Failed> {
    let Exercise { name, see, source, .. } = solution;
    if !lesson.contains(see) {
        return Err(format!("the lesson has no heading {see:?}, to which {name} points").into());
    }
    if untouched::is_untouched(source) {
        return Err(format!("solutions/{name}.rs is taken for untouched").into());
    }
    let steps = ["## A nudge\n", "## The idea\n", "## The code\n"];
    let parts: Vec<&str> =
        steps.iter().filter_map(|step| Some(hints.split_once(step)?.1)).collect();
    let [_, _, code] = parts[..] else {
        return Err(format!("hints/{name}.md has not all of {steps:?}").into());
    };
    // The code must be the solution's, line by line.
    let code = code.split("```").nth(1).unwrap_or_default();
    let code = code.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    match code.clone().find(|line| !lines.contains(line)) {
        Some(line) => Err(format!("hints/{name}.md: not in the solution: {line}").into()),
        None if code.count() == 0 => Err(format!("hints/{name}.md shows no code").into()),
        None => Ok(()),
    }
}
