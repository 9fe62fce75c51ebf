//! What crosses the sockets: a task on the way out, its results on the way back.
//!
//! Every frame is a header of fixed size and a body. The bodies are `postcard`: the arguments
//! one after another; the results one after another, each a `Result<R, Failure>`.
//!
//! A function crosses as its address. All workers are forks of one image, so that the
//! address means the same function in each. Only the parent sends addresses: a worker may be broken.

use std::panic::{AssertUnwindSafe, catch_unwind};

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::Data;
use super::error::Failure;
use super::panics;
use crate::random;

/// A task's header: `u64`s in the order of the fields.
#[derive(Clone, Copy)]
pub(super) struct TaskHeader {
    /// Bytes in the body.
    pub(super) length: u64,
    /// What the worker marks as begun before it runs anything.
    pub(super) number: u64,
    pub(super) call: Call,
    /// Which call of the program this is, and where in its input the task begins.
    pub(super) job: u64,
    pub(super) first: u64,
    /// How many arguments the body holds.
    pub(super) count: u64,
}

impl TaskHeader {
    pub(super) const SIZE: usize = 8 * 8;

    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        let TaskHeader { length, number, call, job, first, count } = self;
        let Call { run, function, after_error } = call;
        let goes_on = (after_error == AfterError::GoOn) as u64;
        let words = [length, number, run as u64, function as u64, goes_on, job, first, count];
        let mut bytes = [0; Self::SIZE];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |i: usize| u64::from_ne_bytes(bytes[8 * i..][..8].try_into().expect("8 bytes"));
        let after_error = if word(4) == 0 { AfterError::Stop } else { AfterError::GoOn };
        TaskHeader {
            length: word(0),
            number: word(1),
            call: Call { run: word(2) as usize, function: word(3) as usize, after_error },
            job: word(5),
            first: word(6),
            count: word(7),
        }
    }
}

/// A reply's header is the length of its body and whether the worker could start at all. If it
/// could not, the body is a `Failure`.
pub(super) const REPLY_HEADER: usize = 16;

pub(super) fn reply_header(length: usize, started: bool) -> [u8; REPLY_HEADER] {
    let mut bytes = [0; REPLY_HEADER];
    bytes[..8].copy_from_slice(&(length as u64).to_ne_bytes());
    bytes[8..].copy_from_slice(&(started as u64).to_ne_bytes());
    bytes
}

/// Whether the rest of a chunk is run when one of its items has failed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum AfterError {
    /// `map` has nothing to give but the error.
    Stop,
    /// `imap` gives each item its own answer.
    GoOn,
}

/// A function of the program and the code that feeds it from bytes.
#[derive(Clone, Copy)]
pub(super) struct Call {
    run: usize,
    function: usize,
    after_error: AfterError,
}

/// What a worker has read: the arguments, and where it puts the results.
pub(super) struct Items<'a> {
    pub(super) header: TaskHeader,
    pub(super) arguments: &'a [u8],
    pub(super) results: &'a mut Vec<u8>,
    /// The random stream of the worker's pool.
    pub(super) stream: u64,
    /// Says no once this process is no longer the worker but a fork that a task made.
    pub(super) still_worker: &'a dyn Fn() -> bool,
}

type Run = fn(usize, Items<'_>);

impl Call {
    pub(super) fn of<A: Data, R: Data>(function: fn(A) -> R, after_error: AfterError) -> Self {
        fn run<A: Data, R: Data>(function: usize, items: Items<'_>) {
            // SAFETY: `Call::of::<A, R>` made the address from this very type.
            let function: fn(A) -> R = unsafe { std::mem::transmute(function as *const ()) };
            items.each(function);
        }
        Call { run: run::<A, R> as Run as usize, function: function as usize, after_error }
    }

    /// The same for a function of two arguments: `starmap`.
    pub(super) fn of_pair<A: Data, B: Data, R: Data>(
        function: fn(A, B) -> R,
        after_error: AfterError,
    ) -> Self {
        fn run<A: Data, B: Data, R: Data>(f: usize, items: Items<'_>) {
            // SAFETY: `Call::of_pair::<A, B, R>` made the address from this very type.
            let function: fn(A, B) -> R = unsafe { std::mem::transmute(f as *const ()) };
            items.each(|(a, b)| function(a, b));
        }
        Call { run: run::<A, B, R> as Run as usize, function: function as usize, after_error }
    }

    /// Runs the function on each argument. Only for a header that this program's parent sent.
    pub(super) fn run(self, items: Items<'_>) {
        // SAFETY: `of` and `of_pair` made the address from a `Run`, in the image that this
        // process is a fork of.
        let run: Run = unsafe { std::mem::transmute(self.run as *const ()) };
        run(self.function, items);
    }
}

impl Items<'_> {
    fn each<A: Data, R: Data>(mut self, mut function: impl FnMut(A) -> R) {
        for index in 0..self.header.count {
            random::enter(self.stream, &[self.header.job, self.header.first + index]);
            let before = self.results.len();
            // Decoding and encoding may run the program's code too, so they are inside.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let argument = take(&mut self.arguments, "argument")?;
                append(self.results, &Ok::<R, Failure>(function(argument)), "result")
            }));
            if !(self.still_worker)() {
                // The task has forked, and this is its child: the reply is the worker's to write.
                crate::fork::exit_now(0);
            }
            let failure = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(failure)) => failure,
                Err(payload) => panics::describe(payload),
            };
            self.results.truncate(before);
            let failure: Result<(), Failure> = Err(failure);
            append(self.results, &failure, "error").unwrap_or(());
            if self.header.call.after_error == AfterError::Stop {
                return;
            }
        }
    }
}

/// Appends a value's bytes; on failure some of them may be there.
pub(super) fn append(
    bytes: &mut Vec<u8>,
    value: &impl Serialize,
    what: &str,
) -> Result<(), Failure> {
    struct Append<'a>(&'a mut Vec<u8>);
    impl Flavor for Append<'_> {
        type Output = ();
        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.push(byte);
            Ok(())
        }
        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }
    postcard::serialize_with_flavor(value, Append(bytes))
        .map_err(|error| Failure::Codec { message: format!("{what} cannot be encoded: {error}") })
}

/// Takes a value off the front of some bytes.
pub(super) fn take<T: Data>(bytes: &mut &[u8], what: &str) -> Result<T, Failure> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| Failure::Codec {
        message: format!("{what} cannot be decoded: {error}"),
    })?;
    *bytes = rest;
    Ok(value)
}
