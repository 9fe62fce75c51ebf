//! The work that the lessons hand out: a random matrix and its singular value decomposition.
//!
//! It stands for any computation that takes a while and needs nothing but a processor. nalgebra's
//! decomposition has one thread. So a process is busy on one CPU, two processes are busy on two,
//! and what a lesson shows about time is due to the processes alone. numpy's runs on BLAS, which
//! has threads of its own; [`engine`] has that to offer, too.

use std::error::Error;
use std::fmt;
use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use rand::RngExt;

use crate::{random, say, trace};

pub mod engine;

/// Rows and columns of [`delay_function`]'s matrix. A static, because the function has one
/// argument only, as in the notes, and because every fork inherits it.
static SIZE: AtomicUsize = AtomicUsize::new(300);

/// Sets how large [`delay_function`]'s matrix is: `n` rows and `n` columns. The default is 300.
///
/// Call it before the first fork: a process that is running already keeps what it inherited.
/// [`Flags::parse`](crate::cli::Flags::parse) does it.
///
/// ```
/// use common::workload;
///
/// workload::set_size(200);
/// assert_eq!(workload::size(), 200);
/// ```
pub fn set_size(n: usize) {
    SIZE.store(n, Ordering::Relaxed);
}

/// How many rows and columns [`delay_function`]'s matrix has, in this process and in those that
/// are forked from now on.
pub fn size() -> usize {
    SIZE.load(Ordering::Relaxed)
}

/// Decomposes a random square matrix, prints when it starts and when it ends, and returns the
/// largest singular value.
///
/// `x` is a name for the task and nothing else; it appears in what is printed. The matrix has
/// [`size`] rows and columns. Each call draws its own numbers from [`random::rng`].
///
/// In Python: the notes' `delayFunction(x)`. That one has a fixed size, 2000 (more than half a
/// minute here), and returns nothing.
///
/// # Panics and aborts
///
/// Without a [`check_size`] before it: panics if the matrix does not fit into the address space,
/// aborts if there is no memory for it.
///
/// # Examples
///
/// ```
/// use common::workload;
///
/// workload::set_size(20);
/// let largest = workload::delay_function(1);
/// // Numbers between 0 and 1 are 1/2 on average, and a matrix of halves has the value n/2.
/// assert!((8.0..12.0).contains(&largest));
/// ```
// ANCHOR: delay_function
pub fn delay_function(x: u32) -> f64 {
    trace::task(x, || {
        say!("start from {x}");
        let largest = largest_singular_value(size(), size());
        say!("end from {x}");
        largest
    })
}
// ANCHOR_END: delay_function

/// Decomposes a random matrix of `x` rows and `y` columns, prints when it starts and when it
/// ends, and returns the largest singular value. That of an empty matrix is 0.
///
/// In Python: the notes' `delayFunctionB(x, y)`, which returns nothing.
///
/// # Panics and aborts
///
/// As [`delay_function`].
///
/// # Examples
///
/// ```
/// use common::workload::delay_function_b;
///
/// let largest = delay_function_b(3, 4);
/// assert!(0.0 < largest && largest < 12_f64.sqrt());
/// ```
pub fn delay_function_b(x: usize, y: usize) -> f64 {
    trace::task(format_args!("{x}, {y}"), || {
        say!("start from {x}, {y}");
        let largest = largest_singular_value(x, y);
        say!("end from {x}, {y}");
        largest
    })
}

/// What both functions do between their lines: the largest singular value of a random matrix of
/// `rows` rows and `columns` columns. That of an empty matrix is 0. For work that must not print.
///
/// Both vectors' matrices are computed although the value alone is returned, because numpy's
/// `svd` computes them by default, too, and most of the time goes there. nalgebra's are the thin ones
/// (`rows`×k and k×`columns`, where k is the smaller of both); numpy's default is
/// `full_matrices=True`, and [`engine`]'s OpenBLAS does the same. For a square matrix there is no
/// difference.
///
/// # Panics and aborts
///
/// As [`delay_function`].
///
/// # Examples
///
/// ```
/// use common::workload::largest_singular_value;
///
/// let largest = largest_singular_value(3, 4);
/// assert!(0.0 < largest && largest < 12_f64.sqrt());
/// ```
pub fn largest_singular_value(rows: usize, columns: usize) -> f64 {
    if rows == 0 || columns == 0 {
        return 0.0; // either engine would panic
    }
    let mut rng = random::rng();
    engine::largest_singular_value(DMatrix::from_fn(rows, columns, |_, _| rng.random::<f64>()))
}

/// Finds out before the work starts whether there is memory for `tasks` decompositions of
/// `rows`×`columns` matrices at a time.
///
/// A decomposition holds the matrix and the two matrices of vectors, 8 bytes for each number;
/// OpenBLAS needs room to work in, too.
/// Nothing is set aside: other programs may take the memory before the work starts.
///
/// # Errors
///
/// [`SizeError`] if `rows` or `columns` is 0, or if the matrices need more memory than this machine
/// has available (`MemAvailable` of `/proc/meminfo`), or more than one process may have
/// (`ulimit -v`).
///
/// # Examples
///
/// ```
/// use common::workload::check_size;
///
/// assert!(check_size(300, 300, 2).is_ok());
///
/// let error = check_size(900_000, 900_000, 1).unwrap_err();
/// assert!(error.to_string().starts_with("a 900000×900000 matrix and its decomposition need "));
/// ```
pub fn check_size(rows: usize, columns: usize, tasks: usize) -> Result<(), SizeError> {
    if rows == 0 || columns == 0 {
        return Err(SizeError(format!(
            "a {rows}×{columns} matrix is empty: rows and columns must be at least 1"
        )));
    }
    // Floating point, because the product of numbers that somebody typed in overflows any
    // integer. A rounded number of gigabytes is good enough to compare and to print.
    let bytes = engine::bytes(rows as f64, columns as f64);
    let one = format!("a {rows}×{columns} matrix and its decomposition");

    // The kernel promises more memory than there is and kills a process that takes it at its
    // word. So a reservation that succeeds does not mean enough: compare first.
    let together = bytes * tasks as f64;
    if let Some(available) = available_memory()
        && together > available
    {
        let who = match tasks {
            1 => format!("{one} need"),
            _ => format!("{tasks} tasks at a time, each with {one}, need"),
        };
        return Err(SizeError(format!(
            "{who} {}, this machine has {} available",
            gigabytes(together),
            gigabytes(available)
        )));
    }
    // The limit on one process's address space shows when one asks for it. Nothing is written to
    // this memory, so it costs nothing. `black_box`, or the compiler removes what is not used.
    let mut space = Vec::<u8>::new();
    let reserved = space.try_reserve_exact(bytes as usize);
    black_box(&space);
    reserved.map_err(|_| {
        SizeError(format!(
            "{one} need {}, more than one process may have (see `ulimit -v`)",
            gigabytes(bytes)
        ))
    })
}

/// Bytes that can be had without swapping, or `None` where the kernel does not tell.
fn available_memory() -> Option<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// `2.3 GB`, `23 GB`, `19440 GB`: to print, as the kernel's and numpy's own messages do.
fn gigabytes(bytes: f64) -> String {
    let gigabytes = bytes / 1e9;
    format!("{gigabytes:.*} GB", usize::from(gigabytes < 10.0))
}

/// Why matrices of some size cannot be computed on this machine: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeError(String);

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for SizeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_a_largest_value() {
        for (rows, columns) in [(1, 1), (1, 5), (5, 1), (2, 2), (3, 3), (7, 40), (40, 7)] {
            let largest = largest_singular_value(rows, columns);
            let bound = ((rows * columns) as f64).sqrt(); // that of a matrix of ones
            assert!(0.0 < largest && largest < bound, "{rows}×{columns}: {largest}");
        }
    }

    #[test]
    fn an_empty_matrix_is_no_panic() {
        assert_eq!(largest_singular_value(0, 0), 0.0);
        assert_eq!(largest_singular_value(0, 3), 0.0);
        assert_eq!(largest_singular_value(3, 0), 0.0);
    }

    #[test]
    fn zero_is_refused() {
        for (rows, columns) in [(0, 3), (3, 0), (0, 0)] {
            let error = check_size(rows, columns, 1).unwrap_err().to_string();
            assert!(error.contains("must be at least 1"), "{error}");
        }
    }

    #[test]
    fn no_size_overflows() {
        let all = usize::MAX;
        for (rows, columns, tasks) in [(all, all, all), (all, 1, 1), (1, 1, all)] {
            let error = check_size(rows, columns, tasks).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
