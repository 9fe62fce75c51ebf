//! Bytes for another process.
//!
//! Few travel inside a message. Many are written to a file in memory (`memfd_create(2)`) whose descriptor
//! travels with the message: the other side maps the file and reads the bytes where they are. So what is large
//! is not copied from process to process, and every message is there whole or not at all.
//!
//! The file is *sealed* before it is sent: nobody can change it or cut it off while the other side reads,
//! whatever has become of its writer. Who receives a file that is not sealed refuses it.

use std::num::NonZeroUsize;
use std::ops::{Deref, Range};
use std::ptr::{NonNull, copy_nonoverlapping};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MRemapFlags, MapFlags, ProtFlags, mmap, mremap, munmap};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

use crate::private::{PrivateFd, memfd};

/// So many bytes travel inside a message, which the kernel copies.
pub(crate) const FEW: usize = 64 * 1024;

/// The kernel's unit of memory; a larger page begins where one of these does.
const PAGE: usize = 64 * 1024;

/// A file of this process and the memory that shows it, or a part of it.
struct View {
    memory: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: memory of this process like any other; who has the value may use it.
unsafe impl Send for View {}
// SAFETY: shared references only read.
unsafe impl Sync for View {}

impl View {
    fn new(file: &PrivateFd, prot: ProtFlags, offset: usize, length: usize) -> nix::Result<Self> {
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        // SAFETY: placed where the kernel likes, it touches nobody's memory.
        let memory =
            unsafe { mmap(None, length, prot, MapFlags::MAP_SHARED, file, offset as i64)? };
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
    /// All of them, while they are few.
    few: Vec<u8>,
    /// The file, once they are many, and how many they are.
    many: Option<(PrivateFd, View, usize)>,
}

impl Writer {
    pub(crate) fn len(&self) -> usize {
        self.many.as_ref().map_or(self.few.len(), |many| many.2)
    }

    /// # Errors
    ///
    /// If there is no memory or descriptor to be had, or no file may be so large. Nothing is written then.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> nix::Result<()> {
        let length = self.len().checked_add(bytes.len()).ok_or(Errno::EFBIG)?;
        if length <= FEW && self.many.is_none() {
            self.few.extend_from_slice(bytes);
            return Ok(());
        }
        if self.many.as_ref().is_none_or(|(_, view, _)| length > view.length.get()) {
            self.grow(length)?;
        }
        let (_, view, here) = self.many.as_mut().expect("it has grown");
        // SAFETY: the mapping has room for `length` bytes, and nobody else writes to it.
        unsafe {
            copy_nonoverlapping(bytes.as_ptr(), view.memory.as_ptr().add(*here), bytes.len())
        };
        *here = length;
        Ok(())
    }

    /// Makes room for so many bytes, and more. The kernel takes memory for those only that are written.
    #[cold]
    fn grow(&mut self, length: usize) -> nix::Result<()> {
        // Whoever makes a file longer than this process may is killed by SIGXFSZ.
        let (longest, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
        let longest = usize::try_from(longest).unwrap_or(usize::MAX).min(isize::MAX as usize);
        let room = length.saturating_mul(2).min(longest);
        if room < length {
            return Err(Errno::EFBIG);
        }
        match &mut self.many {
            Some((file, view, _)) => {
                ftruncate(&*file, room as i64)?;
                let new = NonZeroUsize::new(room).ok_or(Errno::EFBIG)?;
                let (old, may_move) = (view.memory.cast(), MRemapFlags::MREMAP_MAYMOVE);
                // SAFETY: mapped with this length, and nobody borrows from it now.
                view.memory =
                    unsafe { mremap(old, view.length.get(), room, may_move, None)? }.cast();
                view.length = new;
            }
            None => {
                let file = memfd()?;
                ftruncate(&file, room as i64)?;
                let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
                let (view, few) = (View::new(&file, prot, 0, room)?, std::mem::take(&mut self.few));
                self.many = Some((file, view, 0));
                self.extend(&few)?;
            }
        }
        Ok(())
    }

    /// Writes over bytes that are there.
    ///
    /// # Panics
    ///
    /// If they are not.
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len());
        match &self.many {
            None => self.few[at..at + bytes.len()].copy_from_slice(bytes),
            Some((_, view, _)) => {
                // SAFETY: inside the mapping, as was just seen.
                unsafe {
                    copy_nonoverlapping(bytes.as_ptr(), view.memory.as_ptr().add(at), bytes.len())
                };
            }
        }
    }

    /// Forgets the bytes from here on.
    pub(crate) fn truncate(&mut self, length: usize) {
        match &mut self.many {
            None => self.few.truncate(length),
            Some(many) => many.2 = length.min(many.2),
        }
    }

    /// They can be sent now, and not be changed any more.
    ///
    /// # Errors
    ///
    /// If the memory is refused that it takes to read them here.
    pub(crate) fn finish(self) -> nix::Result<Parcel> {
        let Some((file, view, length)) = self.many else { return Ok(Parcel::Few(self.few)) };
        drop(view); // what can still be written to cannot be sealed
        ftruncate(&file, length as i64)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
        let bytes = Bytes::new(&file, 0..length)?;
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
            false => Some(View::new(file, ProtFlags::PROT_READ, begin, range.end - begin)?),
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
        writer.overwrite(1, &[7]);
        assert_eq!(*writer.finish().unwrap(), [1, 7, 1, 2, 2]);
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
