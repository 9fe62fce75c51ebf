//! Where random numbers come from in a program that forks.
//!
//! A fork copies memory, and with it the state of every random generator. Parent and child, and
//! all workers of a pool, would then draw the *same* numbers and take them for independent ones.
//! numpy's global generator, once it has been used, does exactly that under `multiprocessing` with fork, and so does
//! [`rand::rng`], the generator that `rand` keeps for each thread (`rand::make_rng` draws from
//! it, too). So no generator lives longer than the task that uses it. [`rng`] makes a new one:
//!
//! * **without a seed** from the operating system's entropy. That is not part of our memory, so
//!   a fork cannot copy it.
//! * **with a seed** from the seed, from the *lineage* (which process, which task of which job)
//!   and from the number of generators that this lineage has made already. No two of those are
//!   equal, so no two tasks draw the same numbers. None of them depends on which worker ran the
//!   task or when, so a second run draws the same numbers again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rand::rngs::{StdRng, SysRng};
use rand::{SeedableRng, TryRng};

// Statics, because a fork hands them down to the child without any further work. Atomics and no
// mutex: a mutex that another thread holds at the fork stays locked in the child for ever.
// Relaxed, because none of them publishes other memory. A thread that outlives its task may see parts of
// two lineages: nobody can say which of them is its own.
static SEEDED: AtomicBool = AtomicBool::new(false);
/// Where this process is: so many steps below a base.
static BASE: AtomicU64 = AtomicU64::new(0);
static STEPS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static DEPTH: AtomicUsize = AtomicUsize::new(0);
/// How many generators were made here.
static DRAWS: AtomicU64 = AtomicU64::new(0);

/// Chooses between random numbers that repeat and those that do not, for this process and for
/// all that are forked from it later.
///
/// With `Some(seed)` every run draws the same numbers; with `None`, the default, every run draws
/// its own. To be called once, at the start, before the first fork and the first [`rng`].
/// [`Flags::parse`](crate::cli::Flags::parse) does it.
///
/// In Python: `np.random.seed(seed)`. There, forked workers inherit the state and repeat each
/// other; here they do not.
///
/// ```
/// use common::random;
/// use rand::RngExt;
///
/// random::set_seed(Some(7));
/// let first: u64 = random::rng().random();
/// let second: u64 = random::rng().random();
/// assert_ne!(first, second);
///
/// random::set_seed(Some(7)); // as a second run of the program would
/// assert_eq!(random::rng().random::<u64>(), first);
/// ```
pub fn set_seed(seed: Option<u64>) {
    SEEDED.store(seed.is_some(), Ordering::Relaxed);
    enter(seed.unwrap_or(0), &[]);
}

/// Makes a new random generator that no other process and no other task has.
///
/// Make one where it is needed and drop it when the work is done. A generator that is kept
/// across a fork is copied by it, and then both processes draw the same numbers.
///
/// In Python: `np.random.default_rng()` called inside the task.
///
/// # Panics
///
/// If there is no seed and the operating system gives no random numbers. Linux always does once
/// it has booted.
///
/// # Examples
///
/// ```
/// use common::random;
/// use rand::RngExt;
///
/// let x: f64 = random::rng().random();
/// assert!((0.0..1.0).contains(&x));
/// ```
pub fn rng() -> StdRng {
    if SEEDED.load(Ordering::Relaxed) {
        let draw = DRAWS.fetch_add(1, Ordering::Relaxed);
        StdRng::seed_from_u64(mix(stream(), &[draw]))
    } else {
        // Not `rand::make_rng()`: it takes the seed from the thread's generator, which is copied
        // by the fork.
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).expect("the operating system gives random numbers");
        StdRng::from_seed(seed)
    }
}

/// Starts the lineage `path` below `base`, a former [`stream`]: a child process enters
/// `(stream(), [ordinal])`, a worker enters `(the pool's base, [job, item])` before each task.
///
/// Who enters is responsible for distinct paths; equal paths below equal bases draw equal
/// numbers.
#[inline]
pub(crate) fn enter(base: u64, path: &[u64]) {
    assert!(path.len() <= STEPS.len());
    BASE.store(base, Ordering::Relaxed);
    DEPTH.store(path.len(), Ordering::Relaxed);
    STEPS.iter().zip(path).for_each(|(step, &p)| step.store(p, Ordering::Relaxed));
    DRAWS.store(0, Ordering::Relaxed);
}

/// The lineage that this process is in now, as one number: worked out for those who ask, which most
/// tasks do not.
pub(crate) fn stream() -> u64 {
    let path = STEPS.each_ref().map(|step| step.load(Ordering::Relaxed));
    mix(BASE.load(Ordering::Relaxed), &path[..DEPTH.load(Ordering::Relaxed)])
}

/// One number that stands for a base and a path.
///
/// The length goes first, so that a path and its beginning differ. The order counts, so that
/// item 1 of job 2 is not item 2 of job 1.
fn mix(base: u64, path: &[u64]) -> u64 {
    path.iter().fold(splitmix64(base ^ splitmix64(path.len() as u64)), |h, &p| {
        splitmix64(h ^ splitmix64(p))
    })
}

/// One step of the SplitMix64 generator: a bijection that spreads each bit over all the others.
fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn splitmix64_is_the_published_one() {
        // The first two outputs of the reference implementation with the seed 1234567.
        assert_eq!(splitmix64(1_234_567), 6_457_827_717_110_365_317);
        let second = 1_234_567_u64.wrapping_add(0x9E37_79B9_7F4A_7C15);
        assert_eq!(splitmix64(second), 3_203_168_211_198_807_973);
    }

    #[test]
    fn no_two_lineages_are_alike() {
        let mut seen = HashSet::new();
        for base in [0, 1, 2, u64::MAX] {
            assert!(seen.insert(mix(base, &[])));
            for job in 0..100 {
                assert!(seen.insert(mix(base, &[job])));
                for item in 0..100 {
                    assert!(seen.insert(mix(base, &[job, item])));
                }
            }
        }
    }
}
