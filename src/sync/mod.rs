//! What threads share and wait with, below the clock.
//!
//! - this file: locks and queues, the plain ones.
//! - [`threads`]: starts threads.
//! - [`catch_panic`]: a panic of our own code becomes an error.
//! - [`buffer_pool`]: reuses large buffers.
//!
//! All locks, queues and threads of a worker come from here, so that a simulation can
//! put its own in their place.

pub(crate) mod buffer_pool;
pub(crate) mod catch_panic;
pub(crate) mod threads;

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

/// Queues that only threads of a pool wait for, which need no clock.
pub(crate) mod channel {
    pub(crate) use crossbeam_channel::{Receiver, Sender, unbounded};
}
