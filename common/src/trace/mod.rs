//! Who did what when.
//!
//! Results cannot tell a pool from a loop: both return the same numbers. Intervals can: where
//! two of them overlap, two processes worked at once.
//!
//! * this file: [`Span`], an interval that a task returns with its result
//! * `log`: events that all processes write into memory that they share
//! * `layout`: from events to lanes, boxes and marks
//! * `timeline`, `svg`, `json`: the pictures
//!
//! A lesson's flags `--timeline`, `--svg` and `--trace` switch recording on, and
//! [`cli::run`](crate::cli::run) draws what was recorded.
//!
//! The log is a row of records of one size. Who has something to record takes the next number from a
//! counter (one atomic addition), fills the record of that number in and writes its time last, which
//! makes it valid. So there is no lock that a killed process could keep and no pipe that could be
//! full; what is in the log stays there whoever dies; and only one record, that which was being
//! written, can lack its time. Python's `multiprocessing.Queue` has a thread that writes and a lock: what
//! a killed process had put into it may be lost, and the lock with it.

mod json;
mod layout;
mod log;
#[cfg(test)]
mod samples;
mod svg;
mod timeline;

use std::process;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use json::trace_json;
pub use log::{CAPACITY, Event, Kind, call, died, enable, events, lost, record, task};
pub use svg::{describe, svg};
pub use timeline::timeline;
pub(crate) use timeline::timeline_in;

/// A piece of work: the process that did it, when it began and when it ended.
///
/// Times are read from the machine's monotonic clock (in Python: `time.monotonic()`). All
/// processes read the same clock, so the spans of different processes can be compared, which
/// [`std::time::Instant`] allows within one process only: it cannot be sent to another. The clock
/// starts at some time in the past, usually when the machine booted, and is never set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The id of the process that did the work.
    pub pid: u32,
    /// When the work began.
    pub start: Duration,
    /// When the work ended; never before `start`.
    pub end: Duration,
}

impl Span {
    /// Does the work in this process and returns its span, together with what the work returned.
    ///
    /// # Panics
    ///
    /// If the work panics; there is no span then.
    ///
    /// # Examples
    ///
    /// ```
    /// use common::trace::Span;
    ///
    /// let (span, sum) = Span::record(|| (1..=100).sum::<u32>());
    /// assert_eq!(sum, 5050);
    /// assert_eq!(span.pid, std::process::id());
    /// assert!(span.start <= span.end);
    /// ```
    pub fn record<T>(work: impl FnOnce() -> T) -> (Span, T) {
        let start = now();
        let result = work();
        let span = Span { pid: process::id(), start, end: now() };
        (span, result)
    }

    /// How long the work took.
    ///
    /// ```
    /// use common::trace::Span;
    /// use std::time::Duration;
    ///
    /// let span = Span { pid: 4711, start: Duration::from_secs(2), end: Duration::from_secs(5) };
    /// assert_eq!(span.duration(), Duration::from_secs(3));
    /// ```
    pub fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

/// The largest number of spans that were open at one instant: 1 for a loop, up to the number of
/// workers for a pool, 0 without spans.
///
/// A span that begins in the instant in which another ends does not overlap with it. So a span
/// of no length overlaps with nothing.
///
/// ```
/// use common::trace::{Span, overlap};
/// use std::time::Duration;
///
/// let span = |pid, start, end| Span {
///     pid,
///     start: Duration::from_millis(start),
///     end: Duration::from_millis(end),
/// };
/// let in_a_row = [span(1, 0, 10), span(1, 10, 20), span(1, 20, 30)];
/// let at_once = [span(1, 0, 10), span(2, 1, 12), span(1, 10, 20)];
/// assert_eq!(overlap(&in_a_row), 1);
/// assert_eq!(overlap(&at_once), 2);
/// ```
pub fn overlap(spans: &[Span]) -> usize {
    // `false` sorts before `true`: of the events of one instant, ends come before beginnings.
    let mut events: Vec<(Duration, bool)> = spans
        .iter()
        .filter(|span| span.start < span.end)
        .flat_map(|span| [(span.start, true), (span.end, false)])
        .collect();
    events.sort_unstable();

    let (mut open, mut most) = (0_usize, 0);
    for (_, begins) in events {
        if begins {
            open += 1;
            most = most.max(open);
        } else {
            open -= 1;
        }
    }
    most
}

/// From the first beginning to the last end: what a clock on the wall shows. Zero without spans.
///
/// ```
/// use common::trace::{Span, wall};
/// use std::time::Duration;
///
/// let span = |pid, start, end| Span {
///     pid,
///     start: Duration::from_millis(start),
///     end: Duration::from_millis(end),
/// };
/// let spans = [span(1, 0, 10), span(2, 5, 15)];
/// assert_eq!(wall(&spans), Duration::from_millis(15));
/// assert_eq!(spans.iter().map(Span::duration).sum::<Duration>(), Duration::from_millis(20));
/// ```
pub fn wall(spans: &[Span]) -> Duration {
    let first = spans.iter().map(|span| span.start).min();
    let last = spans.iter().map(|span| span.end).max();
    last.unwrap_or_default().saturating_sub(first.unwrap_or_default())
}

/// The monotonic clock.
fn now() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    time.expect("every Linux has a monotonic clock").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(times: &[(u64, u64)]) -> Vec<Span> {
        times
            .iter()
            .map(|&(start, end)| Span {
                pid: 1,
                start: Duration::from_nanos(start),
                end: Duration::from_nanos(end),
            })
            .collect()
    }

    #[test]
    fn nothing_overlaps_with_nothing() {
        assert_eq!(overlap(&[]), 0);
        assert_eq!(wall(&[]), Duration::ZERO);
    }

    #[test]
    fn ends_that_touch_do_not_overlap() {
        assert_eq!(overlap(&spans(&[(5, 9), (1, 5)])), 1);
        assert_eq!(overlap(&spans(&[(1, 5), (5, 5), (5, 9)])), 1);
    }

    #[test]
    fn the_most_at_one_instant_counts_and_not_the_neighbours() {
        // The first overlaps with both others, but those two not with each other.
        assert_eq!(overlap(&spans(&[(0, 10), (1, 3), (4, 6)])), 2);
        assert_eq!(overlap(&spans(&[(0, 10), (1, 5), (4, 6)])), 3);
    }

    #[test]
    fn a_later_span_starts_where_the_clock_stands() {
        let (first, ()) = Span::record(|| ());
        let (second, ()) = Span::record(|| ());
        assert!(first.end <= second.start);
    }
}
