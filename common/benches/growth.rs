//! How costs grow: with the number of tasks, with the number of workers.
//! `cargo bench -p benches --bench growth`
//!
//! How the memory of `imap` grows is shown by `cargo bench -p benches --bench peers`.

use std::time::Duration;

use benches::identity;
use common::Pool;
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

/// The time for each task is to be the same in each line.
fn tasks(criterion: &mut Criterion) {
    let pool = Pool::new(2).expect("a pool");
    let mut group = criterion.benchmark_group("tasks");
    group.sampling_mode(SamplingMode::Flat);
    for tasks in [100, 1_000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(tasks));
        group.bench_with_input(BenchmarkId::new("map, chunk size 1", tasks), &tasks, |bench, _| {
            bench.iter(|| pool.chunksize(1).map(identity, 0..tasks).expect("results"));
        });
    }
    for tasks in [1_000, 10_000, 100_000, 1_000_000] {
        group.throughput(Throughput::Elements(tasks));
        group.bench_with_input(
            BenchmarkId::new("map, chunk size 100", tasks),
            &tasks,
            |bench, _| {
                bench.iter(|| pool.chunksize(100).map(identity, 0..tasks).expect("results"));
            },
        );
    }
}

/// The time for each worker is to be the same in each line, or fall.
fn workers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("workers");
    group.sampling_mode(SamplingMode::Flat);
    for workers in [1, 2, 4, 8, 16, 32, 64] {
        group.throughput(Throughput::Elements(workers as u64));
        group.bench_with_input(BenchmarkId::new("start and end", workers), &workers, |bench, _| {
            bench.iter(|| {
                let pool = Pool::new(workers).expect("a pool");
                pool.apply(identity, 1).expect("a result")
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = quick();
    targets = tasks, workers
}
criterion_main!(benches);
