//! A timeline as a picture.

use std::fmt::Write;

use super::Event;
use super::layout::{
    Chart, Ending, Item, Lane, Placed, What, column, columns, place, readable, shorten, ticks,
};
use crate::console::{COLOURS, Role};

/// The picture's width in its own units: on a phone a unit is a little less than a pixel.
const WIDTH: usize = 400;
/// Of all text.
const FONT: usize = 11;
/// What a column of text takes: monospaced fonts are 0.6 of their height wide, and some a bit more.
const COLUMN: f64 = 0.62 * FONT as f64;
const ROW: usize = 18;
const BOX: usize = 14;
/// How wide a mark is.
const MARK: usize = 6;
/// How far text stands above the lower end of its box.
const BASE: usize = 4;
const MARGIN: usize = 6;
/// The longest name that is written in full, in columns.
const NAME: usize = 12;

/// The console's cyan, magenta, green, yellow and blue, of a lightness that stands out from white and
/// from black.
const PALETTE: [&str; COLOURS.len()] = ["#0a8f9c", "#b452b0", "#3c9440", "#a97c00", "#4a7fd0"];
const RED: &str = "#d8402f";

/// Draws who did what when as an SVG picture, one lane for each process as in
/// [`timeline`](super::timeline()).
///
/// `title` and `description` are what a screen reader tells of it; [`describe`] writes a description.
///
/// The picture can be a file or stand in a page. In a page it has the page's colour of text
/// (the variable `--fg`, which mdBook sets, or the surrounding text's), as a file it follows the reader's
/// preference for light or dark. It has no ids, so that several pictures in a page do not clash, and no
/// empty lines, so that it may stand in Markdown. The same events give the same bytes.
///
/// ```
/// use common::console::Role;
/// use common::trace::{self, Event, Kind};
/// use std::time::Duration;
///
/// let event = |milliseconds, kind| Event {
///     at: Duration::from_millis(milliseconds),
///     pid: 4712,
///     role: Role::Worker(1),
///     kind,
///     label: "1".to_owned(),
/// };
/// let events = [event(0, Kind::Start), event(50, Kind::End)];
/// let picture = trace::svg(&events, "One task", &trace::describe(&events));
/// assert!(picture.contains("<title>One task</title>"));
/// assert!(picture.contains("<desc>worker 1 (4712): 1 from 0 ns to 50.0 ms.</desc>"));
/// ```
pub fn svg(events: &[Event], title: &str, description: &str) -> String {
    let chart = Chart::new(events);
    let widest = |text: fn(&Lane) -> String| {
        chart.lanes.iter().map(|lane| columns(&text(lane))).max().unwrap_or(0)
    };
    let left = MARGIN + units(widest(name) + 1 + widest(Lane::pids)) + 4;
    let picture = Picture { text: String::new(), left, room: WIDTH - MARGIN - left };
    picture.draw(&chart, title, description)
}

/// Says in words what a picture of these events shows, process by process.
///
/// ```
/// use common::trace;
///
/// assert_eq!(trace::describe(&[]), "Nothing was recorded.");
/// ```
pub fn describe(events: &[Event]) -> String {
    /// More than that nobody wants to hear of one process.
    const TOLD: usize = 12;

    let chart = Chart::new(events);
    let sentences = chart.lanes.iter().flat_map(|lane| {
        lane.processes.iter().map(|life| {
            let mut items: Vec<&Item> = lane.all_rows().flatten().collect();
            items.retain(|item| item.pid == life.pid);
            items.sort_by_key(|item| item.start);
            let mut told: Vec<String> = items.iter().take(TOLD).map(|item| span(item)).collect();
            if items.len() > TOLD {
                told.push(format!("and {} more", items.len() - TOLD));
            }
            match &told[..] {
                [] => format!("{} ({}).", lane.role, life.pid),
                told => format!("{} ({}): {}.", lane.role, life.pid, told.join(", ")),
            }
        })
    });
    let sentences: Vec<String> = sentences.collect();
    match &sentences[..] {
        [] => "Nothing was recorded.".to_owned(),
        sentences => sentences.join(" "),
    }
}

/// `3 from 0 ns to 50.0 ms`
fn span(item: &Item) -> String {
    let (label, start, end) = (&item.label, readable(item.start), readable(item.end));
    if item.what == What::Yield {
        return format!("takes {label} at {start}");
    }
    if item.what.is_mark() {
        return format!("{label} at {start}");
    }
    match item.what.ending() {
        Ending::Whole => format!("{label} from {start} to {end}"),
        Ending::Died => format!("{label} from {start} until its process died at {end}"),
        Ending::Unknown => format!("{label} from {start}, no end recorded"),
    }
}

struct Picture {
    text: String,
    /// Where the lanes begin.
    left: usize,
    /// How wide they are.
    room: usize,
}

impl Picture {
    fn draw(mut self, chart: &Chart, title: &str, description: &str) -> String {
        let rows: usize = chart.lanes.iter().map(|lane| lane.all_rows().count().max(1)).sum();
        let (top, below) = (MARGIN, MARGIN + rows * ROW);
        let height = below + 6 + ROW;

        self.line(format_args!(
            r#"<svg class="lanes" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">"#
        ));
        self.line(format_args!("<title>{}</title>", escaped(title)));
        self.line(format_args!("<desc>{}</desc>", escaped(description)));
        // `:root` is the picture only where it is a file of its own.
        self.line(format_args!(
            "<style>.lanes{{color:var(--fg,inherit);font:{FONT}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}}\
             .lanes:root{{background:#fff;color:#222}}\
             @media(prefers-color-scheme:dark){{.lanes:root{{background:#1d1f21;color:#ddd}}}}</style>"
        ));
        self.axis(chart.length, top, below);
        let mut y = top;
        for lane in &chart.lanes {
            self.lane(lane, y, chart.length);
            y += ROW * lane.all_rows().count().max(1);
        }
        self.text += "</svg>\n";
        self.text
    }

    /// Lines through all lanes, and their times below.
    fn axis(&mut self, length: u64, top: usize, below: usize) {
        let room = units(9);
        let mut free = 0;
        for (time, text) in ticks(length, self.room, room) {
            let x = self.left + column(time, self.room, length);
            self.line(format_args!(
                r#"<path d="M{x} {top}V{}" stroke="currentColor" stroke-opacity=".2"/>"#,
                below + 4
            ));
            if x >= free && x + units(columns(&text)) <= WIDTH {
                self.label(x, below + 6 + ROW - BASE, &text, r#" fill-opacity=".75""#);
                free = x + units(columns(&text) + 1);
            }
        }
    }

    fn lane(&mut self, lane: &Lane, y: usize, length: u64) {
        let (name, pids) = (name(lane), lane.pids());
        let base = y + BOX - BASE;
        let style = if lane.role == Role::Main { r#" font-weight="bold""# } else { "" };
        self.label(MARGIN, base, &name, style);
        self.label(self.left - 4, base, &pids, r#" text-anchor="end" fill-opacity=".75""#);
        for (index, row) in lane.all_rows().enumerate() {
            let placed = place(row, self.room, length);
            let y = y + index * ROW;
            if row.first().is_some_and(|item| item.what.is_mark()) {
                self.marks(&gathered(row, placed), y, lane);
            } else {
                placed.iter().for_each(|item| self.r#box(item, y, lane));
            }
        }
    }

    fn r#box(&mut self, placed: &Placed<'_>, y: usize, lane: &Lane) {
        let item = &placed.items[0];
        let colour = colour(lane.role);
        let (x, end) = (self.left + placed.start, self.left + placed.end);
        let mut room = placed.width().saturating_sub(4);
        let (width, tip) = ((placed.width() as f64 - 1.0).max(0.5), escaped(&tip(placed, lane)));
        let (fill, dashed) = match (item.what, placed.items.len() > 1) {
            (_, true) => (r#"fill-opacity=".6""#, ""),
            (What::Call(Ending::Unknown), _) => {
                (r#"fill-opacity="0""#, r#" stroke-dasharray="3 2""#)
            }
            (What::Call(_), _) => (r#"fill-opacity="0""#, ""),
            (What::Task(Ending::Unknown), _) => {
                (r#"fill-opacity=".15""#, r#" stroke-dasharray="3 2""#)
            }
            _ => (r#"fill-opacity=".3""#, ""),
        };
        self.line(format_args!(
            r#"<rect x="{x}.5" y="{y}.5" width="{width}" height="{}" rx="2" stroke="{colour}" fill="{colour}" {fill}{dashed}><title>{tip}</title></rect>"#,
            BOX - 1
        ));
        if item.what.ending() == Ending::Died {
            // Inside the box: behind it another one's label may begin.
            let size = placed.width().clamp(4, 8);
            let (x, y) = (end.max(self.left + size) - size, y + (BOX - size) / 2);
            self.line(format_args!(
                r#"<path d="M{x} {y}l{size} {size}m0 -{size}l-{size} {size}" stroke="{RED}" stroke-width="2"/>"#
            ));
            room = room.saturating_sub(8);
        }
        let label = match placed.items.len() {
            1 => item.label.clone(),
            several => format!("{several}×"),
        };
        let fits = (room as f64 / COLUMN) as usize;
        if columns(&label) <= fits || fits >= 3 {
            self.label(x + 3, y + BOX - BASE, &shorten(&label, fits), "");
        }
    }

    /// Marks with their labels: to the right of the mark where there is room, or else to the left.
    fn marks(&mut self, marks: &[Placed<'_>], y: usize, lane: &Lane) {
        /// From a mark's beginning to its label, and between a label and the next mark.
        const GAP: usize = 2;

        let colour = colour(lane.role);
        let (middle, base) = (y + BOX / 2, y + BOX - BASE);
        let mut taken = 0;
        for (n, placed) in marks.iter().enumerate() {
            let (x, tip) = (self.left + placed.start, escaped(&tip(placed, lane)));
            let shape = match placed.items[0].what {
                What::Yield => format!("M{x} {}l3 6l3 -6z", middle - 3),
                _ => format!("M{x} {middle}l3 -4l3 4l-3 4z"),
            };
            self.line(format_args!(
                r#"<path d="{shape}" fill="{colour}"><title>{tip}</title></path>"#
            ));
            let right = placed.start + MARK + GAP;
            let next = marks.get(n + 1).map_or(self.room, |next| next.start);
            let before = taken;
            taken = placed.start + MARK;
            for label in labels(placed) {
                let width = units(columns(&label));
                if right + width + GAP <= next {
                    self.label(self.left + right, base, &label, "");
                    taken = right + width;
                    break;
                }
                if before + GAP + width + GAP <= placed.start {
                    self.label(x - GAP, base, &label, r#" text-anchor="end""#);
                    break;
                }
            }
        }
    }

    fn label(&mut self, x: usize, y: usize, text: &str, style: &str) {
        // Not in the lane's colour: no colour is dark enough for text on white and light enough on black.
        let text = escaped(text);
        if text.is_empty() {
            return;
        }
        self.line(format_args!(
            r#"<text x="{x}" y="{y}" fill="currentColor"{style}>{text}</text>"#
        ));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("writing to a string does not fail");
    }
}

/// Marks of one kind that would lie on each other are one.
fn gathered<'a>(row: &'a [Item], placed: Vec<Placed<'a>>) -> Vec<Placed<'a>> {
    let mut gathered: Vec<Placed<'_>> = Vec::new();
    let mut end = 0;
    for mark in placed {
        end += mark.items.len();
        match gathered.last_mut() {
            Some(last)
                if last.items[0].what == mark.items[0].what && mark.start < last.start + MARK =>
            {
                last.items = &row[end - mark.items.len() - last.items.len()..end];
            }
            _ => gathered.push(mark),
        }
    }
    gathered
}

/// What may be written beside a mark, the best first.
fn labels(placed: &Placed<'_>) -> Vec<String> {
    let all = placed.items.iter().map(|item| &item.label[..]).collect::<Vec<_>>().join(" ");
    match placed.items.len() {
        1 => vec![all],
        several => vec![all, format!("{several}×")],
    }
}

/// What a pointer that rests on it is told.
fn tip(placed: &Placed<'_>, lane: &Lane) -> String {
    let items = placed.items;
    let pid = items[0].pid;
    let who = match items.iter().all(|item| item.pid == pid) {
        true => format!("{} ({pid})", lane.role),
        false => lane.role.to_string(),
    };
    let what = match items {
        [item] => span(item),
        several => together(several),
    };
    format!("{who}: {what}")
}

/// `5 together, from 0 ns to 50.0 ms`. Without the comma, 5 could be the label of one.
fn together(items: &[Item]) -> String {
    let several = items.len();
    let start = items.iter().map(|item| item.start).min().map(readable).unwrap_or_default();
    let end = items.iter().map(|item| item.end).max().map(readable).unwrap_or_default();
    match start == end {
        true => format!("{several} together, at {start}"),
        false => format!("{several} together, from {start} to {end}"),
    }
}

fn name(lane: &Lane) -> String {
    shorten(&lane.role.to_string(), NAME)
}

fn colour(role: Role) -> &'static str {
    role.colour().map_or("currentColor", |colour| PALETTE[colour])
}

/// What so many columns of text take.
fn units(columns: usize) -> usize {
    (columns as f64 * COLUMN).ceil() as usize
}

fn escaped(text: &str) -> String {
    // A line that is empty would end the picture where it stands in Markdown.
    let text = text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::samples::{deaths, event, main, map, random, task};
    use super::*;

    struct Text {
        x: f64,
        y: f64,
        anchored_at_end: bool,
        text: String,
    }

    fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
        let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0
    }

    fn texts(picture: &str) -> Vec<Text> {
        let line = |line: &str| {
            let (tag, text) = line.strip_prefix("<text")?.split_once('>')?;
            let text = text.strip_suffix("</text>").unwrap();
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let number = |name| attribute(tag, name).parse().unwrap();
            let anchored_at_end = tag.contains(r#"text-anchor="end""#);
            Some(Text { x: number("x"), y: number("y"), anchored_at_end, text })
        };
        picture.lines().filter_map(line).collect()
    }

    fn picture(events: &[Event]) -> String {
        svg(events, "A <title> & more", &describe(events))
    }

    /// Tags are closed in order, and nothing but tags has an angle bracket.
    fn assert_well_formed(picture: &str) {
        let mut open = Vec::new();
        for piece in picture.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').unwrap();
            assert!(!text.contains('>'), "{piece}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().unwrap()),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(
            picture
                .split('&')
                .skip(1)
                .all(|e| ["lt;", "gt;", "amp;"].iter().any(|n| e.starts_with(n)))
        );
    }

    #[test]
    fn labels_never_overlap_and_stay_inside() {
        for events in [map(), deaths()].into_iter().chain((0..500).map(random)) {
            let picture = picture(&events);
            let texts = texts(&picture);
            let height: f64 =
                attribute(&picture, "viewBox").split(' ').nth(3).unwrap().parse().unwrap();
            let area = |t: &Text| {
                let (font, width) = (FONT as f64, columns(&t.text) as f64 * COLUMN);
                let left = if t.anchored_at_end { t.x - width } else { t.x };
                (left, left + width, t.y - 0.8 * font, t.y + 0.25 * font)
            };
            for (n, text) in texts.iter().enumerate() {
                let (left, right, top, bottom) = area(text);
                let inside = 0.0 <= left && right <= 400.0 && 0.0 <= top && bottom <= height;
                assert!(inside, "{:?} at {} {}", text.text, text.x, text.y);
                for other in &texts[..n] {
                    let (l, r, t, b) = area(other);
                    let apart = right <= l || r <= left || bottom <= t || b <= top;
                    assert!(apart, "{:?} and {:?}\n{picture}", text.text, other.text);
                }
            }
        }
    }

    #[test]
    fn any_label_is_safe_in_a_page() {
        for seed in 0..200 {
            let picture = picture(&random(seed));
            assert_well_formed(&picture);
            assert!(picture.lines().all(|line| !line.trim().is_empty()));
            assert!(!picture.contains("id=\"") && !picture.contains('\x1b'));
        }
    }

    #[test]
    fn results_that_come_at_once_are_told_at_one_mark_and_the_last_has_room_to_its_left() {
        let all = [(50, "1"), (50, "2"), (50, "3"), (99, "4")];
        let mut events = task(1, "1", 0, 100).to_vec();
        events.extend(all.map(|(at, label)| main(at, Kind::Yield, label)));
        let picture = picture(&events);
        let texts = texts(&picture).into_iter();
        let told = texts.filter(|text| text.text == "1 2 3" || text.text == "4");
        assert_eq!(told.map(|text| text.anchored_at_end).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn what_stands_for_several_says_so_and_whose_they_are_if_they_are_of_one_process() {
        let mut events = task(3, "long", 0, 100_000).to_vec();
        events.extend((0..5).flat_map(|n| task(1, "x", 10 * n, 10 * n + 1)));
        events.extend((0..3).flat_map(|n| task(2, "x", 10 * n, 10 * n + 1)));
        let replacement = Role::Worker(2);
        events.push(event(30, replacement, 4790, Kind::Start, "x"));
        events.push(event(40, replacement, 4790, Kind::End, "x"));
        events.extend([50, 50, 50].map(|at| main(at, Kind::Yield, "7")));
        events.extend([60_000, 60_200].map(|at| main(at, Kind::Mark, "8")));
        let picture = picture(&events);
        for tip in [
            "main (4710): 3 together, at 50.0 ms",
            "main (4710): 2 together, from 60.0 s to 60.2 s",
            "worker 1 (4712): 4 together, from 10.0 ms to 41.0 ms",
            "worker 2: 3 together, from 10.0 ms to 40.0 ms",
        ] {
            assert!(picture.contains(&format!("<title>{tip}</title>")), "{tip}\n{picture}");
        }
    }

    #[test]
    fn title_and_description_are_inside() {
        let picture = picture(&deaths());
        let mut lines = picture.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with("<svg ") && first.ends_with(r#"role="img">"#), "{first}");
        assert_eq!(lines.next(), Some("<title>A &lt;title&gt; &amp; more</title>"));
        assert_eq!(
            lines.next(),
            Some(
                "<desc>main (4710): imap from 0 ns to 99.0 ms, takes 2 at 61.0 ms, takes 3 at 91.0 ms, enough at 92.0 ms. \
                 worker 1 (4712): 1 from 2.00 ms until its process died at 40.0 ms. \
                 worker 1 (4790): 3 from 50.0 ms to 90.0 ms. \
                 worker 2 (4713): 2 from 3.00 ms to 60.0 ms, 4 from 93.0 ms, no end recorded.</desc>"
            )
        );
    }

    #[test]
    fn a_description_does_not_go_on_for_ever() {
        let events: Vec<Event> = (0..100).flat_map(|n| task(1, "x", n, n + 1)).collect();
        let description = describe(&events);
        assert!(description.ends_with(", and 88 more."), "{description}");
    }
}
