//! What threads share and wait with, below the clock.
//!
//! - this file: which locks and queues the crate uses.
//! - [`threads`]: starts threads.
//! - [`catch_panic`]: a panic of our own code becomes an error.
//! - [`buffer_pool`]: reuses large buffers.
//! - `simulation`: locks, queues, threads and time of a deterministic simulation.
//! - `shuttle`: locks of models.
//!
//! All locks, queues and threads of a worker come from here, so that a simulation can
//! put its own in their place.

pub(crate) mod buffer_pool;
pub(crate) mod catch_panic;
#[cfg(all(shuttle, test))]
mod shuttle;
#[cfg(simulation)]
pub(crate) mod simulation;
pub(crate) mod threads;

#[cfg(all(shuttle, test))]
pub(crate) use self::shuttle::{Condvar, Mutex, MutexGuard, model};
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
