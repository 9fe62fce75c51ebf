//! What the lessons share: the workload that they run, processes and the pool that they run it in,
//! and the means to see who did what when.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "this course forks processes and needs Linux 5.4 or later: on Windows use WSL 2, on macOS a Linux virtual machine or container"
);

mod board;
pub mod calls;
pub mod cli;
pub mod console;
pub mod contract;
pub mod cpu;
mod crew;
pub mod director;
pub mod exercise;
mod exit_status;
pub mod finish;
mod fork;
pub mod gate;
pub mod harness;
mod os;
mod panics;
mod parcel;
pub mod pool;
mod private;
pub mod process;
pub mod random;
pub mod trace;
pub mod workload;

pub use exit_status::ExitStatus;
pub use pool::Pool;
pub use process::Process;
