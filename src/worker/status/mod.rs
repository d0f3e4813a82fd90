//! What snapshots and health are computed from.
//!
//! In reading order:
//!
//! - [`worker`]: [`WorkerStatus`](worker::WorkerStatus), what is known of a worker.
//! - [`channel`]: the counters and the stage of one channel.
//! - [`failures`]: what failed on a channel.
//! - [`outages`]: failures that pass are logged once, and then summed up.

pub(crate) mod channel;
pub(crate) mod failures;
pub(crate) mod outages;
pub(crate) mod worker;
