//! What snapshots and health are computed from.
//!
//! In reading order:
//!
//! - [`worker`]: [`WorkerStatus`](worker::WorkerStatus), what is known of a worker.
//! - [`channel`]: the counters and the stage of one channel.
//! - [`timed_state`]: a state and since when, in one word.
//! - [`failures`]: what failed on a channel.

pub(crate) mod channel;
pub(crate) mod failures;
pub(crate) mod timed_state;
pub(crate) mod worker;
