//! The worker: read a task, run it, write its results, until the socket ends.

use std::io::{self, BufReader, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::panics;
use super::progress::{OnlyHere, Progress};
use super::wire::{Items, REPLY_HEADER, TaskHeader, append, reply_header};
use crate::fork::PrivateFd;
use crate::random;

/// What a buffer may keep between tasks: one huge argument must not cost its memory for ever.
const KEPT: usize = 1 << 20;

/// A worker's whole life; returns its exit code.
pub(super) fn run(
    socket: PrivateFd,
    supervisor: Pid,
    slot: usize,
    progress: &Progress,
    initializer: Option<&dyn Fn()>,
) -> i32 {
    // The kernel kills this process when the supervisor ends; it may have ended already.
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    if nix::unistd::getppid() != supervisor {
        return 1;
    }
    // SAFETY: the descriptor stays open for as long as `socket` lives, and only `socket` closes it.
    let stream = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(socket.as_fd().as_raw_fd()) });
    let mut reply = Vec::new();
    panics::enter_worker();
    if let Some(initializer) = initializer
        && let Err(payload) = catch_unwind(AssertUnwindSafe(initializer))
    {
        let _ = append(&mut reply, &panics::describe(payload), "error");
        let _ = write_frame(&stream, reply_header(reply.len(), false), &reply);
        return 1;
    }
    let Ok(mark) = OnlyHere::new() else { return 1 };
    progress.set_ready(slot);

    let stream_of_numbers = random::stream();
    let mut reader = BufReader::with_capacity(64 * 1024, &*stream);
    let mut arguments = Vec::new();
    loop {
        let mut header = [0; TaskHeader::SIZE];
        if reader.read_exact(&mut header).is_err() {
            return 0; // the parent is done with this worker, or gone
        }
        let header = TaskHeader::from_bytes(&header);
        arguments.clear();
        // `take` and `read_to_end` grow the buffer as the bytes arrive.
        match (&mut reader).take(header.length).read_to_end(&mut arguments) {
            Ok(length) if length as u64 == header.length => {}
            _ => return 0,
        }
        progress.begin(slot, header.number);
        header.call.run(Items {
            header,
            arguments: &arguments,
            results: &mut reply,
            stream: stream_of_numbers,
            still_worker: &|| mark.is_here(),
        });
        // Whoever has the result of a task can rely on its lines being out.
        let _ = io::stdout().flush();
        if write_frame(&stream, reply_header(reply.len(), true), &reply).is_err() {
            return 0;
        }
        reply.clear();
        arguments.shrink_to(KEPT);
        reply.shrink_to(KEPT);
    }
}

/// One system call for both parts, if the socket has room.
fn write_frame(stream: &UnixStream, header: [u8; REPLY_HEADER], body: &[u8]) -> io::Result<()> {
    let mut parts = [io::IoSlice::new(&header), io::IoSlice::new(body)];
    let mut parts = &mut parts[..];
    while !parts.is_empty() {
        match (&*stream).write_vectored(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => io::IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
