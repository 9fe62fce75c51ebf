//! The parent's end of one worker: its socket, and its pidfd, which tells the truth about its end.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use nix::unistd::Pid;

use super::wire::{LONGEST, Order, ReplyHeader};
use crate::calls::Error;
use crate::os;
use crate::parcel::{Bytes, Inbox};
use crate::private::{PrivateFd, pidfd, receive_with, send_with};

/// Why there is no reply.
pub(super) enum Halt {
    /// The worker has died.
    Dead,
    /// It speaks nonsense.
    Nonsense,
    /// The deadline has passed.
    Late,
    /// Somebody woke the thread.
    Woken,
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
    file: Option<Result<Bytes, Errno>>,
}

impl Reply<'_> {
    /// # Errors
    ///
    /// If the system refuses what it takes to read them.
    pub(super) fn results(&self) -> Result<&[u8], Error> {
        let refused = |errno: &Errno| Error::System("receiving a result", *errno);
        self.file.as_ref().map_or(Ok(self.here), |file| file.as_deref().map_err(refused))
    }
}

impl Connection {
    /// With a worker that is not reaped meanwhile.
    pub(super) fn new(pid: Pid, socket: PrivateFd) -> nix::Result<Self> {
        Ok(Connection { pid, socket, pidfd: Arc::new(pidfd(pid)?), inbox: Inbox::new(LONGEST)? })
    }

    /// Sends an order, what belongs to it, and a file. It need not wait for room: the worker has
    /// read all others.
    pub(super) fn send(
        &self,
        order: &Order,
        here: &[u8],
        file: Option<&PrivateFd>,
    ) -> Result<(), Halt> {
        let order = postcard::to_stdvec(order).expect("numbers can be encoded");
        send_with(&self.socket, [&order, here], file, MsgFlags::MSG_DONTWAIT)
            .map_err(|_| Halt::Dead)
    }

    /// The next reply. It is waited for if it is not there.
    pub(super) fn receive(&mut self, until: &Until) -> Result<Reply<'_>, Halt> {
        let mut waited = Ok(());
        let (length, file) = loop {
            match receive_with(&self.socket, &mut self.inbox, MsgFlags::MSG_DONTWAIT) {
                Ok((0, _)) => return Err(Halt::Nonsense), // the end of file, too
                Ok(message) => break message,
                Err(Errno::ECONNRESET) => {} // it left something unread; what it wrote comes next
                Err(Errno::EAGAIN) if waited.is_ok() => waited = self.wait(until),
                Err(_) => return Err(Halt::Dead),
            }
            match waited {
                Ok(()) | Err(Halt::Dead) => {} // what it wrote before it died counts
                Err(halt) => return Err(halt),
            }
        };
        let reply = postcard::take_from_bytes::<ReplyHeader>(&self.inbox[..length]);
        let (header, here) = reply.map_err(|_| Halt::Nonsense)?;
        let file = header.file.map(|length| match file {
            None => Err(Errno::EMFILE),
            Some(file) => Bytes::new(&file, 0..length),
        });
        if let Some(Err(Errno::EINVAL | Errno::EPERM)) = file {
            return Err(Halt::Nonsense);
        }
        Ok(Reply { number: header.number, here, file })
    }

    // ANCHOR: wait
    /// Waits until there is something to read, or for one of the reasons to stop waiting.
    fn wait(&self, until: &Until) -> Result<(), Halt> {
        loop {
            let fds = [&self.socket, &self.pidfd, until.wake].map(PrivateFd::as_fd);
            let [ready, dead, woken] = os::readable_of(fds, until.deadline);
            if woken {
                let _ = nix::unistd::read(until.wake.as_fd(), &mut [0; 8]);
                if (until.heed)() {
                    return Err(Halt::Woken);
                }
            }
            match (ready, dead, woken) {
                (true, ..) => return Ok(()),
                (_, true, _) => return Err(Halt::Dead),
                (.., true) => {} // it was for somebody else
                _ => return Err(Halt::Late),
            }
        }
    }
    // ANCHOR_END: wait
}
