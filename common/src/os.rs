//! The few system calls that `nix` does not wrap, and waiting that survives interruptions.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::ExitStatus;

/// `pidfd_open(2)`: a descriptor that becomes readable when the process has ended and
/// that never comes to mean another process, as a number does.
pub(crate) fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two integers and returns a new descriptor or -1.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `pidfd_send_signal(2)`: ESRCH once the process is reaped, never somebody else's process.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> nix::Result<()> {
    let (fd, no_info) = (pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the descriptor is open for as long as it is borrowed; a null siginfo is allowed.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, no_info, 0) };
    Errno::result(result).map(drop)
}

/// Waits until one of `fds` has an event or the deadline has passed; says whether one has.
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> bool {
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            // Rounded up, so that it does not spin through the last millisecond.
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let millis = left.as_nanos().div_ceil(1_000_000);
                PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
            }
        };
        match poll(fds, timeout) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return true,
            Err(error) => panic!("poll of {} descriptors: {error}", fds.len()),
        }
    }
}

/// Whether `fd` becomes readable before the deadline. End of file counts, and the end of
/// the process if `fd` is a pidfd.
pub(crate) fn readable(fd: BorrowedFd<'_>, deadline: Option<Instant>) -> bool {
    wait_for(&mut [PollFd::new(fd, PollFlags::POLLIN)], deadline)
}

/// Waits for a child of this process and takes its exit status.
pub(crate) fn reap(pid: Pid) -> ExitStatus {
    loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            status => return ExitStatus::from_wait(status),
        }
    }
}
