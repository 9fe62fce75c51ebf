//! Bytes for another process.
//!
//! Few travel inside a message. Many are written to a file in memory (`memfd_create(2)`) whose descriptor
//! travels with the message: the other side maps the file and reads the bytes where they are. So what is large
//! is not copied from process to process, and every message is there whole or not at all.
//!
//! The file is *sealed* before it is sent: nobody can change it or cut it off while the other side reads,
//! whatever has become of its writer. Who receives a file that is not sealed refuses it.

use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::fstat;
use nix::sys::uio::pwrite;
use nix::unistd::ftruncate;

use crate::private::{PrivateFd, memfd};

/// So many bytes travel inside a message, which the kernel copies.
pub(crate) const FEW: usize = 64 * 1024;

/// The kernel's unit of memory; a larger page begins where one of these does.
const PAGE: usize = 64 * 1024;

/// Memory of its own, that shows a part of a file.
struct View {
    memory: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: memory of this process like any other; who has the value may use it.
unsafe impl Send for View {}
// SAFETY: shared references only read.
unsafe impl Sync for View {}

impl View {
    fn new(file: &PrivateFd, offset: usize, length: usize) -> nix::Result<Self> {
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        // Private, although nobody writes: before Linux 6.7 a file that is sealed against writing cannot be mapped
        // as shared at all.
        let (prot, flags) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
        // SAFETY: placed where the kernel likes, it touches nobody's memory.
        let memory = unsafe { mmap(None, length, prot, flags, file, offset as i64)? };
        Ok(View { memory: memory.cast(), length })
    }

    /// Of no file.
    fn blank(length: usize) -> nix::Result<Self> {
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let (prot, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
        // SAFETY: as above.
        let memory = unsafe { mmap_anonymous(None, length, prot, flags)? };
        Ok(View { memory: memory.cast(), length })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: mapped with this length; whoever borrowed from it is gone.
        let _ = unsafe { munmap(self.memory.cast(), self.length.get()) };
    }
}

/// Bytes that are being written.
#[derive(Default)]
pub(crate) struct Writer {
    /// The last of them, `FEW` at most.
    buffer: Vec<u8>,
    /// The file that those before them are in, once they are many, and how many they are.
    file: Option<PrivateFd>,
    filed: usize,
}

impl Writer {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.filed + self.buffer.len()
    }

    /// Whether so many more fit into the buffer.
    #[inline]
    pub(crate) fn has_room(&self, length: usize) -> bool {
        self.buffer.len() + length <= FEW
    }

    /// # Errors
    ///
    /// If there is no memory or descriptor to be had, or no file may be so large. Nothing is written then.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> nix::Result<()> {
        if !self.has_room(bytes.len()) {
            self.flush()?;
            if bytes.len() > FEW {
                return self.write(bytes);
            }
        }
        match bytes {
            // Numbers, for the most part: to call `memcpy` takes longer.
            [_] | [_, _] | [_, _, _] => bytes.iter().for_each(|byte| self.buffer.push(*byte)),
            _ => self.buffer.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// Moves the buffer's bytes to the file.
    #[cold]
    fn flush(&mut self) -> nix::Result<()> {
        let bytes = std::mem::take(&mut self.buffer);
        let written = self.write(&bytes);
        self.buffer = bytes;
        written.map(|()| self.buffer.clear())
    }

    /// Adds bytes to the file. Not by way of a mapping: the kernel would clear each page before it is
    /// filled, be asked for each by a page fault, and answer with SIGBUS if it has none left.
    fn write(&mut self, mut bytes: &[u8]) -> nix::Result<()> {
        let end = self.filed.checked_add(bytes.len()).ok_or(Errno::EFBIG)?;
        // Whoever makes a file longer than this process may is killed by SIGXFSZ.
        let (longest, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
        if end as u64 > longest {
            return Err(Errno::EFBIG);
        }
        if self.file.is_none() {
            self.file = Some(memfd()?);
        }
        let file = self.file.as_ref().expect("it was just made");
        while !bytes.is_empty() {
            match pwrite(file, bytes, (end - bytes.len()) as i64) {
                Ok(0) => return Err(Errno::EFBIG),
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.filed = end;
        Ok(())
    }

    /// Puts bytes before those that were added last and are in the buffer.
    ///
    /// # Panics
    ///
    /// If they are not.
    pub(crate) fn insert(&mut self, at: usize, bytes: &[u8]) {
        let at = at - self.filed;
        self.buffer.splice(at..at, bytes.iter().copied());
    }

    /// Writes over bytes that are there, all of them in the file or all in the buffer.
    ///
    /// # Errors
    ///
    /// If the file cannot be written to.
    ///
    /// # Panics
    ///
    /// If they are not there.
    #[inline]
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) -> nix::Result<()> {
        if at < self.filed {
            return self.rewrite(at, bytes);
        }
        let at = at - self.filed;
        self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn rewrite(&mut self, at: usize, bytes: &[u8]) -> nix::Result<()> {
        assert!(at + bytes.len() <= self.filed);
        let end = std::mem::replace(&mut self.filed, at);
        let written = self.write(bytes);
        self.filed = end;
        written
    }

    /// Forgets the bytes from here on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.buffer.truncate(length.saturating_sub(self.filed));
        self.filed = self.filed.min(length);
    }

    /// They can be sent now, and not be changed any more.
    ///
    /// # Errors
    ///
    /// If the memory is refused that it takes to read them here.
    pub(crate) fn finish(mut self) -> nix::Result<Parcel> {
        if self.file.is_some() {
            self.flush()?;
        }
        let Some(file) = self.file else { return Ok(Parcel::Few(self.buffer)) };
        ftruncate(&file, self.filed as i64)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
        let bytes = Bytes::new(&file, 0..self.filed)?;
        Ok(Parcel::Many(file, bytes))
    }
}

// ANCHOR: seals
/// Nobody cuts the file off, nobody writes to it.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_WRITE
}
// ANCHOR_END: seals

/// Bytes that can be sent.
pub(crate) enum Parcel {
    Few(Vec<u8>),
    Many(PrivateFd, Bytes),
}

impl Parcel {
    /// The file that they are in, if they are many.
    pub(crate) fn file(&self) -> Option<&PrivateFd> {
        match self {
            Parcel::Few(_) => None,
            Parcel::Many(file, _) => Some(file),
        }
    }
}

impl Deref for Parcel {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Parcel::Few(bytes) => bytes,
            Parcel::Many(_, bytes) => bytes,
        }
    }
}

/// Bytes of a sealed file.
pub(crate) struct Bytes {
    /// From the page in which they begin; `None` for no bytes.
    view: Option<View>,
    /// Where in the view they are.
    range: Range<usize>,
}

impl Bytes {
    /// # Errors
    ///
    /// EPERM if the file is not sealed, EINVAL if it is shorter, ENOMEM.
    pub(crate) fn new(file: &PrivateFd, range: Range<usize>) -> nix::Result<Self> {
        let sealed = SealFlag::from_bits_truncate(fcntl(file, FcntlArg::F_GET_SEALS)?);
        if !sealed.contains(seals()) {
            return Err(Errno::EPERM);
        }
        if range.start > range.end || range.end > fstat(file)?.st_size as usize {
            return Err(Errno::EINVAL);
        }
        let begin = range.start - range.start % PAGE;
        let view = match range.is_empty() {
            true => None,
            false => Some(View::new(file, begin, range.end - begin)?),
        };
        Ok(Bytes { view, range: range.start - begin..range.end - begin })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Some(view) = &self.view else { return &[] };
        // SAFETY: mapped with this length, and the seals hold: it neither changes nor shrinks.
        let all = unsafe { std::slice::from_raw_parts(view.memory.as_ptr(), view.length.get()) };
        &all[self.range.clone()]
    }
}

/// Room for messages. Unlike a vector of zeros it takes memory, and the time to clear it, only for what
/// is written to it: most messages are short.
pub(crate) struct Inbox(View);

impl Inbox {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(length: usize) -> nix::Result<Self> {
        View::blank(length).map(Inbox)
    }
}

impl Deref for Inbox {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped with this length, zero at first, and only this value's to change.
        unsafe { std::slice::from_raw_parts(self.0.memory.as_ptr(), self.0.length.get()) }
    }
}

impl DerefMut for Inbox {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.memory.as_ptr(), self.0.length.get()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(length: usize) -> (Vec<u8>, Parcel) {
        let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let mut writer = Writer::default();
        bytes.chunks(777).for_each(|chunk| writer.extend(chunk).unwrap());
        (bytes, writer.finish().unwrap())
    }

    #[test]
    fn what_was_written_is_read() {
        for length in [0, 1, FEW - 1, FEW, FEW + 1, 3 * FEW, 40 * FEW + 5] {
            let (bytes, parcel) = written(length);
            assert!(*parcel == bytes[..], "{length}");
            assert_eq!(parcel.file().is_some(), length > FEW);
        }
    }

    #[test]
    fn a_part_is_read_too() {
        let (bytes, parcel) = written(5 * FEW);
        for range in [0..0, 7..8, FEW..3 * FEW, FEW + 1..5 * FEW, 5 * FEW..5 * FEW] {
            let part = Bytes::new(parcel.file().unwrap(), range.clone()).unwrap();
            assert!(*part == bytes[range]);
        }
        let too_far = Bytes::new(parcel.file().unwrap(), 0..5 * FEW + 1);
        assert_eq!(too_far.err(), Some(Errno::EINVAL));
    }

    #[test]
    fn what_was_forgotten_is_not_sent() {
        let mut writer = Writer::default();
        writer.extend(&[1; 2 * FEW]).unwrap();
        writer.truncate(3);
        writer.extend(&[2, 2]).unwrap();
        writer.overwrite(1, &[7]).unwrap();
        assert_eq!(*writer.finish().unwrap(), [1, 7, 1, 2, 2]);
    }

    #[test]
    fn bytes_are_put_before_others_and_written_over() {
        for filed in [0, 3 * FEW] {
            let mut writer = Writer::default();
            writer.extend(&vec![1; filed]).unwrap();
            writer.extend(&[2; 2]).unwrap();
            writer.insert(filed, &[3; FEW]); // the buffer may be longer for once
            assert!(!writer.has_room(1));
            writer.extend(&[4]).unwrap();
            writer.overwrite(filed, &[5; 2]).unwrap(); // in the file
            writer.overwrite(filed + FEW + 2, &[6]).unwrap(); // in the buffer
            let parts = [&vec![1; filed][..], &[5; 2], &[3; FEW - 2], &[2; 2], &[6]];
            assert!(*writer.finish().unwrap() == parts.concat(), "{filed}");
        }
    }

    #[test]
    fn a_file_is_sealed_before_it_is_sent_and_refused_if_not() {
        let (_, parcel) = written(2 * FEW);
        let file = parcel.file().unwrap();
        assert_eq!(ftruncate(file, 1), Err(Errno::EPERM));
        assert_eq!(nix::unistd::write(file, &[0]), Err(Errno::EPERM));
        let open = memfd().unwrap();
        ftruncate(&open, 8).unwrap();
        assert_eq!(Bytes::new(&open, 0..8).err(), Some(Errno::EPERM));
    }
}
