//! The process between the parent and its workers: it forks them and reaps them.
//!
//! It has one thread for all its life, so a worker is never forked while some other thread holds
//! a lock; it alone has workers for children, so nobody can take their exit status; and it
//! keeps no end of any worker's socket, so the end of a worker is the end of its socket.
//! It answers two requests: *fork a worker* and *reap this one*. When the parent is gone, or
//! has shut the control socket, it ends its workers and itself.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType,
    recv, recvmsg, send, sendmsg, shutdown, socketpair,
};
use nix::unistd::Pid;

use super::connection::Connection;
use super::error::Error;
use super::progress::Progress;
use super::worker;
use crate::console::Role;
use crate::fork::{Interrupt, PrivateFd, fork, ignore};
use crate::{ExitStatus, os, random};

/// What workers get between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(300);
/// What the supervisor gets to end its workers and itself, before it is killed as well.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Both directions speak in pairs of integers; a message is never cut in two.
type Message = [i32; 2];

const FORK: i32 = 0; // with the slot; answered by [0, pid] and two descriptors, or [errno, 0]
const REAP: i32 = 1; // with the pid; answered by how it ended
const EXITED: i32 = 0;
const SIGNALED: i32 = 1;
const UNKNOWN: i32 = 2;

fn to_bytes(message: Message) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&message[0].to_ne_bytes());
    bytes[4..].copy_from_slice(&message[1].to_ne_bytes());
    bytes
}

fn from_bytes(bytes: [u8; 8]) -> Message {
    let half = |i: usize| i32::from_ne_bytes(bytes[i..i + 4].try_into().expect("4 bytes"));
    [half(0), half(4)]
}

/// The parent's side.
pub(super) struct Supervisor {
    pid: Pid,
    pidfd: PrivateFd,
    control: PrivateFd,
    /// One request at a time. Not around `control` itself: the end must not wait for a turn.
    turn: Mutex<()>,
}

impl Supervisor {
    /// Forks it.
    pub(super) fn start(
        (stream, pool): (u64, u64),
        progress: &Progress,
        initializer: Option<&dyn Fn()>,
    ) -> Result<Self, Error> {
        let [control, theirs] = socket_pair(SockType::SeqPacket)
            .map_err(|errno| Error::system("a socket for the supervisor", errno))?;
        let [parent] = PrivateFd::make(|| os::pidfd_open(Pid::this()).map(|fd| [fd]))
            .map_err(|errno| Error::system("a descriptor of this process", errno))?;
        let pid = fork([theirs, parent], Role::Main, Interrupt::IsIgnored, |[control, parent]| {
            random::enter(stream, &[1, pool]);
            serve(&control, &parent, progress, initializer);
            0
        })
        .map_err(|errno| Error::system("forking the supervisor", errno))?;
        match PrivateFd::make(|| os::pidfd_open(pid).map(|fd| [fd])) {
            Ok([pidfd]) => Ok(Supervisor { pid, pidfd, control, turn: Mutex::new(()) }),
            Err(errno) => {
                drop(control); // its end of file
                os::reap(pid);
                Err(Error::system("a descriptor of the supervisor", errno))
            }
        }
    }

    /// A new worker for this slot.
    pub(super) fn fork_worker(&self, slot: usize) -> Result<Connection, Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.request([FORK, slot as i32])?;
        let mut bytes = [0; 8];
        let mut room = nix::cmsg_space!([RawFd; 2]);
        // Marked as private before another thread can fork.
        let mut received = 0;
        let fds = PrivateFd::make(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
            let control = self.control.as_fd().as_raw_fd();
            let message = recvmsg::<()>(control, &mut parts, Some(&mut room), flags)?;
            received = message.bytes;
            let fds = message.cmsgs()?.flat_map(|control| match control {
                ControlMessageOwned::ScmRights(fds) => fds,
                _ => Vec::new(),
            });
            // SAFETY: the kernel has just made them for this process.
            let fds: Vec<_> = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
            // With no room for a descriptor the kernel drops it.
            fds.try_into().map_err(|_| Errno::EMFILE)
        });
        let [errno, pid] = from_bytes(bytes);
        match fds {
            _ if received != bytes.len() => Err(Error::SupervisorDied),
            _ if errno != 0 => Err(Error::system("forking a worker", Errno::from_raw(errno))),
            Ok([socket, pidfd]) => Ok(Connection::new(Pid::from_raw(pid), socket, pidfd)),
            Err(errno) => {
                self.request([REAP, pid])?;
                self.answer()?;
                Err(Error::system("a worker's descriptors", errno))
            }
        }
    }

    /// Ends a worker, if it still lives, and says how it ended.
    pub(super) fn reap(&self, pid: Pid) -> Result<ExitStatus, Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.request([REAP, pid.as_raw()])?;
        Ok(match self.answer()? {
            [EXITED, code] => ExitStatus::Exited(code),
            [SIGNALED, signal] => ExitStatus::Signaled(signal),
            _ => ExitStatus::Unknown,
        })
    }

    /// Sends a request and waits for something to answer it, if only the end.
    fn request(&self, message: Message) -> Result<(), Error> {
        let flags = MsgFlags::MSG_NOSIGNAL;
        send(self.control.as_fd().as_raw_fd(), &to_bytes(message), flags)
            .map_err(|_| Error::SupervisorDied)?;
        // A fork that a task made may hold the other end: the end of the process is what counts.
        let ends = [&self.control, &self.pidfd];
        os::wait_for(&mut ends.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)), None);
        Ok(())
    }

    fn answer(&self) -> Result<Message, Error> {
        let mut bytes = [0; 8];
        match recv(self.control.as_fd().as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(8) => Ok(from_bytes(bytes)),
            _ => Err(Error::SupervisorDied),
        }
    }

    /// Tells it to end its workers and itself. Does not wait.
    pub(super) fn dismiss(&self) {
        let _ = shutdown(self.control.as_fd().as_raw_fd(), Shutdown::Both);
    }

    /// Waits until it is gone and every worker with it; kills it if that takes too long.
    pub(super) fn finish(&self) {
        self.dismiss();
        if !os::readable(self.pidfd.as_fd(), Some(Instant::now() + PATIENCE)) {
            let _ = os::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        }
        os::reap(self.pid);
    }
}

/// The supervisor's whole life.
fn serve(
    control: &PrivateFd,
    parent: &PrivateFd,
    progress: &Progress,
    initializer: Option<&dyn Fn()>,
) {
    // What ends the program reaches the whole group; the parent decides.
    [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().for_each(ignore);
    let me = Pid::this();
    let mut workers: Vec<(Pid, PrivateFd)> = Vec::new();
    loop {
        // A fork of the parent may hold the other end of the control socket, so its end of file
        // may never come.
        let fds = [control, parent].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        let mut fds = fds;
        os::wait_for(&mut fds, None);
        if fds[1].any() == Some(true) {
            break;
        }
        let mut bytes = [0; 8];
        match recv(control.as_fd().as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(8) => {}
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            _ => break,
        }
        let sent = match from_bytes(bytes) {
            [FORK, slot] => {
                let slot = slot as usize;
                let body = |socket| worker::run(socket, me, slot, progress, initializer);
                match fork_worker(slot, body) {
                    Ok((pid, pidfd, socket)) => {
                        let fds = [socket.as_fd().as_raw_fd(), pidfd.as_fd().as_raw_fd()];
                        workers.push((pid, pidfd));
                        reply(control, [0, pid.as_raw()], &fds)
                    }
                    Err(errno) => reply(control, [errno as i32, 0], &[]),
                }
            }
            [_, pid] => {
                let pid = Pid::from_raw(pid);
                // Only a worker that was not reaped yet: the number may mean somebody else.
                let status = match workers.iter().position(|(worker, _)| *worker == pid) {
                    Some(index) => {
                        workers.swap_remove(index);
                        let _ = kill(pid, Signal::SIGKILL);
                        os::reap(pid)
                    }
                    None => ExitStatus::Unknown,
                };
                let answer = match status {
                    ExitStatus::Exited(code) => [EXITED, code],
                    ExitStatus::Signaled(signal) => [SIGNALED, signal],
                    ExitStatus::Unknown => [UNKNOWN, 0],
                };
                reply(control, answer, &[])
            }
        };
        if sent.is_err() {
            break;
        }
    }
    end_all(&workers);
}

/// A socket pair, a worker that has one end of it, and a descriptor of that worker.
fn fork_worker(
    slot: usize,
    body: impl FnOnce(PrivateFd) -> i32,
) -> nix::Result<(Pid, PrivateFd, PrivateFd)> {
    let [ours, theirs] = socket_pair(SockType::Stream)?;
    let role = Role::Worker(slot + 1);
    let pid = fork([theirs], role, Interrupt::IsIgnored, |[socket]| body(socket))?;
    match PrivateFd::make(|| os::pidfd_open(pid).map(|fd| [fd])) {
        Ok([pidfd]) => Ok((pid, pidfd, ours)),
        Err(errno) => {
            let _ = kill(pid, Signal::SIGKILL);
            os::reap(pid);
            Err(errno)
        }
    }
}

fn reply(control: &PrivateFd, message: Message, fds: &[RawFd]) -> nix::Result<usize> {
    let bytes = to_bytes(message);
    let rights = [ControlMessage::ScmRights(fds)];
    let rights = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    let parts = [IoSlice::new(&bytes)];
    sendmsg::<()>(control.as_fd().as_raw_fd(), &parts, rights, MsgFlags::MSG_NOSIGNAL, None)
}

/// SIGTERM, a short grace, SIGKILL, and no zombie.
fn end_all(workers: &[(Pid, PrivateFd)]) {
    for (pid, _) in workers {
        let _ = kill(*pid, Signal::SIGTERM);
        let _ = kill(*pid, Signal::SIGCONT); // a stopped process must run to see it
    }
    let deadline = Instant::now() + GRACE;
    for (pid, pidfd) in workers {
        if !os::readable(pidfd.as_fd(), Some(deadline)) {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        os::reap(*pid);
    }
}

fn socket_pair(kind: SockType) -> nix::Result<[PrivateFd; 2]> {
    PrivateFd::make(|| {
        socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).map(|(a, b)| [a, b])
    })
}
