//! `--finish 2,3,1,4`: the tasks end in the order that you choose, where the way to wait leaves a choice.

use common::contract::{Contract, Event};
use common::finish::{Ends, Show, gated};
use common::pool::Error;

pub fn lesson(ends: Ends, workers: usize) -> Result<(), Error> {
    let n = ends.tasks();
    // Or tasks would wait for those in their chunk.
    let map_async = Contract::map_async(n, workers).chunksize(1).get();
    let apply_async = Contract::apply_async(n, workers).get();
    let wait_in_loop = Contract::apply_async_wait(n, workers);
    let mut show = Show::new(ends, workers, [&map_async, &apply_async]);

    // result = pool.map_async(gated, [1, 2, 3, 4], chunksize=1)
    // result.get()
    show.call("map_async", &map_async, |pool, main| {
        let result = pool.chunksize(1).map_async(gated, 1..=n)?;
        let ready = result.ready();
        main.says(Event::Return(None), &format!("map_async returns; ready: {ready}"));
        let results = result.get()?;
        main.says(Event::Got(None), &format!("get returns {results:?}"));
        Ok(())
    })?;

    // result = [pool.apply_async(gated, [ii]) for ii in [1, 2, 3, 4]]
    // for r in result:
    //     r.get()
    show.call("apply_async", &apply_async, |pool, main| {
        let mut result = Vec::new();
        for ii in 1..=n {
            result.push(pool.apply_async(gated, ii)?);
            main.says(Event::Return(Some(ii)), &format!("apply_async of {ii} returns"));
        }
        for r in result {
            let x = r.get()?;
            main.says(Event::Got(Some(x)), &format!("get returns {x}"));
        }
        Ok(())
    })?;

    // for ii in [1, 2, 3, 4]:
    //     r = pool.apply_async(gated, [ii])
    //     r.wait()
    show.call("wait in the loop", &wait_in_loop, |pool, main| {
        for ii in 1..=n {
            let r = pool.apply_async(gated, ii)?;
            main.says(Event::Return(Some(ii)), &format!("apply_async of {ii} returns"));
            r.wait();
            main.says(Event::Waited(Some(ii)), &format!("wait for {ii} returns"));
        }
        Ok(())
    })?;

    show.side_by_side();
    Ok(())
}
