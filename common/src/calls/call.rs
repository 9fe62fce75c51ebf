//! A function as it crosses to a worker, and what the worker does with it.
//!
//! It crosses as its address. All workers are forks of one image, so the address means the same function in
//! each. Only the parent sends addresses: a worker may be broken.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use super::Task;
use super::codec::{Data, append_failure, append_item, caught, take_item};
use crate::fork::{ForkMark, exit_now};
use crate::parcel::Writer;
use crate::{panics, random};

/// A function of the program, and the code that feeds it from bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Call {
    feed: usize,
    function: usize,
    /// Whether the rest of a chunk is run when one of its items has failed.
    goes_on: bool,
}

type Feed = fn(usize, Items<'_>);

impl Call {
    // ANCHOR: call
    pub(crate) fn of<A: Data, R: Data>(function: fn(A) -> R) -> Self {
        fn feed<A: Data, R: Data>(function: usize, items: Items<'_>) {
            // SAFETY: `Call::of::<A, R>` made the address from this very type.
            items.each(unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function as _) });
        }
        Call { feed: feed::<A, R> as Feed as usize, function: function as usize, goes_on: false }
    }
    // ANCHOR_END: call

    /// The same for a function of two arguments: `starmap`.
    pub(crate) fn of_pair<A: Data, B: Data, R: Data>(function: fn(A, B) -> R) -> Self {
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
    pub(crate) fn going_on(self) -> Self {
        Call { goes_on: true, ..self }
    }
}

// ANCHOR: header
/// What a worker is told about a task.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    call: Call,
    /// Which call of the program this is, and where in its input the task begins.
    job: u64,
    first: u64,
    /// How many arguments follow.
    count: usize,
}
// ANCHOR_END: header

impl Header {
    pub(crate) fn of(task: &Task) -> Header {
        let (order, range) = (task.order(), task.tasks().range);
        let (job, first) = (order.number, range.start as u64);
        Header { call: order.call, job, first, count: range.len() }
    }
}

/// A task in the worker: its arguments, and where its results go.
pub(crate) struct Items<'a> {
    pub(crate) header: Header,
    pub(crate) arguments: &'a [u8],
    pub(crate) results: &'a mut Writer,
    /// The random stream of the pool.
    pub(crate) stream: u64,
    /// Made by the worker.
    pub(crate) mark: &'a ForkMark,
}

impl Items<'_> {
    /// Runs the task. Only for a call that came from this process's parent.
    pub(crate) fn run(self) {
        // SAFETY: `Call` made the address from a `Feed`, in the image that this is a fork of.
        let feed: Feed = unsafe { std::mem::transmute(self.header.call.feed as *const ()) };
        feed(self.header.call.function, self);
    }

    /// Ends a child that the task forked and that has come back: the reply is the worker's to write.
    fn leave_if_forked(&self) {
        if !self.mark.is_here() {
            exit_now(0);
        }
    }

    fn each<A: Data, R: Data>(mut self, function: impl Fn(A) -> R) {
        for index in 0..self.header.count {
            random::enter(self.stream, &[self.header.job, self.header.first + index as u64]);
            panics::set_in_worker(true); // a panic that an earlier task has caught is not this one's
            let before = self.results.len();
            // Decoding and encoding may run the program's code too, so they are inside.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let argument = take_item(&mut self.arguments, "argument")?;
                let result = function(argument);
                self.leave_if_forked();
                append_item(self.results, &result, "result")
            }));
            self.leave_if_forked();
            if let Err(failure) = outcome.unwrap_or_else(|payload| Err(caught(payload))) {
                self.results.truncate(before);
                append_failure(self.results, &failure);
                if !self.header.call.goes_on {
                    return;
                }
            }
        }
    }
}
