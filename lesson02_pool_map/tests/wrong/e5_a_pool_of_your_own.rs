use std::io::{self, Read, Write};

use common::{Pool, Process};

pub fn the_pool_that_is_there(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> io::Result<Vec<u32>> {
    let pool = Pool::new(workers).map_err(io::Error::other)?;
    pool.chunksize(2).map(task, items).map_err(io::Error::other)
}

pub fn a_loop(_: usize, task: fn(u32) -> u32, items: Vec<u32>) -> io::Result<Vec<u32>> {
    Ok(items.into_iter().map(task).collect())
}

/// A process with a pipe that runs these items.
fn worker(
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> io::Result<(common::process::Running, io::PipeReader)> {
    let (reader, mut writer) = io::pipe()?;
    let process = Process::new(move || {
        for item in items {
            writer.write_all(&task(item).to_ne_bytes()).unwrap();
        }
    });
    Ok((process.start()?, reader))
}

fn results(mut reader: io::PipeReader) -> io::Result<Vec<u32>> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes)).collect())
}

pub fn a_process_for_each_item(
    _: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> io::Result<Vec<u32>> {
    let started = items.into_iter().map(|item| worker(task, vec![item]));
    let started = started.collect::<io::Result<Vec<_>>>()?;
    let all = started.into_iter().map(|(_, reader)| results(reader));
    Ok(all.collect::<io::Result<Vec<_>>>()?.concat())
}

pub fn one_worker_after_another(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> io::Result<Vec<u32>> {
    let mut all = Vec::new();
    for own in items.chunks(items.len().div_ceil(workers)) {
        let (process, reader) = worker(task, own.to_vec())?;
        all.extend(results(reader)?);
        process.join()?;
    }
    Ok(all)
}

pub fn one_worker_s_results_after_another_s(
    workers: usize,
    task: fn(u32) -> u32,
    items: Vec<u32>,
) -> io::Result<Vec<u32>> {
    let own = |worker| items.iter().copied().skip(worker).step_by(workers).collect();
    let started = (0..workers).map(|index| worker(task, own(index)));
    let started = started.collect::<io::Result<Vec<_>>>()?;
    let all = started.into_iter().map(|(_, reader)| results(reader));
    Ok(all.collect::<io::Result<Vec<_>>>()?.concat())
}

pub fn nobody_waits(workers: usize, task: fn(u32) -> u32, items: Vec<u32>) -> io::Result<Vec<u32>> {
    let own = |worker| items.iter().copied().skip(worker).step_by(workers).collect();
    for index in 0..workers {
        std::mem::forget(worker(task, own(index))?);
    }
    Ok(Vec::new())
}
