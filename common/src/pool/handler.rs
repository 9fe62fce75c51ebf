//! The handler: what the parent does about one worker. It takes a task, sees it through, and knows at
//! every moment what its worker holds. So a death has exactly one victim.
//!
//! Each has a thread. While there is nothing to do the handler is on the queue's idle list, from which a
//! caller may borrow it: then the caller's thread talks to the worker, and wakes nobody else.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::unistd::Pid;

use super::Shared;
use super::connection::{Connection, Halt, Until};
use super::queue::{Next, Phase};
use super::wire::Header;
use crate::calls::{Error, Failure, Job, Result, Task, guarded, take_item};
use crate::console::Role;
use crate::private::PrivateFd;
use crate::{ExitStatus, os, trace};

/// So many workers in a row that are of no use end the pool; and a task with which so many die before
/// they begin it has failed.
const TRIES: u32 = 10;

pub(super) struct Handler {
    pub(super) slot: usize,
    worker: Option<Connection>,
    /// Whether the worker has said that it has started.
    pub(super) started: bool,
    /// Tasks that this worker has done.
    done: usize,
    /// The number of the last task: what the worker notes when it begins.
    number: u64,
    /// Who waits while the handler is lent.
    thread: Option<Thread>,
}

impl Handler {
    /// With its first worker, which begins with its initializer.
    pub(super) fn new(slot: usize, shared: &Shared) -> Result<Self> {
        let mut handler =
            Handler { slot, worker: None, started: false, done: 0, number: 0, thread: None };
        handler.fork(shared)?;
        Ok(handler)
    }

    /// The thread's whole life.
    pub(super) fn run(mut self, shared: Arc<Shared>) {
        let slot = self.slot;
        self.thread = Some(thread::current());
        // Nobody may wait for ever because this thread panicked: in code of the program, or here.
        if let Err(cause) = guarded(|| self.serve(&shared)) {
            shared.end(cause);
        }
        shared.pids[slot].store(0, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// What ends the pool.
    // ANCHOR: serve
    fn serve(mut self, shared: &Shared) -> Result<()> {
        loop {
            let (slot, pidfd) = (self.slot, self.hire(shared)?);
            self = match shared.queue.next(self) {
                Next::Task(mut handler, task) => {
                    handler.see_through(task, shared)?;
                    handler
                }
                Next::Idle => Self::idle(slot, &pidfd, shared)?,
                Next::End => return Ok(()),
            }
        }
    }
    // ANCHOR_END: serve

    /// Sees the one task of a job through on the thread of a caller, and hands the handler back.
    pub(super) fn lent(mut self, job: &Arc<Job>, shared: &Shared) {
        let (slot, thread) = (self.slot, self.thread.clone());
        let task = Task::of(job, 0).expect("a job has a task");
        if let Err(cause) = guarded(|| self.see_through(task, shared)) {
            shared.end(cause);
        }
        if shared.queue.hand_back(self) {
            shared.wake(slot);
        }
        thread.inspect(Thread::unpark);
    }

    fn fork(&mut self, shared: &Shared) -> Result<()> {
        let worker = shared.supervisor.fork_worker(self.slot)?;
        shared.pids[self.slot].store(worker.pid.as_raw() as u32, Ordering::Relaxed);
        (self.worker, self.started, self.done) = (Some(worker), false, 0);
        Ok(())
    }

    /// Sees to it that there is a worker and that it has started: its pidfd. If not, pauses before the
    /// next try, or gives up.
    fn hire(&mut self, shared: &Shared) -> Result<Arc<PrivateFd>> {
        loop {
            let hired = match &self.worker {
                Some(worker) if self.started => return Ok(worker.pidfd.clone()),
                Some(_) => self.hear_hello(shared),
                None => self.fork(shared),
            };
            match hired {
                Err(cause) if cause != Error::SupervisorDied => self.failed(cause, shared)?,
                hired => hired?,
            }
        }
    }

    /// A worker was of no use: pauses before the next try, or gives up.
    fn failed(&self, cause: Error, shared: &Shared) -> Result<()> {
        let (failures, first) = shared.failed(cause);
        if failures >= TRIES {
            return Err(first);
        }
        // What the system refuses now, it may grant in a while.
        let pause = Instant::now() + Duration::from_millis(1 << failures.min(6));
        os::readable(shared.wakes[self.slot].as_fd(), Some(pause));
        Ok(())
    }

    fn hear_hello(&mut self, shared: &Shared) -> Result<()> {
        let Some(worker) = &mut self.worker else { return Ok(()) };
        let pid = worker.pid;
        let until =
            Until { wake: &shared.wakes[self.slot], deadline: None, heed: &|| shared.is_over() };
        let hello = worker.receive(&until).ok().map(|hello| take_item(&mut &hello[..], "hello"));
        if let Some(Ok(Ok::<(), Failure>(()))) = hello {
            self.started = true;
            return Ok(());
        }
        let status = self.dismiss(shared)?;
        Err(match hello {
            Some(Ok(Err(Failure::Panicked { message, location }))) => Error::CannotStart(format!(
                "the initializer panicked in worker {pid} at {location}: {message}"
            )),
            _ => useless(pid, status),
        })
    }

    /// The thread waits to be woken, and notices meanwhile if the worker dies. It does not look at the
    /// socket: an answer is for whoever has borrowed the handler.
    fn idle(slot: usize, pidfd: &PrivateFd, shared: &Shared) -> Result<Self> {
        let mut fds =
            [pidfd, &shared.wakes[slot]].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        os::wait_for(&mut fds, None);
        let dead = fds[0].any() == Some(true);
        let mut handler = loop {
            match shared.queue.take_up(slot) {
                Some(handler) => break handler,
                None => thread::park(), // until it is handed back
            }
        };
        shared.calm(slot);
        // It was asked nothing: that is its end.
        if let (true, Some(worker)) = (dead, &handler.worker) {
            let (pid, done) = (worker.pid, handler.done);
            let status = handler.dismiss(shared)?;
            if done == 0 && status.own_doing() {
                handler.failed(useless(pid, status), shared)?; // otherwise somebody else killed it
            }
        }
        Ok(handler)
    }

    /// Sends a task, waits for its results and answers it, whatever happens.
    fn see_through(&mut self, mut task: Task, shared: &Shared) -> Result<()> {
        let Some(worker) = &mut self.worker else { return Ok(()) };
        if task.is_cancelled() {
            task.answer(0, Err(Error::Cancelled));
            return Ok(());
        }
        self.number += 1;
        let (pid, number, limit) = (worker.pid.as_raw() as u32, self.number, task.order().limit);
        let until = Until {
            wake: &shared.wakes[self.slot],
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            // Most wake-ups are for another task, or for the cancelling of another call.
            heed: &|| task.is_cancelled() || shared.is_over(),
        };
        let sent = send(&task, number, worker);
        let halt = match sent.and_then(|()| worker.receive(&until)) {
            Ok(reply) if reply.number == number => {
                task.answer(pid, Ok(&reply));
                drop(reply);
                (self.done == 0).then(|| shared.succeeded());
                self.done += 1;
                let spent = shared.max_tasks.is_some_and(|most| self.done >= most.get());
                return if spent { self.dismiss(shared).map(drop) } else { Ok(()) };
            }
            Ok(_) => Halt::Dead, // the answer to something else
            Err(halt) => halt,
        };
        // ANCHOR: death
        // The worker is gone before anybody hears of it.
        let status = self.dismiss(shared);
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
            (_, Halt::Refused(errno)) => Error::System("receiving a result", errno),
            (_, Halt::Dead) => match &status {
                Ok(status) => Error::Died { tasks, pid, status: *status },
                Err(cause) => cause.clone(),
            },
        };
        // ANCHOR_END: death
        task.answer(pid, Err(error));
        status.map(drop)
    }

    /// Ends the worker, if it still lives.
    fn dismiss(&mut self, shared: &Shared) -> Result<ExitStatus> {
        self.started = false;
        shared.pids[self.slot].store(0, Ordering::Relaxed);
        let Some(worker) = self.worker.take() else { return Ok(ExitStatus::Unknown) };
        let status = shared.supervisor.reap(worker.pid);
        trace::died(Role::Worker(self.slot + 1), worker.pid.as_raw() as u32);
        status
    }
}

fn useless(pid: Pid, status: ExitStatus) -> Error {
    Error::CannotStart(format!("worker {pid} {status} before it could take a task"))
}

/// Sends a task: a header, and its arguments or where they are in the file that goes with it.
fn send(task: &Task, number: u64, worker: &Connection) -> Result<(), Halt> {
    let (order, range) = (task.order(), task.tasks().range);
    let (first, count) = (range.start as u64, range.len());
    let (here, there) = task.input();
    let (fd, file) = there.unzip();
    let header = Header { number, call: order.call, job: order.number, first, count, file };
    let header = postcard::to_stdvec(&header).expect("numbers can be encoded");
    worker.send([&header, here], fd)
}
