//! The handler: a thread of the parent for each worker. It takes a task, sees it through, and
//! knows at every moment what its worker holds. So a death has exactly one victim.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::Shared;
use super::connection::{Connection, Halt, Until};
use super::error::{Error, Failure, Result};
use super::job::Task;
use super::queue::{Next, Phase};
use super::wire::{Header, LENGTH, append, take};
use super::worker::{FIRST_TASK, STARTING};
use crate::{ExitStatus, os};

/// So many workers in a row that die before they can take a task end the pool.
const STARTS: u32 = 10;

pub(super) struct Handler {
    shared: Arc<Shared>,
    slot: usize,
    worker: Option<Connection>,
    /// The number of the next task: what the worker marks when it begins.
    number: u64,
    /// Tasks that this worker has done.
    done: usize,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>, slot: usize, worker: Connection) -> Self {
        Handler { shared, slot, worker: Some(worker), number: FIRST_TASK, done: 0 }
    }

    pub(super) fn run(mut self) {
        if let Err(cause) = self.serve() {
            self.shared.end(cause);
        }
        self.shared.pids[self.slot].store(0, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// What ends the pool.
    fn serve(&mut self) -> Result<()> {
        loop {
            while self.worker.is_none() {
                self.hire()?;
            }
            match self.shared.queue.next(self.slot) {
                Next::Task(task) => self.see_through(task)?,
                Next::Idle => self.idle()?,
                Next::End => return Ok(()),
            }
        }
    }

    /// Waits for a task, and notices meanwhile if the worker dies.
    fn idle(&mut self) -> Result<()> {
        let (shared, Some(worker)) = (&self.shared, &self.worker) else { return Ok(()) };
        let until = Until { wake: &shared.wakes[self.slot], deadline: None, heed: &|| true };
        match worker.wait(PollFlags::POLLIN, &until) {
            Err(Halt::Woken) => Ok(()),
            _ => self.dismiss().map(drop), // it is at its end, or says that it cannot start
        }
    }

    /// Sends a task, waits for its results and answers it, whatever happens.
    fn see_through(&mut self, task: Task) -> Result<()> {
        let (shared, Some(worker)) = (self.shared.clone(), &mut self.worker) else { return Ok(()) };
        if task.is_cancelled() {
            task.answer(0, Err(Error::Cancelled));
            return Ok(());
        }
        let (pid, number, tasks) = (worker.pid.as_raw() as u32, self.number, task.tasks());
        self.number += 1;
        let limit = task.order().limit;
        let until = Until {
            wake: &shared.wakes[self.slot],
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            // Most wake-ups are for another task, or for the cancelling of another call.
            heed: &|| task.is_cancelled() || matches!(shared.queue.phase(), Phase::Over(_)),
        };
        let halt = match worker.exchange([&frame(&task, number), task.input()], &until) {
            Ok(mut reply) => match take(&mut reply, "start") {
                Ok(Ok::<(), Failure>(())) => {
                    task.answer(pid, Ok(reply));
                    return self.count();
                }
                _ => Halt::Dead,
            },
            Err(halt) => halt,
        };
        let begun = shared.progress.get(self.slot).load(Ordering::Acquire) == number;
        if let (Halt::Dead, false) = (&halt, begun) {
            if let Some(handler) = shared.queue.give_back(task) {
                shared.wake(handler);
            }
            return self.dismiss().map(drop);
        }
        // The worker is gone before anybody hears of it.
        let status = self.dismiss();
        let error = match (shared.queue.phase(), halt) {
            (Phase::Over(cause), _) => cause,
            (_, Halt::Woken) => Error::Cancelled,
            (_, Halt::Late) => Error::TimeLimit { tasks, pid, limit: limit.unwrap_or_default() },
            (_, Halt::NoMemory) => {
                let message = String::from("result is larger than the memory that is left");
                Error::Codec { tasks, message }
            }
            (_, Halt::Dead) => {
                let status = *status.as_ref().unwrap_or(&ExitStatus::Unknown);
                Error::Died { tasks, pid, status }
            }
        };
        task.answer(pid, Err(error));
        status.map(drop)
    }

    /// A task is done: is the worker, too?
    fn count(&mut self) -> Result<()> {
        self.done += 1;
        match self.shared.max_tasks {
            Some(most) if self.done >= most.get() => self.dismiss().map(drop),
            _ => Ok(()),
        }
    }

    /// Ends the worker, and counts it if it never came so far as to take a task.
    fn dismiss(&mut self) -> Result<ExitStatus> {
        let Some(mut worker) = self.worker.take() else { return Ok(ExitStatus::Unknown) };
        let status = self.shared.supervisor.reap(worker.pid)?;
        if self.shared.progress.get(self.slot).load(Ordering::Acquire) != STARTING {
            self.shared.start_succeeded();
            return Ok(status);
        }
        let pid = worker.pid;
        let cause = match worker.last_words().map(|mut said| take(&mut said, "start")) {
            Some(Ok(Err(Failure::Panicked { message, location }))) => {
                format!("the initializer panicked in worker {pid} at {location}: {message}")
            }
            Some(Ok(Ok::<(), _>(()))) | Some(_) | None => {
                format!("worker {pid} {status} before it could take a task")
            }
        };
        self.failed_to_start(Error::CannotStart(cause))?;
        Ok(status)
    }

    fn hire(&mut self) -> Result<()> {
        let shared = &self.shared;
        shared.progress.get(self.slot).store(STARTING, Ordering::Release);
        match shared.supervisor.fork_worker(self.slot) {
            Err(Error::SupervisorDied) => Err(Error::SupervisorDied),
            Err(error) => self.failed_to_start(error),
            Ok(worker) => {
                shared.pids[self.slot].store(worker.pid.as_raw() as u32, Ordering::Relaxed);
                (self.worker, self.done) = (Some(worker), 0);
                Ok(())
            }
        }
    }

    /// Pauses before the next try, or gives up.
    fn failed_to_start(&self, cause: Error) -> Result<()> {
        let (failures, first) = self.shared.start_failed(cause);
        if failures >= STARTS {
            return Err(first);
        }
        // What the system refuses now, it may grant in a while.
        let pause = Duration::from_millis(1 << failures.min(6));
        os::readable(self.shared.wakes[self.slot].as_fd(), Some(Instant::now() + pause));
        Ok(())
    }
}

/// The length and the header of a task's frame; its arguments follow.
fn frame(task: &Task, number: u64) -> Vec<u8> {
    let (order, range) = (task.order(), task.tasks().range);
    let (first, count) = (range.start as u64, range.len());
    let header = Header { number, call: order.call, job: order.number, first, count };
    let mut frame = vec![0; LENGTH];
    let _ = append(&mut frame, &header, "header"); // plain numbers: it cannot fail
    let length = (frame.len() - LENGTH + task.input().len()) as u64;
    frame[..LENGTH].copy_from_slice(&length.to_ne_bytes());
    frame
}
