pub fn apply_is_like_map(tasks: usize, workers: usize) -> [usize; 2] {
    [tasks.div_ceil(workers); 2]
}

pub fn map_runs_all_at_once(tasks: usize, _: usize) -> [usize; 2] {
    [tasks, 1]
}

pub fn rounded_down(tasks: usize, workers: usize) -> [usize; 2] {
    [tasks, tasks / workers]
}

pub fn a_pool_is_not_faster(tasks: usize, _: usize) -> [usize; 2] {
    [tasks, tasks]
}
