//! The worker: from a tunnel id to batches in callbacks.
//!
//! In reading order:
//!
//! - [`daemon`]: [`TunnelWorkerDaemon`], which makes workers until it is closed.
//! - [`reconnects`]: whether a daemon connects again, and when (pure).
//! - [`running`]: [`RunningDaemon`], a daemon on a thread of its own.
//! - [`worker`]: [`TunnelWorker`], one connected client.
//! - [`report`]: [`ShutdownReport`], what a shutdown left unfinished.
//! - [`session`]: one session with the service: who owns which channel, heartbeats,
//!   timers and the shutdown.
//! - [`channel`]: one open channel, from reading to the last checkpoint.
//! - [`predecessors`]: earlier connections and readers of a channel that still run.
//! - [`lease`]: whether the session still holds.
//! - [`context`]: what the parts of a session share, and the events they send;
//!   [`connection_id`]: which connection to a channel is meant.
//! - [`status`]: what snapshots and health are computed from.

mod channel;
mod connection_id;
mod context;
mod daemon;
mod lease;
mod predecessors;
mod reconnects;
mod report;
mod running;
mod session;
mod status;
#[expect(clippy::module_inception, reason = "the Go SDK's name for it")]
mod worker;

pub use self::daemon::TunnelWorkerDaemon;
pub use self::report::{ChannelReport, ShutdownReport};
pub use self::running::RunningDaemon;
pub use self::worker::TunnelWorker;
