//! How far each worker has got, in memory that outlives it.
//!
//! A worker that is killed can say nothing any more, and the parent must know whether it had begun
//! the task it was sent: one that was not begun goes to another worker, one that was is
//! never run twice. So each worker writes the number of the task into a word that it shares with
//! the parent, before it looks at the arguments. The word is no lock: nobody waits for it.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

/// A worker's word has a cache line of its own: neighbours do not slow each other down.
const STRIDE: usize = 64;

const STARTING: u64 = 0;
const READY: u64 = 1;
/// Tasks are numbered from here on.
pub(super) const FIRST_TASK: u64 = 2;

pub(super) struct Progress {
    words: NonNull<u8>,
    size: NonZeroUsize,
}

// SAFETY: the memory is only ever used as atomics, and stays mapped until the value is dropped.
unsafe impl Send for Progress {}
// SAFETY: as above.
unsafe impl Sync for Progress {}

impl Progress {
    /// Memory for so many workers, shared with every fork that follows.
    pub(super) fn new(workers: NonZeroUsize) -> nix::Result<Self> {
        let size = workers.saturating_mul(const { NonZeroUsize::new(STRIDE).unwrap() });
        let (prot, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        // SAFETY: a new anonymous mapping, placed where the kernel likes, touches nobody's memory.
        let words = unsafe { mmap_anonymous(None, size, prot, flags)? }.cast();
        Ok(Progress { words, size })
    }

    fn word(&self, slot: usize) -> &AtomicU64 {
        assert!(slot < self.size.get() / STRIDE, "there is no worker {slot}");
        // SAFETY: inside the mapping and aligned; the kernel made it zero; only used as an atomic.
        unsafe { self.words.add(slot * STRIDE).cast().as_ref() }
    }

    /// The parent: a new worker takes this place.
    pub(super) fn reset(&self, slot: usize) {
        self.word(slot).store(STARTING, Ordering::Release);
    }

    /// The worker: its initializer is through.
    pub(super) fn set_ready(&self, slot: usize) {
        self.word(slot).store(READY, Ordering::Release);
    }

    /// The worker: it has this task's bytes and begins.
    pub(super) fn begin(&self, slot: usize, number: u64) {
        self.word(slot).store(number, Ordering::Release);
    }

    /// The parent: whether the worker came to the end of its initializer.
    pub(super) fn was_ready(&self, slot: usize) -> bool {
        self.word(slot).load(Ordering::Acquire) != STARTING
    }

    /// The parent: whether the worker began this task.
    pub(super) fn has_begun(&self, slot: usize, number: u64) -> bool {
        self.word(slot).load(Ordering::Acquire) == number
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; the references handed out have ended.
        let _ = unsafe { munmap(self.words.cast(), self.size.get()) };
    }
}

/// Tells a worker from the forks that its tasks make, at the price of reading a byte: the kernel
/// wipes this page in every child.
pub(super) struct OnlyHere(NonNull<u8>);

const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

impl OnlyHere {
    pub(super) fn new() -> nix::Result<Self> {
        let (prot, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
        // SAFETY: a new anonymous mapping touches nobody's memory.
        let page = unsafe { mmap_anonymous(None, PAGE, prot, flags)? }.cast::<u8>();
        // SAFETY: the page was just mapped and is this value's alone.
        unsafe {
            madvise(page.cast(), PAGE.get(), MmapAdvise::MADV_WIPEONFORK)?;
            page.write_volatile(1);
        }
        Ok(OnlyHere(page))
    }

    /// Whether this process is the one that made the mark.
    pub(super) fn is_here(&self) -> bool {
        // SAFETY: the page stays mapped: the value is never dropped before its process ends.
        unsafe { self.0.read_volatile() == 1 }
    }
}
