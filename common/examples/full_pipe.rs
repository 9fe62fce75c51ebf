//! A parent writes a large argument while its child writes a large result, and neither reads: both
//! pipes fill up, and both wait for ever.
//!
//! Run it: `cargo run -p common --example full_pipe`
//!
//! Python: the same with `send` of a few megabytes at both ends of a `multiprocessing.Pipe`. Its `Pool`
//! sends tasks and reads results in two threads, and so does not stop here.

use std::error::Error;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;
use std::time::Duration;

use common::console::heading;
use common::harness::{eventually, process_state};
use common::process::Running;
use common::{Process, say};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Of the argument and of the result.
const SIZE: usize = 4 << 20;
/// How long the watchdog waits before it kills. The child would wait for ever.
const LIMIT: Duration = Duration::from_millis(200);

fn main() -> Result<(), Box<dyn Error>> {
    heading("Both write, nobody reads");
    let (child, argument, mut result) = start_child()?;
    eventually("the child waits", || process_state(child.pid()) == Some('S'));
    say!("without waiting I can write {} of {SIZE} bytes", fill(&argument)?);
    match child.join_timeout(LIMIT)? {
        Some(status) => say!("the child {status}"),
        None => {
            say!("watchdog: after {LIMIT:?} the child still waits for me, and I for the child");
            child.kill()?;
            say!("the child {}", child.join()?);
        }
    }
    let written = result.read_to_end(&mut Vec::new())?;
    say!("without waiting the child could write {written} of {SIZE} bytes");

    heading("The same child, but here one thread reads while another writes");
    let (child, mut argument, mut result) = start_child()?;
    // ANCHOR: both
    let bytes = thread::scope(|scope| {
        let reader = scope.spawn(|| read(&mut result));
        argument.write_all(&vec![1; SIZE])?;
        reader.join().expect("it does not panic")
    })?;
    // ANCHOR_END: both
    say!("the child {}", child.join()?);
    say!("wrote {SIZE} bytes and read {}, all right: {}", bytes.len(), bytes == vec![2; SIZE]);
    Ok(())
}

/// A child that writes its result before it reads its argument, and this process's ends of the pipes.
// ANCHOR: child
fn start_child() -> io::Result<(Running, PipeWriter, PipeReader)> {
    let (mut reader, argument) = pipe()?;
    let (result, mut writer) = pipe()?;
    let child = Process::new(move || -> io::Result<()> {
        writer.write_all(&vec![2; SIZE])?;
        let bytes = read(&mut reader)?;
        say!("wrote {SIZE} bytes and read {}, all right: {}", bytes.len(), bytes == vec![1; SIZE]);
        Ok(())
    });
    Ok((child.daemon(true).start()?, argument, result))
}
// ANCHOR_END: child

fn read(pipe: &mut PipeReader) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SIZE];
    pipe.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes until the pipe takes no more, without waiting; says how many bytes it took.
fn fill(mut pipe: &PipeWriter) -> io::Result<usize> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut written = 0;
    while written < SIZE {
        match pipe.write(&vec![1; SIZE - written]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
