//! The worker: do what it is told, send the results, until the socket ends.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::MsgFlags;
use nix::unistd::{Pid, getppid};

use super::wire::{LONGEST, Order, ReplyHeader};
use crate::board::{Board, Note};
use crate::calls::{Failure, Header, Items, append_failure, append_item, caught};
use crate::fork::{ForkMark, exit_now};
use crate::parcel::{Bytes, Inbox, Parcel, Writer};
use crate::private::{PrivateFd, receive_with, send_with};
use crate::{panics, random};

/// A worker's whole life; returns its exit code.
pub(super) fn run(
    socket: PrivateFd,
    supervisor: Pid,
    (board, slot): (&Board, usize),
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
    let hello = reply(&socket, 0, hello);
    let (Ok(()), true, Ok(mark)) = (hello, went_well, mark) else { return 1 };
    let (stream, Ok(mut inbox)) = (random::stream(), Inbox::new(LONGEST)) else { return 1 };
    let worker = Worker { socket, board, slot, mark, stream };
    loop {
        if let Err(End(code)) = worker.obey(&mut inbox) {
            return code;
        }
    }
}

struct Worker<'a> {
    socket: PrivateFd,
    board: &'a Board,
    slot: usize,
    mark: ForkMark,
    /// The random stream of the pool.
    stream: u64,
}

/// The worker's end, with its exit code.
struct End(i32);

impl Worker<'_> {
    /// Before the worker looks at a task's arguments, the board says that the task is its own: a dead worker can
    /// say nothing any more, and a task that it had begun must not be run twice.
    // ANCHOR: loop
    fn obey(&self, inbox: &mut [u8]) -> Result<(), End> {
        let (length, file) = match receive_with(&self.socket, inbox, MsgFlags::empty()) {
            Err(Errno::EINTR) => return Ok(()),
            Err(_) | Ok((0, _)) => return Err(End(0)), // the parent is done with this worker, or gone
            Ok(message) => message,
        };
        match postcard::take_from_bytes(&inbox[..length]).map_err(|_| End(1))? {
            (Order::Look(number), _) => self.look(number),
            (Order::Run(number, header, range), here) => {
                let there = range.map(|range| Bytes::new(&file.ok_or(Errno::EMFILE)?, range));
                let there = there.transpose().map_err(|_| End(1))?; // no room: nothing was begun
                let note = self.board.begin(number, self.slot).ok_or(End(0))?;
                self.run(&note, header, there.as_deref().unwrap_or(here))
            }
        }
    }

    /// Runs what is on the board, until there is nothing left.
    fn look(&self, number: u64) -> Result<(), End> {
        while let Some(note) = self.board.claim(self.slot) {
            let (header, arguments) = postcard::take_from_bytes(&note).map_err(|_| End(1))?;
            self.run(&note, header, arguments)?;
        }
        reply(&self.socket, number, Writer::default())
    }
    // ANCHOR_END: loop

    fn run(&self, note: &Note, header: Header, arguments: &[u8]) -> Result<(), End> {
        let (mut results, stream) = (Writer::default(), self.stream);
        Items { header, arguments, results: &mut results, stream, mark: &self.mark }.run();
        // Whoever has the result of a task can rely on its lines being out.
        let _ = io::stdout().flush();
        match self.board.done(note, self.slot) {
            true => reply(&self.socket, note.number, results),
            false => Err(End(0)), // it was cancelled, and this process with it
        }
    }
}

/// Waits for room: the parent reads as fast as it can.
fn reply(socket: &PrivateFd, number: u64, results: Writer) -> Result<(), End> {
    let results = results.finish().unwrap_or_else(|errno| {
        let (mut instead, message) = (Writer::default(), format!("result: {}", errno.desc()));
        append_failure(&mut instead, &Failure::Codec { message });
        instead.finish().unwrap_or(Parcel::Few(Vec::new()))
    });
    let (file, length) = (results.file(), results.len());
    let header = ReplyHeader { number, file: file.map(|_| length) };
    let header = postcard::to_stdvec(&header).expect("numbers can be encoded");
    let here = if file.is_none() { &results } else { &[][..] };
    while let Err(errno) = send_with(socket, [&header, here], file, MsgFlags::empty()) {
        match errno {
            Errno::EINTR => {}
            // No memory, or too many descriptors on their way: that may pass.
            Errno::ENOBUFS | Errno::ENOMEM | Errno::ETOOMANYREFS => {
                thread::sleep(Duration::from_millis(1))
            }
            _ => return Err(End(0)), // the parent is gone
        }
    }
    Ok(())
}
