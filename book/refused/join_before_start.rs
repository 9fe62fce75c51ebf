// E0599
use common::Process;

fn main() -> std::io::Result<()> {
    // ANCHOR: program
    let process = Process::new(|| println!("at work"));
    process.join()?;
    // ANCHOR_END: program
    Ok(())
}
