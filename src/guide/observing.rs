//! How to see what a worker is doing: health, snapshots, events and logs.
//!
//! # Is it healthy?
//!
//! [`health`](crate::TunnelWorkerDaemon::health) gives one answer for a health check. Its
//! `Display` text includes the reasons:
//!
//! ```no_run
//! use tablestore_tunnel::{Health, TunnelWorkerDaemon};
//!
//! fn respond(daemon: &TunnelWorkerDaemon) -> (u16, String) {
//!     let health = daemon.health();
//!     let status = match health {
//!         // Degraded recovers by itself or becomes Dead.
//!         Health::Ok | Health::Degraded { .. } => 200,
//!         _ => 503,
//!     };
//!     (status, health.to_string())
//! }
//! ```
//!
//! - [`Degraded`](crate::Health::Degraded): the service is hard to reach. There is no
//!   session, or heartbeats fail or are late. Or the session has had
//!   [no channels](crate::HealthReason::NoChannels) for longer than two heartbeat
//!   intervals, and none of its channels was finished. This is normal for a worker that
//!   stands by because there are fewer channels than workers.
//! - [`Stalled`](crate::Health::Stalled): a channel has been in one stage, or has failed
//!   without a success, for longer than
//!   [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after). The usual cause is a
//!   callback that does not return. A restart helps only if it removes the cause.
//! - [`Dead`](crate::Health::Dead): the worker has ended. Only a new worker helps.
//!
//! # How far is it?
//!
//! [`snapshot`](crate::TunnelWorkerDaemon::snapshot) copies the state of a worker without
//! stopping anything: the session, the heartbeats, and for each channel its stage and the
//! time in this stage, counters, failures, the last checkpoint and the
//! [`lag`](crate::ChannelSnapshot::lag).
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
//! During an outage, the snapshot shows within a second what fails: the failed heartbeats in
//! [`heartbeat`](crate::WorkerSnapshot::heartbeat), and for each channel the last error and
//! the time without a success in [`failures`](crate::ChannelSnapshot::failures) and
//! [`save_failures`](crate::ChannelSnapshot::save_failures).
//! [`without_channels_for`](crate::WorkerSnapshot::without_channels_for) shows how long the
//! session has had no channels. A channel in the stage
//! [`WaitingToReopen`](crate::ChannelStage::WaitingToReopen) failed the last time, and a
//! [pause](crate::guide::errors#pauses) passes before it is opened again.
//!
//! The lag refers to the records that this worker has processed.
//! [`describe_tunnel`](crate::TunnelClient::describe_tunnel) returns what the service knows
//! from the checkpoints of all workers, in `tunnel_rpo` and `channel_rpo`.
//!
//! # What happens?
//!
//! An [`observer`](crate::TunnelWorkerConfigBuilder::observer) receives every event, for
//! example to update metrics. [`WorkerObserver`] has an example and describes the threads.
//! [`WorkerEventKind`] lists the events. An observer runs on the threads that process
//! batches, so it should only count and return. Each failed heartbeat is a
//! [`HeartbeatFailed`](crate::WorkerEventKind::HeartbeatFailed), and each failed request of a
//! channel that will be repeated is a
//! [`RequestFailed`](crate::WorkerEventKind::RequestFailed).
//!
//! # Logs
//!
//! The crate logs through the `log` facade, so its messages go where the other messages of
//! your program go.
//!
//! | level | what |
//! |---|---|
//! | `error` | someone must act |
//! | `warn` | a failure that will be retried |
//! | `info` | the life of workers and channels |
//! | `debug` | requests |
//! | `trace` | batches |
//!
//! An outage does not fill the log, however many channels it affects. The first failure of a
//! kind (a request and an error code) is logged as `warn`, or as `error` if somebody has to
//! change the setup. While it lasts, a summary follows every 30 s. The end is logged as
//! `info`:
//!
//! ```text
//! tunnel t, channel c: reading failed, it will be tried again in 16ms: OTSServerBusy: ...
//! tunnel t: 8 channels: reading has been failing for 30 s, 140 attempts: OTSServerBusy: ...
//! tunnel t, channel c: reading works again after 41.2 s, 172 attempts
//! ```
//!
//! Lines about a channel contain the tunnel id and the channel id.
//!
//! Without a logger you see none of them. `env_logger::init()` alone shows only `error`,
//! its default level, so retried failures stay invisible. Make `warn` the default;
//! `RUST_LOG` still overrides it:
//!
//! ```no_run
//! use env_logger::{Builder, Env};
//!
//! Builder::from_env(Env::default().default_filter_or("warn")).init();
//! ```
//!
//! Keys, tokens and the contents of records are never logged. Errors that your callbacks
//! return are logged as they are.
//!
//! # When to raise an alarm
//!
//! - `run` has returned an error, or the health is [`Dead`](crate::Health::Dead).
//! - The health is [`Stalled`](crate::Health::Stalled) in more than one check.
//! - The lag of a channel approaches the retention of the log (at most 7 days). Changes
//!   older than the retention are lost. One hour is a better limit.
//! - [`reconnects`](crate::WorkerSnapshot::reconnects) grows by more than a few per day.
//!
//! [`WorkerObserver`]: crate::WorkerObserver
//! [`WorkerEventKind`]: crate::WorkerEventKind
