//! The handler: what the parent does about one worker. It tells it what to do, answers what it has done,
//! and learns from the board what a dead one held. So a death has exactly one victim.
//!
//! Each has a thread. While there is nothing to do the handler is on the queue's idle list, from which a
//! caller may borrow it: then the caller's thread talks to the worker, and wakes nobody else.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::Shared;
use super::connection::{Connection, Halt, Until};
use super::queue::{Next, Phase};
use super::wire::Order;
use crate::calls::{Error, Failure, Header, Job, Result, Task, guarded, take_item};
use crate::console::Role;
use crate::private::PrivateFd;
use crate::{ExitStatus, os, trace};

/// So many workers in a row that are of no use end the pool, or two for each that it has if those are more; and a
/// task with which so many die before they begin it has failed.
pub(super) const TRIES: u32 = 10;

/// So many messages without a meaning are read for the sake of those behind them.
const PATIENCE: u32 = 300;

pub(super) struct Handler {
    pub(super) slot: usize,
    worker: Option<Connection>,
    /// Whether the worker has said that it has started.
    pub(super) started: bool,
    /// Tasks that this worker has done.
    done: usize,
    /// Who waits while the handler is lent.
    thread: Option<Thread>,
}

impl Handler {
    /// With its first worker, which begins with its initializer.
    pub(super) fn new(slot: usize, shared: &Shared) -> Result<Self> {
        let mut handler = Handler { slot, worker: None, started: false, done: 0, thread: None };
        handler.fork(shared)?;
        Ok(handler)
    }

    /// The thread's whole life.
    pub(super) fn run(mut self, shared: Arc<Shared>) {
        let slot = self.slot;
        self.thread = Some(thread::current());
        if let Err(cause) = guarded(|| self.serve(&shared)) {
            shared.end(cause);
        }
        // Nobody may wait for ever because this thread panicked, or one that had borrowed the handler: in
        // code of the program, or here. Tasks that are dropped say so.
        drop(shared.queue.lost(slot, false));
        shared.pids[slot].store(0, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// What ends the pool.
    // ANCHOR: serve
    fn serve(mut self, shared: &Shared) -> Result<()> {
        loop {
            let Some(pidfd) = self.hire(shared)? else { return Ok(()) };
            let slot = self.slot;
            self = match shared.queue.next(self) {
                Next::Work(mut handler, task) => {
                    handler.attend(task, shared)?;
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
        let task = Task::of(job, 0);
        let outcome = guarded(|| self.attend(Some(task), shared));
        self.started &= outcome.is_ok(); // if not, nobody else borrows it
        if shared.queue.hand_back(self) {
            shared.wake(slot);
        }
        thread.inspect(Thread::unpark);
        // Last: a callback that hears of the end may wait for this handler.
        if let Err(cause) = outcome {
            shared.end(cause);
        }
    }

    fn fork(&mut self, shared: &Shared) -> Result<()> {
        let worker = shared.supervisor.fork_worker(self.slot)?;
        shared.pids[self.slot].store(worker.pid.as_raw() as u32, Ordering::Relaxed);
        (self.worker, self.started, self.done) = (Some(worker), false, 0);
        Ok(())
    }

    /// Sees to it that there is a worker and that it has started: its pidfd. If not, pauses before the
    /// next try, or gives up. `None` if it would have nothing to do.
    fn hire(&mut self, shared: &Shared) -> Result<Option<Arc<PrivateFd>>> {
        loop {
            let hired = match &self.worker {
                Some(worker) if self.started => return Ok(Some(worker.pidfd.clone())),
                Some(_) => self.hear_hello(shared),
                None if shared.queue.is_finished() => return Ok(None),
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
        if failures >= TRIES.max(2 * shared.pids.len() as u32) {
            return Err(first);
        }
        // What the system refuses now, it may grant in a while. Who woke the thread before did not mean this.
        let _ = nix::unistd::read(shared.wakes[self.slot].as_fd(), &mut [0; 8]);
        let pause = Instant::now() + Duration::from_millis(1 << failures.min(6));
        os::readable(shared.wakes[self.slot].as_fd(), Some(pause));
        Ok(())
    }

    fn hear_hello(&mut self, shared: &Shared) -> Result<()> {
        let Some(worker) = &mut self.worker else { return Ok(()) };
        let pid = worker.pid;
        let until =
            Until { wake: &shared.wakes[self.slot], deadline: None, heed: &|| shared.is_over() };
        let hello = worker.receive(&until).ok();
        let hello = hello.and_then(|hello| Some(take_item(&mut hello.results().ok()?, "hello")));
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
        let [dead, _] = os::readable_of([pidfd.as_fd(), shared.wakes[slot].as_fd()], None);
        let mut handler = loop {
            match shared.queue.take_up(slot) {
                Some(handler) => break handler,
                None => thread::park(), // until it is handed back
            }
        };
        let _ = nix::unistd::read(shared.wakes[slot].as_fd(), &mut [0; 8]); // it has woken
        // It was asked nothing: that is its end.
        if dead {
            handler.bury(None, shared)?;
        }
        Ok(handler)
    }

    /// Has the worker run a task, or what is on the board; answers what it does until it is idle.
    fn attend(&mut self, mut own: Option<Task>, shared: &Shared) -> Result<()> {
        let Some(worker) = &mut self.worker else { return Ok(()) };
        let (slot, pid, pidfd) = (self.slot, worker.pid.as_raw() as u32, worker.pidfd.clone());
        if let Some(task) = own.take_if(|task| task.is_cancelled()) {
            task.fail(&Error::Cancelled);
            return Ok(());
        }
        let (looks, limit) = (own.is_none(), own.as_ref().and_then(|task| task.order().limit));
        let input = own.as_ref().map(|task| (Header::of(task), task.input()));
        let number = shared.queue.assign(slot, own);
        let mut told = match input {
            None => worker.send(&Order::Look(number), &[], None),
            Some((header, (job, range))) => {
                let (here, there) = job.input(range);
                let (file, range) = there.unzip();
                worker.send(&Order::Run(number, header, range), here, file)
            }
        };
        let until = Until {
            wake: &shared.wakes[slot],
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            // Most wake-ups are for another task, or for the cancelling of another call.
            heed: &|| shared.is_over() || shared.queue.revoke(slot),
        };
        let mut patience = PATIENCE;
        while told.is_ok() {
            told = match worker.receive(&until) {
                Ok(reply) if looks && reply.number == number => return Ok(()),
                Ok(reply) => match shared.queue.done(reply.number, slot) {
                    None => Err(Halt::Nonsense),
                    Some(task) => {
                        task.answer(pid, reply.results());
                        drop(reply);
                        (self.done == 0).then(|| shared.succeeded());
                        self.done += 1;
                        match shared.max_tasks {
                            Some(most) if self.done >= most.get() => {
                                return self.dismiss(shared).map(drop);
                            }
                            _ if looks => Ok(()),
                            _ => return Ok(()),
                        }
                    }
                },
                Err(halt) => Err(halt),
            };
            // It runs what was cancelled, or is broken: it must not begin anything more. What it did before
            // is still read.
            let must_die = matches!(told, Err(Halt::Woken | Halt::Nonsense));
            if must_die && patience > 0 && !shared.is_over() {
                let _ = os::pidfd_send_signal(pidfd.as_fd(), Signal::SIGKILL);
                (told, patience) = (Ok(()), patience - 1);
            }
        }
        self.bury(matches!(told, Err(Halt::Late)).then_some(limit).flatten(), shared)
    }

    // ANCHOR: death
    /// The worker is dead, or has to be: it had time until this limit, it speaks nonsense. It is gone before
    /// anybody hears of what it had begun.
    fn bury(&mut self, limit: Option<Duration>, shared: &Shared) -> Result<()> {
        let Some(pid) = self.worker.as_ref().map(|worker| worker.pid) else { return Ok(()) };
        let status = self.dismiss(shared);
        let (had_none, begun, to_wake) = shared.queue.lost(self.slot, limit.is_some());
        to_wake.inspect(|handler| shared.wake(*handler));
        let phase = shared.queue.phase();
        for task in begun {
            let (tasks, pid) = (task.tasks(), pid.as_raw() as u32);
            let error = match (&phase, limit, &status) {
                (Phase::Over(cause), ..) | (_, _, Err(cause)) => cause.clone(),
                _ if task.is_cancelled() => Error::Cancelled,
                (_, Some(limit), _) => Error::TimeLimit { tasks, pid, limit },
                (_, None, Ok(status)) => Error::Died { tasks, pid, status: *status },
            };
            task.answer(pid, Err(error));
        }
        match status? {
            status if had_none && self.done == 0 && status.own_doing() => {
                self.failed(useless(pid, status), shared)
            }
            _ => Ok(()), // it was of use, or somebody else killed it
        }
    }
    // ANCHOR_END: death

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
