//! Arguments and results as bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use postcard::ser_flavors::Flavor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result, Tasks};
use crate::panics;
use crate::parcel::{Parcel, Writer};

/// What can cross to a worker and back: any type that `serde` can turn into bytes and back, and that
/// borrows nothing. Implemented for all such types.
pub trait Data: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Data for T {}

/// Encoded arguments one after another.
pub(crate) struct Arguments {
    pub(crate) bytes: Parcel,
    /// Where each begins, and the end of the last.
    pub(crate) bounds: Vec<usize>,
    /// The position of the first in the call's input, and the length of that input if it is known.
    pub(crate) first: usize,
    pub(crate) total: Option<usize>,
}

impl Arguments {
    pub(crate) fn encode<A: Data>(first: usize, all: impl Iterator<Item = A>) -> Result<Self> {
        let (mut bytes, mut bounds) = (Writer::default(), vec![0]);
        for (index, argument) in all.enumerate() {
            append_item(&mut bytes, &argument, "argument").map_err(|failure| {
                let range = first + index..first + index + 1;
                failure.at(Tasks { range, total: None }, std::process::id())
            })?;
            bounds.push(bytes.len());
        }
        let bytes = bytes.finish().map_err(|errno| Error::System("memory for arguments", errno))?;
        Ok(Arguments { bytes, bounds, first, total: None })
    }

    /// These are all that the call has.
    pub(crate) fn whole(self) -> Self {
        Arguments { total: Some(self.count()), ..self }
    }

    pub(crate) fn count(&self) -> usize {
        self.bounds.len() - 1
    }
}

/// Why a worker could not finish one item, as it travels to the parent.
#[derive(Serialize, Deserialize)]
pub(crate) enum Failure {
    Panicked { message: String, location: String },
    Codec { message: String },
}

impl Failure {
    pub(crate) fn at(self, tasks: Tasks, pid: u32) -> Error {
        match self {
            Failure::Panicked { message, location } => {
                Error::Panicked { tasks, pid, message, location }
            }
            Failure::Codec { message } => Error::Codec { tasks, message },
        }
    }
}

/// The panic that was just caught.
pub(crate) fn caught(payload: Box<dyn std::any::Any + Send>) -> Failure {
    Failure::Panicked { location: panics::location(), message: panics::message(payload) }
}

/// Appends a value's bytes; after an error some of them may be there.
fn append(bytes: &mut Writer, value: &impl Serialize, what: &str) -> Result<(), Failure> {
    /// Notes why there was no room: `postcard` has no error that could tell.
    struct Append<'a>(&'a mut Writer, &'a mut Option<Errno>);
    impl Flavor for Append<'_> {
        type Output = ();
        #[inline]
        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.try_extend(&[byte])
        }
        #[inline]
        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.extend(bytes).map_err(|errno| {
                *self.1 = Some(errno);
                postcard::Error::SerializeBufferFull
            })
        }
        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }
    let mut refused = None;
    postcard::serialize_with_flavor(value, Append(bytes, &mut refused)).map_err(|error| {
        let reason = refused.map_or_else(|| error.to_string(), |errno| errno.desc().to_string());
        Failure::Codec { message: format!("{what} cannot be encoded: {reason}") }
    })
}

/// Takes a value off the front of some bytes.
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut &[u8], what: &str) -> Result<T, Failure> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| Failure::Codec {
        message: format!("{what} cannot be decoded: {error}"),
    })?;
    *bytes = rest;
    Ok(value)
}

/// A value with its length before it: one that was spoiled does not spoil the next.
pub(crate) fn append_item(
    bytes: &mut Writer,
    value: &impl Serialize,
    what: &str,
) -> Result<(), Failure> {
    let start = bytes.len();
    let no_room = |errno: Errno| Failure::Codec { message: format!("{what}: {}", errno.desc()) };
    bytes.extend(&[0; 8]).map_err(no_room)?;
    append(bytes, value, what)?;
    let length = (bytes.len() - start - 8) as u64;
    bytes.overwrite(start, &length.to_ne_bytes());
    Ok(())
}

/// The opposite. All of its bytes must have a meaning.
pub(crate) fn take_item<T: DeserializeOwned>(bytes: &mut &[u8], what: &str) -> Result<T, Failure> {
    let cut = || Failure::Codec { message: format!("{what} cannot be decoded: it is cut off") };
    let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
    let length = u64::from_ne_bytes(*length) as usize;
    let (mut item, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    *bytes = rest;
    let value = take(&mut item, what)?;
    match item {
        [] => Ok(value),
        more => {
            let message = format!("{what} cannot be decoded: {} bytes are left over", more.len());
            Err(Failure::Codec { message })
        }
    }
}

/// The results in a reply, one for each item.
pub(crate) fn results<R: Data>(
    tasks: &Tasks,
    pid: u32,
    mut reply: &[u8],
) -> impl Iterator<Item = Result<R>> {
    let Tasks { range, total } = tasks.clone();
    range.map(move |item| {
        guarded(|| {
            let outcome: Result<Result<R, Failure>, Failure> = take_item(&mut reply, "result");
            let tasks = Tasks { range: item..item + 1, total };
            outcome.and_then(|outcome| outcome).map_err(|failure| failure.at(tasks, pid))
        })
    })
}

/// Runs code of the program in the parent: a panic becomes an error, and the pool goes on.
pub(crate) fn guarded<T>(code: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|payload| Err(Error::Callback(panics::message(payload))))
}
