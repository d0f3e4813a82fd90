//! Calls user code, and drops values of the program.
//!
//! A panic of user code would end a thread of the pool, and with rayon the process. It
//! must affect one channel only.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// How many calls into user code this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs user code; a panic comes back as its message.
pub(crate) fn call_user<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    // What the closure can leave broken is the user's own state, which the
    // user is told about, or ours that is dropped when it panics.
    let result = catch_unwind(AssertUnwindSafe(call)).map_err(message);
    DEPTH.set(DEPTH.get() - 1);
    result
}

/// Drops a value of the user's, whose drop may panic.
pub(crate) fn drop_user<T>(value: T) {
    if let Err(panic) = call_user(|| drop(value)) {
        log::error!("a value of the program panicked when it was dropped: {panic}");
    }
}

/// Whether this thread is inside user code that a worker called: it must not
/// wait for the worker then.
pub(crate) fn in_user_code() -> bool {
    DEPTH.get() > 0
}

/// The message of a panic.
pub(crate) fn message(payload: Box<dyn Any + Send>) -> String {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    };
    // The payload is the user's: its drop may panic as well. The payload of that panic
    // is not dropped at all.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
    message
}

/// A value of the program, whose destructor is user code like any other.
///
/// A panic of the destructor ends here, wherever the value is dropped. Otherwise two such
/// values in one scope would abort the process, because the second one would panic while
/// the first panic unwinds.
#[derive(Clone)]
pub(crate) struct UserValue<T>(
    /// `None` only once it is dropped.
    Option<T>,
);

/// Why the value is there.
const UNTIL_DROPPED: &str = "only its drop takes the value";

impl<T> UserValue<T> {
    pub(crate) fn new(value: T) -> UserValue<T> {
        UserValue(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect(UNTIL_DROPPED)
    }
}

impl<T> Deref for UserValue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(UNTIL_DROPPED)
    }
}

impl<T> DerefMut for UserValue<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(UNTIL_DROPPED)
    }
}

impl<T> Drop for UserValue<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            drop_user(value);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for UserValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
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

    /// Panics with a payload that panics, and so on, when it is dropped.
    struct Panics(u32);

    impl Drop for Panics {
        fn drop(&mut self) {
            assert!(in_user_code());
            if let Some(next) = self.0.checked_sub(1) {
                std::panic::panic_any(Panics(next));
            }
        }
    }

    #[test]
    fn a_value_may_panic_when_it_is_dropped_also_while_others_do() {
        let outer = call_user(|| {
            let _values = (UserValue::new(Panics(3)), UserValue::new(Panics(2)));
            let _other = UserValue::new(Panics(1));
            panic!("outer");
        });
        assert_eq!(outer, Err::<(), _>("outer".to_owned()));
        assert!(!in_user_code());
        let value = UserValue::new(7);
        assert_eq!((*value, value.clone().into_inner()), (7, 7));
    }
}
