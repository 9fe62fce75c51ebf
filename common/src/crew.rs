//! Threads that are waited for together, for as long as the caller has time.

use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Bytes of stack for each thread. They are reserved, and taken when they are used. See [`Crew::spawn`].
const STACK: usize = 64 << 20;

#[derive(Default)]
pub(crate) struct Crew {
    /// Those that nobody has joined.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// How many are at work.
    busy: Mutex<usize>,
    /// Somebody has ended.
    left: Condvar,
}

thread_local! {
    /// The crew that this thread is of. It lives as long as the thread is at work.
    static MINE: Cell<*const Crew> = const { Cell::new(ptr::null()) };
}

/// Counts a thread until it ends, by a panic too, or until it cannot be started.
pub(crate) struct Busy(Arc<Crew>);

impl Drop for Busy {
    fn drop(&mut self) {
        *lock(&self.0.busy) -= 1;
        self.0.left.notify_all();
    }
}

impl Crew {
    /// Starts one more thread. If there is none to be had, `work` is dropped.
    ///
    /// It has more stack than a main thread mostly has (8 MiB). What a worker could encode on its own stack, this
    /// thread can decode, unless its type takes eight times as much for that. An overflow there costs the worker,
    /// here the program.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let busy = self.at_work();
        let thread = thread::Builder::new().name(name).stack_size(STACK);
        let thread = thread.spawn(move || {
            MINE.set(Arc::as_ptr(&busy.0));
            let _busy = busy;
            work();
        })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Who joins the crew waits for the caller, too, until this is dropped: it is about to start some.
    pub(crate) fn at_work(self: &Arc<Self>) -> Busy {
        *lock(&self.busy) += 1;
        Busy(self.clone())
    }

    /// Whether the caller is one of them.
    pub(crate) fn is_here(&self) -> bool {
        ptr::eq(MINE.get(), self)
    }

    /// Waits until all have ended, or for as long as there is time.
    pub(crate) fn join(&self, deadline: Option<Instant>) {
        let mut busy = lock(&self.busy);
        while *busy > 0 {
            let time = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            busy = match time {
                None => self.left.wait(busy).unwrap_or_else(PoisonError::into_inner),
                Some(time) if time.is_zero() => break,
                Some(time) => {
                    self.left.wait_timeout(busy, time).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let all = *busy == 0;
        // While nobody can start one: that one would be waited for without a deadline.
        let mut threads = lock(&self.threads);
        drop(busy);
        let ended = threads.extract_if(.., |thread| all || thread.is_finished());
        ended.for_each(|thread| _ = thread.join());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
