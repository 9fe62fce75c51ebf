//! What a call can be told besides its function and its input.

use std::time::Duration;

use super::error::Error;

/// Options of [`Pool::map_with`](super::Pool::map_with) and its kin: Python's keyword arguments.
/// `T` is the type of the whole answer, `Vec<R>` for a map.
///
/// ```
/// use common::pool::{Options, Pool};
///
/// let pool = Pool::new(2)?;
/// let options = Options::new().chunksize(50).callback(|all: &Vec<u64>| assert_eq!(all.len(), 100));
/// let squares = pool.map_async_with(options, |x: u64| x * x, 0..100)?.get()?;
/// assert_eq!(squares[99], 9801);
/// # Ok::<(), common::pool::Error>(())
/// ```
pub struct Options<T> {
    pub(super) chunksize: Option<usize>,
    pub(super) limit: Option<Duration>,
    pub(super) callback: Option<Box<dyn FnOnce(&T) + Send>>,
    pub(super) error_callback: Option<Box<dyn FnOnce(&Error) + Send>>,
}

impl<T> Options<T> {
    /// What the short call does: Python's chunk size, no limit, no callbacks.
    pub fn new() -> Self {
        Options { chunksize: None, limit: None, callback: None, error_callback: None }
    }

    /// How many items a worker is given at once. Python's `chunksize=`. 0 is an error of the call.
    pub fn chunksize(mut self, items: usize) -> Self {
        self.chunksize = Some(items);
        self
    }

    /// How long one task (a chunk) may run. Its worker is killed then and replaced, and the
    /// call's error is [`Error::TimeLimit`]. Python's pool has no such thing.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Called with the whole answer on a thread of the parent, before the result counts as
    /// ready. Not called for an empty input. Python's `callback=`. While it runs, that thread's worker
    /// waits. If it panics, the answer is [`Error::Callback`].
    pub fn callback(mut self, callback: impl FnOnce(&T) + Send + 'static) -> Self {
        self.callback = Some(Box::new(callback));
        self
    }

    /// Called with the error instead. Python's `error_callback=`.
    pub fn error_callback(mut self, callback: impl FnOnce(&Error) + Send + 'static) -> Self {
        self.error_callback = Some(Box::new(callback));
        self
    }
}

impl<T> Default for Options<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Options of [`Pool::imap_with`](super::Pool::imap_with) and
/// [`Pool::imap_unordered_with`](super::Pool::imap_unordered_with).
///
/// ```
/// use common::pool::{ImapOptions, Pool};
///
/// let pool = Pool::new(2)?;
/// let options = ImapOptions::new().chunksize(2).buffersize(8);
/// let endless = pool.imap_with(options, |x: u64| x * x, 0..)?;
/// assert_eq!(endless.take(3).collect::<Result<Vec<_>, _>>()?, [0, 1, 4]);
/// # Ok::<(), common::pool::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ImapOptions {
    pub(super) chunksize: Option<usize>,
    pub(super) buffersize: Option<usize>,
    pub(super) limit: Option<Duration>,
}

impl ImapOptions {
    /// What the short call does: one item at a time, 8 tasks for each worker ahead of the reader, no limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many items a worker is given at once. Python's `chunksize=`. 0 is an error of the call.
    pub fn chunksize(mut self, items: usize) -> Self {
        self.chunksize = Some(items);
        self
    }

    /// How many items at most are taken from the input ahead of what was read from the
    /// iterator, in whole chunks, at least one. Python 3.14's `buffersize=`; there the default is
    /// no bound. 0 is an error of the call.
    pub fn buffersize(mut self, items: usize) -> Self {
        self.buffersize = Some(items);
        self
    }

    /// How long one task (a chunk) may run; see [`Options::limit`].
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}
