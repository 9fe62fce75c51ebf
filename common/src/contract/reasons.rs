//! Why an order is impossible, in words.

use std::collections::BTreeSet;

use super::model::{States, Status};
use super::{Contract, Event, Impossible, Step};

impl Contract {
    /// Why `event` cannot be seen after `before`, which has led to `states`.
    pub(super) fn why_not(&self, before: &[Event], states: &States, event: Event) -> String {
        let now = states.first().expect("what was seen before was possible");
        let status = |task: usize| now.tasks[task - 1];
        if let Some(task) = event.parts().1
            && !(1..=self.tasks).contains(&task)
        {
            return format!("{event}, and there is no task {task}");
        }
        match event {
            Event::Start(_) | Event::End(_) if before.contains(&event) => format!("{event} twice"),
            Event::Start(_) | Event::End(_) if now.left => {
                format!("{event} after left: leaving the pool's scope ends its workers")
            }
            Event::Start(task) => self.why_not_start(task, now.step, status),
            Event::End(task) => format!("{event} before start {task}"),
            _ => self.why_not_main(before, states, event),
        }
    }

    fn why_not_start(&self, task: usize, step: usize, status: impl Fn(usize) -> Status) -> String {
        let start = Event::Start(task);
        let chunk = self.chunk_of(task);
        if *self.tasks_of(chunk).start() < task && status(task - 1) != Status::Ended {
            let previous = Event::End(task - 1);
            return format!(
                "{start} before {previous}: the tasks of a chunk run one after another in one worker"
            );
        }
        let sent_in = self.sent_in(chunk);
        if sent_in > step {
            return match self.buffersize {
                Some(items) => {
                    let results = count(sent_in, "result");
                    format!(
                        "{start} before main had read {results}: with buffersize {items} imap takes no more from its input"
                    )
                }
                None => {
                    let missing = self.event_of(sent_in - 1);
                    format!(
                        "{start} before {missing}: only then main makes the call for task {task}"
                    )
                }
            };
        }
        let first = *self.tasks_of(chunk).start();
        let ahead = (1..first).filter(|&other| status(other) != Status::Ended).collect::<Vec<_>>();
        let (tasks, come, have) = match ahead.len() {
            1 => ("task", "comes", "has"),
            _ => ("tasks", "come", "have"),
        };
        let workers = self.all_workers_were();
        let ahead = list(&ahead, "and");
        format!("{start} while {workers} busy: {tasks} {ahead} {come} first and {have} not ended")
    }

    fn why_not_main(&self, before: &[Event], states: &States, event: Event) -> String {
        let now = states.first().expect("what was seen before was possible");
        let Some(step) = (now.step..self.steps.len()).find(|&step| self.can_be(step, event)) else {
            if before.contains(&event) {
                return format!("{event} twice");
            }
            // A step can show one of several events, and may have come back with another.
            let of_a_task = |seen: &Event| matches!(seen, Event::Start(_) | Event::End(_));
            let of_main = before.iter().filter(|seen| !of_a_task(seen)).zip(0..);
            return match of_main.filter(|&(_, step)| self.can_be(step, event)).last() {
                Some((came, _)) => format!(
                    "{event}, and no call is left that could show it: the last came back with {came}"
                ),
                None => format!("{event}, which {self} does not show"),
            };
        };
        if let (Step::Next, Event::Yield(_)) = (&self.steps[step], event)
            && before.contains(&event)
        {
            return format!("{event} twice");
        }
        if step > now.step {
            let first = self.event_of(now.step);
            return match event {
                Event::Yield(_) => format!("{event} before {first}: imap yields in input order"),
                _ => format!("{event} before {first}: main does one thing after another"),
            };
        }
        let not_ended = |task: &usize| now.tasks[task - 1] != Status::Ended;
        let whole_chunk = |task| self.tasks_of(self.chunk_of(task));
        match &self.steps[step] {
            Step::Waits(_, tasks) | Step::WaitsForAWhile(_, tasks) => {
                match tasks.clone().flat_map(whole_chunk).find(not_ended) {
                    Some(task) if event == Event::Timeout || event == Event::Terminated => {
                        format!("{event}, although nobody waits for task {task} any more")
                    }
                    Some(task) if now.left => {
                        format!("{event} without end {task}: its worker was ended when main left")
                    }
                    Some(task) => self.came_back_early(event, task),
                    None => format!("{event}, although the result had come"),
                }
            }
            _ => self.why_not_yield(before, states, event.parts().1.unwrap_or_default()),
        }
    }

    fn came_back_early(&self, event: Event, missing: usize) -> String {
        let end = Event::End(missing);
        let (waits, one) = match event {
            Event::Joined(_) => ("join", true),
            Event::Waited(task) => ("wait", task.is_some()),
            Event::Got(task) => ("get", task.is_some()),
            Event::Return(task) => (self.call, task.is_some()),
            _ if event == Event::Yield(missing) => return format!("{event} before {end}"),
            _ => return format!("{event} before {end}: a chunk's results come together"),
        };
        let its = if one { "its task" } else { "all its tasks" };
        format!("{event} before {end}: {waits} waits for {its}")
    }

    /// `imap_unordered`, which yields what comes, as soon as it has ended.
    fn why_not_yield(&self, before: &[Event], states: &States, task: usize) -> String {
        let now = states.first().expect("what was seen before was possible");
        let (event, chunk) = (Event::Yield(task), self.chunk_of(task));
        let mut in_chunk = self.tasks_of(chunk);
        if let Some(missing) = in_chunk.clone().find(|&other| now.tasks[other - 1] != Status::Ended)
        {
            return self.came_back_early(event, if missing < task { task } else { missing });
        }
        let not_read = |other: usize| !before.contains(&Event::Yield(other));
        let previous = in_chunk.find(|&other| other < task && not_read(other));
        if let Some(previous) = previous.map(Event::Yield) {
            return format!("{event} before {previous}: a chunk's results come in input order");
        }
        // What main would read next: in every possible state something else has come before.
        let next = states.iter().filter_map(|state| self.results(state).nth(now.step));
        let next = next.map(Event::Yield).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let come = if next.len() == 1 { "that result" } else { "one of these results" };
        let (next, end) = (list(&next, "or"), Event::End(task));
        format!("{event} before {next}: {come} had come before {end}")
    }

    /// The order stops, and the run does not.
    pub(super) fn what_is_missing(&self, states: &States) -> String {
        let next = self.next(states).into_iter().collect::<Vec<_>>();
        format!("it stops too early: {} would come next", list(&next, "or"))
    }

    /// Whether one of main's steps can come back with this event.
    fn can_be(&self, step: usize, event: Event) -> bool {
        let after_left = || self.steps[..step].contains(&Step::Leaves);
        match &self.steps[step] {
            Step::Passes(own) => *own == event,
            Step::Leaves => event == Event::Left,
            Step::Next => matches!(event, Event::Yield(_)),
            Step::Waits(own, _) => *own == event || event == Event::Terminated && after_left(),
            Step::WaitsForAWhile(own, _) => {
                *own == event
                    || event == if after_left() { Event::Terminated } else { Event::Timeout }
            }
        }
    }

    /// What is seen of one of main's steps, as a text.
    fn event_of(&self, step: usize) -> String {
        match &self.steps[step] {
            Step::Passes(event) | Step::Waits(event, _) => event.to_string(),
            Step::WaitsForAWhile(event, _) => format!("{event} or {}", Event::Timeout),
            Step::Next => String::from("another yield"),
            Step::Leaves => Event::Left.to_string(),
        }
    }

    fn all_workers_were(&self) -> String {
        match self.workers {
            1 => String::from("the only worker was"),
            2 => String::from("both workers were"),
            n => format!("all {n} workers were"),
        }
    }
}

/// Orders in which tasks are to end.
impl Contract {
    pub(super) fn is_permutation(&self, order: &[usize]) -> Result<(), Impossible> {
        let tasks = self.tasks;
        for (position, task) in order.iter().enumerate() {
            let reason = match task {
                _ if !(1..=tasks).contains(task) => {
                    format!("there is no task {task}: they are 1 to {tasks}")
                }
                _ if order[..position].contains(task) => format!("{task} is named twice"),
                _ => continue,
            };
            return Err(Impossible { position, reason });
        }
        match (1..=tasks).find(|task| !order.contains(task)) {
            None => Ok(()),
            Some(task) => {
                let reason = format!("{task} is missing: all of 1 to {tasks} must finish");
                Err(Impossible { position: order.len(), reason })
            }
        }
    }

    /// Why `task` cannot be the next to end after `finished`, when main has come as far as `step`.
    pub(super) fn why_not_finish(&self, finished: &[usize], step: usize, task: usize) -> String {
        let place = ordinal(finished.len() + 1);
        let chunk = self.chunk_of(task);
        let first = *self.tasks_of(chunk).start();
        if let Some(previous) = (first..task).find(|other| !finished.contains(other)) {
            return format!(
                "{task} cannot finish {place}: it is in one chunk with {previous} and runs after it"
            );
        }
        let sent_in = self.sent_in(chunk);
        if let Some(items) = self.buffersize
            && sent_in > step
        {
            let results = count(sent_in, "result");
            return format!(
                "{task} cannot finish {place}: with buffersize {items} imap takes it from its input only when main has read {results}"
            );
        }
        for step in &self.steps[..sent_in] {
            if let Step::Waits(event, tasks) = step
                && tasks.clone().any(|other| !finished.contains(&other))
            {
                let waits = if matches!(event, Event::Waited(_)) { "wait" } else { self.call };
                let others = list(&tasks.clone().collect::<Vec<_>>(), "and");
                return format!(
                    "{task} cannot finish {place}: {waits} waits for {others} before main makes the call for {task}"
                );
            }
        }
        let workers = match self.workers {
            1 => String::from("one worker"),
            n => format!("{} workers", number(n)),
        };
        let starts = match (self.chunksize, (chunk + 1).saturating_sub(self.workers)) {
            (1, needed) => {
                let others = (1..task).collect::<Vec<_>>();
                let has = if needed == 1 { "has" } else { "have" };
                format!("it starts only when {} {has} finished", some_of(needed, &others))
            }
            (_, 1) => {
                String::from("it starts only when one of the chunks before its own has finished")
            }
            (_, needed) => {
                let needed = number(needed);
                format!("it starts only when {needed} of the chunks before its own have finished")
            }
        };
        format!("with {workers} {task} cannot finish {place}: {starts}")
    }
}

/// "1, 2 and 3".
pub(crate) fn list<T: ToString>(items: &[T], and: &str) -> String {
    let items = items.iter().map(T::to_string).collect::<Vec<_>>();
    match &items[..] {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

/// "1 or 2", "two of 1, 2 and 3", "1, 2 and 3".
pub(super) fn some_of<T: ToString>(needed: usize, of: &[T]) -> String {
    match needed {
        _ if needed == of.len() => list(of, "and"),
        1 => list(of, "or"),
        _ => format!("{} of {}", number(needed), list(of, "and")),
    }
}

pub(super) fn number(n: usize) -> String {
    let words =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    words.get(n).map_or_else(|| n.to_string(), |word| String::from(*word))
}

fn ordinal(n: usize) -> String {
    let words = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    words.get(n - 1).map_or_else(|| format!("as number {n}"), |word| String::from(*word))
}

/// "1 result", "2 results".
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
