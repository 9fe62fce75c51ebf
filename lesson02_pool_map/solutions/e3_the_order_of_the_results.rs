//! `map` and `imap` keep the order of the items, whoever ends first; `imap` only gives the first results before the
//! last are there. `imap_unordered` gives what has ended.

pub fn answer(ended: [u32; 4]) -> [[u32; 4]; 3] {
    let of_the_items = [1, 2, 3, 4];
    [of_the_items, of_the_items, ended]
}
