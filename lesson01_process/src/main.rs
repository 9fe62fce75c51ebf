//! A lesson.
fn main() {}
