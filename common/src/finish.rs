//! `--finish 2,3,1,4`: the reader decides which task ends when, and sees what each call makes of it.
//!
//! The tasks of such a run compute nothing. Each says that it starts and waits until it is its turn to end. All else comes
//! as soon as it can, in [the order](Contract::eager) that this leaves; a [`Director`] sees to it. So two
//! runs print the same lines in the same order.

use std::fmt;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::cli;
use crate::console::heading;
use crate::contract::{Contract, Event, Impossible, list};
use crate::director::{Director, Stage};
use crate::pool::{Error, Pool};
use crate::{say, trace};

/// The flag, for [`Flags::parse_with`](crate::cli::Flags::parse_with).
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Finish {
    /// You decide in which order tasks end, one after the other: 2,3,1,4
    #[arg(long, value_name = "ORDER", allow_negative_numbers = true)]
    pub finish: Option<Ends>,
}

/// The numbers of all tasks, that which ends first named first. From text: `2,3,1,4`.
///
/// ```
/// use common::finish::Ends;
///
/// let ends: Ends = "2,3,1,4".parse()?;
/// assert_eq!(ends.tasks(), 4);
/// assert_eq!("1,1".parse::<Ends>(), Err("1,1: 1 is named twice".to_owned()));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends(Vec<usize>);

/// More tasks do not show more, and each takes descriptors.
const MOST: usize = 26;

impl FromStr for Ends {
    type Err = String;

    fn from_str(text: &str) -> Result<Ends, String> {
        let numbers = text.split(',').map(|number| number.trim().parse());
        let ends = numbers.collect::<Result<Vec<usize>, _>>().map_err(|_| {
            format!("must be numbers with commas between them, such as 2,3,1,4, not {text:?}")
        })?;
        match ends.len() {
            // With a worker for each task every order can be, if it is one.
            tasks @ ..=MOST => match Contract::apply_async(tasks, tasks).can_finish(&ends) {
                Ok(()) => Ok(Ends(ends)),
                Err(Impossible { reason, .. }) => Err(format!("{text}: {reason}")),
            },
            tasks => Err(format!("names {tasks} tasks; at most {MOST} can be directed")),
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(usize::to_string).collect::<Vec<_>>().join(","))
    }
}

impl Ends {
    /// How many tasks there are: they are 1 to this number.
    pub fn tasks(&self) -> usize {
        self.0.len()
    }
}

static STAGE: Stage = Stage::new();

/// The task of a directed run: says that it starts and, when it is let go, that it ends. Returns its number.
pub fn gated(x: usize) -> usize {
    trace::task(x, || STAGE.task(x, || say!("start from {x}"), || say!("end from {x}")));
    x
}

/// For how long the ends of one call are drawn out, so that the eye can follow.
const PACE: Duration = Duration::from_millis(400);

/// Shows calls, one after the other, whose tasks end in the order that was asked for.
#[derive(Debug)]
pub struct Show {
    ends: Ends,
    workers: usize,
    columns: Vec<Column>,
}

/// What was seen of a call: its name, and with each end the results that main had from it.
#[derive(Debug)]
struct Column(&'static str, Vec<(usize, Vec<usize>)>);

impl Show {
    /// A show with so many workers in each pool, of calls that must be able to end in this order. If one of them is not,
    /// the program ends with exit status 2 and the reason in one line on standard error:
    ///
    /// ```text
    /// lesson02_pool_map: --finish 3,1,2: with two workers 3 cannot finish first: …
    /// ```
    pub fn new<const N: usize>(ends: Ends, workers: usize, calls: [&Contract; N]) -> Show {
        for call in calls {
            call.can_finish(&ends.0).unwrap_or_else(|impossible| {
                cli::refuse(&format!("--finish {ends}: {impossible}"))
            });
        }
        STAGE.set_up(ends.tasks());
        Show { ends, workers, columns: Vec::new() }
    }

    /// Runs `program`, which makes the call that `contract` is about with [`gated`] tasks and
    /// [says](Main::says) when it has come back. If the tasks of this call cannot end in the order that was asked
    /// for, it says why, and they end in the order of the input.
    ///
    /// # Errors
    ///
    /// Those of the program, and of the pool that it gets.
    ///
    /// # Panics
    ///
    /// If the run is not what the contract says.
    pub fn call(
        &mut self,
        name: &'static str,
        contract: &Contract,
        program: impl FnOnce(&Pool, Main) -> Result<(), Error>,
    ) -> Result<(), Error> {
        heading(&contract.to_string());
        let script = contract.eager(&self.ends.0).unwrap_or_else(|impossible| {
            // In two lines: it would be too long for a terminal.
            say!("{}", impossible.reason.replace(": ", ":\n"));
            say!("so its tasks end in the order of the input");
            let inputs: Vec<usize> = (1..=self.ends.tasks()).collect();
            contract.eager(&inputs).expect("tasks can end in the order in which they start")
        });
        let pool = Pool::new(self.workers)?;
        let beat = PACE / self.ends.tasks() as u32;
        let mut director = Director::new(&STAGE, self.workers).beat(beat);
        let directed = thread::scope(|scope| {
            let director = scope.spawn(|| director.direct(&script));
            // The director would wait for a main that says nothing any more.
            program(&pool, Main(())).inspect_err(|_| STAGE.free())?;
            Ok(director.join().expect("a director does not panic"))
        })?;
        directed.unwrap_or_else(|wrong| panic!("{contract}: {wrong}"));
        let column = Column(name, with_each_end(contract, &script));
        say!("{}", column.in_words());
        self.columns.push(column);
        Ok(())
    }

    /// All calls in one table: which results came with which end.
    pub fn side_by_side(&self) {
        heading("Side by side: what had ended, and which results main had then");
        let row = |cells: Vec<String>| {
            say!(
                "{}",
                cells.iter().map(|cell| format!("{cell:<18}")).collect::<String>().trim_end()
            )
        };
        row(self.columns.iter().map(|Column(name, _)| name.to_string()).collect());
        for end in 0..self.ends.tasks() {
            let cell = |Column(_, moments): &Column| match &moments[end] {
                (ended, results) if results.is_empty() => format!("{ended} ended"),
                (ended, results) => format!("{ended} ended: {}", short(results)),
            };
            row(self.columns.iter().map(cell).collect());
        }
    }
}

/// The main process of a directed run.
#[derive(Debug)]
pub struct Main(());

impl Main {
    /// Prints a line that says what main has seen, and tells the director.
    pub fn says(&self, event: Event, text: &str) {
        say!("{text}");
        STAGE.tell(event);
    }
}

fn with_each_end(contract: &Contract, seen: &[Event]) -> Vec<(usize, Vec<usize>)> {
    let mut moments: Vec<(usize, Vec<usize>)> = Vec::new();
    for &event in seen {
        match (event, moments.last_mut()) {
            (Event::End(task), _) => moments.push((task, Vec::new())),
            (_, Some((_, results))) => results.extend(contract.brings(event)),
            (_, None) => {}
        }
    }
    moments
}

impl Column {
    /// What this shows, in a line.
    fn in_words(&self) -> String {
        let Column(_, moments) = self;
        let ends: Vec<usize> = moments.iter().map(|(task, _)| *task).collect();
        let results: Vec<usize> = moments.iter().flat_map(|(_, results)| results.clone()).collect();
        let order = match (results == ends, results.is_sorted()) {
            (true, true) => "input, ends and results have one order",
            (true, false) => "results in the order of the ends",
            (false, true) => "results in the order of the input",
            (false, false) => "results in an order of their own",
        };
        let waited = |(end, results): &(usize, Vec<usize>)| {
            let others: Vec<usize> = results.iter().copied().filter(|task| task != end).collect();
            (!others.is_empty()).then(|| format!("{} waited for {end}", list(&others, "and")))
        };
        let before = &moments[..moments.len() - 1];
        let when = match moments.iter().filter_map(waited).collect::<Vec<_>>() {
            none if none.is_empty() => "each at once".to_owned(),
            _ if before.iter().all(|(_, results)| results.is_empty()) => {
                "all after the last end".to_owned()
            }
            waited => waited.join(", "),
        };
        format!("{order}; {when}")
    }
}

/// `1 2 3`, and `1 to 9` where there are many: only neighbours come together.
fn short(tasks: &[usize]) -> String {
    match tasks {
        [first, .., last] if tasks.len() > 4 && last - first + 1 == tasks.len() => {
            format!("{first} to {last}")
        }
        _ => tasks.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Ends>().unwrap_err()
    }

    #[test]
    fn an_order_names_each_task_once() {
        assert_eq!("2, 1,3".parse(), Ok(Ends(vec![2, 1, 3])));
        assert_eq!(refused("1,1"), "1,1: 1 is named twice");
        assert_eq!(refused("0"), "0: there is no task 0: they are 1 to 1");
        assert_eq!(refused("1,3"), "1,3: there is no task 3: they are 1 to 2");
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for text in ["x", "", "1,", "1;2", "-1", "1,99999999999999999999"] {
            let error = refused(text);
            assert!(error.starts_with("must be numbers with commas"), "{text}: {error}");
        }
        let many: Vec<String> = (1..=27).map(|task| task.to_string()).collect();
        assert_eq!(refused(&many.join(",")), "names 27 tasks; at most 26 can be directed");
        assert!(many[..26].join(",").parse::<Ends>().is_ok());
    }

    fn in_words(contract: Contract, ends: &[usize]) -> String {
        Column("", with_each_end(&contract, &contract.eager(ends).unwrap())).in_words()
    }

    #[test]
    fn what_a_call_shows_is_derived_from_what_was_seen() {
        let ends = &[2, 3, 1, 4];
        for (contract, words) in [
            (Contract::map(4, 2), "results in the order of the input; all after the last end"),
            (Contract::imap(4, 2), "results in the order of the input; 2 and 3 waited for 1"),
            (Contract::imap_unordered(4, 2), "results in the order of the ends; each at once"),
            (
                Contract::apply_async(4, 2).get(),
                "results in the order of the input; 2 and 3 waited for 1",
            ),
        ] {
            assert_eq!(in_words(contract, ends), words);
        }
        assert_eq!(
            in_words(Contract::imap(3, 3), &[1, 2, 3]),
            "input, ends and results have one order; each at once"
        );
    }
}
