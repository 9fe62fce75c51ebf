//! Who decomposes the matrices: nalgebra's own code, or OpenBLAS, which numpy uses, too.
//!
//! ```text
//! cargo run -p lesson01_process                      nalgebra: needs nothing but Rust, has one thread
//! cargo run -p lesson01_process --features lapack    OpenBLAS: as fast as numpy, and with threads
//! ```
//!
//! The feature `lapack` links the system's OpenBLAS; on Debian and Ubuntu `apt install
//! libopenblas-dev` brings it. Each process that uses it has as many threads as there are CPUs, so N
//! workers on N CPUs are N² threads. That is why the notes, whose numpy does the same, see more CPU
//! in use than there are processes.
//!
//! Threads and forks get along here: before a fork OpenBLAS ends its threads, and parent and
//! child each start their own when they need them. Most other libraries with threads do not.

use nalgebra::DMatrix;

#[cfg(feature = "lapack")]
pub use openblas::{NAME, set_threads, threads};
#[cfg(feature = "lapack")]
pub(super) use openblas::{bytes, largest_singular_value};
#[cfg(not(feature = "lapack"))]
pub use own::{NAME, set_threads, threads};
#[cfg(not(feature = "lapack"))]
pub(super) use own::{bytes, largest_singular_value};

#[cfg_attr(feature = "lapack", allow(dead_code, reason = "a test compares both engines"))]
mod own {
    use super::*;

    /// Whose decomposition it is: `nalgebra`, or `OpenBLAS` with the feature `lapack`.
    pub const NAME: &str = "nalgebra";

    /// How many threads a decomposition in this process has.
    ///
    /// That of OpenBLAS is the number of CPUs at first, or what the environment variable
    /// `OPENBLAS_NUM_THREADS` says, as in numpy. nalgebra's is 1.
    ///
    /// ```
    /// assert!(common::workload::engine::threads() >= 1);
    /// ```
    pub fn threads() -> usize {
        1
    }

    /// Sets how many threads a decomposition has, in this process and in those that it forks from
    /// now on. Without effect on nalgebra. In Python: the package `threadpoolctl`.
    ///
    /// ```
    /// use common::workload::engine;
    ///
    /// engine::set_threads(1);
    /// assert_eq!(engine::threads(), 1);
    /// ```
    pub fn set_threads(_: usize) {}

    /// Memory for a matrix, and for the thin matrices of vectors.
    pub(in super::super) fn bytes(rows: f64, columns: f64) -> f64 {
        8.0 * (rows * columns + rows.min(columns) * (rows + columns))
    }

    pub(in super::super) fn largest_singular_value(matrix: DMatrix<f64>) -> f64 {
        // `svd` iterates until it converges. Only NaN or infinity can keep it from that, and
        // neither is drawn. `black_box` keeps the vectors from being optimised away.
        let svd = std::hint::black_box(matrix.svd(true, true));
        svd.singular_values[0] // the largest comes first
    }
}

#[cfg(feature = "lapack")]
mod openblas {
    use std::ffi::c_int;

    use nalgebra_lapack::SVD;

    use super::*;

    #[link(name = "openblas")]
    unsafe extern "C" {
        safe fn openblas_get_num_threads() -> c_int;
        safe fn openblas_set_num_threads(threads: c_int);
    }

    /// Whose decomposition it is: `nalgebra`, or `OpenBLAS` with the feature `lapack`.
    pub const NAME: &str = "OpenBLAS";

    /// How many threads a decomposition in this process has: the number of CPUs at first, or what
    /// the environment variable `OPENBLAS_NUM_THREADS` says, as in numpy.
    pub fn threads() -> usize {
        usize::try_from(openblas_get_num_threads()).unwrap_or(1)
    }

    /// Sets how many threads a decomposition has, in this process and in those that it forks from
    /// now on. OpenBLAS has an upper limit of its own. In Python: the package `threadpoolctl`.
    ///
    /// Call it before the fork. In a forked process OpenBLAS answers it by starting all of its threads, and those
    /// that are not wanted keep a processor busy until they fall asleep.
    pub fn set_threads(threads: usize) {
        openblas_set_num_threads(c_int::try_from(threads).unwrap_or(c_int::MAX));
    }

    /// Memory for a matrix, for the full matrices of vectors, and for what LAPACK's `dgesdd`, numpy's
    /// choice as well, works with.
    pub(in super::super) fn bytes(rows: f64, columns: f64) -> f64 {
        8.0 * (rows * columns + rows * rows + columns * columns + 4.0 * rows.min(columns).powi(2))
    }

    pub(in super::super) fn largest_singular_value(matrix: DMatrix<f64>) -> f64 {
        let svd = SVD::new(matrix).expect("it converges, because no number is NaN or infinite");
        svd.singular_values[0] // the largest comes first
    }
}

#[cfg(all(test, feature = "lapack"))]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::random;

    #[test]
    fn both_engines_find_the_same_value() {
        for (rows, columns) in [(1, 1), (1, 5), (7, 40), (40, 7), (120, 120)] {
            let mut rng = random::rng();
            let matrix = DMatrix::from_fn(rows, columns, |_, _| rng.random::<f64>());
            let own = own::largest_singular_value(matrix.clone());
            let openblas = openblas::largest_singular_value(matrix);
            assert!((own - openblas).abs() < 1e-9, "{rows}×{columns}: {own} and {openblas}");
        }
    }
}
