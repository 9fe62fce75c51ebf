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
use crate::say;
use crate::trace::{self, Kind};

/// The flag, for [`Flags::parse_with`](crate::cli::Flags::parse_with).
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Finish {
    /// You decide in which order tasks end, one after the other: 2,3,1,4
    #[arg(long, value_name = "ORDER", allow_negative_numbers = true)]
    pub finish: Option<Ends>,
}

/// The same flag of a lesson whose main does not wait for ever, with a [timeout](Ends::or_timeout) among the ends.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct FinishOrTimeout {
    /// You decide in which order tasks end, and when get gives up waiting for them: 2,1,timeout,4,3,5
    #[arg(long, value_name = "ORDER", value_parser = Ends::or_timeout, allow_negative_numbers = true)]
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
pub struct Ends {
    order: Vec<usize>,
    /// How many of them main waits for in a `get` with a timeout.
    patience: usize,
}

/// More tasks do not show more, and each takes descriptors.
const MOST: usize = 26;

impl FromStr for Ends {
    type Err = String;

    fn from_str(text: &str) -> Result<Ends, String> {
        Ends::from_words(text, &words(text), "2,3,1,4")
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).collect()
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.order.iter().map(usize::to_string).collect();
        if self.patience < self.order.len() {
            words.insert(self.patience, TIMEOUT.to_owned());
        }
        f.write_str(&words.join(","))
    }
}

/// Stands between two ends.
const TIMEOUT: &str = "timeout";

impl Ends {
    /// From text in which `timeout` may stand where main is to give up waiting: `2,1,timeout,4,3,5`. Behind the last end it
    /// is refused: main would get the results, and the timeout would be lost without a word.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    ///
    /// ```
    /// use common::finish::Ends;
    ///
    /// let ends = Ends::or_timeout("2,timeout,1")?;
    /// assert_eq!(ends.tasks(), 2);
    /// assert_eq!(ends.to_string(), "2,timeout,1");
    /// # Ok::<(), String>(())
    /// ```
    pub fn or_timeout(text: &str) -> Result<Ends, String> {
        let mut words = words(text);
        let timeout = words.iter().position(|word| *word == TIMEOUT);
        if let Some(place) = timeout {
            words.remove(place);
        }
        if words.contains(&TIMEOUT) {
            return Err(format!("{text}: timeout is named twice"));
        }
        if words.is_empty() {
            return Err(format!("{text}: name the tasks, too, such as 2,1,timeout,4,3,5"));
        }
        let ends = Ends::from_words(text, &words, "2,1,timeout,4,3,5")?;
        if timeout == Some(ends.tasks()) {
            return Err(format!("{text}: no timeout after the last end: main has the results"));
        }
        Ok(Ends { patience: timeout.unwrap_or(ends.tasks()), ..ends })
    }

    fn from_words(text: &str, words: &[&str], example: &str) -> Result<Ends, String> {
        let numbers = words.iter().map(|number| number.parse().ok());
        let order = numbers.collect::<Option<Vec<usize>>>().filter(|order| !order.is_empty());
        let order = order.ok_or_else(|| {
            format!("must be numbers with commas between them, such as {example}, not {text:?}")
        })?;
        match order.len() {
            // With a worker for each task every order can be, if it is one.
            tasks @ ..=MOST => match Contract::apply_async(tasks, tasks).can_finish(&order) {
                Ok(()) => Ok(Ends { order, patience: tasks }),
                Err(Impossible { reason, .. }) => Err(format!("{text}: {reason}")),
            },
            tasks => Err(format!("names {tasks} tasks; at most {MOST} can be directed")),
        }
    }

    /// How many tasks there are: they are 1 to this number.
    pub fn tasks(&self) -> usize {
        self.order.len()
    }
}

static STAGE: Stage = Stage::new();

/// The task of a directed run: says that it starts and, when it is let go, that it ends. Returns its number.
pub fn gated(x: usize) -> usize {
    let start = || {
        trace::record(Kind::Start, x);
        say!("start from {x}");
    };
    // Recorded when it is said: the task may have to wait with its result.
    let end = || {
        say!("end from {x}");
        trace::record(Kind::End, x);
    };
    STAGE.task(x, start, end);
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

/// What was seen of a call.
#[derive(Debug)]
struct Column {
    name: &'static str,
    /// Each end, and the results that main had from it.
    ends: Vec<(usize, Vec<usize>)>,
    /// Tasks that did not end before main left.
    never: Vec<usize>,
}

impl Show {
    /// A show with so many workers in each pool, of calls that must be able to end in this order. If one of them is not,
    /// or if the process has not the descriptors that so many tasks need, the program ends with exit status 2 and the
    /// reason in one line on standard error:
    ///
    /// ```text
    /// lesson02_pool_map: --finish 3,1,2: with two workers 3 cannot finish first: …
    /// ```
    pub fn new<const N: usize>(ends: Ends, workers: usize, calls: [&Contract; N]) -> Show {
        for call in calls {
            call.can_finish(&ends.order).unwrap_or_else(|impossible| {
                cli::refuse(&format!("--finish {ends}: {impossible}"))
            });
        }
        STAGE.try_set_up(ends.tasks()).unwrap_or_else(|error| {
            let tasks = ends.tasks();
            cli::refuse(&format!("--finish: no descriptors to direct {tasks} tasks with: {error}"))
        });
        Show { ends, workers, columns: Vec::new() }
    }

    /// Runs `program`, which gets a pool, makes the call that `contract` is about with [`gated`] tasks and
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
        program: impl FnOnce(Pool, Main) -> Result<(), Error>,
    ) -> Result<(), Error> {
        heading(&contract.to_string());
        let Ends { order, patience } = &self.ends;
        let script = contract.eager_with_patience(order, *patience).unwrap_or_else(|impossible| {
            // In two lines: it would be too long for a terminal.
            say!("{}", impossible.reason.replace(": ", ":\n"));
            say!("so its tasks end in the order of the input");
            let inputs: Vec<usize> = (1..=self.ends.tasks()).collect();
            contract.eager(&inputs).expect("tasks can end in the order in which they start")
        });
        let pool = Pool::new(self.workers)?;
        let beat = PACE / self.ends.tasks() as u32;
        let times_out = script.contains(&Event::Timeout);
        let mut director = Director::new(&STAGE, self.workers)
            .beat(beat)
            // Nobody may be on the way through a turnstile when main leaves: the next call needs it empty.
            .holds_results(times_out);
        let directed = thread::scope(|scope| {
            let director = scope.spawn(|| director.direct(&script));
            // The director would wait for a main that says nothing any more.
            program(pool, Main { times_out }).inspect_err(|_| STAGE.free())?;
            Ok(director.join().expect("a director does not panic"))
        })?;
        directed.unwrap_or_else(|wrong| panic!("{contract}: {wrong}"));
        let column = Column::new(name, contract, &script, order);
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
        row(self.columns.iter().map(|column| column.name.to_owned()).collect());
        for end in 0..self.ends.tasks() {
            row(self.columns.iter().map(|column| column.cell(end)).collect());
        }
    }
}

/// The main process of a directed run.
#[derive(Debug)]
pub struct Main {
    times_out: bool,
}

impl Main {
    /// Prints a line that says what main has seen, and tells the director.
    pub fn says(&self, event: Event, text: &str) {
        say!("{text}");
        STAGE.tell(event);
    }

    /// How long main is to wait in the `get_timeout` that comes next. No duration is sure to end between two ends. So if the
    /// reader has chosen a moment for it, this comes back at that moment, with nothing left to wait.
    pub fn patience(&self) -> Duration {
        match self.times_out {
            true => {
                trace::call("get", || STAGE.wait_for_turn()); // drawn as what it stands for
                Duration::ZERO
            }
            false => Duration::MAX,
        }
    }
}

impl Column {
    fn new(name: &'static str, contract: &Contract, seen: &[Event], order: &[usize]) -> Column {
        let mut ends: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut had = Vec::new();
        for &event in seen {
            match (event, ends.last_mut()) {
                (Event::End(task), _) => ends.push((task, Vec::new())),
                (_, Some((_, results))) => {
                    let mut new = contract.brings(event);
                    new.retain(|task| !had.contains(task)); // a second `get` brings nothing new
                    had.extend(&new);
                    results.extend(new);
                }
                (_, None) => {}
            }
        }
        let never = order[ends.len()..].to_vec();
        Column { name, ends, never }
    }

    /// For the table: the task that ended there, or would have, and the results.
    fn cell(&self, end: usize) -> String {
        match self.ends.get(end) {
            None => format!("{} never ended", self.never[end - self.ends.len()]),
            Some((task, results)) if results.is_empty() => format!("{task} ended"),
            Some((task, results)) => format!("{task} ended: {}", short(results)),
        }
    }

    /// What this shows, in a line.
    fn in_words(&self) -> String {
        if !self.never.is_empty() {
            return format!("no results: {} never ended", list(&self.never, "and"));
        }
        let moments = &self.ends;
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
        assert_eq!("2, 1,3".parse(), Ok(Ends { order: vec![2, 1, 3], patience: 3 }));
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
        Column::new("", &contract, &contract.eager(ends).unwrap(), ends).in_words()
    }

    #[test]
    fn a_timeout_stands_between_ends() {
        let ends = |order: &[usize], patience| Ok(Ends { order: order.to_vec(), patience });
        assert_eq!(Ends::or_timeout("2, timeout,1"), ends(&[2, 1], 1));
        assert_eq!(Ends::or_timeout("timeout,1"), ends(&[1], 0));
        assert_eq!(Ends::or_timeout("2,1"), ends(&[2, 1], 2));
        let late = "2,1,timeout: no timeout after the last end: main has the results";
        assert_eq!(Ends::or_timeout("2,1,timeout"), Err(late.to_owned()));
        for (text, why) in [
            ("timeout", "name the tasks, too, such as 2,1,timeout,4,3,5"),
            ("1,timeout,timeout", "timeout is named twice"),
        ] {
            assert_eq!(Ends::or_timeout(text), Err(format!("{text}: {why}")));
        }
        let error = Ends::or_timeout("1,time").unwrap_err();
        assert!(error.starts_with("must be numbers with commas"), "{error}");
        assert_eq!(
            Ends::or_timeout("1,timeout,1"),
            Err("1,timeout,1: 1 is named twice".to_owned())
        );
        assert!(refused("1,timeout").starts_with("must be numbers with commas"));
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
        let twice = Contract::map_async(4, 2).get_timeout().get();
        assert_eq!(
            in_words(twice, ends),
            "results in the order of the input; all after the last end"
        );
        let left = Contract::map_async(4, 2).get_timeout().leave().get();
        let seen = left.eager_with_patience(ends, 1).unwrap();
        let column = Column::new("", &left, &seen, ends);
        assert_eq!(column.in_words(), "no results: 3, 1 and 4 never ended");
        assert_eq!([0, 3].map(|end| column.cell(end)), ["2 ended", "4 never ended"]);
        assert_eq!(
            in_words(Contract::imap(3, 3), &[1, 2, 3]),
            "input, ends and results have one order; each at once"
        );
    }
}
