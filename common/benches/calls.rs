//! What each of the pool's calls costs. `cargo bench -p benches --bench calls`
//!
//! How that compares with other pools and with what the system allows is shown by
//! `cargo bench -p benches --bench peers`.

use std::time::Duration;

use benches::{give_table, identity, length, make_table, table};
use common::Pool;
use common::pool::Error;
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const WORKERS: usize = 2;
const MIB: usize = 64;

/// Each bench has seconds, not minutes: enough to see a change of a tenth.
fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
}

fn life(criterion: &mut Criterion) {
    criterion.bench_function("start, one task, end", |bench| {
        bench.iter(|| {
            let pool = Pool::new(WORKERS).expect("a pool");
            pool.apply(identity, 1).expect("a result")
        });
    });
}

fn round_trip(criterion: &mut Criterion) {
    let pool = Pool::new(WORKERS).expect("a pool");
    criterion.bench_function("apply", |bench| {
        bench.iter(|| pool.apply(identity, 1).expect("a result"));
    });
}

/// The time is that of all tasks; criterion's `elem/s` are tasks.
fn small_tasks(criterion: &mut Criterion) {
    const TASKS: u64 = 2_000;
    let pool = Pool::new(WORKERS).expect("a pool");
    let mut group = criterion.benchmark_group("small tasks");
    group.throughput(Throughput::Elements(TASKS));
    group.bench_function("map, default chunks", |bench| {
        bench.iter(|| pool.map(identity, 0..TASKS).expect("results"));
    });
    group.bench_function("map, chunk size 1", |bench| {
        bench.iter(|| pool.chunksize(1).map(identity, 0..TASKS).expect("results"));
    });
    group.bench_function("imap_unordered, chunk size 1", |bench| {
        bench.iter(|| pool.imap_unordered(identity, 0..TASKS).expect("results").count());
    });
    group.bench_function("apply_async", |bench| {
        bench.iter(|| {
            let tasks = (0..TASKS).map(|x| pool.apply_async(identity, x));
            let tasks = tasks.collect::<Result<Vec<_>, Error>>().expect("handles");
            tasks.into_iter().try_for_each(|task| task.get().map(drop)).expect("results");
        });
    });
}

/// One worker: the result must come from the one that has made the table.
fn large_data(criterion: &mut Criterion) {
    let pool = Pool::new(1).expect("a pool");
    let mut group = criterion.benchmark_group("64 MiB of f64");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Bytes((MIB << 20) as u64));
    group.bench_function("result", |bench| {
        bench.iter_batched(
            || pool.apply(make_table, MIB).expect("it is made"),
            |()| pool.apply(give_table, ()).expect("a table"),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("argument", |bench| {
        bench.iter_batched(
            || table(MIB),
            |table| pool.apply(length, table).expect("a length"),
            BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = quick();
    targets = life, round_trip, small_tasks, large_data
}
criterion_main!(benches);
