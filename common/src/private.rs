//! What belongs to this process alone: descriptors that no forked child may keep, and daemons that
//! end with it.
//!
//! An end of a pipe or socket in the wrong process hides the end of file from everybody else.
//! Close-on-exec does not help a fork without exec, so [`fork`](crate::fork::fork) closes these in the
//! child by hand: all that are on a list. The list's lock is held while one is made and put on it,
//! and across a fork, so no fork can come in between, and no child finds the lock locked.

use std::io::{IoSlice, IoSliceMut};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

static OWN: Mutex<Own> = Mutex::new(Own { descriptors: Vec::new(), daemons: Vec::new() });

// ANCHOR: own
struct Own {
    /// The numbers of all private descriptors.
    descriptors: Vec<RawFd>,
    /// Children that were not reaped yet and end with this process.
    daemons: Vec<Pid>,
}
// ANCHOR_END: own

/// The lists, locked.
pub(crate) struct Private(MutexGuard<'static, Own>);

pub(crate) fn lock() -> Private {
    Private(OWN.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Private {
    /// In a forked child: closes all but `keep`, which are the child's from now on.
    pub(crate) fn keep_only<const N: usize>(mut self, keep: [PrivateFd; N]) -> [PrivateFd; N] {
        let kept = keep.map(|fd| fd.fd.as_raw_fd());
        self.0.daemons.clear();
        for fd in self.0.descriptors.drain(..).filter(|fd| !kept.contains(fd)) {
            // SAFETY: the list says that it is open and this module's to close; the value that
            // owned it belongs to the parent (see PrivateFd::drop).
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        // SAFETY: open, as said above, and owned by nobody in this process.
        self.adopt(kept.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// A program that ends by `exit` drops no handles. This child ends all the same.
    pub(crate) fn add_daemon(&mut self, pid: Pid) {
        self.0.daemons.push(pid);
        extern "C" fn end_daemons() {
            // A fork by other means than this module's has copies of the list, and perhaps of a
            // locked lock; the daemons are not its own.
            if OWNER.load(Ordering::Relaxed) == std::process::id() {
                for pid in &lock().0.daemons {
                    let _ = kill(*pid, Signal::SIGKILL);
                }
            }
        }
        static OWNER: AtomicU32 = AtomicU32::new(0);
        if OWNER.swap(std::process::id(), Ordering::Relaxed) != std::process::id() {
            // SAFETY: the function takes nothing, does not unwind and stays where it is.
            let _ = unsafe { libc::atexit(end_daemons) };
        }
    }

    /// To be called before the child is reaped: afterwards its number may mean another process.
    pub(crate) fn remove_daemon(&mut self, pid: Pid) {
        self.0.daemons.retain(|daemon| *daemon != pid);
    }

    fn adopt<const N: usize>(&mut self, fds: [OwnedFd; N]) -> [PrivateFd; N] {
        self.0.descriptors.extend(fds.iter().map(AsRawFd::as_raw_fd));
        let owner = std::process::id();
        fds.map(|fd| PrivateFd { fd: ManuallyDrop::new(fd), owner })
    }
}

/// A descriptor that no forked child may keep.
#[derive(Debug)]
pub(crate) struct PrivateFd {
    fd: ManuallyDrop<OwnedFd>,
    /// The process that made it: a copy of this value in a forked child owns nothing.
    owner: u32,
}

/// Two connected Unix sockets.
pub(crate) fn socket_pair(kind: SockType) -> nix::Result<[PrivateFd; 2]> {
    let mut private = lock();
    let (a, b) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    Ok(private.adopt([a, b]))
}

/// `pidfd_open(2)`: a descriptor that becomes readable when the process has ended and that
/// never comes to mean another process, as a number does.
pub(crate) fn pidfd(pid: Pid) -> nix::Result<PrivateFd> {
    let mut private = lock();
    // SAFETY: the call takes two integers and returns a new descriptor or -1.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    let [fd] = private.adopt([unsafe { OwnedFd::from_raw_fd(fd as i32) }]);
    Ok(fd)
}

/// `eventfd(2)`: a descriptor that another thread makes readable, to wake who waits for it.
pub(crate) fn eventfd() -> nix::Result<PrivateFd> {
    let mut private = lock();
    let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let [fd] = private.adopt([fd.into()]);
    Ok(fd)
}

/// `memfd_create(2)`: a file in memory, which can be sealed.
pub(crate) fn memfd() -> nix::Result<PrivateFd> {
    let mut private = lock();
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let [fd] = private.adopt([memfd_create(c"parcel", flags)?]);
    Ok(fd)
}

/// Sends a message, and a descriptor with it. With `MSG_DONTWAIT` for `flags` it does not wait for room.
pub(crate) fn send_with(
    socket: &PrivateFd,
    parts: [&[u8]; 2],
    fd: Option<&PrivateFd>,
    flags: MsgFlags,
) -> nix::Result<()> {
    let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let rights = if fds.is_empty() { &[] } else { &rights[..] };
    let (socket, parts) = (socket.as_fd().as_raw_fd(), parts.map(IoSlice::new));
    sendmsg::<()>(socket, &parts, rights, flags | MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// The kernel sends no more descriptors with a message: `unix(7)`, `SCM_MAX_FD`.
const MOST: usize = 253;

/// Receives a message into `bytes`: its length, and the descriptor that came with it, `None` if none
/// did, or if this process has no room for it. An empty message is the end of file. With
/// `MSG_DONTWAIT` for `flags`, a message that is there.
pub(crate) fn receive_with(
    socket: &PrivateFd,
    bytes: &mut [u8],
    flags: MsgFlags,
) -> nix::Result<(usize, Option<PrivateFd>)> {
    // No fork comes between the descriptor and the list, unless this is to wait: nobody may have to
    // wait for the lock meanwhile.
    let private = flags.contains(MsgFlags::MSG_DONTWAIT).then(lock);
    let mut room = nix::cmsg_space!([RawFd; MOST]);
    let (flags, mut parts) = (flags | MsgFlags::MSG_CMSG_CLOEXEC, [IoSliceMut::new(bytes)]);
    let message = recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    // An error means that the kernel found no room for it.
    let fd = match message.cmsgs().ok().and_then(|mut all| all.next()) {
        Some(ControlMessageOwned::ScmRights(fds)) => {
            // SAFETY: the kernel has just made them for this process.
            let fds = fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
            let fds: Vec<_> = fds.collect(); // all of them, to be closed if there are others
            fds.into_iter().next().map(|fd| {
                let [fd] = private.unwrap_or_else(lock).adopt([fd]);
                fd
            })
        }
        _ => None,
    };
    Ok((message.bytes, fd))
}

/// Sends a small value as a message, and a descriptor with it. Does not wait for room.
pub(crate) fn send_value(
    socket: &PrivateFd,
    value: &impl Serialize,
    fd: Option<&PrivateFd>,
) -> nix::Result<()> {
    let value = postcard::to_stdvec(value).map_err(|_| Errno::EINVAL)?;
    send_with(socket, [&value, &[]], fd, MsgFlags::MSG_DONTWAIT)
}

/// A small value that is there, and the descriptor with it; no value at the end of file.
pub(crate) fn receive_value<T: DeserializeOwned>(
    socket: &PrivateFd,
) -> nix::Result<(Option<T>, Option<PrivateFd>)> {
    let mut bytes = [0; 64];
    let (length, fd) = receive_with(socket, &mut bytes, MsgFlags::MSG_DONTWAIT)?;
    Ok((postcard::from_bytes(&bytes[..length]).ok(), fd))
}

impl AsFd for PrivateFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return; // the fork has closed it here, and the number may mean something else
        }
        let mut private = lock();
        private.0.descriptors.retain(|&fd| fd != self.fd.as_raw_fd());
        // SAFETY: dropped once, here, and not used afterwards. Closed under the lock: a
        // fork sees it either listed and open or neither.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
    }
}
