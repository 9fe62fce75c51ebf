use std::io;

use common::Process;

pub fn in_the_parent(a: fn(), b: fn()) -> io::Result<()> {
    a();
    b();
    Ok(())
}

pub fn threads(a: fn(), b: fn()) -> io::Result<()> {
    let threads = [std::thread::spawn(a), std::thread::spawn(b)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    Ok(())
}

pub fn one_after_the_other(a: fn(), b: fn()) -> io::Result<()> {
    Process::new(a).start()?.join()?;
    Process::new(b).start()?.join()?;
    Ok(())
}

pub fn dropped_at_once(a: fn(), b: fn()) -> io::Result<()> {
    let _ = Process::new(a).start()?;
    let _ = Process::new(b).start()?;
    Ok(())
}

pub fn both_in_one_process(a: fn(), b: fn()) -> io::Result<()> {
    let both = Process::new(|| {
        a();
        b();
    });
    both.start()?.join()?;
    Ok(())
}

pub fn one_in_the_parent(a: fn(), b: fn()) -> io::Result<()> {
    let p0 = Process::new(a).start()?;
    b();
    p0.join()?;
    Ok(())
}

pub fn nobody_waits(a: fn(), b: fn()) -> io::Result<()> {
    std::mem::forget(Process::new(a).start()?);
    std::mem::forget(Process::new(b).start()?);
    Ok(())
}

pub fn never_started(a: fn(), b: fn()) -> io::Result<()> {
    let _ = (Process::new(a), Process::new(b));
    Ok(())
}
