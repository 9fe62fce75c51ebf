//! The pool's promises when things go wrong: a module for each, a test for each clause, named by it.

mod promise_1;
mod promise_2;
mod promise_3;
mod promise_4;
mod promise_5;
mod promise_6;
mod promise_7;
mod promise_8;
mod support;

use common::harness::{self, test, tests};

fn main() {
    let mut all = tests![
        promise_1::each_way_to_die_fails_its_own_task_and_no_other,
        promise_1::a_real_time_signal_is_told_too,
        promise_1::each_signal_from_outside_fails_the_running_task_alone,
        promise_1::signals_that_end_nobody_end_nobody,
        promise_1::whatever_dies_each_task_is_begun_once_and_answered_once,
        promise_1::a_death_in_a_map_names_its_chunk_and_harms_no_other_call,
        promise_1::a_death_in_imap_is_the_error_of_its_items_in_their_place,
        promise_1::idle_workers_that_are_killed_are_replaced_and_nobody_hears_of_it,
        promise_1::a_worker_killed_while_it_reads_a_task_of_many_megabytes_loses_nothing,
        promise_1::workers_killed_in_the_middle_of_writing_large_results_fail_their_own_tasks,
        promise_1::a_result_that_was_written_before_the_death_counts,
        promise_1::workers_that_die_in_the_initializer_are_replaced,
        promise_1::workers_killed_right_after_their_fork_are_replaced,
        promise_1::a_task_that_was_sent_and_not_begun_is_run_by_the_next_worker,
        promise_1::a_stopped_worker_delays_its_own_task_alone,
        promise_1::a_worker_stopped_while_idle_delays_one_task_at_most,
        promise_1::a_stopped_worker_is_ended_by_a_limit_by_cancel_and_by_terminate,
        promise_1::a_child_of_a_task_does_not_hide_the_death_of_its_worker,
        promise_1::a_task_that_forks_and_returns_twice_has_one_result,
        promise_1::an_initializer_that_forks_and_returns_twice_makes_one_worker,
        promise_1::a_lying_worker_costs_its_own_task_and_no_memory,
        promise_1::a_worker_that_answers_twice_answers_no_other_task,
        promise_1::a_killed_supervisor_is_told_to_everybody,
        promise_1::an_argument_that_no_worker_can_hold_is_an_error_in_the_end,
        promise_2::a_panic_is_told_with_its_message_its_place_and_its_process,
        promise_2::a_panicking_task_does_not_cost_its_worker,
        promise_2::whatever_a_task_panics_with_its_worker_lives_on,
        promise_2::panics_on_the_way_there_and_back_do_not_cost_the_worker,
        promise_2::a_panic_ends_its_chunk_and_not_the_others,
        promise_2::the_programs_own_panic_hook_goes_on_working,
        promise_3::terminate_ends_workers_whatever_they_do,
        promise_3::leaving_the_scope_ends_workers_whatever_they_do,
        promise_3::a_panic_in_the_scope_ends_the_pool_too,
        promise_3::a_stopped_supervisor_does_not_keep_the_pool_from_ending,
        promise_3::workers_get_to_see_sigterm_before_they_are_killed,
        promise_3::everybody_who_waits_is_told_by_terminate,
        promise_3::everybody_who_waits_is_told_by_terminate_from_another_thread,
        promise_3::who_waits_in_join_is_told_by_terminate,
        promise_3::terminate_in_a_callback_ends_the_pool,
        promise_3::a_callback_that_never_returns_does_not_keep_the_pool_from_ending,
        promise_3::terminate_while_workers_are_being_replaced_leaves_nobody,
        promise_3::a_pool_ended_while_its_workers_are_in_the_initializer_leaves_nobody,
        promise_3::close_and_join_finish_the_outstanding_work,
        promise_3::join_finishes_the_work_although_workers_die,
        promise_3::join_ends_although_idle_workers_are_killed,
        promise_4::when_the_parent_is_killed_the_workers_of_all_its_pools_go,
        promise_4::when_the_parent_ends_without_ending_its_pools_their_workers_go,
        promise_4::when_the_parent_aborts_the_workers_of_all_its_pools_go,
        promise_4::when_a_worker_is_killed_the_pool_inside_its_task_goes,
        promise_4::when_the_supervisor_is_killed_its_workers_go,
        promise_4::when_the_thread_that_made_the_pool_ends_nothing_happens,
        promise_4::ctrl_c_leaves_nobody_and_at_most_three_lines,
        promise_4::ctrl_c_that_the_program_handles_harms_no_task,
        promise_5::get_with_a_timeout_gives_up_waiting_and_nothing_else,
        promise_5::next_with_a_timeout_loses_nothing,
        promise_5::a_limit_kills_the_worker_of_its_task_and_no_other,
        promise_5::a_limit_ends_tasks_of_each_kind_of_call,
        promise_5::limits_again_and_again_do_not_break_the_pool,
        promise_5::a_task_within_its_limit_is_none_of_its_business,
        promise_5::a_call_that_is_cancelled_in_the_queue_never_runs,
        promise_5::a_call_that_is_cancelled_while_it_runs_costs_its_workers_and_no_others,
        promise_5::cancel_after_the_answer_changes_nothing,
        promise_5::who_waits_is_told_that_another_thread_cancelled,
        promise_5::cancelling_again_and_again_does_not_break_the_pool,
        promise_6::hundreds_of_megabytes_cross_in_both_directions_at_once,
        promise_6::four_megabytes_against_four_megabytes_on_each_of_many_tasks,
        promise_6::a_million_small_tasks,
        promise_6::many_tasks_that_wait_cost_little_memory,
        promise_6::an_endless_input_is_read_no_further_than_the_bound,
        promise_6::many_pools_one_after_another_leave_nothing,
        promise_6::many_pools_at_once_from_several_threads,
        promise_6::a_pool_is_used_from_several_threads_at_once,
        promise_6::pools_inside_tasks_inside_pools,
        promise_6::the_descriptors_of_a_worker_do_not_grow_with_workers_pools_or_replacements,
        promise_6::a_thousand_deaths_leave_nothing_behind,
        promise_7::no_descriptor_to_be_had_is_an_error_that_leaves_nothing,
        promise_7::no_process_to_be_had_is_an_error_that_leaves_nothing,
        promise_7::a_fork_that_the_kernel_refuses_is_an_error_that_leaves_nothing,
        promise_7::no_memory_for_a_thread_is_an_error_that_leaves_nothing,
        promise_7::no_descriptors_for_a_replacement_end_the_pool_with_that_cause,
        promise_7::no_descriptors_for_the_supervisor_end_the_pool_with_that_cause,
        promise_7::an_initializer_that_always_fails_ends_the_pool_with_its_cause,
        promise_7::workers_that_die_at_once_again_and_again_end_the_pool,
        promise_7::what_cannot_be_encoded_or_decoded_is_an_error_of_its_task,
        promise_7::a_spoiled_item_does_not_spoil_the_rest_of_its_chunk,
        promise_7::a_type_that_leaves_out_fields_is_an_error_and_no_wrong_number,
        promise_7::no_memory_for_a_result_is_an_error_of_its_task,
        promise_7::numbers_that_make_no_sense_are_errors_and_nothing_runs,
        promise_8::the_programs_own_children_are_its_own,
        promise_8::a_program_that_ignores_sigchld_is_served_the_same,
        promise_8::a_thread_that_reaps_every_child_does_no_harm,
        promise_8::an_unfinished_line_appears_once,
        promise_8::whoever_has_a_result_can_rely_on_its_lines,
        promise_8::the_programs_exit_handlers_run_in_the_program_alone,
        promise_8::the_input_of_a_task_is_empty_and_the_programs_is_untouched,
        promise_8::the_programs_random_numbers_are_as_without_a_pool,
        promise_8::the_programs_signals_and_folder_are_as_they_were,
    ];
    let read_ahead = promise_8::what_the_program_has_read_ahead_is_not_a_tasks_input;
    let reason = "to do";
    let read_ahead =
        test("promise_8::what_the_program_has_read_ahead_is_not_a_tasks_input", read_ahead);
    all.push(read_ahead.ignored(reason));
    harness::main(all);
}
