//! The fork copies memory: the child begins with the parent's number and changes its own copy. `join` brings back an
//! exit code and nothing else.

pub fn answer(before: u32, added: u32) -> [u32; 2] {
    [before + added, before]
}
