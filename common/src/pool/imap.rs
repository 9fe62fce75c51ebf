//! `imap` and `imap_unordered`: results while the input is still being read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::error::{Error, Tasks};
use super::job::{Answers, Chunk, Order};
use super::options::ImapOptions;
use super::wire::{Call, append};
use super::{Data, Pool};

/// The results of [`Pool::imap`] or [`Pool::imap_unordered`], one for each item of the
/// input: a result or that item's own error.
///
/// The input is read by whoever reads the results, so that it may borrow what it likes, and never
/// further ahead than [`ImapOptions::buffersize`] says. The first tasks begin at once.
pub struct Imap<'pool, R, I: Iterator> {
    pool: &'pool Pool,
    order: Arc<Order>,
    /// `None` when it has ended, or when the pool takes no more.
    input: Option<I>,
    in_order: bool,
    chunksize: usize,
    /// How many chunks may be under way or unread.
    most: usize,
    /// Chunks sent, and chunks handed out.
    sent: usize,
    taken: usize,
    /// Items sent.
    items: usize,
    sender: Sender<Answers<R>>,
    answers: Receiver<Answers<R>>,
    /// Chunks that came before their turn.
    early: BTreeMap<usize, Vec<Result<R, Error>>>,
    /// The chunk that is being handed out.
    current: IntoIter<Result<R, Error>>,
}

impl<'pool, A, R, I> Imap<'pool, R, I>
where
    A: Data,
    R: Data,
    I: Iterator<Item = A>,
{
    pub(super) fn start(
        pool: &'pool Pool,
        options: ImapOptions,
        call: Call,
        input: I,
        in_order: bool,
    ) -> Result<Self, Error> {
        let chunksize = options.chunksize.unwrap_or(1);
        let buffersize = options.buffersize.unwrap_or(chunksize.saturating_mul(8 * pool.workers()));
        for (what, size) in [("chunksize", chunksize), ("buffersize", buffersize)] {
            if size == 0 {
                return Err(Error::Zero(what));
            }
        }
        pool.takes_calls()?;
        let (sender, answers) = unbounded();
        let mut imap = Imap {
            pool,
            order: Arc::new(Order::new(call, options.limit)),
            input: Some(input),
            in_order,
            chunksize,
            most: (buffersize / chunksize).max(1),
            sent: 0,
            taken: 0,
            items: 0,
            sender,
            answers,
            early: BTreeMap::new(),
            current: Vec::new().into_iter(),
        };
        imap.fill();
        Ok(imap)
    }

    /// Sends as many chunks as may be under way.
    fn fill(&mut self) {
        while self.sent - self.taken < self.most
            && let Some(input) = &mut self.input
        {
            let (mut bytes, mut count, mut failure) = (Vec::new(), 0, None);
            for item in input.take(self.chunksize) {
                count += 1;
                if let Err(error) = append(&mut bytes, &item, "argument") {
                    failure = Some(error);
                    break;
                }
            }
            if count == 0 {
                self.input = None;
                return;
            }
            let items = self.items..self.items + count;
            match failure {
                None => self.send(bytes, items),
                Some(failure) => {
                    // The items before it in the chunk were not sent either.
                    let last = items.end - 1..items.end;
                    let tasks = Tasks { range: last, total: None };
                    let error = failure.into_error(tasks, std::process::id());
                    let _ = self
                        .sender
                        .send((self.sent, (0..count).map(|_| Err(error.clone())).collect()));
                }
            }
            self.sent += 1;
            self.items += count;
        }
    }

    fn send(&mut self, input: Vec<u8>, items: Range<usize>) {
        let (order, index, count) = (self.order.clone(), self.sent, items.len());
        let chunk = Chunk { order, input, items, index, answers: self.sender.clone() };
        if let Err(error) = self.pool.submit(Arc::new(chunk), 1, true) {
            self.input = None;
            let _ = self.sender.send((index, (0..count).map(|_| Err(error.clone())).collect()));
        }
    }

    /// The next result, waiting for at most `timeout`. Python's `next(timeout)`.
    ///
    /// `None` at the end of the input. [`Error::Timeout`] if it is not there yet: nothing is
    /// lost, the next call waits for the same one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use common::pool::{Error, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let mut results = pool.imap(|x: i32| -x, [1])?;
    /// let first = loop {
    ///     match results.next_timeout(Duration::from_millis(1)) {
    ///         Some(Err(Error::Timeout)) => {} // not yet
    ///         other => break other,
    ///     }
    /// };
    /// assert_eq!(first, Some(Ok(-1)));
    /// assert_eq!(results.next(), None);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<R, Error>> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Result<R, Error>> {
        if let Some(result) = self.current.next() {
            return Some(result);
        }
        // The last chunk is read to its end: the input may go on.
        self.fill();
        if self.taken == self.sent {
            return None;
        }
        if let Err(error) = self.pool.check_process() {
            return Some(Err(error));
        }
        let chunk = loop {
            if self.in_order
                && let Some(chunk) = self.early.remove(&self.taken)
            {
                break chunk;
            }
            let received = match deadline {
                None => self.answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.answers.recv_deadline(deadline),
            };
            match received {
                Ok((_, chunk)) if !self.in_order => break chunk,
                Ok((index, chunk)) => _ = self.early.insert(index, chunk),
                Err(_) => return Some(Err(Error::Timeout)),
            }
        };
        self.taken += 1;
        self.current = chunk.into_iter();
        self.current.next()
    }
}

impl<A, R, I> Iterator for Imap<'_, R, I>
where
    A: Data,
    R: Data,
    I: Iterator<Item = A>,
{
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }
}
