//! What the kernel says about processes, read from `/proc`.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process,
};

use nix::libc;

/// A process, as it was when `/proc` was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its process id.
    pub pid: u32,
    /// The process id of its parent: not the one that forked it, if that one has ended.
    pub parent: u32,
    /// `R` running, `S` sleeping, `D` in an uninterruptible sleep, `T` stopped, `t` stopped by a
    /// debugger, `Z` a zombie: ended, and nobody has waited for it.
    pub state: char,
    /// The first 15 bytes of the executable's name, or what the process called itself.
    pub name: String,
}

impl ProcessInfo {
    /// `path` is `/proc/PID`, or `/proc/PID/task/TID` for a thread. None: it is gone.
    fn read(path: &Path) -> Option<ProcessInfo> {
        let stat = fs::read(path.join("stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // "4711 (name) S 4700 …": the name may contain spaces and parentheses, what follows it cannot.
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut rest = rest.split(' ');
        Some(ProcessInfo {
            pid: pid.parse().ok()?,
            state: rest.next()?.chars().next()?,
            parent: rest.next()?.parse().ok()?,
            name: name.to_owned(),
        })
    }
}

/// All descendants of the calling process, zombies included: children, their children and so on.
///
/// A process whose parent has ended is nobody's descendant any more, except the test keeper's. Processes
/// that are forked while this function reads `/proc` may be missing.
///
/// ```
/// use std::process::Command;
/// use common::harness::children;
///
/// let mut child = Command::new("sleep").arg("60").spawn()?;
/// assert!(children().iter().any(|info| info.pid == child.id() && info.parent == std::process::id()));
/// child.kill()?;
/// child.wait()?;
/// assert!(!children().iter().any(|info| info.pid == child.id()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn children() -> Vec<ProcessInfo> {
    descendants(process::id())
}

/// [`children`] of another process.
pub(crate) fn descendants(of: u32) -> Vec<ProcessInfo> {
    let mut by_parent: BTreeMap<u32, Vec<ProcessInfo>> = BTreeMap::new();
    for path in numbered_entries(Path::new("/proc")) {
        if let Some(process) = ProcessInfo::read(&path) {
            by_parent.entry(process.parent).or_default().push(process);
        }
    }
    let mut descendants = by_parent.remove(&of).unwrap_or_default();
    let mut seen = 0;
    while let Some(process) = descendants.get(seen) {
        let grandchildren = by_parent.remove(&process.pid).unwrap_or_default();
        descendants.extend(grandchildren);
        seen += 1;
    }
    descendants
}

/// The first so many descendants of the calling process, its direct children before theirs. For processes that fork
/// faster than all of `/proc` can be read: [`children`] would not come to an end.
pub(super) fn first_descendants(most: usize) -> Vec<ProcessInfo> {
    let mut descendants = Vec::new();
    let mut parents = vec![process::id()];
    let mut seen = 0;
    while let Some(&parent) = parents.get(seen) {
        seen += 1;
        for child in children_of(parent) {
            if descendants.len() >= most {
                return descendants;
            }
            descendants.extend(ProcessInfo::read(&directory(child)));
            parents.push(child);
        }
    }
    descendants
}

/// The process ids of the calling process's own children.
pub(super) fn direct_children() -> Vec<u32> {
    let me = process::id();
    let listed = children_of(me);
    if !listed.is_empty() {
        return listed;
    }
    // A kernel may be built without the list.
    children().iter().filter(|child| child.parent == me).map(|child| child.pid).collect()
}

/// The process ids of the direct children of all threads of the process.
fn children_of(pid: u32) -> Vec<u32> {
    let threads = numbered_entries(&directory(pid).join("task"));
    let lists = threads.iter().map(|thread| fs::read_to_string(thread.join("children")));
    let lists: Vec<String> = lists.filter_map(Result::ok).collect();
    lists.iter().flat_map(|list| list.split(' ')).filter_map(|pid| pid.parse().ok()).collect()
}

/// The state of the process, by the letters of [`ProcessInfo::state`]; `None` if there is no such process. It
/// is the state of the main thread, if there are several.
///
/// ```
/// use std::process::Command;
/// use common::harness::{eventually, process_state};
///
/// let mut child = Command::new("true").spawn()?;
/// eventually("the child is a zombie", || process_state(child.id()) == Some('Z'));
/// child.wait()?;
/// assert_eq!(process_state(child.id()), None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn process_state(pid: u32) -> Option<char> {
    Some(ProcessInfo::read(&directory(pid))?.state)
}

/// Whether the process exists and has not ended. A zombie has ended.
///
/// ```
/// assert!(common::harness::is_alive(std::process::id()));
/// ```
pub fn is_alive(pid: u32) -> bool {
    !matches!(process_state(pid), None | Some('Z' | 'X'))
}

/// The number of threads of the process.
///
/// # Panics
///
/// If there is no such process.
///
/// ```
/// assert!(common::harness::threads(std::process::id()) >= 1);
/// ```
#[track_caller]
pub fn threads(pid: u32) -> usize {
    let threads = numbered_entries(&directory(pid).join("task")).len();
    assert!(threads > 0, "process {pid} is gone: it has no threads");
    threads
}

/// The open file descriptors of the process, and what each leads to: a path, or `pipe:[31415]`, where
/// equal numbers mean the same pipe.
///
/// # Panics
///
/// If the process is gone, or belongs to somebody else.
///
/// ```
/// use common::harness::open_descriptors;
///
/// let before = open_descriptors(std::process::id());
/// assert!(before.contains_key(&2));
/// let (reader, writer) = std::io::pipe()?;
/// let after = open_descriptors(std::process::id());
/// # use std::os::fd::AsRawFd;
/// assert_eq!(after[&reader.as_raw_fd()], after[&writer.as_raw_fd()]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn open_descriptors(pid: u32) -> BTreeMap<i32, String> {
    let folder = directory(pid).join("fd");
    if let Err(error) = fs::read_dir(&folder) {
        panic!("cannot read the descriptors of process {pid}: {error}");
    }
    // The listing itself needs a descriptor. It is closed again when the links are read, and so left out
    // where the process asks about itself.
    let entries = numbered_entries(&folder);
    let links = entries.iter().filter_map(|path| {
        let target = fs::read_link(path).ok()?;
        let number = path.file_name()?.to_str()?.parse().ok()?;
        Some((number, target.to_string_lossy().into_owned()))
    });
    links.collect()
}

/// How much memory a process uses. Made by [`memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In KiB: pages that no other process has. After a fork all pages are shared, until one side writes to them.
    pub private: u64,
    /// In KiB: all pages in memory, those shared with other processes included.
    pub resident: u64,
}

/// The memory of the process, from `/proc/PID/smaps_rollup`.
///
/// # Panics
///
/// If the process has ended, or belongs to somebody else.
///
/// ```
/// let memory = common::harness::memory(std::process::id());
/// assert!(0 < memory.private && memory.private <= memory.resident);
/// ```
#[track_caller]
pub fn memory(pid: u32) -> Memory {
    let rollup = match fs::read_to_string(directory(pid).join("smaps_rollup")) {
        Ok(rollup) => rollup,
        Err(error) => panic!("cannot read the memory of process {pid}: {error}"),
    };
    let kib = |key: &str| -> u64 {
        let value = rollup.lines().find_map(|line| line.strip_prefix(key));
        let value = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok());
        value.unwrap_or_else(|| panic!("no {key} in smaps_rollup:\n{rollup}"))
    };
    Memory { private: kib("Private_Clean:") + kib("Private_Dirty:"), resident: kib("Rss:") }
}

/// The processes, a line for each thread, with what it waits for: the first question after a hang.
pub(super) fn table(processes: &[ProcessInfo]) -> String {
    let mut table = String::from("     pid   parent  state  name             waits in");
    for process in processes {
        let tasks = numbered_entries(&directory(process.pid).join("task"));
        if tasks.is_empty() {
            add_line(&mut table, process, "-");
        }
        for task in tasks {
            if let Some(thread) = ProcessInfo::read(&task) {
                add_line(&mut table, &thread, &waits_in(&task));
            }
        }
    }
    table
}

fn add_line(table: &mut String, thread: &ProcessInfo, waits_in: &str) {
    let ProcessInfo { pid, parent, state, name } = thread;
    // Writing to a string cannot fail.
    let _ = write!(table, "\n{pid:>8} {parent:>8}  {state:<5}  {name:<15}  {waits_in}");
}

/// The system call that the thread is in, and the function of the kernel that it sleeps in, where the
/// kernel tells.
fn waits_in(task: &Path) -> String {
    let read = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
    let syscall = read("syscall");
    let mut fields = syscall.split_whitespace();
    let call = match fields.next().map(str::parse) {
        Some(Ok(number)) => call(number, fields.next().unwrap_or_default()),
        _ => String::from("-"), // It runs, it is a zombie, or we may not know.
    };
    match read("wchan").trim() {
        "" | "0" => call,
        function => format!("{call}, {function}"),
    }
}

/// The calls that processes usually hang in, with the descriptor if that is their first argument.
fn call(number: i64, argument: &str) -> String {
    let (name, has_descriptor) = match number {
        libc::SYS_read => ("read", true),
        libc::SYS_write => ("write", true),
        libc::SYS_recvfrom => ("recv", true),
        libc::SYS_recvmsg => ("recvmsg", true),
        libc::SYS_sendto => ("send", true),
        libc::SYS_sendmsg => ("sendmsg", true),
        libc::SYS_accept4 => ("accept", true),
        libc::SYS_flock => ("flock", true),
        libc::SYS_futex => ("futex", false),
        libc::SYS_wait4 => ("waitpid", false),
        libc::SYS_waitid => ("waitid", false),
        libc::SYS_ppoll => ("poll", false),
        libc::SYS_epoll_pwait => ("epoll", false),
        libc::SYS_clock_nanosleep => ("sleep", false),
        libc::SYS_rt_sigsuspend => ("sigsuspend", false),
        libc::SYS_rt_sigtimedwait => ("sigwait", false),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => ("poll", false),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_pause => ("pause", false),
        _ => return format!("system call {number}"),
    };
    match i32::from_str_radix(argument.trim_start_matches("0x"), 16) {
        Ok(descriptor) if has_descriptor => format!("{name} of descriptor {descriptor}"),
        _ => String::from(name),
    }
}

fn directory(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// The entries of a folder of `/proc` that are named by a number; none if the folder is gone.
fn numbered_entries(folder: &Path) -> Vec<PathBuf> {
    let numbered = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    };
    // Paths and not entries, each of which keeps the folder open.
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path()).filter(numbered).collect()
}
