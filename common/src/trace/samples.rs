//! Events for the tests of the pictures.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Event, Kind};
use crate::console::Role;

pub(super) fn event(ms: u64, role: Role, pid: u32, kind: Kind, label: &str) -> Event {
    Event { at: Duration::from_millis(5000 + ms), pid, role, kind, label: label.to_owned() }
}

pub(super) fn main(ms: u64, kind: Kind, label: &str) -> Event {
    event(ms, Role::Main, 4710, kind, label)
}

/// Of the n-th worker, whose pid is 4711 + n.
pub(super) fn worker(n: usize, ms: u64, kind: Kind, label: &str) -> Event {
    event(ms, Role::Worker(n), 4711 + n as u32, kind, label)
}

pub(super) fn task(n: usize, label: &str, start: u64, end: u64) -> [Event; 2] {
    [worker(n, start, Kind::Start, label), worker(n, end, Kind::End, label)]
}

/// `map` of four tasks on two workers.
pub(super) fn map() -> Vec<Event> {
    let mut events = vec![main(0, Kind::Call, "map"), main(100, Kind::Return, "map")];
    let tasks =
        [task(1, "1", 1, 30), task(2, "2", 1, 55), task(1, "3", 30, 98), task(2, "4", 55, 80)];
    events.extend(tasks.into_iter().flatten());
    events.sort_by_key(|event| event.at);
    events
}

/// A worker that died in task 1 and one that took over, results that were taken, a task without an end.
pub(super) fn deaths() -> Vec<Event> {
    vec![
        main(0, Kind::Call, "imap"),
        worker(1, 2, Kind::Start, "1"),
        worker(2, 3, Kind::Start, "2"),
        worker(1, 40, Kind::Died, ""),
        event(50, Role::Worker(1), 4790, Kind::Start, "3"),
        worker(2, 60, Kind::End, "2"),
        main(61, Kind::Yield, "2"),
        event(90, Role::Worker(1), 4790, Kind::End, "3"),
        main(91, Kind::Yield, "3"),
        main(92, Kind::Mark, "enough"),
        worker(2, 93, Kind::Start, "4"),
        main(99, Kind::Return, "imap"),
    ]
}

const LABELS: [&str; 12] = [
    "1",
    "2",
    "30",
    "3, 4",
    "map",
    "",
    "a<b>&\"c'",
    "两个任务",
    "e\u{301}",
    "x\ny\x1b[2J",
    "\u{202e}",
    "a label that is forty columns wide, really",
];

/// Events that mean nothing, in all kinds, roles and lengths of time.
pub(super) fn random(seed: u64) -> Vec<Event> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut event = || {
        let n = rng.random_range(1..6);
        let role = match rng.random_range(0..12) {
            0 => Role::Main,
            1 => Role::Process(n * 1_000_000),
            _ => Role::Worker(n),
        };
        let kinds = [
            Kind::Start,
            Kind::Start,
            Kind::Start,
            Kind::End,
            Kind::End,
            Kind::End,
            Kind::Call,
            Kind::Return,
            Kind::Yield,
            Kind::Mark,
            Kind::Died,
        ];
        Event {
            at: Duration::from_nanos(rng.random_range(0..10_u64.pow(1 + seed as u32 % 15))),
            pid: rng.random_range(0..3) * 2_000_000_000 + n as u32,
            role,
            kind: kinds[rng.random_range(0..kinds.len())],
            label: LABELS[rng.random_range(0..LABELS.len())].to_owned(),
        }
    };
    let mut events: Vec<Event> = (0..seed % 90).map(|_| event()).collect();
    events.sort_by_key(|event| event.at);
    events
}
