//! Catches panics of our own code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{ErrorClass, TunnelError};
use crate::user_code::message;

/// Runs code of ours that calls into parts of the user's; a panic comes back as an error.
pub(crate) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, TunnelError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let message = format!("a worker thread panicked: {}", message(payload));
        // Nobody knows what went wrong, so it may pass: no consumer ends over it.
        TunnelError::client(message).with_class(ErrorClass::Passing)
    })
}
