//! What CPython's own tests check of `multiprocessing.Pool`, `multiprocessing.Process` and
//! `concurrent.futures.ProcessPoolExecutor`, checked here of ours.
//!
//! Read from CPython 3.11 and 3.13, and from its main branch of 2026 where that has more. What a test
//! there wants is kept; how it asks is not: where it sleeps and hopes, ours waits at a gate. Where we
//! depart on purpose, our test pins the departure and says so.
//!
//! Why there is none, in short: *type*: what they reject at run time does not compile here; *fork*: it
//! is about another start method; *threads*: it is about a thread pool or a manager; *inside*: it
//! replaces CPython's own parts by mocks, and here there is no such part.
//!
//! # `_test_multiprocessing.py`: `_TestPool`
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_apply` | `apply_runs_its_task_in_a_worker` |
//! | `test_map` | `map_keeps_the_order_of_the_input`, `a_chunk_is_one_task_of_one_worker` |
//! | `test_starmap`, `test_starmap_async` | `starmap_takes_pairs` |
//! | `test_map_async` | `an_async_map_does_not_wait_for_its_tasks` |
//! | `test_map_async_callbacks` | `the_callback_gets_the_result_or_the_error_once`, `the_callback_comes_before_the_answer` |
//! | `test_map_unplicklable` | `an_argument_that_cannot_be_encoded_is_an_error_of_the_call` |
//! | `test_map_chunksize` | `an_empty_map_needs_no_worker` |
//! | `test_map_handle_iterable_exception` | `an_input_that_panics_panics_in_the_caller` |
//! | `test_async` | `an_async_result_comes_when_its_task_ends` |
//! | `test_async_timeout` | `a_timeout_leaves_the_task_running` |
//! | `test_imap` | `imap_keeps_the_order_of_the_input`, `imap_goes_to_its_end_and_stays_there` |
//! | `test_imap_handle_iterable_exception` | `imap_hands_out_what_came_before_its_input_panicked`; we depart: `imap_reads_ahead_of_a_panic_of_its_input` |
//! | `test_imap_unordered` | `imap_unordered_gives_each_result_once`, `imap_unordered_gives_results_as_they_come` |
//! | `test_imap_unordered_handle_iterable_exception` | `imap_unordered_hands_out_what_came_before_its_input_panicked` |
//! | `test_make_pool` | `a_pool_has_the_workers_it_was_asked_for`, `a_pool_of_no_workers_is_an_error`; −1: *type* |
//! | `test_terminate` | `terminate_ends_tasks_that_take_for_ever` |
//! | `test_empty_iterable` | `nothing_in_nothing_out` |
//! | `test_context` | `leaving_the_scope_ends_the_pool`; a call after it: *type* |
//! | `test_traceback` | `a_panic_says_what_and_where_and_who`; its second half: `an_input_that_panics_panics_in_the_caller` |
//! | `test_wrapped_exception` | *threads*; `a_panic_with_any_payload_is_an_error` is what it asks of processes |
//! | `test_map_no_failfast` | `a_map_that_failed_has_waited_for_all_its_tasks` |
//! | `test_release_task_refs` | `arguments_and_results_are_dropped`, `a_result_that_nobody_wants_is_dropped` |
//! | `test_enter` | `an_ended_pool_takes_no_calls`; entering a scope twice: *type* |
//! | `test_resource_warning` | nothing to warn of: dropping a pool ends it, `leaving_the_scope_ends_the_pool` |
//!
//! # `_TestPoolWorkerErrors`, `_TestPoolWorkerLifetime`, and two of their neighbours
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_async_error_callback` | `the_callback_gets_the_result_or_the_error_once` |
//! | `test_unpickleable_result` | `a_result_that_cannot_be_encoded_costs_no_worker` |
//! | `test_pool_worker_lifetime` | `a_worker_is_replaced_after_its_tasks` |
//! | `test_pool_worker_lifetime_early_close` | `closing_early_loses_no_task` |
//! | `test_pool_maxtasksperchild_invalid` | `maxtasksperchild_of_zero_is_an_error`; −1, 0.5 and "12": *type* |
//! | `test_worker_finalization_via_atexit_handler_of_multiprocessing` | `a_pool_that_is_never_dropped_goes_with_the_program` |
//! | `TestInitializers.test_pool_initializer` | `the_initializer_runs_once_in_each_worker`; an initializer that cannot be called: *type* |
//! | `TestPoolNotLeakOnFailure.test_release_unused_processes` | `a_pool_that_cannot_be_made_leaves_nothing_behind` |
//!
//! # `_TestProcess`
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_current`, `test_parent_process_attributes` | `a_child_is_a_process_of_its_own`; there is no object for the current process, no name and no authkey |
//! | `test_set_executable` | *fork* |
//! | `test_args_argument` | `a_child_has_what_its_closure_captured` |
//! | `test_daemon_argument` | `dropping_the_handle_waits_for_the_process`, `dropping_a_daemon_ends_it`: what the flag does; it cannot be asked for |
//! | `test_parent_process` | there is no `parent_process()`; a parent's death is the subject of the tests of FORK rule 19 |
//! | `test_process` | `a_process_is_alive_from_its_start_to_its_end`; before the start there is no exit code: *type* |
//! | `test_process_mainthread_native_id` | `a_child_has_one_thread` |
//! | `test_interrupt`, `test_interrupt_no_handler` | `an_interrupt_ends_it_by_signal_2`; there is no `interrupt()` and no `KeyboardInterrupt` |
//! | `test_terminate` | `terminate_ends_it_by_signal_15` |
//! | `test_kill` | `kill_ends_it_by_signal_9`; their `join(-1)`: *type*; its opposite: `a_join_may_have_any_timeout` |
//! | `test_cpu_count` | `there_is_a_processor` |
//! | `test_active_children` | `a_process_is_alive_from_its_start_to_its_end`, by the kernel's list; the library keeps none |
//! | `test_recursion` | `children_start_children` |
//! | `test_sentinel` | `the_sentinel_tells_of_the_end`; before the start: *type* |
//! | `test_close` | there is no `close()`: a handle is dropped, `dropping_the_handle_waits_for_the_process`; using it then: *type* |
//! | `test_many_processes` | `a_hundred_processes_at_once`, `a_hundred_processes_are_terminated` |
//! | `test_lose_target_ref` | `the_target_is_dropped_in_the_parent` |
//! | `test_child_fd_inflation` | `a_child_has_no_descriptors_of_its_siblings`; theirs is skipped where processes are forked |
//! | `test_wait_for_threads` | we depart, as Rust does: `a_child_does_not_wait_for_its_threads` |
//! | `test_error_on_stdio_flush_1` | `a_process_needs_no_standard_streams_of_its_parent` |
//! | `test_error_on_stdio_flush_2` | `a_process_may_lose_its_standard_streams` |
//! | `test_forkserver_sigint`, `test_forkserver_sigkill`, `test_forkserver_auth_is_enabled`, `test_forkserver_without_auth_fails` | *fork*; the death of our supervisor: `terminate_after_a_death_is_quiet` |
//! | `_TestSubclassingProcess.test_subclassing` | `a_process_talks_with_its_parent`; there is nothing to derive from |
//! | `_TestSubclassingProcess.test_stderr_flush` | `a_panic_in_a_process_is_told_on_stderr` |
//! | `_TestSubclassingProcess.test_sys_exit` | `exit_codes_arrive`; exit codes that are no numbers: *type* |
//!
//! # `test_concurrent_futures`: `executor.py`
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_submit` | `an_async_result_comes_when_its_task_ends` |
//! | `test_submit_keyword` | `apply_runs_its_task_in_a_worker`; wrong arguments: *type* |
//! | `test_map` | `map_keeps_the_order_of_the_input`, `starmap_takes_pairs` |
//! | `test_map_exception` | `imap_goes_on_after_an_error` |
//! | `test_map_timeout` | `a_timeout_of_next_loses_nothing`: here the rest is not cancelled |
//! | `test_map_timeout_from_callable` | `a_task_that_speaks_of_timeouts_is_no_timeout` |
//! | `test_map_close` | `dropping_an_iterator_leaves_the_pool_as_it_was`: what was sent is run |
//! | `test_map_buffersize_type_validation` | *type* |
//! | `test_map_buffersize_value_validation` | `a_buffer_of_nothing_is_an_error` |
//! | `test_map_buffersize`, `test_map_buffersize_on_multiple_iterables`, `test_map_buffersize_on_empty_iterable` | `the_size_of_the_buffer_does_not_change_the_results` |
//! | `test_map_buffersize_on_infinite_iterable`, `test_map_buffersize_on_multiple_infinite_iterables` | `an_endless_input_is_read_as_far_as_needed` |
//! | `test_map_buffersize_without_iterable` | *type* |
//! | `test_map_buffersize_when_buffer_is_full` | `the_input_is_not_read_ahead_of_the_buffer` |
//! | `test_shutdown_race_issue12456` | `join_does_not_wait_for_an_iterator_to_be_read` |
//! | `test_no_stale_references` | `a_result_that_nobody_wants_is_dropped` |
//! | `test_free_reference` | `arguments_and_results_are_dropped` |
//! | `test_max_workers_negative` | `a_pool_of_no_workers_is_an_error` |
//! | `test_swallows_falsey_exceptions` | `a_panic_with_any_payload_is_an_error` |
//!
//! # `test_process_pool.py`
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_max_workers_too_large` | Windows |
//! | `test_sysconf_permission_error` | *inside* |
//! | `test_killed_child` | we depart, the pool goes on: `a_killed_worker_fails_only_its_own_task` |
//! | `test_broken_process_pool_traceback` | `each_death_has_its_own_error` |
//! | `test_map_chunksize` | `chunks_of_any_size_give_the_same`, `a_chunk_may_be_larger_than_any_input`, `a_chunk_of_nothing_is_an_error` |
//! | `test_traceback` | `a_panic_says_what_and_where_and_who` |
//! | `test_traceback_when_child_process_terminates_abruptly` | `an_exit_in_a_task_is_told_with_its_code` |
//! | `test_ressources_gced_in_workers` | `arguments_and_results_are_dropped` |
//! | `test_saturation` | `more_tasks_than_workers_wait_for_their_turn` |
//! | `test_idle_process_reuse_one`, `test_idle_process_reuse_multiple` | `idle_workers_are_used_again`; they are forked before the first task, not on demand |
//! | `test_max_tasks_per_child` | `a_worker_does_exactly_its_tasks`; theirs forbids it with fork |
//! | `test_max_tasks_per_child_defaults_to_spawn_context` | *fork*: ours comes from a process with one thread |
//! | `test_max_tasks_per_child_pending_tasks_gh115634` | `a_backlog_outlives_the_workers` |
//! | `test_shutdown_no_wait_max_tasks_gh119592` | `closing_at_the_last_task_of_a_worker_strands_nobody` |
//! | `test_gc_during_max_tasks_worker_exit_gh152967`, `test_force_shutdown_during_max_tasks_worker_exit` | `leaving_at_the_last_task_of_a_worker_strands_nobody` |
//! | `test_failed_worker_replacement_breaks_pool` | `a_worker_that_cannot_be_replaced_ends_the_pool` |
//! | `test_max_tasks_early_shutdown` | `closing_early_loses_no_task` |
//! | `test_python_finalization_error` | *inside*; what the system refuses: `a_pool_that_cannot_be_made_leaves_nothing_behind` |
//! | `test_terminate_workers`, `test_kill_workers`, `test_force_shutdown_workers_invalid_op` | *inside* |
//! | `test_force_shutdown_workers`, `test_force_shutdown_workers_stops_pool` | `terminate_stops_a_task_that_runs` |
//! | `test_force_shutdown_workers_dead_workers` | `terminate_after_a_death_is_quiet` |
//! | `test_force_shutdown_workers_not_started_yet` | `terminate_before_the_first_task_is_quiet` |
//!
//! # `test_shutdown.py`, `test_init.py`
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_run_after_shutdown` | `an_ended_pool_takes_no_calls` |
//! | `test_interpreter_shutdown` | we depart: a pool that is dropped is terminated, and who wants the work done says so, `close_and_join_finish_what_was_submitted` |
//! | `test_submit_after_interpreter_shutdown` | nothing runs after `main`; a pool in a static: `a_pool_that_is_never_dropped_goes_with_the_program` |
//! | `test_hang_issue12364` | `close_and_join_finish_what_was_submitted` |
//! | `test_cancel_futures` | `terminate_answers_what_has_not_ended`; one by one: `a_cancelled_task_that_waits_never_runs`, `a_cancelled_task_that_runs_costs_its_worker` |
//! | `test_hang_gh83386` | `close_does_not_wait`; theirs is skipped for processes: it hangs |
//! | `test_hang_gh94440` | `join_after_a_cancel_does_not_hang` |
//! | `test_processes_terminate` | `more_tasks_than_workers_wait_for_their_turn`, `close_and_join_finish_what_was_submitted` |
//! | `test_context_manager_shutdown` | `leaving_the_scope_ends_the_pool` |
//! | `test_del_shutdown`, `test_shutdown_no_wait` | `results_that_have_come_outlive_the_pool`; what has not come is told so, `terminate_answers_what_has_not_ended` |
//! | `test_shutdown_gh_132969_case_1`, `test_shutdown_gh_132969_case_2` | `an_error_at_the_last_task_of_a_worker_strands_nobody` |
//! | `InitializerMixin.test_initializer` | `the_initializer_runs_once_in_each_worker` |
//! | `FailingInitializerMixin.test_initializer` | `a_failing_initializer_ends_the_pool_with_its_reason` |
//! | `FailingInitializerResourcesTest` | there is no resource tracker; the harness looks for what is left |
//! | those of `ThreadPoolShutdownTest` | *threads* |
//!
//! # `test_wait.py`, `test_as_completed.py`
//!
//! No function here waits for several handles. A callback that sends to a channel tells which is next, and
//! `imap_unordered` gives results as they are completed.
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_20369`, `test_all_completed`, `test_timeout` | `all_are_waited_for_one_after_another` |
//! | `test_first_completed`, `test_first_completed_some_already_completed` | `a_channel_tells_which_is_first` |
//! | `test_first_exception`, `test_first_exception_some_already_complete`, `test_first_exception_one_already_failed` | `a_channel_tells_of_the_first_error` |
//! | `test_pending_calls_race` | *threads* |
//! | `test_no_timeout` | `imap_unordered_gives_each_result_once`, `a_channel_tells_which_is_first` |
//! | `test_future_times_out` | `imap_unordered_gives_results_as_they_come` |
//! | `test_duplicate_futures` | a handle has one owner: *type* |
//! | `test_free_reference_yielded_future` | `arguments_and_results_are_dropped` |
//! | `test_correct_timeout_exception_msg` | there is no such message |
//!
//! # `test_deadlock.py`
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_error_at_task_pickle` | `an_argument_that_cannot_be_encoded_is_an_error_of_the_call`, `an_argument_that_panics_while_it_is_encoded_panics_in_the_caller` |
//! | `test_exit_at_task_unpickle`, `test_crash_at_task_unpickle` | `an_argument_that_ends_its_worker_is_the_tasks_error` |
//! | `test_error_at_task_unpickle` | `an_argument_that_cannot_be_decoded_is_the_tasks_error`, `an_argument_that_cannot_be_decoded_fails_alone_in_its_chunk` |
//! | `test_crash_during_func_exec_on_worker`, `test_exit_during_func_exec_on_worker`, `test_error_during_func_exec_on_worker` | `a_task_that_ends_its_worker_is_an_error` |
//! | `test_crash_during_result_pickle_on_worker`, `test_exit_during_result_pickle_on_worker` | `a_result_that_ends_its_worker_is_the_tasks_error` |
//! | `test_error_during_result_pickle_on_worker` | `a_result_that_cannot_be_encoded_costs_no_worker` |
//! | `test_error_during_result_unpickle_in_result_handler` | `a_result_that_cannot_be_decoded_is_the_tasks_error`, `a_result_that_cannot_be_decoded_fails_alone_in_its_chunk` |
//! | `test_exit_during_result_unpickle_in_result_handler` | Python's exit is an exception, which is a panic here: the same test; `std::process::exit` in the parent is the program's own wish |
//! | `test_shutdown_deadlock` | `a_crash_after_close_lets_join_return` |
//! | `test_shutdown_deadlock_pickle` | `an_error_before_close_lets_join_return` |
//! | `test_crash_big_data` | `crashes_with_large_arguments_hang_nobody`, `a_crash_beside_large_results_harms_nobody` |
//! | `test_gh105829_should_not_deadlock_if_wakeup_pipe_full` | `submitting_never_waits_for_the_workers` |
//!
//! # `test_future.py`
//!
//! It is about `Future` alone, which others may use and set; our handle is the pool's. What carries over:
//!
//! | theirs | ours, or why there is none |
//! |---|---|
//! | `test_done_callback_with_result`, `test_done_callback_with_exception` | `the_callback_gets_the_result_or_the_error_once` |
//! | `test_done_callback_with_cancel` | `a_cancelled_call_tells_its_callback` |
//! | `test_done_callback_raises` | `a_callback_that_panics_is_the_answer` |
//! | `test_cancel`, `test_cancelled`, `test_done`, `test_running`, `test_result_with_cancel` | `a_cancelled_task_that_waits_never_runs`, `a_cancelled_task_that_runs_costs_its_worker` |
//! | `test_result_with_timeout`, `test_result_with_success`, `test_exception_with_timeout`, `test_exception_with_success` | `a_timeout_leaves_the_task_running`, `an_async_result_comes_when_its_task_ends` |
//! | those that add a callback later, set a result, or look at the representation | a callback is given with the call; the rest has no counterpart |

mod executor;
mod pool;
mod process;
mod tools;

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

fn main() {
    let itself = common::harness::tests![the_table_names_every_test];
    let all = [itself, pool::all(), process::all(), executor::all()];
    common::harness::main(all.into_iter().flatten());
}

fn the_table_names_every_test() {
    let list = Command::new(env::current_exe().unwrap()).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    // In front of a name stands why it is ignored.
    let tests: BTreeSet<&str> = tests.filter_map(|test| test.split("] ").last()).collect();
    let rows = include_str!("main.rs").lines().filter(|line| line.starts_with("//! | `"));
    let words = rows.flat_map(|row| row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2));
    let mut named: BTreeSet<&str> = words.filter(|word| word.matches('_').count() > 1).collect();
    named.insert("the_table_names_every_test");
    let missing: Vec<_> = tests.symmetric_difference(&named).collect();
    assert!(missing.is_empty(), "in the table or among the tests, not in both: {missing:?}");
}
