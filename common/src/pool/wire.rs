//! What crosses the sockets: a task on the way out, its results on the way back.
//!
//! A frame is its length in 8 bytes, and its body. All else is `postcard`:
//!
//! * a task's body is a [`Header`], and the arguments one after another;
//! * a reply's body is a `Result<(), Failure>`, whether the worker could start at all, and the
//!   results one after another, each a `Result<R, Failure>`.
//!
//! A function crosses as its address. All workers are forks of one image, so the address means the
//! same function in each. Only the parent sends addresses: a worker may be broken.

use std::panic::{AssertUnwindSafe, catch_unwind};

use postcard::ser_flavors::Flavor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Data;
use super::error::Failure;
use crate::fork::{ForkMark, exit_now};
use crate::{panics, random};

/// Bytes of a frame's length.
pub(super) const LENGTH: usize = 8;

/// What a worker is told about a task.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Header {
    /// What the worker marks as begun before it runs anything.
    pub(super) number: u64,
    pub(super) call: Call,
    /// Which call of the program this is, and where in its input the task begins.
    pub(super) job: u64,
    pub(super) first: u64,
    /// How many arguments follow.
    pub(super) count: usize,
}

/// A function of the program, and the code that feeds it from bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Call {
    feed: usize,
    function: usize,
    /// Whether the rest of a chunk is run when one of its items has failed.
    goes_on: bool,
}

type Feed = fn(usize, Items<'_>);

impl Call {
    pub(super) fn of<A: Data, R: Data>(function: fn(A) -> R) -> Self {
        fn feed<A: Data, R: Data>(function: usize, items: Items<'_>) {
            // SAFETY: `Call::of::<A, R>` made the address from this very type.
            items.each(unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function as _) });
        }
        Call { feed: feed::<A, R> as Feed as usize, function: function as usize, goes_on: false }
    }

    /// The same for a function of two arguments: `starmap`.
    pub(super) fn of_pair<A: Data, B: Data, R: Data>(function: fn(A, B) -> R) -> Self {
        fn feed<A: Data, B: Data, R: Data>(function: usize, items: Items<'_>) {
            // SAFETY: `Call::of_pair::<A, B, R>` made the address from this very type.
            let function: fn(A, B) -> R = unsafe { std::mem::transmute(function as *const ()) };
            items.each(|(a, b)| function(a, b));
        }
        let feed = feed::<A, B, R> as Feed as usize;
        Call { feed, function: function as usize, goes_on: false }
    }
}

impl Call {
    /// `imap` gives each item of a chunk its own answer; `map` has nothing to give but the error.
    pub(super) fn going_on(self) -> Self {
        Call { goes_on: true, ..self }
    }
}

/// A task in the worker: its arguments, and where its results go.
pub(super) struct Items<'a> {
    pub(super) header: Header,
    pub(super) arguments: &'a [u8],
    pub(super) results: &'a mut Vec<u8>,
    /// The random stream of the pool.
    pub(super) stream: u64,
    /// Made by the worker.
    pub(super) mark: &'a ForkMark,
}

impl Items<'_> {
    /// Runs the task. Only for a header that came from this process's parent.
    pub(super) fn run(self) {
        // SAFETY: `Call` made the address from a `Feed`, in the image that this is a fork of.
        let feed: Feed = unsafe { std::mem::transmute(self.header.call.feed as *const ()) };
        feed(self.header.call.function, self);
    }

    fn each<A: Data, R: Data>(mut self, function: impl Fn(A) -> R) {
        for index in 0..self.header.count {
            random::enter(self.stream, &[self.header.job, self.header.first + index as u64]);
            let before = self.results.len();
            // Decoding and encoding may run the program's code too, so they are inside.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let argument = take(&mut self.arguments, "argument")?;
                append(self.results, &Ok::<R, Failure>(function(argument)), "result")
            }));
            if !self.mark.is_here() {
                exit_now(0); // a child that the task forked: the reply is the worker's to write
            }
            if let Err(failure) = outcome.unwrap_or_else(|payload| Err(caught(payload))) {
                self.results.truncate(before);
                let _ = append(self.results, &Err::<(), _>(failure), "error");
                if !self.header.call.goes_on {
                    return;
                }
            }
        }
    }
}

/// The panic that was just caught.
pub(super) fn caught(payload: Box<dyn std::any::Any + Send>) -> Failure {
    Failure::Panicked { location: panics::location(), message: panics::message(payload) }
}

/// Appends a value's bytes; after an error some of them may be there.
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
pub(super) fn take<T: DeserializeOwned>(bytes: &mut &[u8], what: &str) -> Result<T, Failure> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| Failure::Codec {
        message: format!("{what} cannot be decoded: {error}"),
    })?;
    *bytes = rest;
    Ok(value)
}
