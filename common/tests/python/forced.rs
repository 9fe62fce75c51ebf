//! Each order that the contract allows happens in CPython, too: the director that forces them on our pool (the target
//! `contract`) forces them on Python's, through the same gates.

use common::contract::{Contract, Event};
use common::director::{Director, Stage};
use common::harness::{Test, python, test};

static STAGE: Stage = Stage::new();

macro_rules! forced {
    ($($name:literal: $contract:expr, $call:literal, $tasks:literal, $workers:literal;)*) => {
        vec![$(test(
            concat!($name, "_every_allowed_order_happens_in_python"),
            || force($contract, $call, $tasks, $workers),
        )),*]
    };
}

pub fn all() -> Vec<Test> {
    forced![
        "process_2_tasks": Contract::process(2), "process", 2, 1;
        "map_3_tasks_1_worker": Contract::map(3, 1), "map", 3, 1;
        "map_4_tasks_2_workers": Contract::map(4, 2), "map", 4, 2;
        "map_3_tasks_3_workers": Contract::map(3, 3), "map", 3, 3;
        "map_4_tasks_2_workers_chunks_of_2":
            Contract::map(4, 2).chunksize(2), "map_in_chunks", 4, 2;
        "imap_3_tasks_2_workers": Contract::imap(3, 2), "imap", 3, 2;
        "imap_unordered_3_tasks_2_workers":
            Contract::imap_unordered(3, 2), "imap_unordered", 3, 2;
        "apply_3_tasks_2_workers": Contract::apply(3, 2), "apply", 3, 2;
        "map_async_3_tasks_2_workers": Contract::map_async(3, 2).get(), "map_async", 3, 2;
        "apply_async_2_tasks_2_workers": Contract::apply_async(2, 2).get(), "apply_async", 2, 2;
        "apply_async_wait_in_the_loop_3_tasks_2_workers":
            Contract::apply_async_wait(3, 2), "wait_in_the_loop", 3, 2;
        "get_timeout_and_get_2_tasks_2_workers":
            Contract::map_async(2, 2).get_timeout().get(), "get_timeout", 2, 2;
    ]
}

fn force(contract: Contract, call: &str, tasks: usize, workers: usize) {
    let orders = contract.orders();
    let is_late = |order: &&Vec<Event>| order.contains(&Event::Timeout);
    STAGE.set_up(tasks);
    let runs = orders.iter().map(|order| if is_late(&order) { 't' } else { '.' });
    let mut command = python::command("common/python/forced.py");
    command.args([call, &tasks.to_string(), &workers.to_string(), &STAGE.lend()]);
    let mut python = command.arg(runs.collect::<String>()).spawn().expect("it can be started");
    for order in &orders {
        let mut director = Director::new(&STAGE, workers)
            .directs_main()
            .holds_results(call == "imap_unordered" || is_late(&order));
        director.direct(order).unwrap_or_else(|wrong| panic!("{wrong}, in {order:?}"));
    }
    assert!(python.wait().expect("it ends").success());
}
