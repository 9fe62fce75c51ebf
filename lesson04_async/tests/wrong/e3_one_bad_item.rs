use common::Pool;

pub fn one_map(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Vec<Option<u32>> {
    match pool.map(task, items.clone()) {
        Ok(results) => results.into_iter().map(Some).collect(),
        Err(_) => vec![None; items.len()],
    }
}

pub fn apply_in_a_loop(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Vec<Option<u32>> {
    items.into_iter().map(|item| pool.apply(task, item).ok()).collect()
}

pub fn get_in_the_loop(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Vec<Option<u32>> {
    let handles = items.into_iter().map(|item| pool.apply_async(task, item));
    handles.map(|handle| handle.ok()?.get().ok()).collect()
}

pub fn unwrapped(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Vec<Option<u32>> {
    pool.imap(task, items).unwrap().map(|result| Some(result.unwrap())).collect()
}

pub fn the_bad_one_left_out(
    pool: &Pool,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> Vec<Option<u32>> {
    pool.imap(task, items).unwrap().filter_map(Result::ok).map(Some).collect()
}

pub fn popped_from_the_end(pool: &Pool, task: fn(u32) -> u32, items: Vec<u32>) -> Vec<Option<u32>> {
    let handles = items.into_iter().map(|item| pool.apply_async(task, item));
    let mut handles: Vec<_> = handles.collect();
    let mut results = Vec::new();
    while let Some(handle) = handles.pop() {
        results.push(handle.ok().and_then(|handle| handle.get().ok()));
    }
    results
}
