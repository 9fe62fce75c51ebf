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

/// Whether this thread's panics are noted, not printed, from now on.
pub(crate) fn set_in_worker(in_worker: bool) {
    IN_WORKER.set(in_worker);
}

/// Where the panic was that this thread has just caught: `file:line:column`.
pub(crate) fn location() -> String {
    match LOCATION.take() {
        empty if empty.is_empty() => String::from("a place that the program's own hook kept"),
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
