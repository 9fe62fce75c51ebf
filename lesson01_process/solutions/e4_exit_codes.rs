//! What a closure returns is dropped: returning is 0. An exit code has 8 bits, so 256 more is the same. A panic is 1, as
//! Python's uncaught exception. Who was killed by signal 9 has no exit code of its own: Python, and so we, say -9.

pub fn answer(n: i32) -> [i32; 5] {
    [0, n, n, 1, -9]
}
