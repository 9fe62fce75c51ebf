//! The worker: read a task, run it, write its results, until the socket ends.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use super::wire::{Header, Items, LENGTH};
use crate::calls::{append, caught, take};
use crate::fork::{ForkMark, exit_now};
use crate::private::PrivateFd;
use crate::{panics, random};

/// What a buffer may keep between tasks: one huge argument must not cost its memory for ever.
const KEPT: usize = 1 << 20;

/// A worker's whole life; returns its exit code.
///
/// Before it looks at a task's arguments it writes the task's number to `begun`, which it shares
/// with the parent and which outlives it: a dead worker can say nothing any more, and a task that it
/// had begun must not be run twice.
pub(super) fn run(
    socket: PrivateFd,
    supervisor: Pid,
    begun: &AtomicU64,
    initializer: Option<&dyn Fn()>,
) -> i32 {
    // The kernel kills this process when the supervisor ends; it may have ended already.
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    if getppid() != supervisor {
        return 1;
    }
    // SAFETY: `socket` owns the descriptor and outlives this second name for it, which closes nothing.
    let socket = ManuallyDrop::new(unsafe { File::from_raw_fd(socket.as_fd().as_raw_fd()) });
    let (mut reader, mut writer) = (BufReader::with_capacity(64 * 1024, &*socket), &*socket);
    panics::set_in_worker(true);
    let mark = ForkMark::new();
    let started = initializer
        .map_or(Ok(()), |initializer| catch_unwind(AssertUnwindSafe(initializer)).map_err(caught));
    if mark.as_ref().is_ok_and(|mark| !mark.is_here()) {
        exit_now(0); // a child that the initializer forked: the worker is its parent
    }
    let mut hello = vec![0; LENGTH];
    let _ = append(&mut hello, &started, "hello");
    let (Ok(()), Ok(()), Ok(mark)) = (write_frame(&mut writer, hello), started, mark) else {
        return 1;
    };
    let stream = random::stream();

    let mut body = Vec::new();
    // Every error is the parent's end: it is done with this worker, or gone.
    while read_frame(&mut reader, &mut body).is_ok() {
        let mut arguments = &body[..];
        let Ok(header) = take::<Header>(&mut arguments, "header") else { return 1 };
        begun.store(header.number, Ordering::Release);
        let mut results = vec![0; LENGTH];
        results.extend(header.number.to_ne_bytes());
        Items { header, arguments, results: &mut results, stream, mark: &mark }.run();
        // Whoever has the result of a task can rely on its lines being out.
        let _ = io::stdout().flush();
        if write_frame(&mut writer, results).is_err() {
            break;
        }
        body.clear();
        body.shrink_to(KEPT);
    }
    0
}

fn read_frame(reader: &mut impl Read, body: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; LENGTH];
    reader.read_exact(&mut length)?;
    let length = u64::from_ne_bytes(length);
    // The buffer grows as the bytes arrive.
    match reader.take(length).read_to_end(body)? as u64 == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `frame` begins with room for its length.
fn write_frame(writer: &mut impl Write, mut frame: Vec<u8>) -> io::Result<()> {
    let length = (frame.len() - LENGTH) as u64;
    frame[..LENGTH].copy_from_slice(&length.to_ne_bytes());
    writer.write_all(&frame)
}
