//! A timeline for the terminal: a lane for each process.

use super::Event;
use super::layout::{Chart, Ending, Lane, Placed, What, column, columns, place, shorten, ticks};

/// A name longer than that of worker 9999999 is shortened.
const NAME: usize = 14;

/// No terminal is too narrow for something to be seen.
const NARROWEST: usize = 40;

/// Draws who did what when, in lines of at most `width` columns, or 40 if it is less.
///
/// Each process has a lane. A worker shares its lane with those that replaced it. `├─1──┤` is a
/// task, `╞═map══╡` a call, `▾3` a result that was taken from an iterator, `◆` any other mark. `✗`
/// says that a process died, `╌` that no end was recorded. `▒17×▒` stands for 17 tasks that are too
/// short to be told apart.
///
/// ```
/// use common::console::Role;
/// use common::trace::{self, Event, Kind};
/// use std::time::Duration;
///
/// let event = |milliseconds, worker, kind, label: &str| Event {
///     at: Duration::from_millis(milliseconds),
///     pid: 4711 + worker as u32,
///     role: Role::Worker(worker),
///     kind,
///     label: label.to_owned(),
/// };
/// let events = [
///     event(0, 1, Kind::Start, "1"),
///     event(1, 2, Kind::Start, "2"),
///     event(50, 1, Kind::End, "1"),
///     event(80, 2, Kind::End, "2"),
/// ];
/// let picture = "\
/// worker 1 4712 │├─1────────────┤
/// worker 2 4713 │├─2─────────────────────┤
///               └┴───────────────┴────────
///                0               50 ms
/// ";
/// assert_eq!(trace::timeline(&events, 40), picture);
/// ```
pub fn timeline(events: &[Event], width: usize) -> String {
    timeline_in(events, width, false)
}

pub(crate) fn timeline_in(events: &[Event], width: usize, colour: bool) -> String {
    let chart = Chart::new(events);
    if chart.lanes.is_empty() {
        return "nothing was recorded\n".to_owned();
    }
    let width = width.max(NARROWEST);
    let widest = |text: fn(&Lane) -> String| {
        chart.lanes.iter().map(|lane| columns(&text(lane))).max().unwrap_or(0)
    };
    let (name, pid) = (widest(name), widest(Lane::pids));
    let room = width - (name + 1 + pid + 2);

    let paint = |style: &str, text: &str| match colour {
        true => format!("\x1b[{style}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let mut picture = String::new();
    let mut line = |text: &str| {
        picture.push_str(text.trim_end());
        picture.push('\n');
    };
    let mut legend = Legend::default();
    for lane in &chart.lanes {
        let style = lane.role.style();
        let label = format!("{:<name$} {:>pid$} │", self::name(lane), lane.pids());
        let label = paint(style, &label);
        let below = paint(style, &format!("{:<name$} {:>pid$} │", "", ""));
        let mut rows = lane.all_rows().peekable();
        if rows.peek().is_none() {
            line(&label);
        }
        for (index, row) in rows.enumerate() {
            let mut text = if index == 0 { label.clone() } else { below.clone() };
            let mut at = 0;
            let placed = place(row, room, chart.length);
            for (index, item) in placed.iter().enumerate() {
                let next = placed.get(index + 1).map_or(room, |next| next.start);
                let drawn = if item.items[0].what.is_mark() {
                    mark(item, next - item.start)
                } else {
                    r#box(item)
                };
                legend.note(item);
                text += &" ".repeat(item.start - at);
                at = item.start + columns(&drawn);
                match drawn.strip_suffix('✗') {
                    Some(rest) => text += &(paint(style, rest) + &paint("31", "✗")),
                    None => text += &paint(style, &drawn),
                }
            }
            line(&text);
        }
    }
    let indent = " ".repeat(name + pid + 2);
    for axis in axis(chart.length, room) {
        line(&format!("{indent}{axis}"));
    }
    let notes = chart.lanes.iter().filter_map(Lane::note).chain(legend.lines());
    notes.for_each(|note| line(&shorten(&note, width)));
    picture
}

fn name(lane: &Lane) -> String {
    shorten(&lane.role.to_string(), NAME)
}

/// The box, as wide as its place.
fn r#box(placed: &Placed<'_>) -> String {
    let (item, width) = (&placed.items[0], placed.width());
    if placed.items.len() > 1 {
        let count = format!("{}×", placed.items.len());
        return filled("▒", &count, '▒', "▒", width);
    }
    let (left, line, right) = match item.what {
        What::Call(_) => ("╞", '═', "╡"),
        _ => ("├", '─', "┤"),
    };
    match item.what.ending() {
        Ending::Died if width == 1 => "✗".to_owned(),
        _ if width == 1 => "┃".to_owned(),
        Ending::Whole => filled(left, &item.label, line, right, width),
        Ending::Died => filled(left, &item.label, line, "✗", width),
        Ending::Unknown => filled(left, &item.label, '╌', "╌", width),
    }
}

/// The label between two ends, as much of it as there is room for.
fn filled(left: &str, label: &str, line: char, right: &str, width: usize) -> String {
    let Some(room) = width.checked_sub(2) else { return left.repeat(width) };
    let label = match columns(label) {
        fits if fits <= room => label.to_owned(),
        _ if room >= 3 => shorten(label, room),
        _ => String::new(),
    };
    let spare = room - columns(&label);
    let before = usize::from(spare > 0);
    let fill = |n: usize| line.to_string().repeat(n);
    format!("{left}{}{label}{}{right}", fill(before), fill(spare - before))
}

/// The mark, and its label if there is a column left before the next one.
fn mark(placed: &Placed<'_>, room: usize) -> String {
    let item = &placed.items[0];
    let sign = if item.what == What::Yield { "▾" } else { "◆" };
    let label = match placed.items.len() {
        1 => item.label.clone(),
        several => format!("{several}×"),
    };
    match columns(&label) + 2 <= room {
        true => format!("{sign}{label}"),
        false => sign.repeat(placed.width()),
    }
}

/// The ruler, and the times below it.
fn axis(length: u64, room: usize) -> [String; 2] {
    let ticks = ticks(length, room, 9);
    let mut ruler = vec!['─'; room];
    let mut times = String::new();
    for (time, text) in ticks {
        let at = column(time, room, length).min(room - 1);
        ruler[at] = '┴';
        let used = columns(&times);
        if at >= used && at + columns(&text) <= room {
            times += &(" ".repeat(at - used) + &text + " ");
        }
    }
    ["└".to_owned() + &ruler.into_iter().collect::<String>(), " ".to_owned() + &times]
}

/// What signs need an explanation.
#[derive(Default)]
struct Legend {
    taken: bool,
    marked: bool,
    died: bool,
    unknown: bool,
    short: bool,
    several: bool,
}

impl Legend {
    fn note(&mut self, placed: &Placed<'_>) {
        let what = placed.items[0].what;
        if what.is_mark() {
            self.taken |= what == What::Yield;
            self.marked |= what != What::Yield;
        } else if placed.items.len() > 1 {
            self.several = true;
        } else if what.ending() == Ending::Died {
            self.died = true;
        } else if placed.width() == 1 {
            self.short = true;
        } else {
            self.unknown |= what.ending() == Ending::Unknown;
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let lines = [
            (self.taken, "▾ a result is taken from an iterator, with its place in the input"),
            (self.marked, "◆ something that the program has noted"),
            (self.died, "✗ the process died in the task"),
            (self.unknown, "╌ no end was recorded"),
            (self.short, "┃ one, too short for its name"),
            (self.several, "▒ several, too short to tell apart"),
        ];
        lines.into_iter().filter(|(is_used, _)| *is_used).map(|(_, line)| line.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::samples::{deaths, map, random, task, worker};
    use super::*;

    #[test]
    fn a_map() {
        let picture = "
main     4710 │╞═map═════════════════════════════════════════════════╡
worker 1 4712 │ ├─1────────────┤├─3─────────────────────────────────┤
worker 2 4713 │ ├─2─────────────────────────┤├─4──────────┤
              └┴──────────┴──────────┴──────────┴──────────┴─────────┴
               0          20 ms      40 ms      60 ms      80 ms
";
        assert_eq!("\n".to_owned() + &timeline(&map(), 70), picture);
    }

    #[test]
    fn deaths_and_marks() {
        let picture = "
main       4710 │╞═imap══════════════════════════════════════════════╡
                │                                 ▾2              ▾◆
worker 1 2 pids │ ├─1────────────────✗      ├─3─────────────────┤
worker 2   4713 │  ├─2──────────────────────────┤                  ├4╌
                └┴──────────┴─────────┴──────────┴──────────┴─────────
                 0          20 ms     40 ms      60 ms      80 ms
worker 1 was 4712, then 4790
▾ a result is taken from an iterator, with its place in the input
◆ something that the program has noted
✗ the process died in the task
╌ no end was recorded
";
        assert_eq!("\n".to_owned() + &timeline(&deaths(), 70), picture);
    }

    #[test]
    fn many_short_tasks() {
        let mut events = Vec::from(task(1, "long", 0, 500));
        for n in 0..200 {
            events.extend(task(1, &n.to_string(), 500 + n, 501 + n));
        }
        events.extend(task(1, "end", 700, 1000));
        let picture = "
worker 1 4712 │├─long────────────────┤┃▒▒199×▒▒▒├─end──────┤
              └┴────────┴────────┴────────┴────────┴───────┴
               0        0.2 s    0.4 s    0.6 s    0.8 s
┃ one, too short for its name
▒ several, too short to tell apart
";
        assert_eq!("\n".to_owned() + &timeline(&events, 60), picture);
    }

    #[test]
    fn nothing_and_almost_nothing() {
        assert_eq!(timeline(&[], 80), "nothing was recorded\n");
        assert_eq!(timeline(&[worker(1, 0, Kind::Died, "")], 40), "nothing was recorded\n");
        assert!(timeline(&task(1, "1", 5, 5), 40).contains("│┃\n"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for seed in 0..200 {
            let events = random(seed);
            for width in (40..=200).step_by(1 + seed as usize % 7) {
                for line in timeline(&events, width).lines() {
                    assert!(columns(line) <= width, "{seed}, {width}: {line}");
                }
            }
        }
    }

    #[test]
    fn colours_change_nothing_else() {
        for events in [map(), deaths()].into_iter().chain((0..50).map(random)) {
            let coloured = timeline_in(&events, 80, true);
            let plain = anstream::adapter::strip_str(&coloured).to_string();
            // Blanks at the end of a line are inside of the colour.
            let plain: String =
                plain.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
            assert_eq!(plain, timeline(&events, 80));
        }
        assert!(timeline_in(&deaths(), 80, true).contains("\x1b[31m✗\x1b[0m"));
        assert!(timeline_in(&map(), 80, true).contains("\x1b[36m├─1"));
    }
}
