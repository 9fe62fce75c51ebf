//! A trace for the viewers of others.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Event;
use super::layout::{Chart, Ending, Item, Lane, What};

/// The events in the Trace Event Format, which [Perfetto](https://ui.perfetto.dev) and Chrome's
/// `chrome://tracing` open.
///
/// Tasks and calls are complete events (`"ph": "X"`), everything else instants (`"i"`). Times are
/// microseconds since the first event, with three decimals: nothing is rounded. Viewers ignore the
/// additional member `events`: the events as they are, for programs that read them back.
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
/// let events = [event(100, Kind::Start), event(150, Kind::End)];
///
/// let json: serde_json::Value = serde_json::from_str(&trace::trace_json(&events))?;
/// let task = json["traceEvents"].as_array().unwrap().iter().find(|e| e["ph"] == "X").unwrap();
/// assert_eq!(task["name"], "1");
/// assert_eq!((task["ts"].as_f64(), task["dur"].as_f64()), (Some(0.0), Some(50_000.0)));
///
/// let again: Vec<Event> = serde_json::from_value(json["events"].clone())?;
/// assert_eq!(again, events);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn trace_json(events: &[Event]) -> String {
    let chart = Chart::new(events);
    let mut all = Vec::new();
    for (index, lane) in chart.lanes.iter().enumerate() {
        for life in &lane.processes {
            let (pid, name) = (life.pid, lane.role.to_string());
            let about =
                |what, args| json!({"ph": "M", "pid": pid, "tid": pid, "name": what, "args": args});
            all.push(about("process_name", json!({ "name": name })));
            all.push(about("process_sort_index", json!({ "sort_index": index })));
            all.push(about("thread_name", json!({ "name": name })));
        }
        let mut boxes: Vec<&Item> = lane.rows.iter().flatten().collect();
        boxes.sort_by_key(|item| (item.start, std::cmp::Reverse(item.end)));
        let mut open = HashMap::<u32, Vec<Vec<u64>>>::new();
        for item in boxes {
            let track = nest(open.entry(item.pid).or_default(), item);
            all.push(complete(item, track, lane));
        }
        for mark in &lane.marks {
            let category = if mark.what == What::Yield { "yield" } else { "mark" };
            all.push(json!({
                "ph": "i", "s": "t", "pid": mark.pid, "tid": mark.pid, "ts": microseconds(mark.start),
                "name": mark.label, "cat": category,
            }));
        }
    }
    // In this order: some versions of Perfetto stop at the first member that they do not know.
    let (all, events) = (json!(all), json!(events));
    format!(r#"{{"displayTimeUnit":"ms","traceEvents":{all},"events":{events}}}"#)
}

fn complete(item: &Item, track: usize, lane: &Lane) -> Value {
    // Linux gives a process's first thread the process's number.
    let tid = item.pid as usize + track;
    let category = if matches!(item.what, What::Call(_)) { "call" } else { "task" };
    let end = match item.what.ending() {
        Ending::Whole => "returned",
        Ending::Died => "the process died",
        Ending::Unknown => "not recorded",
    };
    json!({
        "ph": "X", "pid": item.pid, "tid": tid, "ts": microseconds(item.start),
        "dur": microseconds(item.end - item.start), "name": item.label, "cat": category,
        "args": {"process": lane.role.to_string(), "end": end},
    })
}

/// Viewers want the events of a thread one inside the other or one after the other. Gives the number
/// of the first track where this one is; `tracks` holds the ends of what is open in each.
fn nest(tracks: &mut Vec<Vec<u64>>, item: &Item) -> usize {
    let fits = |open: &mut Vec<u64>| {
        while open.pop_if(|end| *end <= item.start).is_some() {}
        open.last().is_none_or(|end| item.end <= *end)
    };
    let track = tracks.iter_mut().position(fits).unwrap_or(tracks.len());
    if track == tracks.len() {
        tracks.push(Vec::new());
    }
    tracks[track].push(item.end);
    track
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::samples::{deaths, map, random};
    use super::*;

    fn parsed(events: &[Event]) -> (Value, Vec<Value>) {
        let json: Value = serde_json::from_str(&trace_json(events)).unwrap();
        let all = json["traceEvents"].as_array().unwrap().clone();
        (json, all)
    }

    #[test]
    fn a_map() {
        let (json, all) = parsed(&map());
        let of = |ph: &str| all.iter().filter(|e| e["ph"] == ph).collect::<Vec<_>>();
        assert_eq!(of("M").len(), 3 * 3);
        let names: Vec<_> = of("X").iter().map(|e| e["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["map", "1", "3", "2", "4"]);
        let third = of("X")[2];
        assert_eq!((third["ts"].as_f64(), third["dur"].as_f64()), (Some(30e3), Some(68e3)));
        assert_eq!((&third["pid"], &third["tid"]), (&json!(4712), &json!(4712)));
        let events: Vec<Event> = serde_json::from_value(json["events"].clone()).unwrap();
        assert_eq!(events, map());
    }

    #[test]
    fn deaths_are_told() {
        let (_, all) = parsed(&deaths());
        let ends: Vec<_> = all
            .iter()
            .filter(|e| e["ph"] == "X")
            .map(|e| e["args"]["end"].as_str().unwrap())
            .collect();
        assert_eq!(ends, ["returned", "the process died", "returned", "returned", "not recorded"]);
        assert_eq!(all.iter().filter(|e| e["ph"] == "i").count(), 3);
    }

    #[test]
    fn spans_of_a_thread_are_inside_each_other_or_apart() {
        for seed in 0..300 {
            let events = random(seed);
            let (json, all) = parsed(&events);
            assert_eq!(
                serde_json::from_value::<Vec<Event>>(json["events"].clone()).unwrap(),
                events
            );
            let spans: Vec<_> = all
                .iter()
                .filter(|e| e["ph"] == "X")
                .map(|e| {
                    // Back to whole nanoseconds.
                    let number = |key: &str| (e[key].as_f64().unwrap() * 1000.0).round() as u64;
                    assert!(e["dur"].as_f64().unwrap() >= 0.0);
                    let (start, length) = (number("ts"), number("dur"));
                    (&e["pid"], &e["tid"], &e["args"]["process"], start, start + length)
                })
                .collect();
            for (n, a) in spans.iter().enumerate() {
                for b in &spans[..n] {
                    let same = (a.0, a.1, a.2) == (b.0, b.1, b.2);
                    let apart = a.4 <= b.3 || b.4 <= a.3;
                    let inside = (b.3 <= a.3 && a.4 <= b.4) || (a.3 <= b.3 && b.4 <= a.4);
                    assert!(!same || apart || inside, "{seed}: {a:?} {b:?}");
                }
            }
        }
    }
}
