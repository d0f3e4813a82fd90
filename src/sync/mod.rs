//! What threads share: signals, buffers, and how threads are started.
//!
//! In reading order:
//!
//! - [`stop`]: a signal that is given once and wakes every wait.
//! - [`lease`]: whether a session, and a channel with it, is still ours.
//! - [`catch_panic`]: catches panics of our own code.
//! - [`latest`]: the newest value between two threads.
//! - `simulation`: locks, queues, threads and time of a deterministic simulation.
//! - `shuttle`: locks of models.
//! - [`threads`]: how threads are started.
//! - [`timed_state`]: a state and since when, in one word.
//! - [`buffer_pool`]: buffers that are used again.

pub(crate) mod buffer_pool;
pub(crate) mod catch_panic;
pub(crate) mod latest;
pub(crate) mod lease;
#[cfg(all(shuttle, test))]
pub(crate) mod shuttle;
#[cfg(simulation)]
pub(crate) mod simulation;
pub(crate) mod stop;
pub(crate) mod threads;
pub(crate) mod timed_state;

#[cfg(all(shuttle, test))]
pub(crate) use self::shuttle::{Condvar, Mutex, MutexGuard};
#[cfg(simulation)]
pub(crate) use self::simulation::{Condvar, Mutex, MutexGuard};
#[cfg(not(any(simulation, all(shuttle, test))))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

/// Queues that only threads of a pool wait for, which need no clock.
pub(crate) mod channel {
    #[cfg(simulation)]
    pub(crate) use super::simulation::channel::{Receiver, Sender, unbounded};
    #[cfg(not(simulation))]
    pub(crate) use crossbeam_channel::{Receiver, Sender, unbounded};
}
