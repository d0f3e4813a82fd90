//! What a worker is doing: health, snapshots, events, logs.
//!
//! # Is it well?
//!
//! [`health`](crate::TunnelWorkerDaemon::health) is one answer for a health check, with
//! reasons in words:
//!
//! ```no_run
//! use tablestore_tunnel::{Health, TunnelWorkerDaemon};
//!
//! fn respond(daemon: &TunnelWorkerDaemon) -> (u16, String) {
//!     let health = daemon.health();
//!     let status = match health {
//!         // Slow passes by itself, or becomes Dead.
//!         Health::Ok | Health::Degraded { .. } => 200,
//!         _ => 503,
//!     };
//!     (status, health.to_string())
//! }
//! ```
//!
//! [`Stuck`](crate::Health::Stalled) means that a channel has been at one thing for longer
//! than [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after), mostly a callback
//! that does not return; restarting helps only if that is the cause.
//!
//! # How far is it?
//!
//! [`snapshot`](crate::TunnelWorkerDaemon::snapshot) copies all there is to know, without
//! stopping anything: session, heartbeats, and for each channel its stage and since
//! when, counts, failures, last checkpoint and [`lag`](crate::ChannelSnapshot::lag).
//!
//! ```no_run
//! # fn look(daemon: &tablestore_tunnel::TunnelWorkerDaemon) {
//! let snapshot = daemon.snapshot();
//! println!("{} records done", snapshot.done.records);
//! for channel in &snapshot.channels {
//!     println!(
//!         "{} {} for {:?}, lag {:?}",
//!         channel.channel_id, channel.stage, channel.stage_age, channel.lag
//!     );
//! }
//! # }
//! ```
//!
//! The lag is that of what this worker has done. What the service knows, from
//! checkpoints, is in [`describe_tunnel`](crate::TunnelClient::describe_tunnel): `tunnel_rpo`
//! and `channel_rpo`, for all workers together.
//!
//! # What happens?
//!
//! An [`observer`](crate::TunnelWorkerConfigBuilder::observer) hears every event, for
//! metrics: see [`WorkerObserver`] for an example and the threads, and
//! [`WorkerEventKind`] for the list. It is called on the way of a batch, so it
//! should count and return.
//!
//! # Logs
//!
//! By the `log` facade, so they go where your program's logs go.
//!
//! | level | what |
//! |---|---|
//! | `error` | someone must act |
//! | `warn` | something failed and is tried again |
//! | `info` | the life of workers and channels |
//! | `debug` | requests |
//! | `trace` | batches |
//!
//! Keys are never logged, nor are record contents or tokens. What a callback puts
//! into its error is.
//!
//! # What to alarm on
//!
//! - `run` has returned an error, or health is [`Dead`](crate::Health::Dead).
//! - Health is [`Stuck`](crate::Health::Stalled) for more than one check.
//! - The lag of a channel nears the retention of the log (7 days at most): behind
//!   that, changes are lost. An hour is a better limit.
//! - [`reconnects`](crate::WorkerSnapshot::reconnects) grows by more than a few a
//!   day.
//!
//! [`WorkerObserver`]: crate::WorkerObserver
//! [`WorkerEventKind`]: crate::WorkerEventKind
