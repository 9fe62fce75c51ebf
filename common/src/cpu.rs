//! How many processors there are, three counts that are often taken for one; and how many a process
//! uses: [`time`].
//!
//! | | here | Python |
//! |---|---|---|
//! | logical CPUs of the machine | [`logical`] | `multiprocessing.cpu_count()`, `os.cpu_count()` |
//! | those that this process may use | [`usable`] | `os.process_cpu_count()` (3.13), `len(os.sched_getaffinity(0))` |
//! | cores, each of which may be two or more logical CPUs | [`physical`] | `psutil.cpu_count(logical=False)` |
//!
//! For the number of workers that compute, [`usable`] is the one to start from.

use std::fs;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// Logical CPUs of this machine that are online, whether or not this process may use them.
///
/// In Python: `multiprocessing.cpu_count()`, the same as `os.cpu_count()` (on 3.13 and later,
/// unless `-X cpu_count` overrides it). Like there, neither an affinity mask (`taskset`) nor a
/// container's CPU quota changes the answer.
///
/// ```
/// use common::cpu;
///
/// assert!(cpu::logical() >= cpu::usable());
/// ```
pub fn logical() -> usize {
    // Asking the kernel comes first: `sysconf` looks at the affinity mask in some C libraries
    // (musl, glibc 2.34). glibc 2.35 and later read this same file.
    fs::read_to_string("/sys/devices/system/cpu/online")
        .ok()
        .and_then(|list| count(&list))
        .or_else(|| sysconf(SysconfVar::_NPROCESSORS_ONLN).ok()??.try_into().ok())
        .unwrap_or(1)
}

/// CPUs that this process may use at once: its affinity mask and its cgroup's quota are taken
/// into account.
///
/// In Python: `len(os.sched_getaffinity(0))`, since 3.13 also `os.process_cpu_count()`. Those
/// know the affinity mask only: in a container limited to half a machine they still count all
/// of it. A quota of 1.5 CPUs counts as 1 here.
///
/// The answer is at least 1. Where the system does not tell, it is 1.
///
/// ```
/// use common::cpu;
///
/// println!("{} workers keep this process's CPUs busy", cpu::usable());
/// # assert!(cpu::usable() >= 1);
/// ```
pub fn usable() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Cores of this machine. Where a core runs two threads (Hyper-Threading, SMT), [`logical`] is
/// twice as much, but twice as many workers do not compute twice as fast.
///
/// In Python: `psutil.cpu_count(logical=False)`; the standard library does not tell.
///
/// On x86 the answer is that of `/proc/cpuinfo`. ARM has no core count there, and then the
/// answer is the number of CPUs that this process may use.
///
/// ```
/// use common::cpu;
///
/// assert!(cpu::physical() >= 1);
/// ```
pub fn physical() -> usize {
    num_cpus::get_physical()
}

/// How long this process has kept CPUs busy since it began: all of its threads together. Over the
/// same stretch of time on the wall it is the number of CPUs that it has used.
///
/// In Python: `time.process_time()`.
///
/// ```
/// use common::cpu;
///
/// let before = cpu::time();
/// let sum: u64 = (0..1000).sum();
/// assert!(cpu::time() >= before && sum > 0);
/// ```
pub fn time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.expect("every Linux has a clock for each process").into()
}

/// How many CPUs the kernel's list names: `0-3,8` names five.
fn count(list: &str) -> Option<usize> {
    list.trim()
        .split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range: RangeInclusive<usize> = first.parse().ok()?..=last.parse().ok()?;
            Some(range.count())
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ranges_is_counted() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-3\n"), Some(4));
        assert_eq!(count("0-3,8,10-11\n"), Some(7));
    }

    #[test]
    fn what_is_no_list_is_not_counted() {
        assert_eq!(count(""), None);
        assert_eq!(count("all"), None);
    }
}
