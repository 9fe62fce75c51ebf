//! The harness, tested by itself. Each case runs this executable once more, with a variable that makes `main` choose
//! the *sample suite*: tests that fail, hang and leave things behind on purpose.

use std::{
    collections::HashSet,
    env,
    io::{self, Read, Write},
    mem,
    os::fd::AsRawFd,
    process::{self, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use common::{
    gate::{Counter, Gate},
    harness::{
        self, GRACE, WATCHDOG, children, eventually, is_alive, memory, open_descriptors,
        process_state, test, tests, threads,
    },
};
use nix::{
    libc,
    sys::{
        signal::{SigHandler, Signal, kill, raise, signal},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, getpgrp, getsid, pause, setsid},
};

/// Chooses the sample suite.
const SAMPLE: &str = "HARNESS_SAMPLE";

fn main() {
    if env::var_os(SAMPLE).is_some() {
        harness::main(sample::suite());
    }
    let mut tests = tests![
        a_passing_test_is_ok,
        a_panic_fails_with_its_message,
        an_exit_code_fails,
        an_exit_before_the_end_fails,
        a_signal_fails_with_its_name,
        a_real_time_signal_fails,
        a_hang_is_stopped_with_all_its_processes,
        a_limit_of_its_own_stops_a_hang,
        the_variable_overrules_a_limit_of_its_own,
        a_process_left_behind_fails,
        a_daemon_left_behind_fails,
        a_stopped_process_left_behind_fails,
        a_process_on_its_way_out_is_allowed,
        a_zombie_fails,
        a_child_that_returns_from_the_test_fails,
        a_child_that_unwinds_from_the_test_fails,
        a_flood_of_output_is_no_hang,
        the_end_of_a_long_output_is_shown,
        an_endless_output_is_cut_off,
        an_orphan_is_reaped_while_the_test_runs,
        a_killed_keeper_fails_and_takes_the_test_along,
        names_select_tests,
        ignored_tests_run_when_asked_for,
        two_tests_of_one_name_are_refused,
        the_case_has_a_process_of_its_own,
        the_case_starts_with_default_signals,
        children_are_found_with_their_state,
        descriptors_are_listed,
        memory_is_measured,
        eventually_names_what_it_waited_for,
        a_gate_holds_all_until_it_is_opened,
        an_open_gate_stays_open,
        a_gate_needs_set_up,
        a_counter_counts_in_all_processes,
        a_counter_needs_set_up,
    ];
    // What the sample starts before it is stopped are this test's processes, too.
    for (name, case) in [
        ("forking_without_end_is_stopped", forking_without_end_is_stopped as fn()),
        (
            "forking_without_end_after_the_test_is_stopped",
            forking_without_end_after_the_test_is_stopped,
        ),
    ] {
        tests.push(test(name, case).crowd(usize::MAX));
    }
    harness::main(tests)
}

/// The tests of the sample suite: each does on purpose what the harness is there to find.
mod sample {
    use super::*;

    pub fn suite() -> Vec<harness::Test> {
        let mut suite = tests![
            passes,
            panics,
            exits_with_3,
            exits_with_0,
            is_killed,
            is_killed_by_a_real_time_signal,
            hangs,
            leaves_a_process,
            leaves_a_daemon,
            leaves_a_stopped_process,
            leaves_a_process_that_goes,
            leaves_a_zombie,
            lets_a_child_return,
            lets_a_child_unwind,
            floods_and_passes,
            floods_and_panics,
            floods_for_ever,
            waits_for_an_orphan_to_go,
            kills_its_keeper,
        ];
        for (name, case) in [
            ("forks_without_end", forks_without_end as fn()),
            ("leaves_a_process_that_forks_without_end", leaves_a_process_that_forks_without_end),
        ] {
            suite.push(test(name, case).crowd(20));
        }
        suite.push(test("hangs_within_its_own_limit", hangs).within(Duration::from_millis(1)));
        suite.push(test("is_ignored", passes).ignored("to do"));
        if env::var_os("SAMPLE_TWICE").is_some() {
            suite.push(test("passes", passes));
        }
        suite
    }

    fn passes() {}

    fn panics() {
        panic!("two and two is five");
    }

    fn exits_with_3() {
        process::exit(3);
    }

    fn exits_with_0() {
        process::exit(0);
    }

    fn is_killed() {
        let _ = raise(Signal::SIGKILL);
    }

    fn is_killed_by_a_real_time_signal() {
        // SAFETY: no handler is installed, the default action ends the process.
        unsafe { libc::raise(libc::SIGRTMIN()) };
    }

    fn hangs() {
        let child = forked(|| {
            // SAFETY: to ignore a signal runs no code.
            let _ = unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) };
            loop {
                pause();
            }
        });
        say_child(child);
        loop {
            pause();
        }
    }

    fn leaves_a_process() {
        say_child(forked(|| {
            loop {
                pause();
            }
        }));
    }

    fn leaves_a_daemon() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let between = forked(|| {
            setsid().unwrap();
            let daemon = forked(|| {
                loop {
                    pause();
                }
            });
            writer.write_all(&daemon.to_ne_bytes()).unwrap();
        });
        waitpid(Pid::from_raw(between as i32), None).unwrap();
        let mut daemon = [0; 4];
        reader.read_exact(&mut daemon).unwrap();
        say_child(u32::from_ne_bytes(daemon));
    }

    fn leaves_a_stopped_process() {
        let child = forked(|| {
            loop {
                let _ = raise(Signal::SIGSTOP);
            }
        });
        say_child(child);
        eventually("the child is stopped", || process_state(child) == Some('T'));
    }

    fn leaves_a_process_that_goes() {
        let (mut reader, writer) = io::pipe().unwrap();
        forked(|| {
            // SAFETY: the descriptor is this process's own copy, nobody uses it afterwards.
            unsafe { libc::close(writer.as_raw_fd()) };
            // It ends when its parent, the test, has ended: not before.
            let _ = reader.read(&mut [0]);
        });
        mem::forget(writer);
    }

    fn leaves_a_zombie() {
        let child = forked(|| ());
        say_child(child);
        eventually("the child is a zombie", || process_state(child) == Some('Z'));
    }

    fn lets_a_child_return() {
        // SAFETY: one thread only. That the child returns is the mistake of this test.
        if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
            waitpid(child, None).unwrap();
        }
    }

    fn lets_a_child_unwind() {
        // SAFETY: one thread only. That the child unwinds is the mistake of this test.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { .. } => loop {
                pause();
            },
            ForkResult::Child => panic!("in the child"),
        }
    }

    fn flood(lines: usize) {
        for _ in 0..lines {
            println!("{:1000}", "flood");
        }
    }

    fn floods_and_passes() {
        flood(20_000);
    }

    fn floods_and_panics() {
        println!("the first line");
        flood(20_000);
        panic!("after the flood");
    }

    fn floods_for_ever() {
        let megabyte = vec![b'x'; 1 << 20];
        while io::stdout().write_all(&megabyte).is_ok() {}
    }

    fn waits_for_an_orphan_to_go() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let parent = forked(|| {
            let orphan = forked(|| {
                loop {
                    pause();
                }
            });
            writer.write_all(&orphan.to_ne_bytes()).unwrap();
        });
        waitpid(Pid::from_raw(parent as i32), None).unwrap();
        let mut orphan = [0; 4];
        reader.read_exact(&mut orphan).unwrap();
        let orphan = u32::from_ne_bytes(orphan);
        kill(Pid::from_raw(orphan as i32), Signal::SIGKILL).unwrap();
        eventually("the orphan is reaped", || process_state(orphan).is_none());
    }

    fn kills_its_keeper() {
        say_child(process::id());
        kill(Pid::parent(), Signal::SIGKILL).unwrap();
        loop {
            pause();
        }
    }

    /// Each child does the same: soon there are as many as the machine can make.
    fn forks_without_end() {
        loop {
            forked(forks_without_end);
        }
    }

    fn leaves_a_process_that_forks_without_end() {
        let test = process::id();
        forked(|| {
            // Not before the test has ended.
            while Pid::parent().as_raw() as u32 == test {
                thread::sleep(Duration::from_millis(1));
            }
            forks_without_end()
        });
    }

    /// Tells the outer test whom to look for.
    fn say_child(pid: u32) {
        println!("child {pid}.");
    }
}

/// The states of a process that has been told to pause, and may not have got there.
const RUNS: &str = "RSD";

/// Forks a child that runs `body` and leaves by `_exit(0)`.
fn forked(body: impl FnOnce()) -> u32 {
    // SAFETY: the cases have one thread, so nobody holds a lock.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child.as_raw() as u32,
        ForkResult::Child => {
            body();
            // SAFETY: ends this process and runs none of its parent's destructors.
            unsafe { libc::_exit(0) }
        }
    }
}

fn join(pid: u32) {
    let pid = Pid::from_raw(pid as i32);
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));
}

/// How the sample suite ended and what it printed.
struct Ran {
    status: ExitStatus,
    output: String,
}

impl Ran {
    /// The sample suite with these arguments and variables.
    fn with(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let output = Command::new(env::current_exe().unwrap())
            .args(arguments)
            .env(SAMPLE, "1")
            .env_remove(WATCHDOG)
            .env_remove(GRACE)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        Ran { status: output.status, output: String::from_utf8(output.stdout).unwrap() }
    }

    /// One test of the sample suite.
    fn of(name: &str) -> Ran {
        Ran::with(&["--exact", name], &[])
    }

    /// One that leaves what will not go away: waiting for it would only make this suite slow.
    fn without_grace(name: &str) -> Ran {
        Ran::with(&["--exact", name], &[(GRACE, "0")])
    }

    #[track_caller]
    fn contains(&self, expected: &str) -> &Self {
        assert!(self.output.contains(expected), "{expected:?} is missing in:\n{}", self.output);
        self
    }

    #[track_caller]
    fn lacks(&self, unexpected: &str) -> &Self {
        assert!(
            !self.output.contains(unexpected),
            "{unexpected:?} has no place in:\n{}",
            self.output
        );
        self
    }

    #[track_caller]
    fn is_ok(&self) -> &Self {
        self.contains(" ... ok\n").contains("1 passed; 0 failed");
        assert!(self.status.success(), "{}", self.status);
        self
    }

    #[track_caller]
    fn is_failed(&self) -> &Self {
        self.contains(" ... FAILED\n").contains("0 passed; 1 failed");
        assert_eq!(self.status.code(), Some(101));
        self
    }

    /// The process that the test told us of, if it came to that.
    fn child(&self) -> Option<u32> {
        let (_, rest) = self.output.split_once("child ")?;
        rest.split_once('.')?.0.parse().ok()
    }

    /// The child is named in the table of processes, in one of these states, and is gone.
    #[track_caller]
    fn names_the_child_and_it_is_gone(&self, states: &str) {
        let child = self.child().expect("the test said who its child is");
        let is_its_line = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(&child.to_string())
                && words.nth(1).is_some_and(|state| states.contains(state))
        };
        assert!(
            self.output.lines().any(is_its_line),
            "no line says that {child} is in a state of {states}:\n{}",
            self.output
        );
        assert_eq!(process_state(child), None, "process {child} is still there");
    }
}

/// A hanging test, stopped by a watchdog that is as short as it may be for the test to get to its hang.
fn stopped(name: &str) -> Ran {
    let mut seconds = 0.25;
    loop {
        let ran = Ran::with(&["--exact", name], &[(WATCHDOG, &seconds.to_string())]);
        ran.is_failed().contains("the test hung");
        if ran.child().is_some() {
            return ran;
        }
        seconds *= 2.0;
    }
}

fn a_passing_test_is_ok() {
    Ran::of("passes").is_ok();
}

fn a_panic_fails_with_its_message() {
    Ran::of("panics")
        .is_failed()
        .contains("two and two is five")
        .contains("tests/harness.rs:")
        .contains("the test ended with exit code 101")
        .lacks("left processes behind");
}

fn an_exit_code_fails() {
    Ran::of("exits_with_3").is_failed().contains("the test ended with exit code 3");
}

fn an_exit_before_the_end_fails() {
    Ran::of("exits_with_0")
        .is_failed()
        .contains("the test ended with exit code 0 before it had returned");
}

fn a_signal_fails_with_its_name() {
    Ran::of("is_killed").is_failed().contains("the test was killed by signal 9 (SIGKILL)");
}

fn a_real_time_signal_fails() {
    Ran::of("is_killed_by_a_real_time_signal")
        .is_failed()
        .contains(&format!("killed by signal {} (a real-time signal)", libc::SIGRTMIN()));
}

fn a_hang_is_stopped_with_all_its_processes() {
    stopped("hangs").names_the_child_and_it_is_gone(RUNS);
}

fn a_limit_of_its_own_stops_a_hang() {
    Ran::of("hangs_within_its_own_limit")
        .is_failed()
        .contains("the test hung: it had not ended after 1ms");
}

fn the_variable_overrules_a_limit_of_its_own() {
    stopped("hangs_within_its_own_limit").lacks("after 1ms");
}

fn a_process_left_behind_fails() {
    let ran = Ran::without_grace("leaves_a_process");
    ran.is_failed().contains("the test left processes behind");
    ran.names_the_child_and_it_is_gone(RUNS);
}

fn a_daemon_left_behind_fails() {
    let ran = Ran::without_grace("leaves_a_daemon");
    ran.is_failed().contains("the test left processes behind");
    ran.names_the_child_and_it_is_gone(RUNS);
}

fn a_stopped_process_left_behind_fails() {
    let ran = Ran::without_grace("leaves_a_stopped_process");
    ran.is_failed().contains("the test left processes behind");
    ran.names_the_child_and_it_is_gone("T");
}

fn a_process_on_its_way_out_is_allowed() {
    Ran::of("leaves_a_process_that_goes").is_ok();
}

fn a_zombie_fails() {
    let ran = Ran::without_grace("leaves_a_zombie");
    ran.is_failed().contains("without having waited for these children");
    ran.names_the_child_and_it_is_gone("Z");
}

fn a_child_that_returns_from_the_test_fails() {
    Ran::without_grace("lets_a_child_return")
        .is_failed()
        .contains("forked by the test, came back through the test's end")
        .contains("the test left processes behind");
}

fn a_child_that_unwinds_from_the_test_fails() {
    Ran::without_grace("lets_a_child_unwind")
        .is_failed()
        .contains("in the child")
        .contains("forked by the test, came back through the test's end");
}

fn a_flood_of_output_is_no_hang() {
    Ran::of("floods_and_passes").is_ok().lacks("flood ");
}

fn the_end_of_a_long_output_is_shown() {
    let ran = Ran::of("floods_and_panics");
    ran.is_failed()
        .contains("bytes of output left out]")
        .contains("after the flood")
        .lacks("the first line");
    assert!(ran.output.len() < 100_000, "{} bytes", ran.output.len());
}

fn an_endless_output_is_cut_off() {
    Ran::of("floods_for_ever")
        .is_failed()
        .contains("(SIGXFSZ): its output, or another file, grew beyond");
}

fn an_orphan_is_reaped_while_the_test_runs() {
    Ran::of("waits_for_an_orphan_to_go").is_ok();
}

fn a_killed_keeper_fails_and_takes_the_test_along() {
    let ran = Ran::of("kills_its_keeper");
    ran.is_failed().contains("the keeper of the test, its parent, ended before it: signal: 9");
    let case = ran.child().unwrap();
    eventually("the kernel has killed the case", || process_state(case).is_none());
}

fn forking_without_end_is_stopped() {
    Ran::of("forks_without_end")
        .is_failed()
        .contains("the test was stopped: it had more than 20 processes at one time");
}

fn forking_without_end_after_the_test_is_stopped() {
    Ran::without_grace("leaves_a_process_that_forks_without_end")
        .is_failed()
        .contains("the test left processes behind");
}

fn names_select_tests() {
    Ran::with(&["--list"], &[]).contains("\npanics: test\n").contains("[to do] is_ignored: test\n");
    Ran::with(&["passes", "--test-threads", "2"], &[])
        .contains("test passes            ... ok")
        .contains("test floods_and_passes ... ok")
        .contains("2 passed; 0 failed");
}

fn ignored_tests_run_when_asked_for() {
    Ran::of("is_ignored").contains("[to do] is_ignored ... ignored");
    Ran::with(&["--exact", "is_ignored", "--ignored"], &[]).is_ok();
}

fn two_tests_of_one_name_are_refused() {
    let ran = Command::new(env::current_exe().unwrap())
        .env(SAMPLE, "1")
        .env("SAMPLE_TWICE", "1")
        .output()
        .unwrap();
    assert!(!ran.status.success());
    let message = String::from_utf8(ran.stderr).unwrap();
    assert!(message.contains("two tests are called passes"), "{message}");
}

fn the_case_has_a_process_of_its_own() {
    let me = process::id();
    assert_eq!(threads(me), 1);
    assert_eq!(thread::current().name(), Some("main"));
    assert_eq!(getsid(None), Ok(Pid::this()));
    assert_eq!(getpgrp(), Pid::this());
    assert_eq!(io::stdin().read(&mut [0]).unwrap(), 0);
    assert_eq!(open_descriptors(me)[&0], "/dev/null");
    assert!(children().is_empty());
}

fn the_case_starts_with_default_signals() {
    // A runner that ignores SIGTERM, as `nohup` does with SIGHUP: the test is ended by it all the same.
    let terminated = Command::new("sh")
        .args(["-c", r#"trap '' TERM CHLD; exec "$0" --exact hangs"#])
        .arg(env::current_exe().unwrap())
        .env(SAMPLE, "1")
        .env(GRACE, "0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The runner, its keeper, the case and the case's child. The last ignores SIGTERM, the case must not.
    let case = || {
        let all = children();
        let keeper = all.iter().find(|process| process.parent == terminated.id())?;
        let case = all.iter().find(|process| process.parent == keeper.pid)?;
        all.iter().find(|process| process.parent == case.pid)?;
        Some(case.pid)
    };
    eventually("the sample's case has forked", || case().is_some());
    kill(Pid::from_raw(case().unwrap() as i32), Signal::SIGTERM).unwrap();
    let output = String::from_utf8(terminated.wait_with_output().unwrap().stdout).unwrap();
    assert!(output.contains("the test was killed by signal 15 (SIGTERM)"), "{output}");
}

fn children_are_found_with_their_state() {
    static GATE: Gate = Gate::new();
    static ARRIVED: Counter = Counter::new();
    GATE.set_up();
    ARRIVED.set_up();

    let child = forked(|| {
        let grandchild = forked(|| {
            ARRIVED.increment();
            GATE.wait();
        });
        ARRIVED.increment();
        GATE.wait();
        join(grandchild);
    });
    ARRIVED.wait_for(2);

    let found = children();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].pid, found[0].parent), (child, process::id()));
    assert_eq!(found[1].parent, child);
    let executable = env::current_exe().unwrap();
    let executable = executable.file_name().unwrap().to_str().unwrap();
    assert!(executable.starts_with(&found[0].name), "{found:?}");
    assert!(is_alive(child) && is_alive(found[1].pid));

    GATE.open();
    eventually("the child is a zombie", || process_state(child) == Some('Z'));
    assert!(!is_alive(child), "a zombie has ended");
    assert_eq!(children().len(), 1, "a zombie counts as a child");
    join(child);
    assert!(children().is_empty());
}

fn descriptors_are_listed() {
    let me = process::id();
    let before = open_descriptors(me);
    assert_eq!(open_descriptors(me), before, "looking changes nothing");
    let (reader, writer) = io::pipe().unwrap();
    let with_pipe = open_descriptors(me);
    assert_eq!(with_pipe.len(), before.len() + 2);
    assert!(with_pipe[&reader.as_raw_fd()].starts_with("pipe:["));
    assert_eq!(with_pipe[&reader.as_raw_fd()], with_pipe[&writer.as_raw_fd()]);
    drop((reader, writer));
    assert_eq!(open_descriptors(me), before);
}

fn memory_is_measured() {
    let before = memory(process::id());
    let megabytes = vec![1_u8; 32 << 20];
    let with_more = memory(process::id());
    // A page of a file, such as this executable, is private until another process reads it, too: a few may be so no more.
    assert!(with_more.private >= before.private + 31 * 1024, "{before:?} {with_more:?}");
    assert!(with_more.resident >= with_more.private);
    drop(megabytes);
}

fn eventually_names_what_it_waited_for() {
    let mut asked = 0;
    eventually("the condition is asked again", || {
        asked += 1;
        asked == 3
    });
    assert_eq!(asked, 3);
}

fn a_gate_holds_all_until_it_is_opened() {
    static GATE: Gate = Gate::new();
    static ARRIVED: Counter = Counter::new();
    static PASSED: Counter = Counter::new();
    GATE.set_up();
    ARRIVED.set_up();
    PASSED.set_up();

    let waiting = [(); 4].map(|()| {
        forked(|| {
            ARRIVED.increment();
            GATE.wait();
            PASSED.increment();
        })
    });
    ARRIVED.wait_for(4);
    assert_eq!(PASSED.get(), 0);
    let opener = forked(|| GATE.open());
    waiting.into_iter().for_each(join);
    join(opener);
    assert_eq!(PASSED.get(), 4);
}

fn an_open_gate_stays_open() {
    static GATES: [Gate; 2] = [const { Gate::new() }; 2];
    GATES.iter().for_each(Gate::set_up);
    // More often than a pipe holds bytes.
    for _ in 0..100_000 {
        GATES[1].open();
    }
    for _ in 0..3 {
        join(forked(|| GATES[1].wait()));
    }
    let other = forked(|| GATES[0].wait());
    assert!(is_alive(other), "the gates of a row are independent");
    GATES[0].open();
    join(other);
}

fn a_gate_needs_set_up() {
    static GATE: Gate = Gate::new();
    let too_late = std::panic::catch_unwind(|| GATE.wait()).unwrap_err();
    let message = too_late.downcast_ref::<String>().map(String::as_str);
    let message = message.or(too_late.downcast_ref::<&str>().copied()).unwrap();
    assert!(message.contains("not set up before the fork"), "{message}");
    assert!(std::panic::catch_unwind(|| GATE.open()).is_err());
}

fn a_counter_counts_in_all_processes() {
    static COUNTER: Counter = Counter::new();
    static FIRST: Counter = Counter::new();
    COUNTER.set_up();
    FIRST.set_up();
    let processes: HashSet<u32> = (0..8)
        .map(|_| {
            forked(|| {
                for _ in 0..1000 {
                    if COUNTER.increment() == 1 {
                        FIRST.increment();
                    }
                }
            })
        })
        .collect();
    COUNTER.wait_for(8000);
    processes.into_iter().for_each(join);
    assert_eq!(COUNTER.get(), 8000);
    assert_eq!(FIRST.get(), 1, "one process is told that it is the first");
}

fn a_counter_needs_set_up() {
    static COUNTER: Counter = Counter::new();
    assert!(std::panic::catch_unwind(|| COUNTER.increment()).is_err());
}
