// E0382
use common::Process;

fn main() -> std::io::Result<()> {
    // ANCHOR: program
    let process = Process::new(|| println!("at work"));
    process.start()?;
    process.start()?;
    // ANCHOR_END: program
    Ok(())
}
