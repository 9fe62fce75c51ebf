//! The handler: a thread of the parent for each worker. It takes a task, sees it through, and
//! knows at every moment what its worker holds. So a death has exactly one victim.

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::Shared;
use super::connection::{Connection, Halt, Sent};
use super::error::{Error, Failure};
use super::job::{Order, Task};
use super::progress::FIRST_TASK;
use super::queue::{Next, Phase};
use super::wire::{TaskHeader, take};
use crate::{ExitStatus, os};

/// So many workers in a row that die before they can take a task break the pool.
const STARTS: u32 = 10;

pub(super) struct Handler {
    shared: Arc<Shared>,
    slot: usize,
    worker: Option<Connection>,
    /// The number of the next task: what the worker marks when it begins.
    number: u64,
    /// Chunks that this worker has done.
    done: usize,
}

/// The pool is over: the thread ends.
struct Over;

impl Handler {
    pub(super) fn new(shared: Arc<Shared>, slot: usize, worker: Connection) -> Self {
        Handler { shared, slot, worker: Some(worker), number: FIRST_TASK, done: 0 }
    }

    pub(super) fn run(mut self) {
        while let Ok(()) = self.turn() {}
        // The supervisor ends the workers when the whole pool ends; after `join` it may be that
        // others still have work to do.
        if self.shared.queue.phase() == Phase::Joining {
            let _ = self.reap();
        }
        self.shared.pids[self.slot].store(0, Ordering::Relaxed);
    }

    fn turn(&mut self) -> Result<(), Over> {
        self.staff()?;
        match self.shared.queue.next(self.slot) {
            Next::End => Err(Over),
            Next::Task(task) if task.order().is_cancelled() => {
                task.answer(0, Err(Error::Cancelled));
                Ok(())
            }
            Next::Task(task) => self.see_through(task),
            Next::Idle => self.idle(),
        }
    }

    /// Waits for a task, and notices meanwhile if the worker dies.
    fn idle(&mut self) -> Result<(), Over> {
        let (shared, Some(worker)) = (&self.shared, &mut self.worker) else {
            return Ok(());
        };
        match worker.wait(PollFlags::POLLIN, &shared.wakes[self.slot], None) {
            Err(Halt::Woken) => {
                shared.clear_wake(self.slot);
                Ok(())
            }
            // It says something unasked: that it cannot start, or that it is at its end.
            _ => self.replace(),
        }
    }

    /// Sends a task, waits for its results and answers it, whatever happens.
    fn see_through(&mut self, task: Task) -> Result<(), Over> {
        let number = self.number;
        self.number += 1;
        let limit = task.order().limit;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let worker = self.worker.as_mut().expect("staffed");
        let pid = worker.pid.as_raw() as u32;
        worker.clear();
        let halt = match exchange(&self.shared, self.slot, worker, &task, number, deadline) {
            Ok(()) => match worker.receive() {
                Ok(Some(reply)) if reply.started => {
                    task.answer(pid, Ok(reply.body));
                    return self.count();
                }
                _ => Halt::Dead,
            },
            Err(halt) => halt,
        };
        if let Halt::Dead = halt
            && !self.shared.progress.has_begun(self.slot, number)
        {
            if let Some(handler) = self.shared.queue.give_back(task) {
                self.shared.wake(handler);
            }
            return self.replace();
        }
        // The worker is gone before anybody hears of it.
        let reaped = self.reap();
        let tasks = task.items();
        let error = match (self.shared.queue.phase(), halt) {
            (Phase::Over(cause), _) => cause,
            (_, Halt::Woken) => Error::Cancelled,
            (_, Halt::Late) => Error::TimeLimit { tasks, pid, limit: limit.unwrap_or_default() },
            (_, Halt::NoMemory) => {
                let message = String::from("result is too large for this process's memory");
                Error::Codec { tasks, message }
            }
            (_, Halt::Dead) => {
                let status = *reaped.as_ref().unwrap_or(&ExitStatus::Unknown);
                Error::Died { tasks, pid, status }
            }
        };
        task.answer(pid, Err(error));
        reaped.map(drop)
    }

    /// A chunk is done: is the worker, too?
    fn count(&mut self) -> Result<(), Over> {
        self.done += 1;
        match self.shared.max_tasks {
            Some(most) if self.done >= most.get() => self.replace(),
            _ => Ok(()),
        }
    }

    /// Ends the worker, and counts it if it never came so far as to take a task.
    fn replace(&mut self) -> Result<(), Over> {
        self.reap().map(drop)
    }

    fn reap(&mut self) -> Result<ExitStatus, Over> {
        let Some(mut worker) = self.worker.take() else {
            return Ok(ExitStatus::Unknown);
        };
        let pid = worker.pid.as_raw() as u32;
        self.done = 0;
        let status = self.shared.supervisor.reap(worker.pid).map_err(|cause| self.over(cause))?;
        if self.shared.progress.was_ready(self.slot) {
            self.shared.start_succeeded();
            return Ok(status);
        }
        let said = worker.receive().ok().flatten().filter(|reply| !reply.started);
        let cause = match said.and_then(|mut reply| take(&mut reply.body, "").ok()) {
            Some(Failure::Panicked { message, location }) => {
                format!("the initializer panicked in worker {pid} at {location}: {message}")
            }
            _ => format!("worker {pid} {status} before it could take a task"),
        };
        self.cannot_start(Error::CannotStart { cause })?;
        Ok(status)
    }

    /// Another start has failed: pauses, or ends the pool if there were too many in a row.
    fn cannot_start(&mut self, cause: Error) -> Result<(), Over> {
        let (failures, first) = self.shared.start_failed(cause);
        if failures >= STARTS {
            return Err(self.over(first));
        }
        // What the system refuses now, it may grant in a while.
        let pause = Duration::from_millis(1 << failures.min(6));
        os::readable(self.shared.wakes[self.slot].as_fd(), Some(Instant::now() + pause));
        Ok(())
    }

    fn over(&self, cause: Error) -> Over {
        self.shared.end(cause);
        Over
    }

    /// Sees to it that there is a worker.
    fn staff(&mut self) -> Result<(), Over> {
        while self.worker.is_none() {
            if let Phase::Over(_) = self.shared.queue.phase() {
                return Err(Over);
            }
            self.shared.progress.reset(self.slot);
            match self.shared.supervisor.fork_worker(self.slot) {
                Ok(worker) => {
                    self.shared.pids[self.slot]
                        .store(worker.pid.as_raw() as u32, Ordering::Relaxed);
                    self.worker = Some(worker);
                }
                Err(Error::SupervisorDied) => return Err(self.over(Error::SupervisorDied)),
                Err(error) => self.cannot_start(error)?,
            }
        }
        Ok(())
    }
}

/// Sends a task and waits until its whole reply is there.
fn exchange(
    shared: &Shared,
    slot: usize,
    worker: &mut Connection,
    task: &Task,
    number: u64,
    deadline: Option<Instant>,
) -> Result<(), Halt> {
    let Order { call, number: job, .. } = *task.order();
    let (input, items) = (task.input(), task.items().range);
    let header = TaskHeader {
        length: input.len() as u64,
        number,
        call,
        job,
        first: items.start as u64,
        count: items.len() as u64,
    }
    .to_bytes();
    let wait = |worker: &Connection, events| loop {
        match worker.wait(events, &shared.wakes[slot], deadline) {
            Err(Halt::Woken) => {
                shared.clear_wake(slot);
                // Most wake-ups are for another task, or for somebody else's cancelling.
                if task.order().is_cancelled() || matches!(shared.queue.phase(), Phase::Over(_)) {
                    return Err(Halt::Woken);
                }
            }
            other => return other,
        }
    };
    let mut parts = [IoSlice::new(&header), IoSlice::new(input)];
    let mut parts = &mut parts[..];
    while let Sent::Partly = worker.send(&mut parts)? {
        wait(worker, PollFlags::POLLOUT)?;
    }
    while worker.receive()?.is_none() {
        match wait(worker, PollFlags::POLLIN) {
            // What it wrote before it died counts.
            Err(Halt::Dead) if worker.receive()?.is_some() => {}
            other => other?,
        }
    }
    Ok(())
}
