//! The tasks that wait, and the handlers that wait for one.
//!
//! One lock, held for a few instructions. A handler whose worker is free takes the next task, so
//! a long task never delays one that another worker could run. A handler that finds nothing goes on
//! the idle list and is woken by name: one wake-up for each task, none while all are busy.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::{Job, Task};
use crate::calls::{Error, Result};

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
    /// Tasks that a worker was sent, and died before it began. They are the oldest.
    returned: VecDeque<Task>,
    /// Calls, each with the number of its next task.
    jobs: VecDeque<(Arc<Job>, usize)>,
    /// Handlers with nothing to do.
    idle: Vec<usize>,
}

impl State {
    fn pop(&mut self) -> Option<Task> {
        if let Some(task) = self.returned.pop_front() {
            return Some(task);
        }
        while let Some((job, next)) = self.jobs.front_mut() {
            *next += 1;
            match Task::of(job, *next - 1) {
                None => _ = self.jobs.pop_front(),
                task => return task,
            }
        }
        None
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
        let (returned, jobs, idle) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Queue(Mutex::new(State { phase: Phase::Running, returned, jobs, idle }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and says which handlers to wake for it. `going_on` if its call was made before:
    /// an `imap` that reads on.
    ///
    /// # Errors
    ///
    /// If the pool takes nothing any more. Nothing is added then.
    pub(super) fn submit(&self, job: Arc<Job>, going_on: bool) -> Result<Vec<usize>> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Running => {}
            Phase::Closed if going_on => {}
            Phase::Over(cause) if going_on || *cause != Error::Terminated => {
                return Err(cause.clone());
            }
            _ => return Err(Error::NotRunning),
        }
        let tasks = job.arguments.count().div_ceil(job.chunksize);
        state.jobs.push_back((job, 0));
        let keep = state.idle.len().saturating_sub(tasks);
        Ok(state.idle.split_off(keep))
    }

    /// What a handler is to do; on [`Next::Idle`] it is on the idle list.
    pub(super) fn next(&self, handler: usize) -> Next {
        let mut state = self.lock();
        state.idle.retain(|&idle| idle != handler); // it may have woken for another reason
        if let Phase::Over(_) = state.phase {
            return Next::End;
        }
        match state.pop() {
            Some(task) => Next::Task(task),
            None if state.phase == Phase::Joining => Next::End,
            None => {
                state.idle.push(handler);
                Next::Idle
            }
        }
    }

    /// Takes back a task that was sent and not begun, and says whom to wake for it.
    pub(super) fn give_back(&self, task: Task) -> Option<usize> {
        let mut state = self.lock();
        if let Phase::Over(_) = state.phase {
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
    pub(super) fn join(&self) -> Result<()> {
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
        if let Phase::Over(_) = state.phase {
            return false;
        }
        state.phase = Phase::Over(cause.clone());
        loop {
            let task = state.pop();
            drop(state); // answers run callbacks
            let Some(task) = task else { return true };
            task.answer(0, Err(cause.clone()));
            state = self.lock();
        }
    }
}
