//! The only place that catches panics, and knows whether user code runs.
//!
//! A panic would end a thread of the pool, and with rayon the process; one of
//! the user's must touch one channel only.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{ErrorClass, TunnelError};

thread_local! {
    /// How many calls into user code this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs user code; a panic comes back as its message.
pub(crate) fn call_user<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    // What the closure can leave broken is the user's own state, which the
    // user is told about, or ours that is dropped when it panics.
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|payload| {
        let message = message(&*payload);
        // The payload is the user's: its drop may panic as well.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        message
    })
}

/// Drops a value of the user's, whose drop may panic.
pub(crate) fn drop_user<T>(value: T) {
    if let Err(panic) = call_user(|| drop(value)) {
        log::error!("a value of the program panicked when it was dropped: {panic}");
    }
}

/// Runs code of ours that calls into parts of the user's (a credentials
/// provider, say); a panic comes back as an error.
pub(crate) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, TunnelError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let message = format!("a worker thread panicked: {}", message(&*payload));
        // Nobody knows what went wrong, so it may pass: no consumer ends over it.
        TunnelError::client(message).with_class(ErrorClass::Passing)
    })
}

/// Whether this thread is inside user code that a worker called: it must not
/// wait for the worker then.
pub(crate) fn in_user_code() -> bool {
    DEPTH.get() > 0
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(call_user(|| 7), Ok(7));
        assert_eq!(
            call_user(|| -> () { panic!("one {}", 1) }),
            Err("one 1".to_owned())
        );
        assert!(call_user(|| -> () { std::panic::panic_any(7) }).is_err());
    }

    #[test]
    fn user_code_is_known_while_it_runs() {
        assert!(!in_user_code());
        let inside =
            call_user(|| call_user(in_user_code).is_ok_and(|inner| inner && in_user_code()));
        assert_eq!(inside, Ok(true));
        let _ = call_user(|| panic!("leaves"));
        assert!(!in_user_code());
    }
}
