pub fn always_the_order_of_the_items(_: [u32; 4]) -> [[u32; 4]; 3] {
    [[1, 2, 3, 4]; 3]
}

pub fn always_the_order_of_the_ends(ended: [u32; 4]) -> [[u32; 4]; 3] {
    [ended; 3]
}

pub fn imap_is_like_imap_unordered(ended: [u32; 4]) -> [[u32; 4]; 3] {
    [[1, 2, 3, 4], ended, ended]
}

pub fn the_other_way_round(ended: [u32; 4]) -> [[u32; 4]; 3] {
    [ended, ended, [1, 2, 3, 4]]
}
