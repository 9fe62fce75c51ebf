//! The few system calls that `nix` does not wrap, and waiting that survives interruptions.

use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::ExitStatus;

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

/// Waits for one of `fds` as [`readable`] does, and says which are; none if the deadline has passed.
pub(crate) fn readable_of<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    deadline: Option<Instant>,
) -> [bool; N] {
    let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    wait_for(&mut fds, deadline);
    fds.map(|fd| fd.any() == Some(true))
}

/// Whether `fd` becomes readable before the deadline. End of file counts, and the end of
/// the process if `fd` is a pidfd.
pub(crate) fn readable(fd: BorrowedFd<'_>, deadline: Option<Instant>) -> bool {
    wait_for(&mut [PollFd::new(fd, PollFlags::POLLIN)], deadline)
}

/// Waits for a child of this process and takes its exit status: by its pidfd, because a number may
/// mean another child by now, if somebody else reaped this one.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> ExitStatus {
    wait_id(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t)
}

/// The same for a child that nobody can have reaped yet and that has no pidfd.
pub(crate) fn reap_pid(pid: Pid) -> ExitStatus {
    wait_id(libc::P_PID, pid.as_raw() as libc::id_t)
}

/// `nix` has no number for a real-time signal, and would lose the status.
fn wait_id(kind: libc::idtype_t, id: libc::id_t) -> ExitStatus {
    loop {
        // SAFETY: zero is a value of each of its fields.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes to `info`, which lives long enough.
        let result = unsafe { libc::waitid(kind, id, &mut info, libc::WEXITED) };
        return match Errno::result(result) {
            Err(Errno::EINTR) => continue,
            Err(_) => ExitStatus::Unknown,
            // SAFETY: the kernel has filled in the fields of a child's end.
            Ok(_) => match (info.si_code, unsafe { info.si_status() }) {
                (libc::CLD_EXITED, code) => ExitStatus::Exited(code),
                (_, signal) => ExitStatus::Signaled(signal),
            },
        };
    }
}

/// The columns of the terminal that standard output is, if it is one and knows.
pub(crate) fn terminal_width() -> Option<usize> {
    // SAFETY: four numbers, for which zero is as good as any.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes a `winsize`, or nothing and an error.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then_some(size.ws_col.into())
}

/// Numbers in memory that this process and every fork that follows have in common, until the last
/// of them has ended. Zero at first. Pages are taken when they are first written to.
pub(crate) fn shared_for_good(count: usize) -> nix::Result<&'static [AtomicU64]> {
    let words = ManuallyDrop::new(SharedWords::new(count)?);
    // SAFETY: never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(words.memory.as_ptr(), count) })
}

/// A row of numbers in memory that this process and every fork that follows have in common.
/// Zero at first. Pages are taken when they are first written to. No lock: nobody waits for anybody.
#[derive(Debug)]
pub(crate) struct SharedWords {
    memory: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory is only ever used as atomics, and stays mapped until the value is dropped.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// # Errors
    ///
    /// EINVAL for none, or more than there can be; ENOMEM.
    pub(crate) fn new(count: usize) -> nix::Result<Self> {
        let size = count.checked_mul(size_of::<AtomicU64>()).and_then(NonZeroUsize::new);
        let size = size.ok_or(Errno::EINVAL)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping, placed where the kernel likes, touches nobody's memory.
        let memory = unsafe { mmap_anonymous(None, size, prot, flags)? };
        Ok(SharedWords { memory: memory.cast(), count })
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: of this size, aligned to a page, zero at first; only used as atomics.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.count) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; the references handed out have ended.
        let _ = unsafe { munmap(self.memory.cast(), self.count * size_of::<AtomicU64>()) };
    }
}
