//! The lessons' work: how long it takes by size, and what two workers make of it.
//! `cargo bench -p benches --bench decomposition`

use std::hint::black_box;
use std::time::Duration;

use common::Pool;
use common::workload::{engine, largest_singular_value};
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
}

fn by_size(criterion: &mut Criterion) {
    engine::set_threads(1);
    let mut group = criterion.benchmark_group(format!("one decomposition by {}", engine::NAME));
    group.sampling_mode(SamplingMode::Flat);
    for size in [10, 50, 100, 200, 400] {
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bench, &size| {
            bench.iter(|| largest_singular_value(black_box(size), size));
        });
    }
}

fn four(criterion: &mut Criterion) {
    const SIZE: usize = 300;
    const TASKS: u64 = 4;
    fn decompose(_: u64) -> f64 {
        largest_singular_value(SIZE, SIZE)
    }
    engine::set_threads(1); // two workers with as many threads as CPUs would slow each other down
    let pool = Pool::new(2).expect("a pool");
    let mut group = criterion.benchmark_group("four decompositions of 300×300");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("one after another", |bench| {
        bench.iter(|| (0..TASKS).map(decompose).collect::<Vec<_>>());
    });
    group.bench_function("on two workers", |bench| {
        bench.iter(|| pool.map(decompose, 0..TASKS).expect("results"));
    });
}

criterion_group! {
    name = benches;
    config = quick();
    targets = by_size, four
}
criterion_main!(benches);
