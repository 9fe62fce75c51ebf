//! The log: what happened, written by many processes into memory that they share.

use std::fmt::{self, Display, Write as _};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::now;
use crate::console::{self, Role};
use crate::fork::OwnPid;
use crate::os;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Kind {
    /// A task began, in the process that runs it.
    Start = 1,
    /// A task ended, by returning or by panicking.
    End,
    /// A call such as `map` began, in the process that makes it.
    Call,
    /// A call came back.
    Return,
    /// A result was taken from an iterator such as `imap`'s.
    Yield,
    /// Anything else worth a mark.
    Mark,
    /// The process died; recorded by another one, on its behalf.
    Died,
}

impl Kind {
    fn from_number(number: u8) -> Option<Kind> {
        use Kind::*;
        [Start, End, Call, Return, Yield, Mark, Died].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Something that happened: when, to whom, what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// When, by the machine's monotonic clock. In JSON: a whole number of nanoseconds, as Python's
    /// `time.monotonic_ns()` gives.
    #[serde(with = "nanoseconds")]
    pub at: Duration,
    /// The process that it happened to.
    pub pid: u32,
    /// What that process is to the program.
    pub role: Role,
    /// What happened.
    pub kind: Kind,
    /// The task, the call or the mark: "1", "3, 4", "map". At most 40 bytes.
    pub label: String,
}

mod nanoseconds {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(at.as_nanos() as u64)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_nanos)
    }
}

/// How many events the log holds. Memory is taken as it fills up: 64 bytes for each event.
pub const CAPACITY: usize = 1 << 17;

/// Numbers in one record, which fills a cache line.
///
/// * 0: nanoseconds; not zero only when all others have been written
/// * 1: the pid, the kind and the length of the label
/// * 2: the role
/// * 3 to 7: the label
const WORDS: usize = 8;
type Record = [AtomicU64; WORDS];

const LABEL: usize = 5 * size_of::<u64>();

/// The log of this process and of all that were forked after [`enable`].
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    /// How many records have been taken, and more once all are.
    taken: &'static AtomicU64,
    records: &'static [Record],
    pid: OwnPid,
}

impl Log {
    fn new() -> nix::Result<Log> {
        // The counter has a cache line of its own.
        let words = os::shared_for_good(WORDS * (1 + CAPACITY))?;
        let (head, records) = words.as_chunks::<WORDS>().0.split_at(1);
        Ok(Log { taken: &head[0][0], records, pid: OwnPid::new()? })
    }

    /// A process that is killed in here leaves a record without a time, which nobody reads.
    fn write(&self, kind: Kind, role: Role, pid: u32, label: &Label) {
        let at = now().as_nanos() as u64;
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        let Some(record) = usize::try_from(index).ok().and_then(|index| self.records.get(index))
        else {
            return; // full: `lost` tells
        };
        let what = u64::from(pid) << 32 | (kind as u64) << 8 | label.length as u64;
        record[1].store(what, Ordering::Relaxed);
        record[2].store(role.pack() as u64, Ordering::Relaxed);
        for (word, bytes) in record[3..].iter().zip(label.bytes.as_chunks().0) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        // Whoever sees the time sees all of the above.
        record[0].store(at.max(1), Ordering::Release);
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The record, if it was written to its end.
fn read(record: &Record) -> Option<Event> {
    let at = Duration::from_nanos(record[0].load(Ordering::Acquire));
    if at.is_zero() {
        return None;
    }
    let what = record[1].load(Ordering::Relaxed);
    let mut label = [0; LABEL];
    for (bytes, word) in label.as_chunks_mut().0.iter_mut().zip(&record[3..]) {
        *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    }
    let length = usize::from(what as u8).min(LABEL);
    Some(Event {
        at,
        pid: (what >> 32) as u32,
        role: Role::unpack(record[2].load(Ordering::Relaxed) as usize),
        kind: Kind::from_number((what >> 8) as u8)?,
        label: String::from_utf8_lossy(&label[..length]).into_owned(),
    })
}

/// The beginning of a text, as much as fits, without taking memory for it.
struct Label {
    bytes: [u8; LABEL],
    length: usize,
    cut: bool,
}

impl Label {
    fn new(text: impl Display) -> Label {
        let mut label = Label { bytes: [0; LABEL], length: 0, cut: false };
        // An error can only come from the text itself: what it wrote before is kept.
        let _ = write!(label, "{text}");
        label
    }
}

impl fmt::Write for Label {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Ok(()); // a short piece must not follow one that was cut
        }
        let mut fits = text.len().min(LABEL - self.length);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.length..][..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        self.cut = fits < text.len();
        Ok(())
    }
}

/// Switches recording on, for this process and for all that are forked from now on. A second call
/// changes nothing.
///
/// A process that was forked before does not take part: its memory is not shared.
///
/// ```
/// use common::Process;
/// use common::trace::{self, Kind};
///
/// trace::enable()?;
/// let child = Process::new(|| trace::task("sum", || (1..=100).sum::<u32>())).start()?;
/// child.join()?;
///
/// let events = trace::events();
/// let of_child: Vec<_> = events.iter().filter(|event| event.pid == child.pid()).collect();
/// assert_eq!(of_child[0].kind, Kind::Start);
/// assert_eq!(of_child[1].kind, Kind::End);
/// assert!(of_child[0].at <= of_child[1].at);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If there is no address space for it: 8 MiB.
pub fn enable() -> io::Result<()> {
    if LOG.get().is_none() {
        let _ = LOG.set(Log::new()?); // another thread may have been faster
    }
    Ok(())
}

/// Records that something happened in this process now. Does nothing before [`enable`].
///
/// It costs less than a microsecond: no lock, no memory to take, no system call. When the log
/// is full, the event is lost and counted ([`lost`]).
///
/// ```
/// use common::trace::{self, Kind};
///
/// trace::enable()?;
/// trace::record(Kind::Mark, "half of it");
/// trace::record(Kind::Yield, 3);
/// trace::record(Kind::Yield, format_args!("{}, {}", 3, 4));
/// assert!(trace::events().iter().any(|event| event.label == "3, 4"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn record(kind: Kind, label: impl Display) {
    if let Some(log) = LOG.get() {
        log.write(kind, console::speaker(), log.pid.get(), &Label::new(label));
    }
}

/// Records on behalf of another process that it died now: its open tasks end here. For the
/// process that notices, because who was killed cannot tell.
///
/// ```
/// use common::Process;
/// use common::console::Role;
/// use common::trace::{self, Kind};
///
/// trace::enable()?;
/// let child = Process::new(|| trace::task("abort", || std::process::abort())).start()?;
/// child.join()?;
/// trace::died(Role::Process(1), child.pid());
///
/// let events = trace::events();
/// let of_child: Vec<Kind> =
///     events.iter().filter(|event| event.pid == child.pid()).map(|event| event.kind).collect();
/// assert_eq!(of_child, [Kind::Start, Kind::Died]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn died(role: Role, pid: u32) {
    if let Some(log) = LOG.get() {
        log.write(Kind::Died, role, pid, &Label::new(""));
    }
}

/// Does the work and records when it [started](Kind::Start) and [ended](Kind::End).
///
/// If it panics it has ended, too. If its process is killed there is no end.
///
/// ```
/// use common::trace;
///
/// assert_eq!(trace::task("6 × 7", || 6 * 7), 42);
/// ```
pub fn task<T>(label: impl Display, work: impl FnOnce() -> T) -> T {
    around(Kind::Start, Kind::End, label, work)
}

/// Makes a call and records when it [began](Kind::Call) and [came back](Kind::Return), be it by a
/// panic.
///
/// ```
/// use common::{Pool, trace};
///
/// let pool = Pool::new(2)?;
/// let squares = trace::call("map", || pool.map(|x: u32| x * x, [1, 2, 3]))?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), common::pool::Error>(())
/// ```
pub fn call<T>(label: impl Display, call: impl FnOnce() -> T) -> T {
    around(Kind::Call, Kind::Return, label, call)
}

fn around<T>(first: Kind, last: Kind, label: impl Display, work: impl FnOnce() -> T) -> T {
    struct Last<'a>(&'a Log, Kind, Label);

    impl Drop for Last<'_> {
        fn drop(&mut self) {
            let Last(log, kind, label) = self;
            log.write(*kind, console::speaker(), log.pid.get(), label);
        }
    }

    let Some(log) = LOG.get() else { return work() };
    let last = Last(log, last, Label::new(label));
    log.write(first, console::speaker(), log.pid.get(), &last.2);
    work()
}

/// What was recorded so far, by all processes, in the order of time. Empty before [`enable`].
///
/// Nothing of a process that was killed is missing but what it was recording at that instant. Of a
/// process that still runs, the same holds. Each process's own events keep their order even where
/// the clock shows the same time.
pub fn events() -> Vec<Event> {
    let Some(log) = LOG.get() else { return Vec::new() };
    let taken = usize::try_from(log.taken()).unwrap_or(usize::MAX).min(CAPACITY);
    let mut events: Vec<Event> = log.records[..taken].iter().filter_map(read).collect();
    events.sort_by_key(|event| event.at);
    events
}

/// How many events came when the log had been full: all those after the first [`CAPACITY`].
pub fn lost() -> u64 {
    LOG.get().map_or(0, |log| log.taken().saturating_sub(CAPACITY as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(text: impl Display) -> String {
        let label = Label::new(text);
        String::from_utf8(label.bytes[..label.length].to_vec()).unwrap()
    }

    #[test]
    fn a_label_is_cut_between_characters() {
        assert_eq!(labelled("map"), "map");
        assert_eq!(labelled("x".repeat(41)), "x".repeat(40));
        assert_eq!(labelled("x".repeat(39) + "é"), "x".repeat(39));
        assert_eq!(labelled(format_args!("{}é{}", "x".repeat(39), "after")), "x".repeat(39));
        assert_eq!(labelled("任".repeat(20)), "任".repeat(13));
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let log = Log::new().unwrap();
        log.write(Kind::Died, Role::Worker(7), u32::MAX, &Label::new("x".repeat(40)));
        log.write(Kind::Yield, Role::Main, 1, &Label::new(""));
        assert_eq!(log.taken(), 2);
        let event = read(&log.records[0]).unwrap();
        assert_eq!((event.kind, event.role, event.pid), (Kind::Died, Role::Worker(7), u32::MAX));
        assert_eq!(event.label, "x".repeat(40));
        let event = read(&log.records[1]).unwrap();
        assert_eq!((event.kind, event.role, event.label.as_str()), (Kind::Yield, Role::Main, ""));
    }

    #[test]
    fn a_record_without_its_time_is_skipped() {
        let log = Log::new().unwrap();
        log.write(Kind::Mark, Role::Main, 1, &Label::new("torn"));
        log.records[0][0].store(0, Ordering::Relaxed);
        assert_eq!(read(&log.records[0]), None);
    }

    #[test]
    fn a_full_log_takes_no_more() {
        let log = Log::new().unwrap();
        log.taken.store(CAPACITY as u64 - 1, Ordering::Relaxed);
        for _ in 0..3 {
            log.write(Kind::Mark, Role::Main, 1, &Label::new("late"));
        }
        assert!(read(&log.records[CAPACITY - 1]).is_some());
        assert_eq!(log.taken(), CAPACITY as u64 + 2);
    }

    #[test]
    fn events_cross_as_json() {
        let event = Event {
            at: Duration::from_nanos(1_500_000_000),
            pid: 4711,
            role: Role::Worker(2),
            kind: Kind::Start,
            label: "3, 4".to_owned(),
        };
        let json = serde_json::to_string(&event).unwrap();
        let expected =
            r#"{"at":1500000000,"pid":4711,"role":{"worker":2},"kind":"start","label":"3, 4"}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
