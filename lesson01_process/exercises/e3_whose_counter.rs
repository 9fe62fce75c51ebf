//! Exercise 3, to predict: whose counter?
//!
//!     let mut counter = before;
//!     let child = Process::new(|| {
//!         counter += added;
//!         say!("child: {counter}");
//!     });
//!     child.start()?.join()?;
//!     say!("parent: {counter}");
//!
//! Which two numbers are printed? Make them from `before` and `added`.

pub fn answer(before: u32, added: u32) -> [u32; 2] {
    todo!("[the child's, the parent's], for {before} and {added}")
}
