use common::Pool;
use common::pool::Error;

pub fn map_and_then_tell(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    pool.map(task, items)?.into_iter().for_each(tell);
    Ok(())
}

pub fn imap(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    pool.imap(task, items)?.try_for_each(|result| result.map(&mut *tell))
}

pub fn collected_first(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    let all = pool.imap_unordered(task, items)?.collect::<Result<Vec<_>, _>>()?;
    all.into_iter().for_each(tell);
    Ok(())
}

pub fn the_long_one_left_out(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    pool.map(task, items[1..].to_vec())?.into_iter().for_each(tell);
    Ok(())
}

pub fn told_twice(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
    tell: &mut dyn FnMut(u32),
) -> Result<(), Error> {
    for result in pool.imap_unordered(task, items)? {
        let result = result?;
        tell(result);
        tell(result);
    }
    Ok(())
}
