//! `AsyncResult`: an answer that is on its way.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::error::{Error, Result};
use crate::trace;

/// The answer of an asynchronous call, now or later. Python's `AsyncResult`.
///
/// It outlives its pool: whoever waits when the pool is terminated, or asks afterwards, is
/// told [`Error::Terminated`]. Dropping it does not cancel the call.
///
/// ```
/// use std::time::Duration;
/// use common::pool::{Error, Pool};
///
/// let pool = Pool::new(2)?;
/// let result = pool.map_async(|x: i32| x + 1, [1, 2, 3])?;
/// result.wait();
/// assert!(result.ready());
/// assert_eq!(result.get_timeout(Duration::ZERO)?, &[2, 3, 4]);
///
/// let late = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ())?;
/// assert_eq!(late.get_timeout(Duration::ZERO), Err(Error::Timeout));
/// assert_eq!(late.successful(), None);
/// drop(pool);
/// assert_eq!(late.get(), Err(Error::Terminated));
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the call goes on, but its answer is lost; keep the handle until `get` or `wait`"]
pub struct AsyncResult<T> {
    answers: Receiver<Result<T>>,
    /// The answer once it was received: asking twice gives the same.
    answer: OnceCell<Result<T>>,
    cancel: Box<dyn Fn() -> bool + Send>,
    /// In a fork of this process nobody will ever answer.
    owner: u32,
}

impl<T> AsyncResult<T> {
    pub(super) fn new(answers: Receiver<Result<T>>, cancel: Box<dyn Fn() -> bool + Send>) -> Self {
        AsyncResult { answers, answer: OnceCell::new(), cancel, owner: std::process::id() }
    }

    /// The answer, if there is one before the deadline.
    fn receive(&self, deadline: Option<Instant>) -> Option<&Result<T>> {
        if self.answer.get().is_none() {
            if self.owner != std::process::id() {
                return Some(self.answer.get_or_init(|| Err(Error::WrongProcess(self.owner))));
            }
            let received = match deadline {
                None => self.answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.answers.recv_deadline(deadline),
            };
            let _ = match received {
                Ok(answer) => self.answer.set(answer),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => self.answer.set(Err(Error::Terminated)),
            };
        }
        self.answer.get()
    }

    /// Waits for the answer and returns it. Python's `get()`.
    ///
    /// # Errors
    ///
    /// Of a map, that of the first task that failed, when all have ended. If the pool is
    /// terminated meanwhile, or was before, [`Error::Terminated`].
    pub fn get(self) -> Result<T> {
        trace::call("get", || self.answer())
    }

    /// `get` as a part of another call.
    pub(super) fn answer(self) -> Result<T> {
        self.receive(None);
        self.answer.into_inner().unwrap_or(Err(Error::Terminated))
    }

    /// Waits for at most `timeout`. Python's `get(timeout)`. The handle keeps the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if there is no answer yet; the call goes on, and may be asked again.
    /// Otherwise as [`get`](AsyncResult::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<&T> {
        let deadline = Instant::now().checked_add(timeout);
        match trace::call("get", || self.receive(deadline)) {
            None => Err(Error::Timeout),
            Some(answer) => answer.as_ref().map_err(Clone::clone),
        }
    }

    /// Waits until there is an answer, a result or an error. Python's `wait()`.
    pub fn wait(&self) {
        trace::call("wait", || self.receive(None));
    }

    /// Waits for at most `timeout`; whether there is an answer. Python's `wait(timeout)`
    /// followed by `ready()`.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        trace::call("wait", || self.receive(deadline)).is_some()
    }

    /// Whether there is an answer. Python's `ready()`.
    pub fn ready(&self) -> bool {
        self.receive(Some(Instant::now())).is_some()
    }

    /// Whether the answer is a result; `None` if there is no answer yet, where Python's
    /// `successful()` raises `ValueError`.
    pub fn successful(&self) -> Option<bool> {
        self.receive(Some(Instant::now())).map(Result::is_ok)
    }

    /// Gives the call up: what waits never runs, and a worker that runs one of its tasks is killed
    /// and replaced. The answer is [`Error::Cancelled`] at once. False if there was an answer
    /// before. Python's pool has no such thing.
    ///
    /// ```
    /// use common::pool::{Error, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let endless = pool.apply_async(|()| loop { std::hint::spin_loop() }, ())?;
    /// assert!(endless.cancel());
    /// assert_eq!(endless.get(), Err::<(), _>(Error::Cancelled));
    /// assert_eq!(pool.apply(|x: i32| x + 1, 1)?, 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.owner == std::process::id() && (self.cancel)()
    }
}
