//! Panics of simulated threads.
//!
//! A panic of user code that the crate calls is part of the test, and only noted in the
//! trace. Any other panic fails the run, even if the crate catches it: our own code never
//! panics. A test that panics there all the same says [`ON_PURPOSE`] in the message.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use super::thread;
use crate::user_code::in_user_code;

/// The part of a message that makes a panic harmless.
const ON_PURPOSE: &str = "on purpose";

/// The payload that unwinds the threads of a failed run. `resume_unwind` raises it, so no
/// hook sees it.
pub(super) struct Unwinding;

/// Installs the hook, once in a process. Other threads keep the hook that was there.
pub(super) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::with_current(|me| record(me, info)) != Some(true) {
                before(info);
            }
        }));
    });
}

/// Whether the panic was recorded.
fn record(me: &thread::Current, info: &PanicHookInfo<'_>) -> bool {
    // The scheduler itself may have panicked.
    let Some(mut scheduler) = me.run.scheduler.try_lock() else {
        return false;
    };
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a message");
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    let name = scheduler.name(me.index);
    if in_user_code() || text.contains(ON_PURPOSE) {
        scheduler.note(format!("panics at {at}: {text}"));
    } else {
        scheduler.fail(format!("{name} panicked at {at}: {text}"));
    }
    true
}
