//! The worker: read a task, run it, send its results, until the socket ends.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::MsgFlags;
use nix::unistd::{Pid, getppid};

use super::wire::{Header, Items, LONGEST, ReplyHeader};
use crate::calls::{append_item, caught};
use crate::fork::{ForkMark, exit_now};
use crate::parcel::{Bytes, Inbox, Writer};
use crate::private::{PrivateFd, receive_with, send_with};
use crate::{panics, random};

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
    let _ = set_pdeathsig(Signal::SIGKILL);
    if getppid() != supervisor {
        return 1;
    }
    panics::set_in_worker(true);
    let mark = ForkMark::new();
    let started = initializer
        .map_or(Ok(()), |initializer| catch_unwind(AssertUnwindSafe(initializer)).map_err(caught));
    if mark.as_ref().is_ok_and(|mark| !mark.is_here()) {
        exit_now(0); // a child that the initializer forked: the worker is its parent
    }
    let (mut hello, went_well) = (Writer::default(), started.is_ok());
    let _ = append_item(&mut hello, &started, "hello");
    let (Ok(()), true, Ok(mark)) = (reply(&socket, 0, hello), went_well, mark) else { return 1 };
    let stream = random::stream();

    // ANCHOR: loop
    let Ok(mut inbox) = Inbox::new(LONGEST) else { return 1 };
    loop {
        let (length, file) = match receive_with(&socket, &mut inbox, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            Err(_) | Ok((0, _)) => return 0, // the parent is done with this worker, or gone
            Ok(message) => message,
        };
        let task = postcard::take_from_bytes::<Header>(&inbox[..length]);
        let Ok((header, here)) = task else { return 1 };
        let there =
            header.file.as_ref().zip(file).map(|(range, file)| Bytes::new(&file, range.clone()));
        let arguments = match &there {
            Some(Err(_)) => return 1, // no room for it: nothing was begun
            Some(Ok(there)) => there,
            None => here,
        };
        begun.store(header.number, Ordering::Release);
        let (number, mut results) = (header.number, Writer::default());
        Items { header, arguments, results: &mut results, stream, mark: &mark }.run();
        // Whoever has the result of a task can rely on its lines being out.
        let _ = io::stdout().flush();
        if reply(&socket, number, results).is_err() {
            return 0;
        }
    }
    // ANCHOR_END: loop
}

fn reply(socket: &PrivateFd, number: u64, results: Writer) -> nix::Result<()> {
    let results = results.finish()?;
    let file = results.file().map(|_| results.len());
    let header =
        postcard::to_stdvec(&ReplyHeader { number, file }).expect("numbers can be encoded");
    let here = if file.is_none() { &results } else { &[][..] };
    send_with(socket, [&header, here], results.file())
}
