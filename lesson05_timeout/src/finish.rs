//! `--finish 2,1,timeout,4,3,5`: the tasks end in the order that you choose, and you say when main is tired of waiting.

use std::path::Path;
use std::time::Duration;

use common::contract::{Contract, Event};
use common::finish::{Ends, Main, Show, gated};
use common::pool::{AsyncResult, Error};

pub fn lesson(ends: Ends, workers: usize) -> Result<(), Error> {
    let n = ends.tasks();
    // Or tasks would wait for those in their chunk.
    let map_async = Contract::map_async(n, workers).chunksize(1);
    let get_again = map_async.clone().get_timeout().get();
    let leave = map_async.clone().get_timeout().leave().get();
    let wait_first = map_async.wait().leave().get_timeout();
    let mut show = Show::new(ends, workers, [&get_again, &leave, &wait_first]);

    // with Pool(5) as pool:
    //     result = pool.map_async(gated, [1, 2, 3, 4, 5], chunksize=1)
    //     try:
    //         result.get(timeout=2)
    //     except multiprocessing.TimeoutError:
    //         print(TimeoutError.__name__)
    //     result.get()
    show.call("get again", &get_again, |pool, main| {
        let result = pool.chunksize(1).map_async(gated, 1..=n)?;
        main.says(Event::Return(None), "map_async returns");
        get_with_timeout(&result, &main)?;
        let results = result.get()?;
        main.says(Event::Got(None), &format!("get returns {results:?}"));
        Ok(())
    })?;

    // The same, and get stands after the `with` block.
    show.call("leave", &leave, |pool, main| {
        let pids = pool.pids();
        let result = pool.chunksize(1).map_async(gated, 1..=n)?;
        main.says(Event::Return(None), "map_async returns");
        get_with_timeout(&result, &main)?;
        drop(pool);
        let there = pids.iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).count();
        main.says(Event::Left, &format!("main leaves the pool; workers still there: {there}"));
        match result.get() {
            Ok(results) => main.says(Event::Got(None), &format!("get returns {results:?}")),
            Err(error @ Error::Terminated) => {
                main.says(
                    Event::Terminated,
                    &format!("get: {error};\nPython's get would wait for ever"),
                );
            }
            Err(error) => return Err(error),
        }
        Ok(())
    })?;

    // with Pool(5) as pool:
    //     result = pool.map_async(gated, [1, 2, 3, 4, 5], chunksize=1)
    //     result.wait()
    // result.get(timeout=0)
    show.call("wait first", &wait_first, |pool, main| {
        let result = pool.chunksize(1).map_async(gated, 1..=n)?;
        main.says(Event::Return(None), "map_async returns");
        result.wait();
        main.says(Event::Waited(None), "wait returns");
        drop(pool);
        main.says(Event::Left, "main leaves the pool");
        let results = result.get_timeout(Duration::ZERO)?;
        main.says(Event::Got(None), &format!("get with a timeout of nothing returns {results:?}"));
        Ok(())
    })?;

    show.side_by_side();
    Ok(())
}

fn get_with_timeout(result: &AsyncResult<Vec<usize>>, main: &Main) -> Result<(), Error> {
    match result.get_timeout(main.patience()) {
        Ok(results) => {
            main.says(Event::Got(None), &format!("get with a timeout returns {results:?}"));
        }
        Err(error @ Error::Timeout) => {
            main.says(Event::Timeout, &format!("get with a timeout: {error}"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
