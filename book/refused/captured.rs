// E0308
use common::Pool;
use common::pool::Error;

fn main() -> Result<(), Error> {
    // ANCHOR: program
    let pool = Pool::new(2)?;
    let offset = 10;
    let results = pool.map(|x: u32| x + offset, [1, 2, 3, 4])?;
    // ANCHOR_END: program
    println!("{results:?}");
    Ok(())
}
