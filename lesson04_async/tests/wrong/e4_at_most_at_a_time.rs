pub fn wait_does_no_harm(_: usize, workers: usize) -> [usize; 2] {
    [workers, workers]
}

pub fn all_tasks_at_once(tasks: usize, _: usize) -> [usize; 2] {
    [tasks, 1]
}

pub fn apply_never_overlaps(_: usize, _: usize) -> [usize; 2] {
    [1, 1]
}

pub fn the_lesson_s_numbers(_: usize, _: usize) -> [usize; 2] {
    [4, 1]
}
