//! `_TestProcess` and `_TestSubclassingProcess`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::gate::{Counter, Gate};
use common::harness::{
    self, children, eventually, is_alive, open_descriptors, process_state, tests, threads,
};
use common::process::Running;
use common::{ExitStatus, Process, cpu};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::gettid;

use crate::tools::{nobody_is_left, send};

pub fn all() -> Vec<harness::Test> {
    tests![
        a_child_is_a_process_of_its_own,
        a_child_has_what_its_closure_captured,
        a_process_is_alive_from_its_start_to_its_end,
        dropping_the_handle_waits_for_the_process,
        dropping_a_daemon_ends_it,
        a_child_has_one_thread,
        an_interrupt_ends_it_by_signal_2,
        terminate_ends_it_by_signal_15,
        kill_ends_it_by_signal_9,
        a_join_may_have_any_timeout,
        there_is_a_processor,
        children_start_children,
        the_sentinel_tells_of_the_end,
        a_hundred_processes_at_once,
        a_hundred_processes_are_terminated,
        the_target_is_dropped_in_the_parent,
        a_child_has_no_descriptors_of_its_siblings,
        a_child_does_not_wait_for_its_threads,
        a_process_needs_no_standard_streams_of_its_parent,
        a_process_may_lose_its_standard_streams,
        a_process_talks_with_its_parent,
        a_panic_in_a_process_is_told_on_stderr,
        exit_codes_arrive,
    ]
}

/// What a child says through a pipe before it ends with exit code 0.
#[track_caller]
fn said_by(child: impl FnOnce(&mut dyn Write)) -> String {
    let (mut reader, mut writer) = pipe().unwrap();
    let process = Process::new(move || child(&mut writer)).start().unwrap();
    // It ends because `start` has dropped this process's copy of the writer.
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    said
}

fn a_child_is_a_process_of_its_own() {
    let me = process::id();
    let said = said_by(|parent| write!(parent, "{} {}", process::id(), parent_id()).unwrap());
    let (child, its_parent) = said.split_once(' ').unwrap();
    assert_ne!(child.parse::<u32>().unwrap(), me);
    assert_eq!(its_parent.parse::<u32>().unwrap(), me);

    let (mut reader, mut writer) = pipe().unwrap();
    let process = Process::new(move || write!(writer, "{}", process::id())).start().unwrap();
    let mut child = String::new();
    reader.read_to_string(&mut child).unwrap();
    assert_eq!(child, process.pid().to_string());
}

fn a_child_has_what_its_closure_captured() {
    let (number, text, list, pair) = (1, "str", vec![1, 2], (1, Some("one")));
    let borrowed = &list;
    let said = said_by(|parent| write!(parent, "{number} {text} {borrowed:?} {pair:?}").unwrap());
    assert_eq!(said, r#"1 str [1, 2] (1, Some("one"))"#);

    let mut changed = 1;
    said_by(|_| changed += 1);
    assert_eq!(changed, 1, "the child changes its own copy");
}

fn a_process_is_alive_from_its_start_to_its_end() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let not_started = Process::new(|| GATE.wait());
    assert!(children().is_empty(), "nothing happens before `start`");
    let process = not_started.daemon(true).start().unwrap();
    assert!(process.is_alive().unwrap());
    assert_eq!(process.exitcode().unwrap(), None);
    let pids = || children().iter().map(|child| child.pid).collect::<Vec<_>>();
    assert_eq!(pids(), [process.pid()]);
    GATE.open();
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    assert!(pids().is_empty(), "it was reaped");
    assert_eq!(process.exitcode().unwrap(), Some(0));
    assert!(!process.is_alive().unwrap());
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(0), "as often as one likes");
}

fn dropping_the_handle_waits_for_the_process() {
    static GATE: Gate = Gate::new();
    static ENDED: Counter = Counter::new();
    GATE.set_up();
    ENDED.set_up();
    let process = Process::new(|| {
        GATE.wait();
        ENDED.increment();
    });
    let process = process.start().unwrap();

    let about_to_drop = Arc::new(AtomicBool::new(false));
    let opener = thread::spawn({
        let about_to_drop = about_to_drop.clone();
        move || {
            eventually("it is dropped", || about_to_drop.load(Ordering::SeqCst));
            // This is the state of the main thread: it sleeps, so it waits in the drop.
            eventually("the drop waits", || process_state(process::id()) == Some('S'));
            GATE.open();
        }
    });
    about_to_drop.store(true, Ordering::SeqCst);
    drop(process);
    assert_eq!(ENDED.get(), 1);
    nobody_is_left();
    opener.join().unwrap();
}

fn dropping_a_daemon_ends_it() {
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    for ignores_sigterm in [false, true] {
        let process = Process::new(|| {
            if ignores_sigterm {
                // SAFETY: to ignore a signal runs no code.
                unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
            }
            STARTED.increment();
            GATE.wait();
        });
        let process = process.daemon(true).start().unwrap();
        STARTED.wait_for(1 + u64::from(ignores_sigterm));
        drop(process);
        nobody_is_left();
    }
}

fn a_child_has_one_thread() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let others = [(); 3].map(|()| thread::spawn(|| GATE.wait()));
    assert_eq!(threads(process::id()), 4);
    let thread = gettid();
    let said = said_by(|parent| {
        write!(parent, "{} {} {}", threads(process::id()), gettid(), process::id()).unwrap();
    });
    let said: Vec<&str> = said.split(' ').collect();
    assert_eq!(said[0], "1");
    assert_eq!(said[1], said[2], "it is the child's main thread");
    assert_ne!(said[1], thread.to_string());
    GATE.open();
    others.into_iter().for_each(|other| other.join().unwrap());
}

/// Ends a process that waits at a gate, and looks at its handle before and after. Says how it ended.
#[track_caller]
fn ended_by(end: impl FnOnce(&Running)) -> ExitStatus {
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let process = Process::new(|| {
        STARTED.increment();
        GATE.wait();
    });
    let process = process.daemon(true).start().unwrap();
    STARTED.wait_for(1);
    assert!(process.is_alive().unwrap());
    assert_eq!(process.exitcode().unwrap(), None);
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        assert_eq!(process.join_timeout(timeout).unwrap(), None);
    }
    assert!(process.is_alive().unwrap(), "a join that gives up ends nothing");

    end(&process);
    let status = process.join().unwrap();
    assert!(!process.is_alive().unwrap());
    assert_eq!(process.exitcode().unwrap(), status.code());
    assert_eq!(process.join_timeout(Duration::ZERO).unwrap(), Some(status));
    process.terminate().unwrap(); // It is gone: nobody gets a signal.
    process.kill().unwrap();
    assert_eq!(process.join().unwrap(), status);
    nobody_is_left();
    status
}

fn an_interrupt_ends_it_by_signal_2() {
    // Even if the parent ignores it: a child begins with the default.
    // SAFETY: to ignore a signal runs no code.
    unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }.unwrap();
    let status = ended_by(|process| send(process.pid(), Signal::SIGINT));
    assert_eq!((status, status.code()), (ExitStatus::Signaled(2), Some(-2)));
}

fn terminate_ends_it_by_signal_15() {
    // SAFETY: to ignore a signal runs no code.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
    let status = ended_by(|process| process.terminate().unwrap());
    assert_eq!((status, status.code()), (ExitStatus::Signaled(15), Some(-15)));
}

fn kill_ends_it_by_signal_9() {
    let status = ended_by(|process| process.kill().unwrap());
    assert_eq!((status, status.code()), (ExitStatus::Signaled(9), Some(-9)));
}

fn a_join_may_have_any_timeout() {
    let process = Process::new(|| ()).start().unwrap();
    let ended = Some(ExitStatus::Exited(0));
    assert_eq!(process.join_timeout(Duration::MAX).unwrap(), ended, "as good as none");
    assert_eq!(process.join_timeout(Duration::ZERO).unwrap(), ended);
}

fn there_is_a_processor() {
    assert!(cpu::usable() >= 1);
    assert!(cpu::physical() >= 1);
    assert!(cpu::logical() >= cpu::usable());
}

fn children_start_children() {
    fn family(path: &str, listener: &File) {
        let mut listener = listener;
        // One write: lines do not mix.
        listener.write_all(format!("{path}\n").as_bytes()).unwrap();
        if path.len() < 3 {
            for child in ["0", "1"] {
                let child = Process::new(|| family(&format!("{path}{child}"), listener));
                assert_eq!(child.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
            }
        }
    }
    let mut listener = File::from(memfd_create(c"family", MFdFlags::MFD_CLOEXEC).unwrap());
    family("-", &listener);
    let mut members = String::new();
    listener.rewind().unwrap();
    listener.read_to_string(&mut members).unwrap();
    assert!(members.lines().eq(["-", "-0", "-00", "-01", "-1", "-10", "-11"]), "{members}");
}

fn the_sentinel_tells_of_the_end() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let process = Process::new(|| GATE.wait()).daemon(true).start().unwrap();
    let tells = |timeout: PollTimeout| {
        poll(&mut [PollFd::new(process.sentinel(), PollFlags::POLLIN)], timeout).unwrap() == 1
    };
    assert!(!tells(PollTimeout::ZERO));
    GATE.open();
    assert!(tells(PollTimeout::NONE), "before it is joined");
    assert!(!process.is_alive().unwrap());
    process.join().unwrap();
    assert!(tells(PollTimeout::ZERO), "and afterwards");
}

fn a_hundred_processes_at_once() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let processes: Vec<_> =
        (0..100).map(|_| Process::new(|| GATE.wait()).daemon(true).start().unwrap()).collect();
    assert_eq!(children().len(), 100);
    GATE.open();
    for process in &processes {
        assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
    }
    nobody_is_left();
}

fn a_hundred_processes_are_terminated() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let processes: Vec<_> =
        (0..100).map(|_| Process::new(|| GATE.wait()).daemon(true).start().unwrap()).collect();
    // Some have not run a line of their own yet.
    for process in &processes {
        process.terminate().unwrap();
    }
    for process in &processes {
        assert_eq!(process.join().unwrap(), ExitStatus::Signaled(15));
    }
    nobody_is_left();
}

fn the_target_is_dropped_in_the_parent() {
    static GATE: Gate = Gate::new();
    GATE.set_up();
    let captured = Arc::new(5);
    let seen = Arc::downgrade(&captured);
    let process = Process::new(move || {
        GATE.wait();
        process::exit(*captured)
    });
    let process = process.start().unwrap();
    assert_eq!(seen.strong_count(), 0, "the child has its own copy");
    GATE.open();
    assert_eq!(process.join().unwrap(), ExitStatus::Exited(5));
}

fn a_child_has_no_descriptors_of_its_siblings() {
    // CPython skips this test where processes are forked: "a lost battle".
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let siblings = [(); 5].map(|()| {
        let process = Process::new(|| {
            STARTED.increment();
            GATE.wait();
        });
        process.daemon(true).start().unwrap()
    });
    STARTED.wait_for(5);
    let of_each = siblings.each_ref().map(|sibling| open_descriptors(sibling.pid()));
    assert!(of_each[1..].iter().all(|its| *its == of_each[0]), "{of_each:?}");
}

fn a_child_does_not_wait_for_its_threads() {
    // Where we depart: Python waits for threads that are no daemons. Rust's `main` waits for none.
    static GATE: Gate = Gate::new();
    static STARTED: Counter = Counter::new();
    GATE.set_up();
    STARTED.set_up();
    let process = Process::new(|| {
        thread::spawn(|| {
            STARTED.increment();
            GATE.wait();
        });
        STARTED.wait_for(1);
    });
    assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
    // Who wants it says so.
    let process = Process::new(|| thread::spawn(|| STARTED.increment()).join().unwrap());
    assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
    assert_eq!(STARTED.get(), 2);
}

/// Closes a standard stream of this process, or opens it on what refuses every byte.
fn break_stream(stream: i32, closed: bool) {
    // SAFETY: nobody owns the standard streams. They are used as before, and fail.
    unsafe {
        if closed {
            assert_eq!(libc::close(stream), 0);
        } else {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            assert_eq!(libc::dup2(full.as_raw_fd(), stream), stream);
        }
    }
}

/// Runs `code` while a standard stream is broken.
fn without(stream: i32, closed: bool, code: impl FnOnce()) {
    // SAFETY: as above; the copy is put back and closed.
    let saved = unsafe { libc::dup(stream) };
    assert!(saved > 2);
    break_stream(stream, closed);
    code();
    // SAFETY: as above.
    unsafe {
        assert_eq!(libc::dup2(saved, stream), stream);
        assert_eq!(libc::close(saved), 0);
    }
}

fn a_process_needs_no_standard_streams_of_its_parent() {
    static RAN: Counter = Counter::new();
    RAN.set_up();
    let broken = [(1, false), (2, false), (1, true), (2, true)];
    for (stream, closed) in broken {
        print!("a line that is not finished at the fork: it has to be flushed, and cannot be");
        without(stream, closed, || {
            let process = Process::new(|| RAN.increment()).start().unwrap();
            assert_eq!(process.join().unwrap(), ExitStatus::Exited(0));
        });
    }
    assert_eq!(RAN.get(), broken.len() as u64);
}

fn a_process_may_lose_its_standard_streams() {
    static RAN: Counter = Counter::new();
    RAN.set_up();
    let broken = [(1, false), (2, false), (1, true), (2, true)];
    for (stream, closed) in broken {
        let process = Process::new(|| {
            print!("a line that is not finished at the end: it has to be flushed, and cannot be");
            break_stream(stream, closed);
            RAN.increment();
        });
        assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(0));
    }
    assert_eq!(RAN.get(), broken.len() as u64);
}

fn a_process_talks_with_its_parent() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    // The closure has the only copy of `theirs` that stays open: `start` drops it here.
    let upper = Process::new(move || {
        let words = BufReader::new(&theirs).lines().map(Result::unwrap);
        for word in words.take_while(|word| word != ".") {
            writeln!(&theirs, "{}", word.to_uppercase()).unwrap();
        }
    });
    let upper = upper.start().unwrap();
    let mut answers = BufReader::new(&ours).lines();
    for (word, answer) in [("hello", "HELLO"), ("world", "WORLD")] {
        writeln!(&ours, "{word}").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), answer);
    }
    writeln!(&ours, ".").unwrap();
    assert!(answers.next().is_none(), "the end of file: nobody else holds the other end");
    assert_eq!(upper.join().unwrap(), ExitStatus::Exited(0));
}

fn a_panic_in_a_process_is_told_on_stderr() {
    let mut stderr = File::from(memfd_create(c"stderr", MFdFlags::MFD_CLOEXEC).unwrap());
    let line = line!() + 4;
    let process = Process::new(|| {
        // SAFETY: standard streams belong to nobody.
        assert_eq!(unsafe { libc::dup2(stderr.as_fd().as_raw_fd(), 2) }, 2);
        panic!("the marker");
    });
    assert_eq!(process.start().unwrap().join().unwrap(), ExitStatus::Exited(1));
    let mut told = String::new();
    stderr.rewind().unwrap();
    stderr.read_to_string(&mut told).unwrap();
    for part in ["the marker", &format!("{}:{line}:", file!())] {
        assert!(told.contains(part), "{part:?} is missing in {told:?}");
    }
}

fn exit_codes_arrive() {
    let returns = Process::new(|| 17);
    assert_eq!(returns.start().unwrap().join().unwrap(), ExitStatus::Exited(0), "it is dropped");
    for code in [0, 1, 8, 255, 256, 259, -1] {
        let process = Process::new(|| process::exit(code)).start().unwrap();
        let status = process.join().unwrap();
        assert_eq!(status, ExitStatus::Exited(code.rem_euclid(256)), "exit({code})");
        assert_eq!(process.exitcode().unwrap(), Some(code.rem_euclid(256)));
        assert_eq!(status.success(), code % 256 == 0);
        assert!(!is_alive(process.pid()));
    }
}
