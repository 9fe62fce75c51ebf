//! What a task panicked with, and where.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    /// Whether this thread is a worker's, whose panics belong to its tasks.
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Puts a hook before the program's own that notes where a worker's task panics, instead of
/// printing it. Everywhere else the program's own hook runs as before.
///
/// Installed once, in the parent: in a fork of a threaded process the hook's lock may be held
/// by a thread that is not there.
pub(crate) fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_WORKER.get() {
                let location = info.location().map(ToString::to_string).unwrap_or_default();
                LOCATION.replace(location);
            } else {
                previous(info);
            }
        }));
    });
}

/// Whether this thread's panics are noted, not printed, from now on. What was noted before is forgotten.
pub(crate) fn set_in_worker(in_worker: bool) {
    IN_WORKER.set(in_worker);
    LOCATION.take();
}

/// Where the panic was that this thread has just caught: `file:line:column`. If the program has put a hook in
/// the place of ours, or goes on with a panic by `resume_unwind`, which calls no hook, it is not known.
pub(crate) fn location() -> String {
    match LOCATION.take() {
        empty if empty.is_empty() => String::from("a place that is not known"),
        location => location,
    }
}

/// What `panic!` was given.
pub(crate) fn message(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&str>() {
        Some(text) => text.to_string(),
        None => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => String::from("a value that is no string"),
        },
    };
    std::mem::forget(payload); // its Drop may panic as well
    message
}
