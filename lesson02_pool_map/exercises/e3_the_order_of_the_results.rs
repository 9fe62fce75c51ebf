//! Exercise 3, to predict: in which order do the results come?
//!
//! Four workers run the tasks 1, 2, 3, 4 at one time. Each task returns its own number. They end in
//! the order `ended`, such as `[3, 1, 4, 2]`, with some time in between, in which main reads
//! what there is to read.
//!
//! Return three lists, made from `ended`:
//!
//! * the list that `map` returns,
//! * what the iterator of `imap` yields, one after another,
//! * what the iterator of `imap_unordered` yields.

pub fn answer(ended: [u32; 4]) -> [[u32; 4]; 3] {
    todo!("[map, imap, imap_unordered], when the tasks end in the order {ended:?}")
}
