//! What threads share: signals, buffers, and how threads are started.
//!
//! In reading order:
//!
//! - [`stop`]: a signal that is given once and wakes every wait.
//! - [`lease`]: whether a session, and a channel with it, is still ours.
//! - [`catch_panic`]: catches panics of our own code.
//! - [`latest`]: the newest value between two threads.
//! - [`threads`]: how threads are started.
//! - [`timed_state`]: a state and since when, in one word.
//! - [`buffer_pool`]: buffers that are used again.

pub(crate) mod buffer_pool;
pub(crate) mod catch_panic;
pub(crate) mod latest;
pub(crate) mod lease;
pub(crate) mod stop;
pub(crate) mod threads;
pub(crate) mod timed_state;
