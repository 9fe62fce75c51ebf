//! The tasks that wait, and the handlers that wait for one.
//!
//! One lock, which is never held while something is sent, received or answered. The next tasks are on the
//! [board](crate::board), where a worker that is free takes the first, so a long task never delays one that
//! another worker could run. What does not go on the board is taken by a handler whose worker is free, in its
//! turn. A handler that finds nothing goes on the idle list, and its thread sleeps: one is called for each task,
//! none while all are busy. Or a caller who has one task and nothing to do but wait borrows the handler and does
//! without its thread.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handler::{Handler, TRIES};
use crate::board::{Board, Posts};
use crate::calls::{Error, Header, Job, Result, Task};

/// How far the pool's life has gone. It only ever goes on.
#[derive(Clone, Default, PartialEq)]
pub(super) enum Phase {
    /// Takes calls.
    #[default]
    Running,
    /// Takes no calls. What was begun goes on, an `imap` that is being read included.
    Closed,
    /// Nothing more comes in: handlers end when nothing is left.
    Joining,
    /// Nothing is run any more, for this reason.
    Over(Error),
}

pub(super) struct Queue {
    board: Board,
    /// Whether all tasks may go there: a worker may do as many as it likes.
    shares: bool,
    state: Mutex<State>,
}

// ANCHOR: state
#[derive(Default)]
struct State {
    phase: Phase,
    /// Tasks that a worker was sent, and died before it began. They are the oldest.
    returned: VecDeque<Task>,
    /// Calls, each with the number of its next task.
    jobs: VecDeque<(Arc<Job>, usize)>,
    /// The tasks on the board, and in the hands of workers.
    posts: Posts<Task>,
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

    /// The call whose task is next, and the number of that task.
    fn front(&mut self) -> Option<&mut (Arc<Job>, usize)> {
        while let Some((job, next)) = self.jobs.front()
            && *next == job.tasks()
        {
            self.jobs.pop_front();
        }
        self.jobs.front_mut()
    }

    fn pop(&mut self) -> Option<Task> {
        let (job, next) = self.front()?;
        *next += 1;
        Some(Task::of(job, *next - 1))
    }
}

/// What a handler is to do next.
pub(super) enum Next {
    /// A task for its worker; `None` to have it look at the board.
    Work(Handler, Option<Task>),
    /// Nothing: it is on the idle list now.
    Idle,
    /// The pool is done with it.
    End,
}

impl Queue {
    pub(super) fn new(board: Board, shares: bool) -> Self {
        Queue { board, shares, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn takes_calls(&self) -> Result<()> {
        self.lock().admit(false)
    }

    /// Adds a job, and says which handlers to wake for it.
    ///
    /// # Errors
    ///
    /// If the pool takes nothing any more. Nothing is added then.
    pub(super) fn submit(&self, job: Arc<Job>, going_on: bool) -> Result<Vec<usize>> {
        let mut state = self.lock();
        state.admit(going_on)?;
        let tasks = job.tasks();
        state.jobs.push_back((job, 0));
        self.post(&mut state);
        Ok(state.call(tasks))
    }

    /// Puts the next tasks on the board, as long as they may go there and find a place.
    fn post(&self, state: &mut State) {
        while self.shares
            && state.returned.is_empty()
            && state.posts.has_place()
            && let Some((job, next)) = state.front()
            && let Some(arguments) = job.for_board(*next)
        {
            let task = Task::of(job, *next);
            *next += 1;
            let header = postcard::to_stdvec(&Header::of(&task)).expect("numbers can be encoded");
            let note = [&header, arguments].concat();
            state.posts.post(&self.board, &note, task);
        }
    }

    /// The number with which a worker is told to run a task, or to look at the board.
    pub(super) fn assign(&self, slot: usize, task: Option<Task>) -> u64 {
        self.lock().posts.assign(&self.board, slot, task)
    }

    /// A worker says that it has done a task; `None` if that is not so.
    pub(super) fn done(&self, number: u64, slot: usize) -> Option<Task> {
        let mut state = self.lock();
        let task = state.posts.done(&self.board, number, slot)?;
        self.post(&mut state);
        Some(task)
    }

    /// Takes tasks off the board that no worker has claimed and that were cancelled.
    pub(super) fn withdraw_cancelled(&self) -> Vec<Task> {
        self.lock().posts.withdraw(&self.board, Task::is_cancelled)
    }

    /// Whether a worker runs a task that was cancelled. If so it runs no other.
    pub(super) fn revoke(&self, slot: usize) -> bool {
        self.lock().posts.revoke(&self.board, slot, Task::is_cancelled)
    }

    /// A worker is dead. Whether it had no task; what it had begun; and whom to wake for what waits. What it had
    /// not begun waits again, unless it was late, or so many workers died of it that it counts as begun, or
    /// all is over.
    pub(super) fn lost(&self, slot: usize, late: bool) -> (bool, Vec<Task>, Option<usize>) {
        let mut state = self.lock();
        let lost = state.posts.lost(&self.board, slot);
        let over = late || matches!(state.phase, Phase::Over(_));
        let (had_none, mut gone) = (lost.is_empty(), Vec::new());
        for (mut task, begun) in lost {
            task.deaths += 1;
            match begun || over || task.deaths > TRIES {
                true => gone.push(task),
                false => state.returned.push_back(task),
            }
        }
        (had_none, gone, self.waits(&mut state).then(|| state.call(1).pop()).flatten())
    }

    /// Whether there is a task that no worker has.
    fn waits(&self, state: &mut State) -> bool {
        !state.returned.is_empty() || self.board.has_notes() || state.front().is_some()
    }

    /// Whether all is done, and nothing more can come.
    pub(super) fn is_finished(&self) -> bool {
        let mut state = self.lock();
        state.phase == Phase::Joining && !self.waits(&mut state)
    }

    /// What a handler with a worker is to do.
    pub(super) fn next(&self, handler: Handler) -> Next {
        let mut state = self.lock();
        if let Phase::Over(_) = state.phase {
            return Next::End;
        }
        let returned = state.returned.pop_front(); // older than any on the board
        self.post(&mut state);
        if returned.is_none() && self.board.has_notes() {
            return Next::Work(handler, None);
        }
        match returned.or_else(|| state.pop()) {
            task @ Some(_) => Next::Work(handler, task),
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
        let called = self.waits(&mut state) || state.phase != Phase::Running || !handler.started;
        state.idle.push(Idle { handler, called });
        called
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

    /// Ends it all: the tasks that wait, which are to be answered. `None` if it was over before.
    pub(super) fn end(&self, cause: Error) -> Option<impl Iterator<Item = Task>> {
        let mut state = self.lock();
        if let Phase::Over(_) = state.phase {
            return None;
        }
        state.phase = Phase::Over(cause);
        let posted = state.posts.withdraw(&self.board, |_| true);
        let (returned, jobs) = (mem::take(&mut state.returned), mem::take(&mut state.jobs));
        let queued = jobs
            .into_iter()
            .flat_map(|(job, next)| (next..job.tasks()).map(move |index| Task::of(&job, index)));
        Some(posted.into_iter().chain(returned).chain(queued))
    }
}
