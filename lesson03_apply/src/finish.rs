//! `--finish 2,3,1,4`: the tasks end in the order that you choose, where `apply` leaves a choice.

use common::contract::{Contract, Event};
use common::finish::{Ends, Show, gated};
use common::pool::Error;

pub fn lesson(ends: Ends, workers: usize) -> Result<(), Error> {
    let n = ends.tasks();
    let apply = Contract::apply(n, workers);
    let map = Contract::map(n, workers).chunksize(1); // or tasks would wait for those in their chunk
    let mut show = Show::new(ends, workers, [&map]);

    // for ii in [1, 2, 3, 4]:
    //     pool.apply(gated, [ii])
    show.call("apply", &apply, |pool, main| {
        for ii in 1..=n {
            let result = pool.apply(gated, ii)?;
            main.says(Event::Return(Some(ii)), &format!("apply returns {result}"));
        }
        Ok(())
    })?;

    // pool.map(gated, [1, 2, 3, 4], chunksize=1)
    show.call("map", &map, |pool, main| {
        let results = pool.chunksize(1).map(gated, 1..=n)?;
        main.says(Event::Return(None), &format!("map returns {results:?}"));
        Ok(())
    })?;

    show.side_by_side();
    Ok(())
}
