//! What the lessons share.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "this course forks processes and needs Linux 5.4 or later: on Windows use WSL 2, on macOS a Linux virtual machine or container"
);

pub mod cli;
pub mod console;
pub mod cpu;
pub mod harness;
pub mod random;
pub mod trace;
pub mod workload;
