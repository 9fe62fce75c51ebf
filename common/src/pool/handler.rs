//! The handler: a thread of the parent for each worker. It takes a task, sees it through, and
//! knows at every moment what its worker holds. So a death has exactly one victim.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::unistd::Pid;

use super::Shared;
use super::connection::{Connection, Halt, Until};
use super::job::Task;
use super::queue::{Next, Phase};
use super::wire::{Header, LENGTH};
use crate::calls::{Error, Failure, Result, append, guarded, take};
use crate::console::Role;
use crate::{ExitStatus, os, trace};

/// So many workers in a row that are of no use end the pool; and a task with which so many die before
/// they begin it has failed.
const TRIES: u32 = 10;

pub(super) struct Handler {
    shared: Arc<Shared>,
    slot: usize,
    worker: Option<Connection>,
    /// Whether the worker has said that it has started.
    started: bool,
    /// Tasks that this worker has done.
    done: usize,
    /// The number of the last task: what the worker notes when it begins.
    number: u64,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>, slot: usize) -> Self {
        Handler { shared, slot, worker: None, started: false, done: 0, number: 0 }
    }

    pub(super) fn run(mut self) {
        // Nobody may wait for ever because this thread panicked: in code of the program, or here.
        if let Err(cause) = guarded(|| self.serve()) {
            self.shared.end(cause);
        }
        self.shared.pids[self.slot].store(0, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// What ends the pool.
    fn serve(&mut self) -> Result<()> {
        loop {
            while !self.started {
                self.hire()?;
            }
            match self.shared.queue.next(self.slot) {
                Next::Task(task) if task.is_cancelled() => task.answer(0, Err(Error::Cancelled)),
                Next::Task(task) => self.see_through(task)?,
                Next::Idle => self.idle()?,
                Next::End => return Ok(()),
            }
        }
    }

    /// Forks a worker, which begins with its initializer.
    pub(super) fn fork(&mut self) -> Result<()> {
        let worker = self.shared.supervisor.fork_worker(self.slot)?;
        self.shared.pids[self.slot].store(worker.pid.as_raw() as u32, Ordering::Relaxed);
        (self.worker, self.started, self.done) = (Some(worker), false, 0);
        Ok(())
    }

    /// Sees to it that there is a worker and that it starts. If not, pauses before the next try, or
    /// gives up.
    fn hire(&mut self) -> Result<()> {
        let outcome = match self.worker {
            None => self.fork().and_then(|()| self.hear_hello()),
            Some(_) => self.hear_hello(),
        };
        match outcome {
            Err(cause) if cause != Error::SupervisorDied => self.failed(cause),
            outcome => outcome,
        }
    }

    /// A worker was of no use: pauses before the next try, or gives up.
    fn failed(&self, cause: Error) -> Result<()> {
        let (failures, first) = self.shared.failed(cause);
        if failures >= TRIES {
            return Err(first);
        }
        // What the system refuses now, it may grant in a while.
        let pause = Instant::now() + Duration::from_millis(1 << failures.min(6));
        os::readable(self.shared.wakes[self.slot].as_fd(), Some(pause));
        Ok(())
    }

    fn hear_hello(&mut self) -> Result<()> {
        let (shared, Some(worker)) = (self.shared.clone(), &mut self.worker) else { return Ok(()) };
        let pid = worker.pid;
        let until =
            Until { wake: &shared.wakes[self.slot], deadline: None, heed: &|| shared.is_over() };
        let hello = worker.receive(&until).ok().map(|mut hello| take(&mut hello, "hello"));
        if let Some(Ok(Ok::<(), Failure>(()))) = hello {
            self.started = true;
            return Ok(());
        }
        let status = self.dismiss()?;
        Err(match hello {
            Some(Ok(Err(Failure::Panicked { message, location }))) => Error::CannotStart(format!(
                "the initializer panicked in worker {pid} at {location}: {message}"
            )),
            _ => useless(pid, status),
        })
    }

    /// Waits for a task, and notices meanwhile if the worker dies.
    fn idle(&mut self) -> Result<()> {
        let (shared, Some(worker)) = (&self.shared, &self.worker) else { return Ok(()) };
        let until = Until { wake: &shared.wakes[self.slot], deadline: None, heed: &|| true };
        match worker.wait(PollFlags::POLLIN, &until) {
            Err(Halt::Woken) => Ok(()),
            // It was asked nothing: that is its end.
            _ => match (self.done, worker.pid, self.dismiss()?) {
                (0, pid, status) if status.own_doing() => self.failed(useless(pid, status)),
                _ => Ok(()), // somebody else may have killed it
            },
        }
    }

    /// Sends a task, waits for its results and answers it, whatever happens.
    fn see_through(&mut self, mut task: Task) -> Result<()> {
        let (shared, Some(worker)) = (self.shared.clone(), &mut self.worker) else { return Ok(()) };
        self.number += 1;
        let (pid, number, limit) = (worker.pid.as_raw() as u32, self.number, task.order().limit);
        let until = Until {
            wake: &shared.wakes[self.slot],
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            // Most wake-ups are for another task, or for the cancelling of another call.
            heed: &|| task.is_cancelled() || shared.is_over(),
        };
        let sent = worker.send([&frame(&task, number), task.input()], &until);
        let halt = match sent.and_then(|()| worker.receive(&until)) {
            Ok(reply) if reply.starts_with(&number.to_ne_bytes()) => {
                task.answer(pid, Ok(&reply[8..]));
                (self.done == 0).then(|| shared.succeeded());
                self.done += 1;
                let spent = shared.max_tasks.is_some_and(|most| self.done >= most.get());
                return if spent { self.dismiss().map(drop) } else { Ok(()) };
            }
            Ok(_) => Halt::Dead, // the answer to something else
            Err(halt) => halt,
        };
        // The worker is gone before anybody hears of it.
        let status = self.dismiss();
        if let (Halt::Dead, Ok(_)) = (&halt, &status)
            && shared.begun.get(self.slot).load(Ordering::Acquire) != number
            && task.deaths < TRIES
        {
            task.deaths += 1;
            if let Some(handler) = shared.queue.give_back(task) {
                shared.wake(handler);
            }
            return Ok(());
        }
        let tasks = task.tasks();
        let error = match (shared.queue.phase(), halt) {
            (Phase::Over(cause), _) => cause,
            (_, Halt::Woken) => Error::Cancelled,
            (_, Halt::Late) => Error::TimeLimit { tasks, pid, limit: limit.unwrap_or_default() },
            (_, Halt::NoMemory) => {
                let message = String::from("result is larger than the memory that is left");
                Error::Codec { tasks, message }
            }
            (_, Halt::Dead) => match &status {
                Ok(status) => Error::Died { tasks, pid, status: *status },
                Err(cause) => cause.clone(),
            },
        };
        task.answer(pid, Err(error));
        status.map(drop)
    }

    /// Ends the worker, if it still lives.
    fn dismiss(&mut self) -> Result<ExitStatus> {
        self.started = false;
        self.shared.pids[self.slot].store(0, Ordering::Relaxed);
        let Some(worker) = self.worker.take() else { return Ok(ExitStatus::Unknown) };
        let status = self.shared.supervisor.reap(worker.pid);
        trace::died(Role::Worker(self.slot + 1), worker.pid.as_raw() as u32);
        status
    }
}

fn useless(pid: Pid, status: ExitStatus) -> Error {
    Error::CannotStart(format!("worker {pid} {status} before it could take a task"))
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
