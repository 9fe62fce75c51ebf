//! By three runs on a real pool that are made to end in an order drawn for this check. The contract must allow each.

use common::Pool;
use common::contract::{Contract, Event};
use common::exercise::{Forced, Verdict, Wrong, forced, passes, shuffled, task};
use common::trace::{self, Kind};

pub const SEE: &str = "Results come in the order of the input, whatever ends first";

const CAME: &str = "came ";

pub fn check(answer: fn([u32; 4]) -> [[u32; 4]; 3]) -> Verdict {
    let ended: [u32; 4] = shuffled();
    let [map, imap, unordered] = answer(ended);

    let starts = (1..=4).map(Event::Start);
    let in_turn = ended.map(|task| [Event::End(task as usize), Event::Yield(task as usize)]);
    let one_by_one: Vec<Event> = starts.clone().chain(in_turn.into_iter().flatten()).collect();
    let ends_first = starts.chain(ended.map(|task| Event::End(task as usize))).collect::<Vec<_>>();

    judge("map", map, ended, &Contract::map(4, 4), &ends_first, |pool| {
        for result in pool.map(task, 1..=4).expect("no task fails") {
            trace::record(Kind::Mark, format_args!("{CAME}{result}"));
        }
    })?;
    judge("imap", imap, ended, &Contract::imap(4, 4), &ends_first, |pool| {
        for result in pool.imap(task, 1..=4).expect("the pool runs") {
            let result = result.expect("no task fails");
            trace::record(Kind::Mark, format_args!("{CAME}{result}"));
        }
    })?;
    judge(
        "imap_unordered",
        unordered,
        ended,
        &Contract::imap_unordered(4, 4),
        &one_by_one,
        |pool| {
            for result in pool.imap_unordered(task, 1..=4).expect("the pool runs") {
                let result = result.expect("no task fails");
                trace::record(Kind::Mark, format_args!("{CAME}{result}"));
                passes(Event::Yield(result));
            }
        },
    )
}

fn judge(
    call: &str,
    predicted: [u32; 4],
    ended: [u32; 4],
    contract: &Contract,
    order: &[Event],
    program: impl FnOnce(&Pool),
) -> Verdict {
    let impossible = contract.check(order).err().filter(|why| why.position < order.len());
    assert_eq!(impossible, None, "the contract of {call} does not allow this run");
    let Forced { shown, events } =
        forced(order, || program(&Pool::new(4).expect("a pool of four")));
    assert!(shown, "{call} did not show {order:?}");
    let came = events.iter().filter_map(|event| event.label.strip_prefix(CAME)?.parse().ok());
    let came: Vec<u32> = came.collect();
    if came != predicted {
        let why = match call {
            "imap_unordered" => "it gives what has ended, as soon as it is there",
            _ => "it keeps the order of the items, whoever ends first",
        };
        return Err(Wrong::unseen(format_args!(
            "{call}: {why}.\n\
             the tasks ended  {ended:?}\nyou predicted    {predicted:?}\nthe run gave     {came:?}"
        )));
    }
    Ok(())
}
