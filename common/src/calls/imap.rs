//! `imap` and `imap_unordered`: results while the input is still being read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::call::Call;
use super::job::{Job, Order};
use super::{Arguments, Calls, Data, Error, Result, results};
use crate::trace::{self, Kind};

/// The results of [`imap`](Calls::imap) or [`imap_unordered`](Calls::imap_unordered), one for each
/// item of the input: a result or that item's own error.
///
/// The input is read by whoever reads the results, so it may borrow what it likes, and never
/// further ahead than [`buffersize`](Calls::buffersize) says. The first tasks begin at once.
pub struct Imap<R, I: Iterator> {
    calls: Calls,
    order: Arc<Order>,
    /// `None` when it has ended, or when the pool takes no more.
    input: Option<I>,
    in_order: bool,
    /// How many chunks may be under way or unread.
    most: usize,
    /// Chunks sent, and chunks handed out.
    sent: usize,
    taken: usize,
    /// Items sent.
    items: usize,
    sender: Sender<Chunk<R>>,
    answers: Receiver<Chunk<R>>,
    /// Chunks that came before their turn.
    early: BTreeMap<usize, Vec<Result<R>>>,
    /// The chunk that is being handed out.
    current: IntoIter<Result<R>>,
    /// How many items of the input come before what is left of it.
    position: usize,
}

/// Which chunk of the call, and its results.
type Chunk<R> = (usize, Vec<Result<R>>);

impl<A: Data, R: Data, I: Iterator<Item = A>> Imap<R, I> {
    pub(super) fn start(calls: Calls, call: Call, input: I, in_order: bool) -> Result<Self> {
        let chunksize = calls.chunksize.unwrap_or(1);
        let buffersize = calls.buffersize.unwrap_or(chunksize.saturating_mul(8 * calls.workers()));
        for (what, size) in [("chunksize", chunksize), ("buffersize", buffersize)] {
            if size == 0 {
                return Err(Error::Zero(what));
            }
        }
        calls.shared.takes_calls()?;
        let (sender, answers) = unbounded();
        let mut imap = Imap {
            order: Order::new(call.going_on(), calls.limit, false),
            calls,
            input: Some(input),
            in_order,
            most: (buffersize / chunksize).max(1),
            sent: 0,
            taken: 0,
            items: 0,
            sender,
            answers,
            early: BTreeMap::new(),
            current: Vec::new().into_iter(),
            position: 0,
        };
        imap.fill();
        Ok(imap)
    }

    /// Sends as many chunks as may be under way.
    fn fill(&mut self) {
        let chunksize = self.calls.chunksize.unwrap_or(1);
        while self.sent - self.taken < self.most
            && let Some(input) = &mut self.input
        {
            let chunk: Vec<A> = input.take(chunksize).collect();
            let count = chunk.len();
            if count < chunksize {
                self.input = None; // it has said that it ends; asked again it may go on
            }
            if count == 0 {
                return;
            }
            let (index, sender) = (self.sent, self.sender.clone());
            let job = Arguments::encode(self.items, chunk.into_iter()).map(|arguments| Job {
                order: self.order.clone(),
                arguments,
                chunksize,
                answer: Box::new(move |tasks, pid, reply| {
                    let answers = match reply {
                        Ok(reply) => results(tasks, pid, reply).collect(),
                        Err(error) => vec_of(&error, tasks.range.len()),
                    };
                    let _ = sender.send((index, answers)); // the iterator may be gone
                }),
            });
            let sent = job.and_then(|job| {
                let sent = self.calls.shared.submit(Arc::new(job), true);
                sent.inspect_err(|_| self.input = None) // the pool takes no more
            });
            if let Err(error) = sent {
                let _ = self.sender.send((index, vec_of(&error, count)));
            }
            self.sent += 1;
            self.items += count;
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
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<R>> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Result<R>> {
        if let Some(result) = self.hand_out() {
            return Some(result);
        }
        if let Err(error) = self.calls.shared.check_process() {
            let is_over = self.input.is_none() && self.taken == self.sent;
            (self.input, self.taken) = (None, self.sent); // nothing comes to this process
            return (!is_over).then_some(Err(error));
        }
        // The last chunk is read to its end: the input may go on.
        self.fill();
        if self.taken == self.sent {
            return None;
        }
        let (index, chunk) = loop {
            if self.in_order
                && let Some(chunk) = self.early.remove(&self.taken)
            {
                break (self.taken, chunk);
            }
            let received = match deadline {
                None => self.answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.answers.recv_deadline(deadline),
            };
            match received {
                Ok(chunk) if !self.in_order => break chunk,
                Ok((index, chunk)) => _ = self.early.insert(index, chunk),
                Err(_) => return Some(Err(Error::Timeout)),
            }
        };
        self.taken += 1;
        self.position = index.saturating_mul(self.calls.chunksize.unwrap_or(1));
        self.current = chunk.into_iter();
        self.hand_out()
    }

    fn hand_out(&mut self) -> Option<Result<R>> {
        let result = self.current.next()?;
        self.position += 1;
        trace::record(Kind::Yield, self.position);
        Some(result)
    }
}

impl<A: Data, R: Data, I: Iterator<Item = A>> Iterator for Imap<R, I> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }
}

/// The same error for each item.
fn vec_of<R>(error: &Error, count: usize) -> Vec<Result<R>> {
    (0..count).map(|_| Err(error.clone())).collect()
}
