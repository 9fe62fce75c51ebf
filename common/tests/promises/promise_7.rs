//! Honest failure.

use std::fmt::Debug;

use common::{
    Pool, Process,
    gate::Counter,
    harness::{eventually, open_descriptors, process_state},
    pool::{Error, Result},
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    sys::{
        prctl::{set_dumpable, set_no_new_privs},
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::support::*;

/// Makes pools with less of something than they need, then with a little more, until there is enough.
/// Each is either whole and works, or a typed error that has left nothing behind.
fn from_nothing_to_enough(name: &str, scarce: impl Fn(u64), enough: impl Fn(), expected: &[Errno]) {
    let before = Before::now();
    let mut failures = 0;
    for amount in 0.. {
        assert!(amount < 200, "it never is enough {name}");
        scarce(amount);
        let pool = Pool::new(3);
        enough();
        match pool {
            Ok(pool) => {
                everyone_works(&pool);
                drop(pool);
                before.is_back();
                break;
            }
            Err(Error::System(what, errno)) => {
                assert!(expected.contains(&errno), "{what}: {errno}");
                failures += 1;
                before.is_back();
            }
            Err(other) => panic!("{amount} of {name}: {other:?}"),
        }
    }
    assert!(failures >= 3, "there was enough {name} from the start");
}

pub fn no_descriptor_to_be_had_is_an_error_that_leaves_nothing() {
    set_up(&[]);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    from_nothing_to_enough(
        "descriptors",
        |amount| setrlimit(Resource::RLIMIT_NOFILE, 3 + amount, hard).unwrap(),
        || setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap(),
        &[Errno::EMFILE],
    );
}

/// The kernel bounds the processes of users, and root is not one: this needs root in order to become one.
pub fn no_process_to_be_had_is_an_error_that_leaves_nothing() {
    set_up(&[]);
    let user = 1_000_000 + me();
    // SAFETY: three numbers.
    if unsafe { libc::setresuid(user, user, user) } != 0 {
        return eprintln!("skipped: only root can become a user who has no other processes");
    }
    set_dumpable(true).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    from_nothing_to_enough(
        "processes",
        |amount| setrlimit(Resource::RLIMIT_NPROC, amount, hard).unwrap(),
        || setrlimit(Resource::RLIMIT_NPROC, soft, hard).unwrap(),
        &[Errno::EAGAIN],
    );
}

/// From here on the kernel refuses to fork, for this process and all that it starts.
fn forbid_forks() {
    const CLONE: u32 = libc::SYS_clone as u32;
    let step = |code: u32, jump_if, jump_if_not, k| libc::sock_filter {
        code: code as u16,
        jt: jump_if,
        jf: jump_if_not,
        k,
    };
    let (load, equal, bits) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
    );
    let answer = libc::BPF_RET | libc::BPF_K;
    let mut program = [
        step(load, 0, 0, 0), // which system call
        step(equal, 0, 3, CLONE),
        step(load, 0, 0, 16),                    // its flags
        step(bits, 1, 0, libc::CLONE_VM as u32), // a thread
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EAGAIN as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    set_no_new_privs().unwrap();
    // SAFETY: the program is valid for the length that it names, and is copied by the kernel.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "{}", Errno::last());
}

pub fn a_fork_that_the_kernel_refuses_is_an_error_that_leaves_nothing() {
    set_up(&[]);
    let running = Pool::new(2).unwrap();
    forbid_forks();
    let before = Before::now();
    for _ in 0..5 {
        match Pool::new(2).map(drop) {
            Err(Error::System(_, Errno::EAGAIN)) => {}
            other => panic!("{other:?}"),
        }
        let process = Process::new(|| ()).start().map(drop);
        assert_eq!(process.unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        before.is_back();
    }
    // The supervisor was there before, and forks on.
    let _ = died(running.apply(die, Death::Abort));
    everyone_works(&running);
}

pub fn no_memory_for_a_thread_is_an_error_that_leaves_nothing() {
    set_up(&[]);
    let before = Before::now();
    drop(Pool::new(3).unwrap()); // what is allocated once is allocated now
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    let mut failures = 0;
    // Room for the stack of no thread, of one and of two, and always for a few small allocations, which Rust
    // cannot be refused without an abort.
    for stacks in [0, 1, 2] {
        limit_memory((1 + 65 * stacks) << 20);
        let pool = Pool::new(9).map(drop);
        setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
        before.is_back();
        match pool {
            Ok(()) => {}
            Err(Error::System(_, Errno::ENOMEM | Errno::EAGAIN)) => failures += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(failures > 0, "there was enough memory in each case");
}

/// The pool ends with what the kernel said, after a few tries, whoever of the two has no descriptors left.
fn replacement_without_descriptors(take: impl Fn(&Pool), give: impl Fn(&Pool)) {
    let before = Before::now();
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool);
    let workers = pool.pids();
    take(&pool);
    workers.iter().for_each(|&pid| send(pid, Signal::SIGKILL));
    eventually("the pool gives up", || pool.apply(|x: u32| x, 1).is_err());
    let cause = pool.apply(|x: u32| x, 1).unwrap_err();
    assert!(matches!(cause, Error::System(_, Errno::EMFILE)), "{cause:?}");
    give(&pool);
    drop(pool);
    before.is_back();
}

pub fn no_descriptors_for_a_replacement_end_the_pool_with_that_cause() {
    set_up(&[]);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let give = |_: &Pool| setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    // None to be had, and one of the two that are needed.
    for room in [0, 1] {
        let take = |_: &Pool| {
            // The first socket is the supervisor's, the second that of the first worker. Numbers
            // from there on are free when the workers are dead.
            let open = open_descriptors(me());
            let sockets = open.iter().filter(|(_, target)| target.starts_with("socket:"));
            let first_of_a_worker = *sockets.map(|(number, _)| number).nth(1).unwrap() as u64;
            setrlimit(Resource::RLIMIT_NOFILE, first_of_a_worker + room, hard).unwrap();
        };
        replacement_without_descriptors(take, give);
    }
}

pub fn no_descriptors_for_the_supervisor_end_the_pool_with_that_cause() {
    set_up(&[]);
    let take = |pool: &Pool| {
        let none = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
        let supervisor = supervisor_of(pool) as i32;
        // SAFETY: one limit is read, and nothing is written.
        let result = unsafe {
            libc::prlimit(supervisor, libc::RLIMIT_NOFILE, &raw const none, std::ptr::null_mut())
        };
        assert_eq!(result, 0, "{}", Errno::last());
    };
    replacement_without_descriptors(take, |_| ());
}

pub fn an_initializer_that_always_fails_ends_the_pool_with_its_cause() {
    static STARTED: Counter = Counter::new();
    set_up(&[&STARTED]);
    let before = Before::now();
    let kill = Death::Raise(libc::SIGKILL);
    let ways = [Death::Exit(0), Death::Abort, Death::Overflow, kill, Death::Exec, Death::CloseAll];
    for (workers, ways) in [(1, &ways[..]), (3, &[kill])] {
        for death in ways.iter().copied().map(Some).chain([None]) {
            let first = STARTED.get();
            let pool = Pool::builder(workers)
                .initializer(move || {
                    STARTED.increment();
                    match death {
                        Some(death) => death.now(),
                        None => panic!("no database"),
                    }
                })
                .build()
                .unwrap();
            let answers = match pool.map_async(|x: u32| x, 0..100) {
                Ok(waiting) => [waiting.get().map(drop), pool.map(|x: u32| x, 0..3).map(drop)],
                Err(over) => [Err(over.clone()), Err(over)],
            };
            for answer in answers {
                let Err(Error::CannotStart(cause)) = answer else { panic!("{death:?} {answer:?}") };
                match death {
                    Some(_) => assert!(cause.contains("before it could take a task"), "{cause}"),
                    None => {
                        assert!(cause.contains("the initializer panicked in worker"), "{cause}");
                        assert!(
                            cause.contains(file!()) && cause.contains("no database"),
                            "{cause}"
                        );
                    }
                }
            }
            assert!(pool.imap(|x: u32| x, 0..3).is_err());
            drop(pool);
            let forks = STARTED.get() - first;
            assert!(forks <= 10 + workers as u64, "{forks} forks for {workers} workers");
            before.is_back();
        }
    }
}

/// Each of many workers may have bad luck once.
pub fn an_initializer_that_fails_once_in_each_worker_ends_no_pool() {
    static STARTED: Counter = Counter::new();
    const WORKERS: usize = 16;
    set_up(&[&STARTED]);
    let initializer = || assert!(STARTED.increment() > WORKERS as u64, "no database yet");
    let pool = Pool::builder(WORKERS).initializer(initializer).build().unwrap();
    everyone_works(&pool);
    assert_eq!(STARTED.get(), 2 * WORKERS as u64);
}

/// They start well, and end before anybody has given them anything to do.
pub fn workers_that_die_at_once_again_and_again_end_the_pool() {
    /// Their socket does not wait for a task, and they take that for its end.
    fn exits() {
        // SAFETY: it is open for as long as this process lives.
        let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(own_socket()) };
        fcntl(socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    /// A thread of the initializer crashes when the worker waits for a task.
    fn crashes() {
        std::thread::spawn(|| {
            eventually("the worker sleeps", || process_state(me()) == Some('S'));
            std::process::abort();
        });
    }
    static STARTED: Counter = Counter::new();
    set_up(&[&STARTED]);
    for die in [exits, crashes] {
        let before = STARTED.get();
        let pool = Pool::builder(1).initializer(move || {
            STARTED.increment();
            die();
        });
        let pool = pool.build().unwrap();
        let forks = || STARTED.get() - before;
        eventually("the pool gives up, or forks without end", || {
            pool.imap(|x: u32| x, []).is_err() || forks() > 500
        });
        assert!(forks() <= 500, "{} workers were forked for nothing", forks());
    }
}

/// Fails where it is told to. Otherwise it is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fragile {
    Number(u32),
    NotEncoded,
    NotDecoded,
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match *self {
            Fragile::Number(number) => Some(number).serialize(to),
            Fragile::NotDecoded => None::<u32>.serialize(to),
            Fragile::NotEncoded => Err(ser::Error::custom("an open file")),
        }
    }
}

impl<'a> Deserialize<'a> for Fragile {
    fn deserialize<D: Deserializer<'a>>(from: D) -> std::result::Result<Self, D::Error> {
        match Option::deserialize(from)? {
            Some(number) => Ok(Fragile::Number(number)),
            None => Err(de::Error::custom("a closed file")),
        }
    }
}

#[track_caller]
fn is_codec<T: Debug>(answer: Result<T>, what: &str) {
    match answer {
        Err(Error::Codec { message, .. }) => assert!(message.contains(what), "{message}"),
        other => panic!("it should say {what}: {other:?}"),
    }
}

pub fn what_cannot_be_encoded_or_decoded_is_an_error_of_its_task() {
    set_up(&[]);
    fn same(x: Fragile) -> Fragile {
        x
    }
    fn make(x: u32) -> Fragile {
        [Fragile::Number(0), Fragile::NotEncoded, Fragile::NotDecoded][x as usize % 3]
    }
    let pool = Pool::new(2).unwrap();
    let workers = pool.pids();
    assert_eq!(pool.apply(same, Fragile::Number(7)), Ok(Fragile::Number(7)));
    is_codec(pool.apply(same, Fragile::NotEncoded), "argument cannot be encoded");
    is_codec(pool.apply(same, Fragile::NotDecoded), "argument cannot be decoded");
    is_codec(pool.apply(make, 1), "result cannot be encoded");
    is_codec(pool.apply(make, 2), "result cannot be decoded");
    is_codec(pool.map(make, 0..9), "result cannot be");
    is_codec(pool.map(same, [Fragile::Number(1), Fragile::NotEncoded]), "argument");
    let answers = Vec::from_iter(pool.imap(make, 0..6).unwrap());
    for (x, answer) in answers.into_iter().enumerate() {
        match x % 3 {
            0 => assert_eq!(answer, Ok(Fragile::Number(0))),
            1 => is_codec(answer, "result cannot be encoded"),
            _ => is_codec(answer, "result cannot be decoded"),
        }
    }
    everyone_works(&pool);
    assert_eq!(pool.pids(), workers, "none of this costs a worker");
}

/// Each item of a chunk has an answer of its own, here as anywhere.
pub fn a_spoiled_item_does_not_spoil_the_rest_of_its_chunk() {
    set_up(&[]);
    fn number(x: Fragile) -> u32 {
        match x {
            Fragile::Number(number) => number,
            _ => unreachable!("it was decoded"),
        }
    }
    fn make(x: u32) -> Fragile {
        match x {
            1 => Fragile::NotDecoded,
            2 => Fragile::NotEncoded,
            _ => Fragile::Number(x),
        }
    }
    let pool = Pool::new(1).unwrap();
    let in_one_chunk = pool.chunksize(5);
    let results = Vec::from_iter(in_one_chunk.imap(make, 0..5).unwrap());
    for (x, answer) in results.into_iter().enumerate() {
        match x {
            1 => is_codec(answer, "result cannot be decoded"),
            2 => is_codec(answer, "result cannot be encoded"),
            _ => assert_eq!(answer, Ok(Fragile::Number(x as u32)), "result {x}"),
        }
    }
    let arguments = [0, 1, 3, 4].map(make);
    let results = Vec::from_iter(in_one_chunk.imap(number, arguments).unwrap());
    for (x, answer) in [0, 1, 3, 4].into_iter().zip(results) {
        match x {
            1 => is_codec(answer, "argument cannot be decoded"),
            _ => assert_eq!(answer, Ok(x), "argument {x}"),
        }
    }
}

/// A widespread attribute that only works in formats that name their fields: what is left out cannot be told from
/// what comes next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LeavesOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<u8>,
    number: u8,
}

/// No error would be the worst of all: the items of a chunk stand one after another, and what is missing
/// in one would be taken from the next.
pub fn a_type_that_leaves_out_fields_is_an_error_and_no_wrong_number() {
    set_up(&[]);
    let pool = Pool::new(1).unwrap();
    let item = |number| LeavesOut { comment: None, number };
    let items = Vec::from_iter((0..6).map(item));
    for chunksize in [1, 2, 3, 6] {
        let calls = pool.chunksize(chunksize);
        let same = calls.map(|x: LeavesOut| x, items.clone());
        assert!(matches!(same, Err(Error::Codec { .. })) || same == Ok(items.clone()), "{same:?}");
        let numbers = calls.map(|x: LeavesOut| x.number, items.clone());
        assert!(
            matches!(numbers, Err(Error::Codec { .. })) || numbers == Ok((0..6).collect()),
            "{numbers:?}"
        );
        let made = calls.map(|number: u8| LeavesOut { comment: None, number }, 0..6);
        assert!(matches!(made, Err(Error::Codec { .. })) || made == Ok(items.clone()), "{made:?}");
    }
}

/// The result is there, and the parent has no room for it.
pub fn no_memory_for_a_result_is_an_error_of_its_task() {
    set_up(&[]);
    let pool = Pool::new(2).unwrap();
    everyone_works(&pool); // a thread that is still being started needs memory too, and aborts
    let handle = pool.apply_async(|length: usize| "x".repeat(length), 200 << 20).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    limit_memory(40 << 20);
    handle.wait();
    setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
    assert_eq!(handle.get(), Err(Error::System("receiving a result", Errno::ENOMEM)));
    everyone_works(&pool);
}

/// What is long goes by way of a file in memory.
pub fn what_is_longer_than_files_may_be_is_an_error_of_its_task() {
    const LONGEST: usize = 1 << 20;
    set_up(&[]);
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, LONGEST as u64, hard).unwrap();
    let pool = Pool::new(2).unwrap();
    let workers = pool.pids();
    let length = |text: String| text.len();
    let text = |length: usize| "x".repeat(length);
    assert_eq!(pool.apply(length, text(LONGEST - 100)), Ok(LONGEST - 100));
    assert_eq!(pool.apply(text, LONGEST - 100), Ok(text(LONGEST - 100)));
    is_codec(pool.apply(length, text(LONGEST + 1)), "File too large");
    is_codec(pool.apply(text, LONGEST + 1), "File too large");
    everyone_works(&pool);
    assert_eq!(pool.pids(), workers, "none of this costs a worker");
}

pub fn numbers_that_make_no_sense_are_errors_and_nothing_runs() {
    static RUN: Counter = Counter::new();
    set_up(&[&RUN]);
    let run = |x: u32| {
        RUN.increment();
        x
    };
    assert!(matches!(Pool::new(0).map(drop), Err(Error::Zero(_))));
    assert!(matches!(Pool::new(usize::MAX).map(drop), Err(Error::TooMany(_, 65_536))));
    assert!(matches!(Pool::builder(1).maxtasksperchild(0).build().map(drop), Err(Error::Zero(_))));
    let pool = Pool::new(1).unwrap();
    assert!(matches!(pool.chunksize(0).map(run, 0..3), Err(Error::Zero(_))));
    assert!(matches!(pool.chunksize(0).imap(run, 0..3).map(drop), Err(Error::Zero(_))));
    assert!(matches!(pool.buffersize(0).imap(run, 0..3).map(drop), Err(Error::Zero(_))));
    assert_eq!(pool.apply(|x: u32| x, 1), Ok(1));
    assert_eq!(RUN.get(), 0);
}
