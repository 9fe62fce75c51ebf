//! By real runs in rounds: in each round all tasks run that can.

use common::Pool;
use common::exercise::{Verdict, Wrong, numbers, rounds, stop};
use common::trace::{Event, Kind};

pub const SEE: &str = "Side by side";

pub fn check(answer: fn(usize, usize) -> [usize; 2]) -> Verdict {
    let cases = [(3, 2), (4, 3), (4, 2)];
    let (tasks, workers) = cases[numbers(1)[0] as usize % cases.len()];
    let predicted = answer(tasks, workers);

    let (_, events) = rounds(|| {
        let pool = Pool::new(workers).expect("a pool");
        let handles: Vec<_> = (0..tasks).map(|i| pool.apply_async(stop, i)).collect();
        for handle in handles {
            handle.and_then(|handle| handle.get()).expect("no task fails");
        }
    });
    let why = "all calls are made before main waits, and each worker runs one task";
    judge("get after the loop", predicted[0], &events, why, (tasks, workers))?;

    let (_, events) = rounds(|| {
        let pool = Pool::new(workers).expect("a pool");
        for i in 0..tasks {
            pool.apply_async(stop, i).expect("the pool runs").wait();
        }
    });
    let why = "main waits for each task before it makes the next call";
    judge("wait in the loop", predicted[1], &events, why, (tasks, workers))
}

fn judge(
    program: &str,
    predicted: usize,
    events: &[Event],
    why: &str,
    (tasks, workers): (usize, usize),
) -> Verdict {
    let (mut running, mut most) = (0, 0);
    for event in events {
        match event.kind {
            Kind::Start => running += 1,
            Kind::End => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    match predicted == most {
        true => Ok(()),
        false => Err(Wrong::shown_by(
            format_args!(
                "{program}: you predicted {predicted} at a time for {tasks} tasks and {workers} workers, and \
                 there are {most}: {why}"
            ),
            events,
        )),
    }
}
