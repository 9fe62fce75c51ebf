//! The tasks that wait, and the handlers that wait for one.
//!
//! One lock, held for a few instructions. A handler whose worker is free takes the next task, so
//! a long task never delays one that another worker could run. A handler that finds nothing goes on
//! the idle list, and its thread sleeps: one is called for each task, none while all are busy. Or a
//! caller who has one task and nothing to do but wait borrows the handler and does without its thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handler::Handler;
use crate::calls::{Error, Job, Result, Task};

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

// ANCHOR: state
struct State {
    phase: Phase,
    /// Tasks that a worker was sent, and died before it began. They are the oldest.
    returned: VecDeque<Task>,
    /// Calls, each with the number of its next task.
    jobs: VecDeque<(Arc<Job>, usize)>,
    idle: Vec<Idle>,
}
// ANCHOR_END: state

/// A handler with nothing to do.
struct Idle {
    handler: Handler,
    /// Whether its thread was told to come back for it.
    called: bool,
}

impl State {
    /// # Errors
    ///
    /// If the pool takes nothing any more. `going_on` if the call was made before: an `imap` that reads on.
    fn admit(&self, going_on: bool) -> Result<()> {
        match &self.phase {
            Phase::Running => Ok(()),
            Phase::Closed if going_on => Ok(()),
            Phase::Over(cause) if going_on || *cause != Error::Terminated => Err(cause.clone()),
            _ => Err(Error::NotRunning),
        }
    }

    /// Calls the threads of so many idle handlers.
    fn call(&mut self, count: usize) -> Vec<usize> {
        let free = self.idle.iter_mut().rev().filter(|idle| !idle.called).take(count);
        let call = |idle: &mut Idle| {
            idle.called = true;
            idle.handler.slot
        };
        free.map(call).collect()
    }

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
    Task(Handler, Task),
    /// Nothing: it is on the idle list now.
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

    /// Adds a job, and says which handlers to wake for it.
    ///
    /// # Errors
    ///
    /// If the pool takes nothing any more. Nothing is added then.
    pub(super) fn submit(&self, job: Arc<Job>, going_on: bool) -> Result<Vec<usize>> {
        let mut state = self.lock();
        state.admit(going_on)?;
        let tasks = job.arguments.count().div_ceil(job.chunksize);
        state.jobs.push_back((job, 0));
        Ok(state.call(tasks))
    }

    /// What a handler with a worker is to do.
    pub(super) fn next(&self, handler: Handler) -> Next {
        let mut state = self.lock();
        if let Phase::Over(_) = state.phase {
            return Next::End;
        }
        match state.pop() {
            Some(task) => Next::Task(handler, task),
            None if state.phase == Phase::Joining => Next::End,
            None => {
                state.idle.push(Idle { handler, called: false });
                Next::Idle
            }
        }
    }

    /// The handler's thread takes it off the idle list; `None` if somebody has borrowed it.
    pub(super) fn take_up(&self, slot: usize) -> Option<Handler> {
        let idle = &mut self.lock().idle;
        let place = idle.iter().position(|idle| idle.handler.slot == slot)?;
        Some(idle.remove(place).handler)
    }

    /// An idle handler that was not called, for a call that is made now.
    ///
    /// # Errors
    ///
    /// As [`submit`](Queue::submit).
    // ANCHOR: borrow
    pub(super) fn borrow(&self) -> Result<Option<Handler>> {
        let mut state = self.lock();
        state.admit(false)?;
        let place = state.idle.iter().rposition(|idle| !idle.called);
        Ok(place.map(|place| state.idle.remove(place).handler))
    }
    // ANCHOR_END: borrow

    /// Takes a borrowed handler back, and says whether its thread must come for it.
    pub(super) fn hand_back(&self, handler: Handler) -> bool {
        let mut state = self.lock();
        let tasks = !(state.returned.is_empty() && state.jobs.is_empty());
        let called = tasks || state.phase != Phase::Running || !handler.started;
        state.idle.push(Idle { handler, called });
        called
    }

    /// Takes back a task that was sent and not begun, and says whom to wake for it.
    pub(super) fn give_back(&self, task: Task) -> Option<usize> {
        let mut state = self.lock();
        if let Phase::Over(_) = state.phase {
            drop(state); // before the task, which answers, which runs callbacks
            return None;
        }
        state.returned.push_back(task);
        state.call(1).pop()
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
