pub fn one_counter_for_both(before: u32, added: u32) -> [u32; 2] {
    [before + added, before + added]
}

pub fn the_child_begins_at_zero(before: u32, added: u32) -> [u32; 2] {
    [added, before]
}

pub fn nothing_is_added(before: u32, _: u32) -> [u32; 2] {
    [before, before]
}

pub fn the_example_of_the_lesson(_: u32, _: u32) -> [u32; 2] {
    [11, 1]
}
