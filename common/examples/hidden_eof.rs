//! A pipe ends when its last writer has closed it. A process that was forked while the pipe was open has
//! a copy of the writing end, and hides the end of file from everybody.
//!
//! Run it: `cargo run -p common --example hidden_eof`
//!
//! Python: the same with `multiprocessing.Pipe` and fork. There `connection.wait([reader, process.sentinel])`
//! waits for both, as `poll` does here.

use std::error::Error;
use std::fs;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::process::{exit, id};

use common::console::heading;
use common::gate::Gate;
use common::harness::{is_alive, open_descriptors};
use common::{Process, say};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long to wait for what will not come, in milliseconds.
const LIMIT: u8 = 200;

static READY: Gate = Gate::new();
static CLOSE: Gate = Gate::new();
static CLOSED: Gate = Gate::new();
static END: Gate = Gate::new();

fn main() -> Result<(), Box<dyn Error>> {
    [&READY, &CLOSE, &CLOSED, &END].into_iter().for_each(Gate::set_up);

    heading("The writer ends in the middle of a message of 100 bytes");
    // ANCHOR: sibling
    let (reader, mut writer) = pipe()?;
    let number = writer.as_raw_fd();
    let sibling = Process::new(move || {
        READY.open();
        CLOSE.wait();
        // SAFETY: this process's copy, and `writer`, which it is a copy of, is not used here.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
        CLOSED.open();
        END.wait();
    });
    let sibling = sibling.daemon(true).start()?;
    READY.wait();
    // The closure owns `writer`: after the fork the child has it, and this process no more.
    let child = Process::new(move || {
        writer.write_all(b"the first 22 bytes of ").expect("the pipe has a reader");
        exit(1);
    });
    let child = child.daemon(true).start()?;
    // ANCHOR_END: sibling
    let mut message = [0; 100];
    let count = (&reader).read(&mut message)?;
    say!("read {count} bytes: {:?}", String::from_utf8_lossy(&message[..count]));
    // ANCHOR: truth
    let mut ends = [reader.as_fd(), child.sentinel()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let ready = poll(&mut ends[..1], PollTimeout::from(LIMIT))?;
    say!("more bytes or the end of file after {LIMIT} ms: {}", ready == 1);

    heading("The process tells the truth: wait for its end, too");
    poll(&mut ends, PollTimeout::NONE)?;
    let [pipe, pidfd] = ends.map(|fd| fd.any() == Some(true));
    // ANCHOR_END: truth
    say!("the pipe is ready: {pipe}, the writer's pidfd is ready: {pidfd}");
    say!("the writer {}", child.join()?);

    heading("Why: the sibling has a copy of the writing end");
    let can_write = |pid| writing_ends(pid, &reader);
    say!("writing ends: {} here, {} in the sibling", can_write(id()), can_write(sibling.pid()));

    heading("The sibling closes its copy, and lives on");
    CLOSE.open();
    CLOSED.wait();
    say!("writing ends in the sibling: {}", can_write(sibling.pid()));
    say!("read: {} bytes, which is the end of file", (&reader).read(&mut message)?);
    say!("the sibling is alive: {}", is_alive(sibling.pid()));
    END.open();
    say!("the sibling {}", sibling.join()?);
    Ok(())
}

/// How many descriptors of the process can write to the pipe.
fn writing_ends(pid: u32, pipe: &PipeReader) -> usize {
    let all = open_descriptors(id());
    let pipe = &all[&pipe.as_raw_fd()];
    let can_write = |number: &i32| {
        let link = fs::symlink_metadata(format!("/proc/{pid}/fd/{number}"));
        link.is_ok_and(|link| link.mode() & 0o200 != 0)
    };
    let same = open_descriptors(pid).into_iter().filter(|(_, target)| target == pipe);
    same.filter(|(number, _)| can_write(number)).count()
}
