//! The parent's end of one worker: its socket, and its pidfd, which tells the truth about its end.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, sendmsg};
use nix::unistd::Pid;

use super::wire::LENGTH;
use crate::os;
use crate::private::PrivateFd;

/// The longest reply that is believed: a terabyte.
const LONGEST: u64 = 1 << 40;
/// How much room is made at once, and kept between replies in 16 of them.
const STEP: usize = 64 * 1024;

/// Why there is no reply.
pub(super) enum Halt {
    /// The worker has died, or speaks nonsense.
    Dead,
    /// The deadline has passed.
    Late,
    /// Somebody woke the thread.
    Woken,
    /// There is no memory for what the worker sends.
    NoMemory,
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
    /// The frame that is being received, as far as it has come.
    inbox: Vec<u8>,
}

impl Connection {
    pub(super) fn new(pid: Pid, socket: PrivateFd, pidfd: PrivateFd) -> Self {
        Connection { pid, socket, pidfd: Arc::new(pidfd), inbox: Vec::new() }
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, frame: [&[u8]; 2], until: &Until) -> Result<(), Halt> {
        let mut parts = frame.map(IoSlice::new);
        let mut parts = &mut parts[..];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while !parts.is_empty() {
            match sendmsg::<()>(self.socket.as_fd().as_raw_fd(), parts, &[], flags, None) {
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, until)?,
                Err(_) => return Err(Halt::Dead),
            }
        }
        Ok(())
    }

    /// Receives a frame: its body.
    pub(super) fn receive(&mut self, until: &Until) -> Result<&[u8], Halt> {
        self.inbox.clear();
        self.inbox.shrink_to(16 * STEP);
        while !self.read()? {
            match self.wait(PollFlags::POLLIN, until) {
                Err(Halt::Dead) if self.read()? => break, // what it wrote before it died counts
                other => other?,
            }
        }
        Ok(&self.inbox[LENGTH..])
    }

    /// Waits until the socket is ready, or for one of the reasons to stop waiting.
    pub(super) fn wait(&self, events: PollFlags, until: &Until) -> Result<(), Halt> {
        loop {
            let mut fds = [
                PollFd::new(self.socket.as_fd(), events),
                PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN),
                PollFd::new(until.wake.as_fd(), PollFlags::POLLIN),
            ];
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

    /// Reads what has come; whether the frame is complete.
    fn read(&mut self) -> Result<bool, Halt> {
        loop {
            let total = match self.inbox.first_chunk().map(|length| u64::from_ne_bytes(*length)) {
                None => LENGTH,
                Some(length) if length > LONGEST => return Err(Halt::Dead),
                Some(length) => LENGTH + length as usize,
            };
            let here = self.inbox.len();
            if here >= total && here > LENGTH {
                return if here == total { Ok(true) } else { Err(Halt::Dead) };
            }
            // Room grows with what has come, not with what was promised.
            let more = (total - here).min(here).max(STEP);
            if here == self.inbox.capacity() && self.inbox.try_reserve_exact(more).is_err() {
                return Err(Halt::NoMemory);
            }
            let room = self.inbox.spare_capacity_mut();
            let (fd, flags) = (self.socket.as_fd().as_raw_fd(), libc::MSG_DONTWAIT);
            // SAFETY: the kernel writes at most `room.len()` bytes to the spare capacity.
            let read = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), flags) };
            match Errno::result(read) {
                // SAFETY: so many bytes after the old length were just written.
                Ok(read) if read > 0 => unsafe { self.inbox.set_len(here + read as usize) },
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                _ => return Err(Halt::Dead),
            }
        }
    }
}
