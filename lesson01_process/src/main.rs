//! Lesson 1, the notes' sections *Counting the cores* and *Process*: one process for one function.
//!
//! ```text
//! cargo run -p lesson01_process
//! ```

use std::collections::BTreeSet;
use std::io;
use std::process::{ExitCode, exit};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::cli::{self, Defaults, Flags};
use common::console::heading;
use common::process::Running;
use common::workload::{delay_function, engine, largest_singular_value};
use common::{ExitStatus, Process, cpu, say, trace};

fn main() -> ExitCode {
    cli::run(lesson)
}

fn lesson() -> io::Result<()> {
    let flags = Flags::parse(Defaults { about: "Lesson 1: processes", size: 600, workers: 2 });

    heading("How many processors are there? Three answers");
    // ANCHOR: cpu_count
    // mp.cpu_count()
    say!("{:>3} logical: of the whole machine; Python's cpu_count()", cpu::logical());
    // os.process_cpu_count()
    say!("{:>3} usable: those this process may use; start so many workers", cpu::usable());
    say!("{:>3} physical: cores; each may count as two logical ones", cpu::physical());
    // ANCHOR_END: cpu_count

    heading("Two processes: start both, then wait for both");
    // ANCHOR: process
    // p0 = Process(target=delay_function, args=(1,))
    let p0 = Process::new(|| delay_function(1));
    let p1 = Process::new(|| delay_function(2));
    let p0 = p0.start()?;
    let p1 = p1.start()?;
    say!("started {} and {}; now p0.join()", p0.pid(), p1.pid());
    p0.join()?;
    say!("p0 is gone, its end line is above; p1 is {}", state(&p1)?);
    p1.join()?;
    // ANCHOR_END: process
    say!("after both joins, all that both had to print is above");
    say!("join does not say which of them starts or ends first: run it again");

    heading("CPU seconds over wall seconds: how many processors a process keeps busy");
    let most = engine::threads();
    say!("{} decomposes the matrices; threads in each process: at most {most}", engine::NAME);
    for threads in BTreeSet::from([1, most]) {
        for processes in BTreeSet::from([1, flags.workers]) {
            // Before the fork: OpenBLAS takes it in a child for a reason to start all its threads.
            engine::set_threads(threads);
            let start = Instant::now();
            let busy = || Process::new(|| keep_busy(flags.size)).start();
            let started: Vec<Running> =
                (0..processes).map(|_| busy()).collect::<io::Result<_>>()?;
            started.iter().try_for_each(|process| process.join().map(drop))?;
            let wall = start.elapsed();
            say!("processes: {processes}, threads in each: {threads}, done after {wall:.2?}");
        }
    }
    match most {
        1 => say!("a thread keeps one processor busy; numpy's engine has more: --features lapack"),
        _ => say!("more threads than processors gain nothing: compare processes with 1 thread"),
    }

    heading("Memory: the child has a copy");
    // ANCHOR: memory
    let mut counter = 1;
    let child = Process::new(|| {
        counter += 10;
        say!("I added 10, my counter is {counter}");
    });
    child.start()?.join()?;
    say!("my counter is {counter}: what the child changed was its own copy");
    // ANCHOR_END: memory

    heading("Exit codes: how a process ended, seen from its parent");
    // ANCHOR: exit_codes
    show("return", Process::new(|| ()).start()?.join()?);
    show("exit(3)", Process::new(|| exit(3)).start()?.join()?);
    say!("the next one panics; the message on stderr is its own:");
    show("panic!", Process::new(|| panic!("the child gives up")).start()?.join()?);

    let sleeper = Process::new(|| sleep(Duration::from_secs(3600))).start()?;
    let status = sleeper.join_timeout(Duration::from_millis(100))?;
    say!("a sleeper: join_timeout(100 ms) {status:?}, is_alive {}", sleeper.is_alive()?);
    sleeper.kill()?;
    show("kill()", sleeper.join()?);
    say!("the numbers are Python's: -9 is signal 9; now is_alive {}", sleeper.is_alive()?);
    // ANCHOR_END: exit_codes
    Ok(())
}

/// One decomposition, and what the notes saw in `top` while it ran.
fn keep_busy(size: usize) {
    let (wall, cpu) = (Instant::now(), cpu::time());
    trace::task("svd", || largest_singular_value(size, size));
    let (wall, cpu) = (wall.elapsed(), cpu::time() - cpu);
    let busy = cpu.as_secs_f64() / wall.as_secs_f64();
    say!("{cpu:.2?} of CPU time in {wall:.2?}: {busy:.1} processors busy");
}

fn state(process: &Running) -> io::Result<&'static str> {
    Ok(if process.is_alive()? { "still at work" } else { "gone as well" })
}

fn show(what: &str, status: ExitStatus) {
    // `code()` is None only if a stranger took the status.
    let code = status.code().map_or("?".to_owned(), |code| code.to_string());
    say!("{what:<8} exitcode {code:>2}: it {status}");
}
