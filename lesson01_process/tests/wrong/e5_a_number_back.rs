use std::io::{self, Read, Write};
use std::process::exit;

use common::Process;

pub fn the_exit_code(task: fn() -> u32) -> io::Result<u32> {
    let status = Process::new(|| exit(task() as i32)).start()?.join()?;
    Ok(status.code().unwrap_or_default() as u32)
}

pub fn a_captured_variable(task: fn() -> u32) -> io::Result<u32> {
    let mut number = 0;
    Process::new(|| number = task()).start()?.join()?;
    Ok(number)
}

pub fn in_the_parent(task: fn() -> u32) -> io::Result<u32> {
    Ok(task())
}

pub fn run_twice(task: fn() -> u32) -> io::Result<u32> {
    Process::new(task).start()?.join()?;
    Ok(task())
}

pub fn the_parent_holds_the_writing_end(task: fn() -> u32) -> io::Result<u32> {
    let (mut reader, writer) = io::pipe()?;
    let child = Process::new(|| (&writer).write_all(&task().to_ne_bytes())).start()?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    child.join()?;
    Ok(u32::from_ne_bytes(bytes.try_into().unwrap()))
}
