//! Text that waits in stdout's buffer at a fork is in both processes afterwards. If the child leaves by
//! `exit`, which flushes, it is printed twice.
//!
//! Run it: `cargo run -p common --example doubled_line`
//!
//! Python: the same after `os.fork()` and `sys.exit()`. `multiprocessing` does as `Process` does here: it
//! flushes before the fork, and the child's own text before it leaves by `os._exit`.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, stdout};
use std::process::exit;

use common::console::heading;
use common::{Process, say};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, dup, dup2_stdout, fork};

type Outcome = Result<(), Box<dyn Error>>;

/// Nothing is flushed before the end of the line, which is the parent's.
const PARENT: &str = "from the parent, ";
const CHILD: &str = "from the child, ";

fn main() -> Outcome {
    heading("Forked by hand, left by exit: the child flushes its copy of the parent's text");
    show(|| by_hand(|| exit(0)))?;

    heading("Forked by hand, left by _exit: the child flushes nothing, and loses its own text");
    // SAFETY: _exit takes any number and does not return.
    show(|| by_hand(|| unsafe { libc::_exit(0) }))?;

    heading("Process: flushed before the fork, and before _exit");
    show(|| {
        Process::new(|| print!("{CHILD}")).start()?.join()?;
        Ok(())
    })
}

// ANCHOR: by_hand
fn by_hand(leave: fn() -> !) -> Outcome {
    // SAFETY: this process has one thread, so nobody can hold a lock that the child needs.
    match unsafe { fork() }? {
        ForkResult::Child => {
            print!("{CHILD}");
            leave()
        }
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    Ok(())
}
// ANCHOR_END: by_hand

/// Prints a line and lets a child print in the middle of it, into a file instead of the terminal.
fn show(run_a_child: impl FnOnce() -> Outcome) -> Outcome {
    let mut file = File::from(memfd_create(c"instead of stdout", MFdFlags::MFD_CLOEXEC)?);
    let terminal = dup(stdout())?;
    dup2_stdout(&file)?;
    print!("{PARENT}");
    run_a_child()?;
    println!("done.");
    dup2_stdout(&terminal)?;

    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let times = |part| text.matches(part).count();
    say!("printed: {}", text.trim_end());
    say!("copies of the parent's text: {}, of the child's: {}", times(PARENT), times(CHILD));
    Ok(())
}
