pub fn the_result_is_the_exit_code(n: i32) -> [i32; 5] {
    [n, n, n, 1, -9]
}

pub fn an_exit_code_is_any_number(n: i32) -> [i32; 5] {
    [0, n, n + 256, 1, -9]
}

pub fn a_panic_as_in_main(n: i32) -> [i32; 5] {
    [0, n, n, 101, -9]
}

pub fn the_shell_s_number_of_a_signal(n: i32) -> [i32; 5] {
    [0, n, n, 1, 137]
}

pub fn the_lesson_s_numbers(_: i32) -> [i32; 5] {
    [0, 3, 3, 1, -9]
}
