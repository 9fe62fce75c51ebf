//! `--finish 2,3,1,4`: the tasks end in the order that you choose. `starmap` does what `map` does.

use common::contract::{Contract, Event};
use common::finish::{Ends, Show, gated};
use common::pool::Error;

pub fn lesson(ends: Ends, workers: usize) -> Result<(), Error> {
    let n = ends.tasks();
    let map = Contract::map(n, workers).chunksize(1); // or tasks would wait for those in their chunk
    let imap = Contract::imap(n, workers);
    let imap_unordered = Contract::imap_unordered(n, workers);
    let mut show = Show::new(ends, workers, [&map, &imap, &imap_unordered]);

    // results = pool.map(gated, [1, 2, 3, 4], chunksize=1)
    show.call("map", &map, |pool, main| {
        let results = pool.chunksize(1).map(gated, 1..=n)?;
        main.says(Event::Return(None), &format!("map returns {results:?}"));
        Ok(())
    })?;

    // for result in pool.imap(gated, [1, 2, 3, 4]):
    show.call("imap", &imap, |pool, main| {
        for result in pool.imap(gated, 1..=n)? {
            let result = result?;
            main.says(Event::Yield(result), &format!("imap yields {result}"));
        }
        Ok(())
    })?;

    // for result in pool.imap_unordered(gated, [1, 2, 3, 4]):
    show.call("imap_unordered", &imap_unordered, |pool, main| {
        for result in pool.imap_unordered(gated, 1..=n)? {
            let result = result?;
            main.says(Event::Yield(result), &format!("imap_unordered yields {result}"));
        }
        Ok(())
    })?;

    show.side_by_side();
    Ok(())
}
