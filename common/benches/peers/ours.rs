//! The contestants written in Rust: this pool; rayon, which has threads and no processes; and the
//! limit, which is what the system needs for the same when nobody adds anything.

use std::cell::LazyCell;
use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::harness;
use common::pool::{Error, Pool};
use common::workload::{engine, largest_singular_value};
use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::contestant::Measure;
use benches::{give_table, identity, length, make_table, table};

const WORKERS: usize = 2;

/// Long enough for a pool to do something, if there is anything that it can do.
const PAUSE: Duration = Duration::from_millis(100);

/// # Panics
///
/// If there is no contestant of this name.
pub fn measure(contestant: &str) -> Measure {
    match contestant {
        "this pool" => Box::new(this_pool()),
        "rayon" => Box::new(rayon()),
        "limit" => Box::new(limit()),
        name => panic!("there is no contestant {name:?}"),
    }
}

/// How long the work takes, in seconds. Its result is freed after the clock was read.
fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let result = black_box(work());
    let seconds = start.elapsed().as_secs_f64();
    drop(result);
    seconds
}

/// The same for work that can fail.
fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<f64, Error> {
    let mut outcome = Ok(());
    let seconds = seconds(|| work().map_err(|error| outcome = Err(error)));
    outcome.map(|()| seconds)
}

fn decompose(size: usize) -> f64 {
    largest_singular_value(size, size)
}

fn this_pool() -> impl FnMut(&str, usize) -> Result<Option<f64>, Error> {
    fn warm(workers: usize) -> Pool {
        let pool = Pool::new(workers).expect("a pool");
        pool.chunksize(1).map(identity, 0..100).expect("results");
        pool
    }
    fn life(workers: usize) -> Result<(), Error> {
        Pool::new(workers)?.apply(identity, 1).map(drop)
    }
    engine::set_threads(1); // here and in the workers
    let pool = LazyCell::new(|| warm(WORKERS));
    let one = LazyCell::new(|| warm(1));
    move |row, n| {
        let items = 0..n as u64;
        let each = |seconds: f64| seconds / n as f64;
        if !matches!(row, "start" | "workers") {
            LazyCell::force(&pool); // before the clock is read
        }
        Ok(Some(match row {
            "start" => each(timed(|| (0..n).try_for_each(|_| life(WORKERS)))?),
            "workers" => timed(|| life(n))?,
            "apply" => each(timed(|| (0..n).try_for_each(|_| pool.apply(identity, 1).map(drop)))?),
            "map" => each(timed(|| pool.map(identity, items))?),
            "map-1" => each(timed(|| pool.chunksize(1).map(identity, items))?),
            "unordered-1" => each(timed(|| {
                pool.imap_unordered(identity, items)?.try_for_each(|result| result.map(drop))
            })?),
            "async-1" => each(timed(|| {
                let tasks = items.map(|item| pool.apply_async(identity, item));
                let tasks = tasks.collect::<Result<Vec<_>, Error>>()?;
                tasks.into_iter().try_for_each(|task| task.get().map(drop))
            })?),
            "result" => {
                one.apply(make_table, n)?; // by the one worker that will be asked for it
                timed(|| one.apply(give_table, ()))?
            }
            "argument" => {
                LazyCell::force(&one);
                let table = table(n);
                timed(|| one.apply(length, table))?
            }
            "idle" => {
                let private = pool.pids().into_iter().map(|pid| harness::memory(pid).private);
                private.max().unwrap_or_default() as f64 * 1024.0
            }
            "imap-rise" => {
                let before = status("VmRSS:");
                fs::write("/proc/self/clear_refs", "5").expect("one's own peak can be forgotten");
                let mut results = pool.imap(identity, items)?;
                sleep(PAUSE); // it reads no further than it may, however long nobody reads
                results.try_for_each(|result| result.map(drop))?;
                status("VmHWM:") - before
            }
            "svd" => seconds(|| decompose(n)),
            "svd-threads" => with_all_threads(|| decompose(n)),
            "serial" => seconds(|| [n; 4].map(decompose)),
            "parallel" => timed(|| pool.map(decompose, [n; 4]))?,
            _ => return Ok(None),
        }))
    }
}

fn rayon() -> impl FnMut(&str, usize) -> Result<Option<f64>, Error> {
    fn threads(workers: usize) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(workers).build().expect("threads")
    }
    engine::set_threads(1);
    let pool = LazyCell::new(|| threads(WORKERS));
    move |row, n| {
        let each = |seconds: f64| seconds / n as f64;
        let items = || (0..n).into_par_iter().with_max_len(1);
        LazyCell::force(&pool);
        Ok(Some(match row {
            "start" => {
                each(seconds(|| (0..n).for_each(|_| _ = threads(WORKERS).install(|| identity(1)))))
            }
            "apply" => each(seconds(|| {
                (0..n).for_each(|_| _ = black_box(pool.install(|| identity(black_box(1)))));
            })),
            "map" => each(seconds(|| {
                let chunk = n.div_ceil(4 * WORKERS);
                let items = (0..n).into_par_iter().with_min_len(chunk);
                pool.install(|| items.map(|x| identity(black_box(x as u64))).collect::<Vec<_>>())
            })),
            "map-1" => each(seconds(|| {
                pool.install(|| items().map(|x| identity(black_box(x as u64))).collect::<Vec<_>>())
            })),
            "unordered-1" | "async-1" => each(seconds(|| {
                pool.scope(|scope| {
                    (0..n as u64).for_each(|x| scope.spawn(move |_| _ = black_box(identity(x))));
                });
            })),
            "result" => {
                let table = table(n);
                seconds(|| pool.install(|| table))
            }
            "argument" => {
                let table = table(n);
                seconds(|| pool.install(|| length(table)))
            }
            "serial" => seconds(|| [n; 4].map(decompose)),
            "parallel" => seconds(|| {
                pool.install(|| [n; 4].into_par_iter().map(decompose).collect::<Vec<_>>())
            }),
            _ => return Ok(None),
        }))
    }
}

fn limit() -> impl FnMut(&str, usize) -> Result<Option<f64>, Error> {
    let mut partner = LazyCell::new(Partner::start);
    move |row, n| {
        let each = |seconds: f64| seconds / n as f64;
        Ok(Some(match row {
            "fork" => each(seconds(|| (0..n).for_each(|_| fork_and_wait()))),
            // A supervisor and the workers.
            "start" => each(seconds(|| (0..(1 + WORKERS) * n).for_each(|_| fork_and_wait()))),
            "apply" => {
                let partner = LazyCell::force_mut(&mut partner);
                each(seconds(|| (0..n).for_each(|_| partner.exchange())))
            }
            "result" | "argument" => {
                let table = table(n);
                seconds(|| black_box(&table).to_vec())
            }
            "copy" => {
                let (table, mut copy) = (table(n), table(n));
                seconds(|| black_box(&mut copy).copy_from_slice(black_box(&table)))
            }
            _ => return Ok(None),
        }))
    }
}

/// A process that sends back what it gets. Both sleep until the other has written.
struct Partner(UnixStream);

impl Partner {
    fn start() -> Partner {
        let (mine, mut its) = UnixStream::pair().expect("two sockets");
        // SAFETY: this process has one thread.
        match unsafe { fork() }.expect("a process") {
            ForkResult::Parent { .. } => Partner(mine),
            ForkResult::Child => {
                drop(mine); // so that the end of the other process is the end of file here
                let mut message = [0; 8];
                while its.read_exact(&mut message).and_then(|()| its.write_all(&message)).is_ok() {}
                exit_now()
            }
        }
    }

    fn exchange(&mut self) {
        let mut message = [7; 8];
        self.0.write_all(&message).expect("the partner reads");
        self.0.read_exact(&mut message).expect("the partner answers");
    }
}

fn fork_and_wait() {
    // SAFETY: this process has one thread, and the child does nothing but end.
    match unsafe { fork() }.expect("a process") {
        ForkResult::Parent { child } => _ = waitpid(child, None).expect("it is a child"),
        ForkResult::Child => exit_now(),
    }
}

fn exit_now() -> ! {
    // SAFETY: _exit takes any number and does not return.
    unsafe { libc::_exit(0) }
}

fn with_all_threads<T>(work: impl FnOnce() -> T) -> f64 {
    engine::set_threads(common::cpu::usable());
    let seconds = seconds(work);
    engine::set_threads(1);
    seconds
}

/// One of the kernel's numbers about this process, in bytes.
fn status(key: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("every process has a status");
    let number = status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next());
    1024.0 * number.and_then(|kib| kib.parse::<f64>().ok()).expect("it is one of the numbers")
}
