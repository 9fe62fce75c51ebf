//! The parent's side of one worker: its socket, and its pidfd, which tells the truth about its end.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, sendmsg};
use nix::unistd::Pid;

use super::wire::REPLY_HEADER;
use crate::fork::PrivateFd;
use crate::os;

/// The longest reply that is believed: a terabyte.
const LONGEST: u64 = 1 << 40;
/// How much room is made at once for bytes that are only announced.
const STEP: usize = 64 * 1024;

/// Why there was nothing to read, or no room to write.
pub(super) enum Halt {
    /// The worker has died, or speaks nonsense.
    Dead,
    /// The deadline has passed.
    Late,
    /// The pool wants this thread's attention.
    Woken,
    /// There is no memory for what the worker sends.
    NoMemory,
}

/// A worker as the parent sees it. Dropping it does not end the worker: the supervisor does.
pub(super) struct Connection {
    pub(super) pid: Pid,
    socket: PrivateFd,
    pidfd: PrivateFd,
    /// The reply, as far as it has come.
    inbox: Vec<u8>,
}

impl Connection {
    pub(super) fn new(pid: Pid, socket: PrivateFd, pidfd: PrivateFd) -> Self {
        Connection { pid, socket, pidfd, inbox: Vec::new() }
    }

    /// Waits for the socket, the worker's end, a wake-up or the deadline.
    pub(super) fn wait(
        &self,
        events: PollFlags,
        wake: &PrivateFd,
        deadline: Option<Instant>,
    ) -> Result<(), Halt> {
        let mut fds = [
            PollFd::new(self.socket.as_fd(), events),
            PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(wake.as_fd(), PollFlags::POLLIN),
        ];
        if !os::wait_for(&mut fds, deadline) {
            return Err(Halt::Late);
        }
        match fds.map(|fd| fd.any() == Some(true)) {
            [_, _, true] => Err(Halt::Woken),
            [true, _, _] => Ok(()),
            _ => Err(Halt::Dead),
        }
    }

    /// Writes what the socket takes now and moves `parts` on.
    pub(super) fn send(&self, parts: &mut &mut [IoSlice<'_>]) -> Result<Sent, Halt> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while !parts.is_empty() {
            match sendmsg::<()>(self.socket.as_fd().as_raw_fd(), parts, &[], flags, None) {
                Ok(written) => IoSlice::advance_slices(parts, written),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Sent::Partly),
                Err(_) => return Err(Halt::Dead),
            }
        }
        Ok(Sent::All)
    }

    /// Forgets the last reply.
    pub(super) fn clear(&mut self) {
        self.inbox.clear();
        self.inbox.shrink_to(16 * STEP);
    }

    /// Reads what has come; the whole reply if that completes it.
    pub(super) fn receive(&mut self) -> Result<Option<Reply<'_>>, Halt> {
        let total = loop {
            let total = match self.inbox.first_chunk::<REPLY_HEADER>() {
                None => REPLY_HEADER,
                Some(header) => match u64::from_ne_bytes(*header.first_chunk().expect("8 bytes")) {
                    length if length > LONGEST => return Err(Halt::Dead),
                    length => REPLY_HEADER + length as usize,
                },
            };
            if self.inbox.len() >= total && self.inbox.len() >= REPLY_HEADER {
                break total;
            }
            // Room grows with what has come, not with what was promised.
            let (here, missing) = (self.inbox.len(), total - self.inbox.len());
            if here == self.inbox.capacity()
                && self.inbox.try_reserve_exact(missing.min(here).max(STEP)).is_err()
            {
                return Err(Halt::NoMemory);
            }
            if !self.read_once()? {
                return Ok(None);
            }
        };
        if self.inbox.len() > total {
            return Err(Halt::Dead); // a reply to nothing
        }
        let started = self.inbox[8] != 0;
        Ok(Some(Reply { started, body: &self.inbox[REPLY_HEADER..] }))
    }

    /// Appends what one `recv` gives; false if there is nothing yet.
    fn read_once(&mut self) -> Result<bool, Halt> {
        let room = self.inbox.spare_capacity_mut();
        let (fd, flags) = (self.socket.as_fd().as_raw_fd(), libc::MSG_DONTWAIT);
        loop {
            // SAFETY: the kernel writes at most `room.len()` bytes to the spare capacity.
            let read = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), flags) };
            match Errno::result(read) {
                Ok(0) => return Err(Halt::Dead),
                Ok(read) => {
                    // SAFETY: so many bytes after the old length were just written.
                    unsafe { self.inbox.set_len(self.inbox.len() + read as usize) };
                    return Ok(true);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(_) => return Err(Halt::Dead),
            }
        }
    }
}

pub(super) enum Sent {
    All,
    Partly,
}

/// A whole reply.
pub(super) struct Reply<'a> {
    /// Whether the worker could start; if not, the body says why.
    pub(super) started: bool,
    pub(super) body: &'a [u8],
}
