//! A deterministic simulation of threads and time, compiled in only under
//! `--cfg simulation`.
//!
//! All threads of a run are threads of the system, but only one of them goes on at a
//! time: the one that holds the *turn*. At every *scheduling point* (a lock, a wait, a
//! notification, an operation of a queue, a new thread, a yield) the scheduler decides
//! with its seeded generator which thread gets the turn. The time is virtual, and moves
//! only when no thread can go on. Equal seeds therefore give equal runs.
//!
//! In reading order:
//!
//! - [`options`]: what a run is given, and what comes out of it.
//! - [`mod@run`]: starts a run, waits for its end, and tears it down if it fails.
//! - [`scheduler`]: every decision, and the time. No thread, no wait.
//! - [`policy`]: which runnable thread is next.
//! - [`table`]: the threads of a run; [`blocked`]: what they wait for.
//! - [`trace`]: the readable record of a run, and the hash of its decisions.
//! - [`thread`]: a simulated thread, its scheduling points, and how it passes on the turn.
//! - [`turn`]: how one thread hands the turn to another.
//! - [`panics`]: panics of simulated threads.
//! - [`mutex`], [`condvar`], [`channel`]: what the code under test uses.
//! - [`control`]: what the code of a test calls.
//!
//! Threads that do not belong to a run may use the same locks and queues. For them,
//! everything behaves as without a simulation. A thread of a run must not wait for such a
//! thread through these locks and queues, because nothing wakes it.

mod blocked;
pub(crate) mod channel;
mod condvar;
pub(crate) mod control;
mod mutex;
mod options;
mod panics;
mod policy;
mod run;
mod scheduler;
mod table;
mod thread;
mod trace;
mod turn;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use ::time::OffsetDateTime;

pub(crate) use self::condvar::Condvar;
pub(crate) use self::mutex::{Mutex, MutexGuard};
pub use self::options::{Options, Outcome};
pub use self::run::run;
pub(crate) use self::thread::{is_simulated, start};

/// The virtual monotonic time; `None` outside of a run.
pub(crate) fn now() -> Option<Instant> {
    thread::with_current(|me| me.run.instant(me.run.scheduler.lock().now()))
}

/// The virtual time since the start of the run; `None` outside of a run.
pub(crate) fn elapsed() -> Option<Duration> {
    thread::with_current(|me| me.run.scheduler.lock().now())
}

/// The virtual calendar time; `None` outside of a run.
pub(crate) fn utc() -> Option<OffsetDateTime> {
    thread::with_current(|me| me.run.scheduler.lock().utc())
}
