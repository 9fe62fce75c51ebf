//! What can be seen of a run.

use std::fmt;
use std::str::FromStr;

/// Something that a run shows: a task says that it starts or ends, or a call of the main process comes back.
///
/// Tasks are counted from 1. An event has a short text, the same in traces, snapshots and predictions.
///
/// ```
/// use common::contract::Event;
///
/// assert_eq!(Event::Start(2).to_string(), "start 2");
/// assert_eq!("start 2".parse(), Ok(Event::Start(2)));
/// assert_eq!("return".parse(), Ok(Event::Return(None))); // of `map`, which has all tasks
/// assert_eq!("return 2".parse(), Ok(Event::Return(Some(2)))); // of an `apply` in a loop
/// ```
///
/// There is no event for the beginning of a call: it follows the event before it in the main process at
/// once, and tells nothing that this one does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The first thing that a task does.
    Start(usize),
    /// The last thing that a task does, before its result is sent.
    End(usize),
    /// `start()` of this task's process has come back.
    Started(usize),
    /// `join()` of this task's process has come back.
    Joined(usize),
    /// The call with this task, or the one call with all tasks, has come back: with the result, or, if it is an
    /// asynchronous one, with a handle.
    Return(Option<usize>),
    /// `imap` or `imap_unordered` has given this task's result.
    Yield(usize),
    /// `wait()` for this task, or for all, has come back.
    Waited(Option<usize>),
    /// `get()` of this task's result, or of all results, has come back with it.
    Got(Option<usize>),
    /// A `get` with a timeout has come back without a result.
    Timeout,
    /// Main has left the pool's scope: the workers are gone.
    Left,
    /// A `get` has come back with the error that the pool is gone.
    Terminated,
}

impl Event {
    /// Its name, and the task if it has to do with one only.
    pub(super) fn parts(self) -> (&'static str, Option<usize>) {
        match self {
            Event::Start(task) => ("start", Some(task)),
            Event::End(task) => ("end", Some(task)),
            Event::Started(task) => ("started", Some(task)),
            Event::Joined(task) => ("joined", Some(task)),
            Event::Return(task) => ("return", task),
            Event::Yield(task) => ("yield", Some(task)),
            Event::Waited(task) => ("waited", task),
            Event::Got(task) => ("got", task),
            Event::Timeout => ("timeout", None),
            Event::Left => ("left", None),
            Event::Terminated => ("terminated", None),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (name, None) => f.pad(name),
            (name, Some(task)) => f.pad(&format!("{name} {task}")),
        }
    }
}

/// A text that names no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no event: one is written like \"start 1\", \"end 1\" or \"return\"")]
pub struct NotAnEvent(String);

impl FromStr for Event {
    type Err = NotAnEvent;

    fn from_str(text: &str) -> Result<Event, NotAnEvent> {
        let error = || NotAnEvent(text.into());
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(error)?;
        let task = words.next().map(|task| task.parse().map_err(|_| error())).transpose()?;
        match (name, task, words.next()) {
            ("start", Some(task), None) => Ok(Event::Start(task)),
            ("end", Some(task), None) => Ok(Event::End(task)),
            ("started", Some(task), None) => Ok(Event::Started(task)),
            ("joined", Some(task), None) => Ok(Event::Joined(task)),
            ("return", task, None) => Ok(Event::Return(task)),
            ("yield", Some(task), None) => Ok(Event::Yield(task)),
            ("waited", task, None) => Ok(Event::Waited(task)),
            ("got", task, None) => Ok(Event::Got(task)),
            ("timeout", None, None) => Ok(Event::Timeout),
            ("left", None, None) => Ok(Event::Left),
            ("terminated", None, None) => Ok(Event::Terminated),
            _ => Err(error()),
        }
    }
}
