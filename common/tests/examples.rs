//! Each program in `examples/` prints what its snapshot says and leaves no process behind, zombies included.
//!
//! To accept an output that was changed on purpose: `INSTA_UPDATE=always cargo test -p common`.

use std::env;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::harness::snapshot::{Names, pin};
use common::harness::{self, children, tests};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

fn main() {
    harness::main(tests![
        killed_worker,
        zombie,
        doubled_line,
        lock_held_at_fork,
        full_pipe,
        hidden_eof,
        every_example_has_a_test,
    ]);
}

fn killed_worker() {
    check("killed_worker");
}

fn zombie() {
    check("zombie");
}

fn doubled_line() {
    check("doubled_line");
}

fn lock_held_at_fork() {
    check("lock_held_at_fork");
}

fn full_pipe() {
    check("full_pipe");
}

fn hidden_eof() {
    check("hidden_eof");
}

fn every_example_has_a_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let this_file =
        fs::read_to_string(here.join("tests/examples.rs")).expect("the source is there");
    for example in fs::read_dir(here.join("examples")).expect("the folder is there") {
        let path = example.expect("it can be listed").path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        let call = format!("check(\"{name}\")");
        assert!(
            this_file.contains(&call),
            "tests/examples.rs has no {call} for {}",
            path.display()
        );
    }
}

/// Runs the example and compares what it prints, with the command above it.
fn check(name: &str) {
    // What the example leaves behind becomes a child of this process at the moment in which the example ends.
    set_child_subreaper(true).expect("every process may become a subreaper");
    // Files and not pipes, whose end would be held open by what is left behind.
    let [mut stdout, mut stderr] = [c"stdout", c"stderr"]
        .map(|name| File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC).expect("a descriptor")));
    let status = Command::new(built(name))
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().expect("a descriptor"))
        .stderr(stderr.try_clone().expect("a descriptor"))
        .status()
        .expect("it can be run");
    let orphan = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG));
    assert_eq!(orphan, Err(Errno::ECHILD), "{name} has left a process behind: {:?}", children());

    let [stdout, stderr] = [&mut stdout, &mut stderr].map(|file| {
        file.rewind().expect("it is a file");
        io::read_to_string(file).expect("it is text")
    });
    assert!(status.success(), "{name}: {status}\n{stdout}\n{stderr}");
    assert_eq!(stderr, "", "{name} writes to stderr");

    let text =
        format!("$ cargo run -p common --example {name}\n{}", Names::default().text(&stdout));
    pin!("snapshots/examples", name, text);
}

/// The executable of an example, which `cargo test` builds, but `cargo test --test examples` does not.
fn built(name: &str) -> PathBuf {
    let this = env::current_exe().expect("/proc is there");
    // target/debug/deps/examples-0123456789abcdef → target/debug/examples/zombie
    let profile = this.parent().and_then(Path::parent).expect("it stands in target/PROFILE/deps");
    let executable = profile.join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    let changed = |path| fs::metadata(path).and_then(|file| file.modified());
    let (built, edited) = (changed(&executable), changed(&source).expect("the source is there"));
    assert!(
        built.is_ok_and(|built| built >= edited),
        "{} is not there, or older than {}. Build it: cargo build -p common --examples",
        executable.display(),
        source.display()
    );
    executable
}
