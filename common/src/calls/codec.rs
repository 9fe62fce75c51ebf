//! Arguments and results as bytes.

use std::fmt::Display;
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

/// The length of a long item stands in the eight bytes behind this one.
const LONG: u8 = u8::MAX;
/// Behind this one an item follows that is a [`Failure`].
const FAILED: u8 = LONG - 1;

/// Appends a value with its length before it: one that was spoiled does not spoil the next. After an
/// error some of its bytes may be there.
#[inline]
pub(crate) fn append_item(
    bytes: &mut Writer,
    value: &impl Serialize,
    what: &str,
) -> Result<(), Failure> {
    #[cold]
    fn failure(what: &str, error: postcard::Error, refused: Option<Errno>) -> Failure {
        let reason = refused.map_or(error.to_string(), |errno| errno.desc().to_string());
        Failure::Codec { message: format!("{what} cannot be encoded: {reason}") }
    }
    let (start, is_long, refused) = (bytes.len(), false, None);
    let mut to = postcard::Serializer { output: Item { bytes, start, is_long, refused } };
    let written = to.output.begin().and_then(|()| value.serialize(&mut to));
    let written = written.and_then(|()| to.output.end());
    written.map_err(|error| failure(what, error, to.output.refused))
}

/// Appends, in place of a result, why there is none.
pub(crate) fn append_failure(bytes: &mut Writer, failure: &Failure) {
    if bytes.extend(&[FAILED]).is_ok() {
        let _ = append_item(bytes, failure, "error");
    }
}

/// A value on its way into a writer.
struct Item<'a> {
    bytes: &'a mut Writer,
    start: usize,
    /// Whether there is room for a long length before it.
    is_long: bool,
    /// Why there is no more room: `postcard` has no error that could tell.
    refused: Option<Errno>,
}

impl Item<'_> {
    /// Leaves room for a short length: most are.
    #[inline]
    fn begin(&mut self) -> postcard::Result<()> {
        let written = self.bytes.extend(&[0]);
        self.noted(written)
    }

    /// Makes the room longer. To be called while all of the item is still in the writer's buffer.
    #[cold]
    fn lengthen(&mut self) {
        if !self.is_long {
            self.bytes.insert(self.start, &[LONG; 8]);
            self.is_long = true;
        }
    }

    #[inline]
    fn end(&mut self) -> postcard::Result<()> {
        let length = self.bytes.len() - self.start - 1;
        let written = match u8::try_from(length) {
            Ok(length) if length < FAILED && !self.is_long => {
                self.bytes.overwrite(self.start, &[length])
            }
            _ => self.end_long(),
        };
        self.noted(written)
    }

    #[cold]
    fn end_long(&mut self) -> nix::Result<()> {
        self.lengthen();
        let length = (self.bytes.len() - self.start - 9) as u64;
        self.bytes.overwrite(self.start + 1, &length.to_ne_bytes())
    }

    #[inline]
    fn noted(&mut self, written: nix::Result<()>) -> postcard::Result<()> {
        written.map_err(|errno| {
            self.refused = Some(errno);
            postcard::Error::SerializeBufferFull
        })
    }
}

impl Flavor for Item<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if !self.bytes.has_room(bytes.len()) {
            self.lengthen();
        }
        let written = self.bytes.extend(bytes);
        self.noted(written)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Takes such a value off the front of some bytes. All of its bytes must have a meaning.
#[inline]
pub(crate) fn take_item<T: DeserializeOwned>(bytes: &mut &[u8], what: &str) -> Result<T, Failure> {
    let (item, rest) = split_item(bytes).ok_or_else(|| undecodable(what, &"it is cut off"))?;
    *bytes = rest;
    match postcard::take_from_bytes(item) {
        Ok((value, [])) => Ok(value),
        Ok((_, more)) => Err(left_over(what, more)),
        Err(error) => Err(undecodable(what, &error)),
    }
}

#[cold]
fn undecodable(what: &str, why: &dyn Display) -> Failure {
    Failure::Codec { message: format!("{what} cannot be decoded: {why}") }
}

#[cold]
fn left_over(what: &str, bytes: &[u8]) -> Failure {
    undecodable(what, &format_args!("{} bytes are left over", bytes.len()))
}

#[inline]
fn split_item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes.split_first()? {
        (&LONG, rest) => {
            let (length, rest) = rest.split_first_chunk()?;
            rest.split_at_checked(u64::from_ne_bytes(*length).try_into().ok()?)
        }
        (&length, rest) => rest.split_at_checked(length.into()),
    }
}

/// The results in a reply, one for each item.
pub(crate) fn results<R: Data>(
    tasks: &Tasks,
    pid: u32,
    mut reply: &[u8],
) -> impl Iterator<Item = Result<R>> {
    let Tasks { range, total } = tasks.clone();
    range.clone().map(move |item| {
        let at = |failure: Failure| failure.at(Tasks { range: item..item + 1, total }, pid);
        guarded(|| take_result(&mut reply, item + 1 == range.end).map_err(at))
    })
}

/// All of them, or the error of the first that has failed.
pub(crate) fn all_results<R: Data>(tasks: &Tasks, pid: u32, mut reply: &[u8]) -> Result<Vec<R>> {
    let Tasks { range, total } = tasks.clone();
    let mut results = Vec::with_capacity(range.len());
    let taken = guarded(|| {
        for item in range.clone() {
            let at = |failure: Failure| failure.at(Tasks { range: item..item + 1, total }, pid);
            results.push(take_result(&mut reply, item + 1 == range.end).map_err(at)?);
        }
        Ok(())
    });
    match taken {
        Ok(()) => Ok(results),
        Err(error) => {
            results.into_iter().for_each(discard);
            Err(error)
        }
    }
}

/// Takes a result off the front of a reply, which ends with the last.
fn take_result<R: Data>(reply: &mut &[u8], is_last: bool) -> Result<R, Failure> {
    if let [FAILED, rest @ ..] = reply {
        *reply = rest;
        return Err(take_item(reply, "error").unwrap_or_else(|failure| failure));
    }
    let result = take_item(reply, "result")?;
    match is_last && !reply.is_empty() {
        true => Err(left_over("result", reply)),
        false => Ok(result),
    }
}

/// Runs code of the program in the parent: a panic becomes an error, and the pool goes on.
pub(crate) fn guarded<T>(code: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|payload| Err(Error::Callback(panics::message(payload))))
}

/// Drops what is nobody's any more, which may run code of the program.
pub(crate) fn discard<T>(value: T) {
    let _ = guarded(|| {
        drop(value);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parcel::FEW;

    /// Lengths around those at which something changes: their own length grows, the writer's buffer is full.
    const LENGTHS: [usize; 12] =
        [0, 1, 249, 252, 253, 254, 255, 300, FEW - 10, FEW - 1, FEW, 5 * FEW];

    fn text(length: usize) -> String {
        ('a'..='z').cycle().take(length).collect()
    }

    #[test]
    fn items_of_every_length_are_read_wherever_in_the_buffer_they_begin() {
        for before in [0, 1, FEW - 300, FEW - 256, FEW - 9, FEW - 1, FEW, 3 * FEW] {
            let mut writer = Writer::default();
            writer.extend(&vec![0; before]).unwrap();
            for length in LENGTHS {
                append_item(&mut writer, &text(length), "text").ok().unwrap();
            }
            let parcel = writer.finish().unwrap();
            let mut bytes = &parcel[before..];
            for length in LENGTHS {
                let read: String = take_item(&mut bytes, "text").ok().unwrap();
                assert!(read == text(length), "{length} after {before}");
            }
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn an_item_is_read_to_its_last_byte_and_not_beyond() {
        let mut writer = Writer::default();
        append_item(&mut writer, &(1_u8, 2_u8), "pair").ok().unwrap();
        append_item(&mut writer, &text(300), "text").ok().unwrap();
        let parcel = writer.finish().unwrap();
        let mut bytes = &parcel[..];
        assert!(take_item::<u8>(&mut bytes, "number").is_err(), "a byte is left over");
        assert!(take_item::<(String, u8)>(&mut { bytes }, "pair").is_err(), "a byte is missing");
        assert!(take_item::<String>(&mut &bytes[..bytes.len() - 1], "text").is_err(), "cut off");
        assert!(take_item::<String>(&mut &bytes[..5], "text").is_err(), "cut off in its length");
        assert!(take_item::<String>(&mut bytes, "text").is_ok_and(|read| read == text(300)));
        assert!(take_item::<()>(&mut bytes, "nothing").is_err(), "nothing is there");
    }

    #[test]
    fn a_failure_stands_where_a_result_would() {
        let mut writer = Writer::default();
        append_item(&mut writer, &1_u8, "number").ok().unwrap();
        append_failure(&mut writer, &Failure::Codec { message: text(300) });
        append_item(&mut writer, &3_u8, "number").ok().unwrap();
        let (tasks, parcel) = (Tasks { range: 7..10, total: Some(20) }, writer.finish().unwrap());
        let failed = Tasks { range: 8..9, total: Some(20) };
        let error = Error::Codec { tasks: failed, message: text(300) };
        let each: Vec<Result<u8>> = results(&tasks, 1, &parcel).collect();
        assert_eq!(each, [Ok(1), Err(error.clone()), Ok(3)]);
        assert_eq!(all_results::<u8>(&tasks, 1, &parcel), Err(error));
        let first_alone = Tasks { range: 7..8, ..tasks };
        assert!(all_results::<u8>(&first_alone, 1, &parcel).is_err(), "more than was asked for");
        assert!(results::<u8>(&first_alone, 1, &parcel).all(|answer| answer.is_err()));
    }
}
