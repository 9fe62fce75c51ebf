//! The process between the parent and its workers: it forks them and reaps them.
//!
//! It has one thread for all its life, so a worker is never forked while some other thread holds
//! a lock; it alone has workers for children, so nobody can take their exit status; and it keeps no
//! end of any worker's socket, so the end of a worker is the end of its socket. It answers two
//! requests: *fork a worker* and *reap this one*. When the parent is gone, or has shut the
//! control socket, it ends its workers and itself.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{Shutdown, SockType, shutdown};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::worker;
use crate::board::Board;
use crate::calls::{Error, Result};
use crate::console::Role;
use crate::fork::{Interrupt, fork, ignore};
use crate::private::{PrivateFd, pidfd, receive_value, send_value, socket_pair};
use crate::{ExitStatus, os, random};

/// What workers get between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(300);

// ANCHOR: requests
#[derive(Serialize, Deserialize)]
enum Request {
    Fork { slot: usize },
    Reap { pid: i32 },
}

#[derive(Serialize, Deserialize)]
enum Answer {
    /// The pid. With the parent's end of the worker's socket.
    Forked(i32),
    /// The `errno`.
    NotForked(i32),
    Ended(ExitStatus),
}
// ANCHOR_END: requests

/// The parent's side.
pub(super) struct Supervisor {
    pidfd: PrivateFd,
    control: PrivateFd,
    /// One request at a time. Not around `control` itself: the end must not wait for a turn.
    turn: Mutex<()>,
}

impl Supervisor {
    /// Forks it. `lineage` is where the workers' random numbers come from.
    pub(super) fn start(
        (stream, pool): (u64, u64),
        board: &Board,
        initializer: Option<&dyn Fn()>,
    ) -> Result<Self> {
        let system = |errno| Error::System("starting the supervisor", errno);
        let [control, theirs] = socket_pair(SockType::SeqPacket).map_err(system)?;
        let parent = pidfd(Pid::this()).map_err(system)?;
        let pid = fork([theirs, parent], Role::Main, Interrupt::IsIgnored, |[control, parent]| {
            random::enter(stream, &[1, pool]);
            serve(&control, &parent, board, initializer);
            0
        })
        .map_err(system)?;
        match pidfd(pid) {
            Ok(pidfd) => Ok(Supervisor { pidfd, control, turn: Mutex::new(()) }),
            Err(errno) => {
                end(pid); // another fork may hold the socket: its end of file need not come
                Err(system(errno))
            }
        }
    }

    /// A new worker for this slot.
    pub(super) fn fork_worker(&self, slot: usize) -> Result<Connection> {
        match self.ask(Request::Fork { slot })? {
            (Answer::Forked(pid), socket) => {
                // It is not reaped before we ask for that, so the number means this worker.
                let connect = |socket| Connection::new(Pid::from_raw(pid), socket);
                let connection = socket.ok_or(Errno::EMFILE).and_then(connect);
                if connection.is_err() {
                    self.ask(Request::Reap { pid })?;
                }
                connection.map_err(|errno| Error::System("a connection to a worker", errno))
            }
            (Answer::NotForked(errno), _) => {
                Err(Error::System("forking a worker", Errno::from_raw(errno)))
            }
            (Answer::Ended(_), _) => Err(Error::SupervisorDied),
        }
    }

    /// Ends a worker, if it still lives, and says how it ended.
    pub(super) fn reap(&self, pid: Pid) -> Result<ExitStatus> {
        match self.ask(Request::Reap { pid: pid.as_raw() })? {
            (Answer::Ended(status), _) => Ok(status),
            _ => Err(Error::SupervisorDied),
        }
    }

    fn ask(&self, request: Request) -> Result<(Answer, Option<PrivateFd>)> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        send_value(&self.control, &request, None).map_err(|_| Error::SupervisorDied)?;
        // A fork that a task made may hold the other end: the end of the process is what counts.
        os::readable_of([self.control.as_fd(), self.pidfd.as_fd()], None);
        let (answer, fd) = receive_value(&self.control).map_err(|_| Error::SupervisorDied)?;
        Ok((answer.ok_or(Error::SupervisorDied)?, fd))
    }

    /// Tells it to end its workers and itself. Does not wait.
    pub(super) fn dismiss(&self) {
        let _ = shutdown(self.control.as_fd().as_raw_fd(), Shutdown::Both);
    }

    /// Waits until it is gone and every worker with it; kills it if that takes too long.
    pub(super) fn finish(&self, deadline: Instant) {
        self.dismiss();
        if !os::readable(self.pidfd.as_fd(), Some(deadline)) {
            let _ = os::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        }
        os::reap(self.pidfd.as_fd());
    }
}

/// The supervisor's whole life.
fn serve(control: &PrivateFd, parent: &PrivateFd, board: &Board, initializer: Option<&dyn Fn()>) {
    // What ends the program reaches the whole group; the parent decides.
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().for_each(ignore);
    let me = Pid::this();
    let mut workers: Vec<(Pid, PrivateFd)> = Vec::new();
    loop {
        // A fork of the parent may hold the other end of the control socket, whose end of file
        // never comes then.
        if let [_, true] = os::readable_of([control.as_fd(), parent.as_fd()], None) {
            break;
        }
        let (answer, socket) = match receive_value(control) {
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            Err(_) | Ok((None, _)) => break, // the end of file
            Ok((Some(Request::Fork { slot }), _)) => {
                match fork_worker(slot, |fd| worker::run(fd, me, (board, slot), initializer)) {
                    Ok((pid, pidfd, socket)) => {
                        workers.push((pid, pidfd));
                        (Answer::Forked(pid.as_raw()), Some(socket))
                    }
                    Err(errno) => (Answer::NotForked(errno as i32), None),
                }
            }
            Ok((Some(Request::Reap { pid }), _)) => {
                // Only one that was not reaped yet: the number may mean somebody else by now.
                let worker = workers.iter().position(|(worker, _)| worker.as_raw() == pid);
                let status = worker.map(|worker| end(workers.swap_remove(worker).0));
                (Answer::Ended(status.unwrap_or(ExitStatus::Unknown)), None)
            }
        };
        if send_value(control, &answer, socket.as_ref()).is_err() {
            break;
        }
    }
    for (pid, _) in &workers {
        let _ = kill(*pid, Signal::SIGTERM);
        let _ = kill(*pid, Signal::SIGCONT); // a stopped process must run to see it
    }
    let deadline = Instant::now() + GRACE;
    for (pid, pidfd) in workers {
        os::readable(pidfd.as_fd(), Some(deadline));
        end(pid);
    }
}

/// A socket pair, a worker that has one end of it, and a descriptor of that worker.
fn fork_worker(
    slot: usize,
    body: impl FnOnce(PrivateFd) -> i32,
) -> nix::Result<(Pid, PrivateFd, PrivateFd)> {
    let [ours, theirs] = socket_pair(SockType::SeqPacket)?;
    let role = Role::Worker(slot + 1);
    let pid = fork([theirs], role, Interrupt::IsIgnored, |[socket]| body(socket))?;
    match pidfd(pid) {
        Ok(pidfd) => Ok((pid, pidfd, ours)),
        Err(errno) => {
            end(pid);
            Err(errno)
        }
    }
}

/// Kills a worker that was not reaped yet, and reaps it.
fn end(pid: Pid) -> ExitStatus {
    let _ = kill(pid, Signal::SIGKILL);
    os::reap_pid(pid)
}
