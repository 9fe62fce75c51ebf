use common::Pool;
use common::pool::Error;

pub fn a_loop(_: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Result<Vec<u32>, Error> {
    Ok(items.into_iter().map(task).collect())
}

pub fn apply_in_a_loop(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<Vec<u32>, Error> {
    items.into_iter().map(|item| pool.apply(task, item)).collect()
}

pub fn as_they_finish(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<Vec<u32>, Error> {
    pool.imap_unordered(task, items)?.collect()
}

pub fn a_pool_of_its_own(
    _: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<Vec<u32>, Error> {
    Pool::new(4)?.map(task, items)
}

pub fn nothing_is_run(_: &Pool, _: fn(u32) -> u32, items: Vec<u32>) -> Result<Vec<u32>, Error> {
    Ok(items)
}

pub fn half_an_answer(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Result<Vec<u32>, Error> {
    let _results = pool.map(task, items)?;
    todo!()
}
