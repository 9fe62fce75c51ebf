//! The tasks that wait, and the handlers that wait for one.
//!
//! One lock, held for a few instructions. A handler whose worker is free takes the next task, so
//! a long task never delays one that another worker could run. A handler that finds
//! nothing goes on the idle list and is woken by name: one wake-up for each task, none while
//! all are busy.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Error;
use super::job::{Job, Task};

/// How far the pool's life has gone. It only ever goes on.
#[derive(Clone, PartialEq)]
pub(super) enum Phase {
    /// Takes calls.
    Running,
    /// Takes no calls. What was begun goes on, an `imap` that is being read included.
    Closed,
    /// Nothing more comes in: handlers end when nothing is left.
    Joining,
    /// Nothing is run any more, for this reason.
    Over(Error),
}

pub(super) struct Queue(Mutex<State>);

struct State {
    phase: Phase,
    /// Tasks that a worker was sent and died before it began. They are the oldest.
    returned: VecDeque<Task>,
    /// Calls, each with its tasks that nobody has taken yet.
    calls: VecDeque<Call>,
    /// Handlers with nothing to do.
    idle: Vec<usize>,
}

/// The rest of a call. The tasks of a million are made one by one, as they are taken.
struct Call {
    job: Arc<dyn Job>,
    next: usize,
    end: usize,
}

impl Iterator for Call {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        let index = (self.next < self.end).then_some(self.next)?;
        self.next += 1;
        Some(Task::new(self.job.clone(), index))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.for_each(drop); // each answers for itself
    }
}

/// What a handler is to do next.
pub(super) enum Next {
    Task(Task),
    /// Wait to be woken.
    Idle,
    /// The pool is done with it.
    End,
}

impl Queue {
    pub(super) fn new() -> Self {
        let phase = Phase::Running;
        let (returned, calls, idle) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Queue(Mutex::new(State { phase, returned, calls, idle }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call's tasks, and says which handlers to wake for them. `going_on` if the call
    /// was made before: an `imap` that reads on.
    ///
    /// # Errors
    ///
    /// If the pool takes nothing any more. Nothing is added then.
    pub(super) fn submit(
        &self,
        job: Arc<dyn Job>,
        tasks: usize,
        going_on: bool,
    ) -> Result<Vec<usize>, Error> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Running => {}
            Phase::Closed if going_on => {}
            Phase::Closed | Phase::Joining => return Err(Error::NotRunning),
            Phase::Over(Error::Terminated) if !going_on => return Err(Error::NotRunning),
            Phase::Over(cause) => return Err(cause.clone()),
        }
        state.calls.push_back(Call { job, next: 0, end: tasks });
        let keep = state.idle.len().saturating_sub(tasks);
        Ok(state.idle.split_off(keep))
    }

    /// What a handler is to do; on [`Next::Idle`] it is on the idle list.
    pub(super) fn next(&self, handler: usize) -> Next {
        let mut state = self.lock();
        state.idle.retain(|&idle| idle != handler); // it may have woken for another reason
        if matches!(state.phase, Phase::Over(_)) {
            return Next::End;
        }
        if let Some(task) = state.returned.pop_front() {
            return Next::Task(task);
        }
        while let Some(call) = state.calls.front_mut() {
            match call.next() {
                Some(task) => return Next::Task(task),
                None => _ = state.calls.pop_front(),
            }
        }
        if state.phase == Phase::Joining {
            return Next::End;
        }
        state.idle.push(handler);
        Next::Idle
    }

    /// Takes back a task that was sent and not begun, and says whom to wake for it.
    pub(super) fn give_back(&self, task: Task) -> Option<usize> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Over(_)) {
            drop(state); // before the task, which answers, which runs callbacks
            return None;
        }
        state.returned.push_back(task);
        state.idle.pop()
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase.clone()
    }

    /// Takes no calls from now on.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Closed;
        }
    }

    /// Lets the handlers end when nothing is left.
    ///
    /// # Errors
    ///
    /// If the pool was not closed before.
    pub(super) fn join(&self) -> Result<(), Error> {
        let mut state = self.lock();
        match state.phase {
            Phase::Running => return Err(Error::StillRunning),
            Phase::Closed => state.phase = Phase::Joining,
            Phase::Joining | Phase::Over(_) => {}
        }
        Ok(())
    }

    /// Ends it all. Every task that waits is answered with `cause`. False if it was over before.
    pub(super) fn end(&self, cause: Error) -> bool {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Over(_)) {
            return false;
        }
        state.phase = Phase::Over(cause.clone());
        let returned = std::mem::take(&mut state.returned);
        let calls = std::mem::take(&mut state.calls);
        drop(state); // answers run callbacks
        for task in returned
            .into_iter()
            .chain(calls.into_iter().flat_map(|mut call| std::iter::from_fn(move || call.next())))
        {
            task.answer(0, Err(cause.clone()));
        }
        true
    }
}
