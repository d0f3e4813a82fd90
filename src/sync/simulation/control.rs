//! What the code of a test calls. Outside of a run, most of it does nothing.

use std::panic::Location;
use std::time::Duration;

use time::OffsetDateTime;

use super::blocked::Reason;
use super::thread::{self, Current, Passed, with_current};

/// Starts a thread of the current run.
///
/// # Panics
///
/// If the system starts no thread. Outside of a run.
#[track_caller]
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    let started = thread::start_at(name, work, Location::caller());
    started.expect("a thread of a run");
}

/// Sleeps in virtual time.
#[track_caller]
pub fn sleep(time: Duration) {
    let at = Location::caller();
    let slept = with_current(|me| {
        let until = me.run.scheduler.lock().now().saturating_add(time);
        passed(me.block(Reason::Sleep, Some(until), at));
    });
    if slept.is_none() {
        std::thread::sleep(time);
    }
}

/// The virtual time since the start of the run; zero outside of a run.
pub fn now() -> Duration {
    super::elapsed().unwrap_or_default()
}

/// The virtual calendar time.
pub fn utc() -> OffsetDateTime {
    super::utc().unwrap_or_else(OffsetDateTime::now_utc)
}

/// Lets any other thread go on.
#[track_caller]
pub fn yield_now() {
    let at = Location::caller();
    with_current(|me| passed(me.yields(at)));
}

/// Suspends the machine: the calendar time moves on, the monotonic time stands still.
pub fn suspend(by: Duration) {
    with_current(|me| me.run.scheduler.lock().suspend(by));
}

/// From here on there are no stalls and no failures to start threads, and every thread
/// gets its turn.
pub fn stop_stalls() {
    with_current(|me| me.run.scheduler.lock().stop_stalls());
}

/// Number of locks of the crate that this thread holds: none while code of the program or
/// a request runs.
pub fn held_locks() -> usize {
    with_current(Current::held_locks).unwrap_or_default()
}

/// The names of the threads that have not ended, in the order of their start.
pub fn live_threads() -> Vec<String> {
    with_current(|me| me.run.scheduler.lock().live_threads()).unwrap_or_default()
}

/// Adds a line to the trace.
pub fn note(text: String) {
    with_current(|me: &Current| me.run.scheduler.lock().note(text));
}

/// Ends the run with this failure.
pub fn fail(text: String) {
    with_current(|me| {
        me.run.scheduler.lock().fail(text);
        passed(me.unwind());
    });
}

/// Nothing follows from how a scheduling point was passed.
fn passed(_: Passed) {}
