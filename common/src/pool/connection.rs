//! The parent's end of one worker: its socket, and its pidfd, which tells the truth about its end.

use std::ops::Deref;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::MsgFlags;
use nix::unistd::Pid;

use super::wire::{LONGEST, ReplyHeader};
use crate::os;
use crate::parcel::{Bytes, Inbox};
use crate::private::{PrivateFd, pidfd, receive_with, send_with};

/// Why there is no reply.
pub(super) enum Halt {
    /// The worker has died, or speaks nonsense.
    Dead,
    /// The deadline has passed.
    Late,
    /// Somebody woke the thread.
    Woken,
    /// The system refuses what it takes to read the reply.
    Refused(Errno),
}

/// Whoever waits for a worker waits for these, too.
pub(super) struct Until<'a> {
    pub(super) wake: &'a PrivateFd,
    pub(super) deadline: Option<Instant>,
    /// Whether a wake-up is to be heeded.
    pub(super) heed: &'a dyn Fn() -> bool,
}

/// A worker as the parent sees it. Dropping it does not end the worker: the supervisor does.
pub(super) struct Connection {
    pub(super) pid: Pid,
    socket: PrivateFd,
    pub(super) pidfd: Arc<PrivateFd>,
    inbox: Inbox,
}

/// What a worker has sent.
pub(super) struct Reply<'a> {
    pub(super) number: u64,
    here: &'a [u8],
    file: Option<Bytes>,
}

impl Deref for Reply<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.file.as_deref().unwrap_or(self.here)
    }
}

impl Connection {
    /// With a worker that is not reaped meanwhile.
    pub(super) fn new(pid: Pid, socket: PrivateFd) -> nix::Result<Self> {
        Ok(Connection { pid, socket, pidfd: Arc::new(pidfd(pid)?), inbox: Inbox::new(LONGEST)? })
    }

    /// Sends a message, and a file with it. It need not wait for room: the worker has read all others.
    pub(super) fn send(&self, parts: [&[u8]; 2], file: Option<&PrivateFd>) -> Result<(), Halt> {
        send_with(&self.socket, parts, file).map_err(|_| Halt::Dead)
    }

    /// Waits for a reply.
    pub(super) fn receive(&mut self, until: &Until) -> Result<Reply<'_>, Halt> {
        match self.wait(until) {
            Ok(()) | Err(Halt::Dead) => {} // what it wrote before it died counts
            Err(halt) => return Err(halt),
        }
        let (length, file) = loop {
            match receive_with(&self.socket, &mut self.inbox, MsgFlags::MSG_DONTWAIT) {
                Ok(message) => break message,
                Err(Errno::ECONNRESET) => {} // it left something unread; what it wrote comes next
                Err(_) => return Err(Halt::Dead),
            }
        };
        let reply = postcard::take_from_bytes::<ReplyHeader>(&self.inbox[..length]);
        let (header, here) = reply.map_err(|_| Halt::Dead)?; // the end of file, or nonsense
        let file = match (header.file, file) {
            (None, _) => None,
            (Some(_), None) => return Err(Halt::Refused(Errno::EMFILE)),
            (Some(length), Some(file)) => match Bytes::new(&file, 0..length) {
                Err(Errno::EINVAL | Errno::EPERM) => return Err(Halt::Dead),
                bytes => Some(bytes.map_err(Halt::Refused)?),
            },
        };
        Ok(Reply { number: header.number, here, file })
    }

    // ANCHOR: wait
    /// Waits until there is something to read, or for one of the reasons to stop waiting.
    fn wait(&self, until: &Until) -> Result<(), Halt> {
        loop {
            let fds = [&self.socket, &self.pidfd, until.wake];
            let mut fds = fds.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
            if !os::wait_for(&mut fds, until.deadline) {
                return Err(Halt::Late);
            }
            let [ready, dead, woken] = fds.map(|fd| fd.any() == Some(true));
            if woken {
                let _ = nix::unistd::read(until.wake.as_fd(), &mut [0; 8]);
                if (until.heed)() {
                    return Err(Halt::Woken);
                }
            }
            if ready || dead {
                return if ready { Ok(()) } else { Err(Halt::Dead) };
            }
        }
    }
    // ANCHOR_END: wait
}
