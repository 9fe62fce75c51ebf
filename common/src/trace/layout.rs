//! From events to lanes, boxes and marks: what all pictures have in common.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Event, Kind};
use crate::console::Role;

/// What a picture shows. Times are nanoseconds since the first event.
pub(super) struct Chart {
    pub(super) lanes: Vec<Lane>,
    /// How long it all took, at least 1.
    pub(super) length: u64,
}

/// A process, or several in a row: a worker and those that replaced it.
pub(super) struct Lane {
    pub(super) role: Role,
    /// In the order of time, at least one.
    pub(super) processes: Vec<Life>,
    /// Boxes that do not overlap; a box inside another is in a later row. At least one row,
    /// unless there are marks.
    pub(super) rows: Vec<Vec<Item>>,
    /// In the order of time.
    pub(super) marks: Vec<Item>,
}

/// A process, from its first event to its last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) pid: u32,
}

/// A box, or a mark, which begins and ends at the same time.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) what: What,
    pub(super) label: String,
    pub(super) pid: u32,
    pub(super) start: u64,
    pub(super) end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Task(Ending),
    Call(Ending),
    Yield,
    Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Whole,
    /// When its process died.
    Died,
    /// Nobody recorded it. It was open until the next process of its lane began, or to the last.
    Unknown,
}

impl What {
    pub(super) fn ending(self) -> Ending {
        match self {
            What::Task(ending) | What::Call(ending) => ending,
            What::Yield | What::Mark => Ending::Whole,
        }
    }

    pub(super) fn is_mark(self) -> bool {
        matches!(self, What::Yield | What::Mark)
    }
}

type Owned = Vec<(Identity, Item)>;

/// One process: its number may be given to another after its death.
type Identity = (Role, u32);

impl Chart {
    pub(super) fn new(events: &[Event]) -> Chart {
        // Whether the end of a worker that did nothing is recorded is a matter of moments: it is not shown.
        let at_work = |event: &&Event| event.kind != Kind::Died;
        let at_work: BTreeSet<Identity> =
            events.iter().filter(at_work).map(|event| (event.role, event.pid)).collect();
        let mut events: Vec<&Event> = events.iter().collect();
        events.retain(|event| at_work.contains(&(event.role, event.pid)));
        events.sort_by_key(|event| event.at); // stable: what is in order stays so
        let zero = events.first().map(|event| event.at).unwrap_or_default();
        let time = |event: &Event| (event.at - zero).as_nanos() as u64;
        let length = events.last().map_or(0, |event| time(event)).max(1);

        let mut lives = BTreeMap::<Identity, Life>::new();
        for event in &events {
            let (now, pid) = (time(event), event.pid);
            let life =
                lives.entry((event.role, pid)).or_insert(Life { first: now, last: now, pid });
            life.last = now;
        }
        let (mut items, open) = pair(&events, time);

        let mut lanes = share_lanes(&lives);
        let lane_of: HashMap<Identity, usize> = (0..)
            .zip(&lanes)
            .flat_map(|(index, lane)| {
                lane.processes.iter().map(move |p| ((lane.role, p.pid), index))
            })
            .collect();
        for (identity, mut item) in open {
            let mut followers = lanes[lane_of[&identity]].processes.iter();
            let next = followers.find(|next| next.first > item.start && next.pid != item.pid);
            item.end = next.map_or(length, |next| next.first);
            items.push((identity, item));
        }
        // Of those that begin together the longer is outside.
        items.sort_by_key(|(_, item)| (item.start, Reverse(item.end)));
        for (identity, item) in items {
            lanes[lane_of[&identity]].add(item);
        }
        Chart { lanes, length }
    }
}

/// Beginnings with their ends, marks, and beginnings that have no end.
fn pair(events: &[&Event], time: impl Fn(&Event) -> u64) -> (Owned, Owned) {
    let mut items = Vec::new();
    let mut open = BTreeMap::<Identity, Vec<Item>>::new();
    for event in events {
        let (now, identity) = (time(event), (event.role, event.pid));
        let open = open.entry(identity).or_default();
        let begin = |what| {
            let (label, pid) = (clean(&event.label), event.pid);
            Item { what, label, pid, start: now, end: now }
        };
        match event.kind {
            Kind::Start => open.push(begin(What::Task(Ending::Unknown))),
            Kind::Call => open.push(begin(What::Call(Ending::Unknown))),
            Kind::Yield => items.push((identity, begin(What::Yield))),
            Kind::Mark => items.push((identity, begin(What::Mark))),
            Kind::End | Kind::Return => {
                let (opened, whole) = match event.kind {
                    Kind::End => (What::Task(Ending::Unknown), What::Task(Ending::Whole)),
                    _ => (What::Call(Ending::Unknown), What::Call(Ending::Whole)),
                };
                let label = clean(&event.label);
                let is_its = |item: &Item| item.what == opened && item.label == label;
                // An end without a beginning: a fork of a task left through the task's end.
                if let Some(index) = open.iter().rposition(is_its) {
                    let item = open.remove(index);
                    items.push((identity, Item { what: whole, end: now, ..item }));
                }
            }
            Kind::Died => items.extend(open.drain(..).map(|item| {
                let what = match item.what {
                    What::Task(_) => What::Task(Ending::Died),
                    _ => What::Call(Ending::Died),
                };
                (identity, Item { what, end: now, ..item })
            })),
        }
    }
    let open = open
        .into_iter()
        .flat_map(|(identity, items)| items.into_iter().map(move |i| (identity, i)));
    (items, open.collect())
}

/// A lane for each process. Workers of one number share a lane if none of them began before the
/// one before it had ended.
fn share_lanes(lives: &BTreeMap<Identity, Life>) -> Vec<Lane> {
    let mut by_role = BTreeMap::<Role, Vec<Life>>::new();
    for (&(role, _), &life) in lives {
        by_role.entry(role).or_default().push(life);
    }
    let mut lanes: Vec<Lane> = Vec::new();
    for (role, mut lives) in by_role {
        lives.sort();
        let first_lane = lanes.len();
        for life in lives {
            let mut siblings = lanes[first_lane..].iter_mut();
            let is_free = |lane: &&mut Lane| lane.processes.iter().all(|p| p.last < life.first);
            match siblings.find(is_free) {
                Some(lane) if matches!(role, Role::Worker(_)) => lane.processes.push(life),
                _ => lanes.push(Lane {
                    role,
                    processes: vec![life],
                    rows: Vec::new(),
                    marks: Vec::new(),
                }),
            }
        }
    }
    lanes
}

impl Lane {
    fn add(&mut self, item: Item) {
        if item.what.is_mark() {
            self.marks.push(item);
            return;
        }
        let is_free = |row: &&mut Vec<Item>| row.last().is_none_or(|last| last.end <= item.start);
        match self.rows.iter_mut().find(is_free) {
            Some(row) => row.push(item),
            None => self.rows.push(vec![item]),
        }
    }

    /// `4711`, or `3 pids`.
    pub(super) fn pids(&self) -> String {
        match &self.processes[..] {
            [only] => only.pid.to_string(),
            several => format!("{} pids", several.len()),
        }
    }

    /// `worker 1 was 4711, then 4720`, for the lane of several.
    pub(super) fn note(&self) -> Option<String> {
        let [first, then @ ..] = &self.processes[..] else { return None };
        let then: String = then.iter().map(|life| format!(", then {}", life.pid)).collect();
        (!then.is_empty()).then(|| format!("{} was {}{then}", self.role, first.pid))
    }

    /// Rows of boxes, then that of the marks.
    pub(super) fn all_rows(&self) -> impl Iterator<Item = &Vec<Item>> {
        let marks = (!self.marks.is_empty()).then_some(&self.marks);
        self.rows.iter().chain(marks)
    }
}

/// Where an item is drawn: from column `start` to before column `end`.
pub(super) struct Placed<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    /// More than one where they are too short to be told apart.
    pub(super) items: &'a [Item],
}

impl Placed<'_> {
    pub(super) fn width(&self) -> usize {
        self.end - self.start
    }
}

/// Gives each item of a row its columns: at least one, none twice, and moved by two at most.
/// Where there are not enough, neighbours are drawn as one.
pub(super) fn place(row: &[Item], columns: usize, length: u64) -> Vec<Placed<'_>> {
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for (index, item) in row.iter().enumerate() {
        let start = column(item.start, columns, length).min(columns - 1);
        let end = column(item.end, columns, length).max(start + 1);
        let items = &row[index..=index];
        let Some(last) = placed.last_mut().filter(|last| start < last.end) else {
            placed.push(Placed { start, end, items });
            continue;
        };
        if end > last.end {
            let start = last.end;
            placed.push(Placed { start, end, items });
        } else if last.end - start <= 1 && last.end < columns {
            let (start, end) = (last.end, last.end + 1);
            placed.push(Placed { start, end, items });
        } else if last.width() >= 3 && last.items.len() == 1 {
            last.end -= 1;
            let (start, end) = (last.end, last.end + 1);
            placed.push(Placed { start, end, items });
        } else {
            let first = index - last.items.len();
            last.items = &row[first..=index];
        }
    }
    // What stands for several is easier to read in one piece.
    let mut joined: Vec<Placed<'_>> = Vec::new();
    let mut first = 0;
    for next in placed {
        let count = next.items.len();
        match joined.last_mut() {
            Some(last) if last.items.len() > 1 && count > 1 && last.end == next.start => {
                last.items = &row[first - last.items.len()..first + count];
                last.end = next.end;
            }
            _ => joined.push(next),
        }
        first += count;
    }
    joined
}

/// The border between columns that is closest to a time.
pub(super) fn column(time: u64, columns: usize, length: u64) -> usize {
    ((u128::from(time) * columns as u128 * 2 + u128::from(length)) / (u128::from(length) * 2))
        as usize
}

/// The times to write on the axis, with their text, so that `room` columns suffice for each.
pub(super) fn ticks(length: u64, columns: usize, room: usize) -> Vec<(u64, String)> {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|digit: u64| digit * 10_u64.pow(power)));
    let wide_enough =
        |step: &u64| u128::from(*step) * columns as u128 >= u128::from(length) * room as u128;
    let step =
        steps.into_iter().find(wide_enough).expect("at the latest the one above u64's third");
    let (unit, per_unit) = unit(step);
    let text = |time: u64| match time {
        0 => "0".to_owned(),
        // A step is a whole number of its unit, or a tenth of it.
        _ if step < per_unit => format!("{:.1} {unit}", time as f64 / per_unit as f64),
        _ => format!("{} {unit}", time / per_unit),
    };
    let times = (0..).map(|n: u64| n * step).take_while(|&time| time <= length);
    times.map(|time| (time, text(time))).collect()
}

/// A unit in which steps of this size are short to write, and its nanoseconds.
fn unit(step: u64) -> (&'static str, u64) {
    match step {
        0..1_000 => ("ns", 1),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..100_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    }
}

/// `1.23 s`, `45.6 ms`, `789 µs`.
pub(super) fn readable(nanoseconds: u64) -> String {
    let n = nanoseconds as f64;
    let (unit, value) = match n {
        1e9.. => ("s", n / 1e9),
        1e6.. => ("ms", n / 1e6),
        1e3.. => ("µs", n / 1e3),
        _ => return format!("{nanoseconds} ns"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// The columns that a text takes in a terminal: two for each Chinese character.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// The text, or as much of its beginning as fits, with "…" after it.
pub(super) fn shorten(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let mut shorter = String::new();
    for character in text.chars() {
        shorter.push(character);
        if columns(&shorter) + 1 > room {
            shorter.pop();
            break;
        }
    }
    if room > 0 { shorter + "…" } else { shorter }
}

/// The text on one line, without what would move a terminal's cursor or is not allowed in XML.
fn clean(text: &str) -> String {
    let is_plain = |c: char| c.width().is_some() && c != '\u{FFFE}' && c != '\u{FFFF}';
    text.chars().map(|c| if is_plain(c) { c } else { '\u{FFFD}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{deaths, event, main, map, random, task, worker};
    use super::*;

    fn boxes(lane: &Lane) -> Vec<Vec<(&str, u64, u64)>> {
        let ms = |ns| ns / 1_000_000;
        let of = |item: &'_ Item| (ms(item.start), ms(item.end));
        lane.rows
            .iter()
            .map(|row| row.iter().map(|i| (i.label.as_str(), of(i).0, of(i).1)).collect())
            .collect()
    }

    #[test]
    fn a_process_of_which_nothing_but_its_end_is_known_has_no_lane() {
        let events = [
            worker(1, 0, Kind::Start, "1"),
            worker(1, 10, Kind::End, "1"),
            worker(1, 20, Kind::Died, ""),
            worker(2, 30, Kind::Died, ""),
            event(40, Role::Worker(1), 4800, Kind::Died, ""),
        ];
        let chart = Chart::new(&events);
        let lanes: Vec<String> =
            chart.lanes.iter().map(|l| format!("{} {}", l.role, l.pids())).collect();
        assert_eq!(
            (lanes, chart.length),
            (vec![format!("worker 1 {}", events[0].pid)], 20_000_000)
        );
    }

    #[test]
    fn each_process_has_a_lane() {
        let chart = Chart::new(&map());
        let names: Vec<String> = chart.lanes.iter().map(|lane| lane.role.to_string()).collect();
        assert_eq!(names, ["main", "worker 1", "worker 2"]);
        assert_eq!(chart.length, 100_000_000);
        assert_eq!(boxes(&chart.lanes[0]), [[("map", 0, 100)]]);
        assert_eq!(boxes(&chart.lanes[1]), [[("1", 1, 30), ("3", 30, 98)]]);
        assert_eq!(boxes(&chart.lanes[2]), [[("2", 1, 55), ("4", 55, 80)]]);
    }

    #[test]
    fn what_is_inside_is_in_the_row_below() {
        let events = [
            main(0, Kind::Call, "outer"),
            main(0, Kind::Start, "inner"),
            main(5, Kind::End, "inner"),
            main(9, Kind::Return, "outer"),
            main(9, Kind::Start, "next"),
            main(10, Kind::End, "next"),
        ];
        let chart = Chart::new(&events);
        let expected = [vec![("outer", 0, 9), ("next", 9, 10)], vec![("inner", 0, 5)]];
        assert_eq!(boxes(&chart.lanes[0]), expected);
    }

    #[test]
    fn a_worker_that_follows_shares_the_lane() {
        let chart = Chart::new(&deaths());
        assert_eq!(chart.lanes.len(), 3);
        let lane = &chart.lanes[1];
        assert_eq!(lane.pids(), "2 pids");
        assert_eq!(lane.note().as_deref(), Some("worker 1 was 4712, then 4790"));
        assert_eq!(boxes(lane), [[("1", 2, 40), ("3", 50, 90)]]);
        assert_eq!(lane.rows[0][0].what, What::Task(Ending::Died));
        assert_eq!(boxes(&chart.lanes[2])[0][1], ("4", 93, 99));
        assert_eq!(chart.lanes[2].rows[0][1].what, What::Task(Ending::Unknown));
    }

    #[test]
    fn a_worker_of_another_pool_does_not() {
        let mut events = map();
        events.push(event(90, Role::Worker(1), 4800, Kind::Start, "x"));
        let chart = Chart::new(&events);
        assert_eq!(chart.lanes.len(), 4);
        assert_eq!(chart.lanes[2].pids(), "4800");
    }

    #[test]
    fn what_was_killed_unseen_lasts_to_the_next_of_its_lane() {
        let mut events = vec![worker(1, 0, Kind::Start, "1")];
        events.extend([
            event(20, Role::Worker(1), 4800, Kind::Start, "2"),
            event(30, Role::Worker(1), 4800, Kind::End, "2"),
        ]);
        let chart = Chart::new(&events);
        assert_eq!(boxes(&chart.lanes[0]), [[("1", 0, 20), ("2", 20, 30)]]);
        assert_eq!(chart.lanes[0].rows[0][0].what, What::Task(Ending::Unknown));
    }

    #[test]
    fn an_end_without_a_beginning_is_nothing() {
        let chart = Chart::new(&[worker(1, 0, Kind::End, "1"), worker(1, 1, Kind::Return, "1")]);
        assert!(chart.lanes[0].rows.is_empty());
    }

    #[test]
    fn all_that_began_is_drawn_once() {
        for seed in 0..500 {
            let events = random(seed);
            let began =
                |e: &&Event| matches!(e.kind, Kind::Start | Kind::Call | Kind::Yield | Kind::Mark);
            let chart = Chart::new(&events);
            let drawn = chart.lanes.iter().flat_map(Lane::all_rows).flatten();
            assert_eq!(drawn.count(), events.iter().filter(began).count());
            for lane in &chart.lanes {
                for row in &lane.rows {
                    assert!(row.windows(2).all(|pair| pair[0].end <= pair[1].start));
                }
            }
        }
    }

    #[test]
    fn places_are_close_to_the_truth_and_hold_one_thing_each() {
        for (seed, columns) in (0..500).flat_map(|seed| [13, 40, 150].map(|n| (seed, n))) {
            let chart = Chart::new(&random(seed));
            for row in chart.lanes.iter().flat_map(Lane::all_rows) {
                let placed = place(row, columns, chart.length);
                let all = placed.iter().flat_map(|p| p.items).map(|item| item.start);
                assert!(all.eq(row.iter().map(|item| item.start)));
                let mut free = 0;
                for p in &placed {
                    assert!(free <= p.start && p.start < p.end && p.end <= columns);
                    free = p.end;
                    let [first, last] = [p.items.first(), p.items.last()].map(Option::unwrap);
                    let at = |time| column(time, columns, chart.length);
                    assert!(
                        p.start.abs_diff(at(first.start)) <= 2,
                        "{} {}",
                        p.start,
                        at(first.start)
                    );
                    assert!(p.end.abs_diff(at(last.end)) <= 2, "{} {}", p.end, at(last.end));
                }
            }
        }
    }

    #[test]
    fn short_tasks_between_long_ones_are_not_swallowed() {
        let mut events = Vec::new();
        for n in 0..100_u64 {
            let (start, end) =
                if n % 2 == 0 { (n * 100, n * 100 + 199) } else { (n * 100 + 99, n * 100 + 100) };
            events.extend(task(1, &n.to_string(), start, end));
        }
        let chart = Chart::new(&events);
        let placed = place(&chart.lanes[0].rows[0], 500, chart.length);
        assert!(placed.iter().all(|p| p.items.len() == 1));
    }

    #[test]
    fn ticks_are_round_and_have_room() {
        let texts = |length, columns| -> Vec<String> {
            ticks(length, columns, 9).into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(100_000_000, 50), ["0", "20 ms", "40 ms", "60 ms", "80 ms", "100 ms"]);
        assert_eq!(texts(1_300_000_000, 40), ["0", "0.5 s", "1.0 s"]);
        assert_eq!(texts(3_000, 30), ["0", "1 µs", "2 µs", "3 µs"]);
        assert_eq!(texts(1, 30), ["0", "1 ns"]);
        assert_eq!(texts(7_200_000_000_000, 40), ["0", "2000 s", "4000 s", "6000 s"]);
    }

    #[test]
    fn texts_are_shortened_by_columns() {
        assert_eq!(shorten("map", 3), "map");
        assert_eq!(shorten("starmap", 5), "star…");
        assert_eq!(shorten("两个任务", 5), "两个…");
        assert_eq!(shorten("两个任务", 4), "两…");
        assert_eq!(shorten("x", 0), "");
        assert_eq!(clean("a\nb\x1b[0m"), "a\u{FFFD}b\u{FFFD}[0m");
    }

    #[test]
    fn times_are_readable() {
        let texts = [0, 999, 1_500, 45_600_000, 123_456_789, 1_234_567_890].map(readable);
        assert_eq!(texts, ["0 ns", "999 ns", "1.50 µs", "45.6 ms", "123 ms", "1.23 s"]);
    }
}
