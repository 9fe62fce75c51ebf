//! By counting the rounds of a real run: in each round all tasks run that can, and end together. So nothing depends on
//! the speed of the machine.

use common::Pool;
use common::exercise::{Verdict, Wrong, numbers, rounds, stop};

pub const SEE: &str = "Side by side";

pub fn check(answer: fn(usize, usize) -> [usize; 2]) -> Verdict {
    // The tasks do not fill the last round.
    let cases = [(3, 2), (5, 2), (4, 3), (5, 3)];
    let (tasks, workers) = cases[numbers(1)[0] as usize % cases.len()];
    let predicted = answer(tasks, workers);

    let (apply, events) = rounds(|| {
        let pool = Pool::new(workers).expect("a pool");
        for number in 1..=tasks {
            pool.apply(stop, number).expect("no task fails");
        }
    });
    if predicted[0] != apply {
        return Err(Wrong::shown_by(
            format_args!(
                "apply: you predicted {} s for {tasks} tasks and {workers} workers, and it takes \
                 {apply} s. One task at a time, whoever is idle:",
                predicted[0]
            ),
            &events,
        ));
    }
    let (map, events) = rounds(|| {
        Pool::new(workers).expect("a pool").map(stop, 1..=tasks).expect("no task fails");
    });
    if predicted[1] != map {
        return Err(Wrong::shown_by(
            format_args!(
                "map: you predicted {} s for {tasks} tasks and {workers} workers, and it takes \
                 {map} s. All workers at a time, and the last round is not full:",
                predicted[1]
            ),
            &events,
        ));
    }
    Ok(())
}
