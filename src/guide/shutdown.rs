//! How to stop, and what happens to work that does not finish in time.
//!
//! Call [`close`](crate::TunnelWorkerDaemon::close) from any thread. It works in this
//! order:
//!
//! 1. Workers take no new batches.
//! 2. Running callbacks may finish, while heartbeats continue.
//! 3. The last tokens are saved.
//! 4. The shutdown callbacks are called.
//! 5. The channels and the session are released.
//!
//! Then `run` returns `Ok`. If every step succeeded, no record will be delivered again.
//!
//! ```no_run
//! use std::error::Error;
//! use tablestore_tunnel::{TunnelClient, TunnelWorkerConfig, TunnelWorkerDaemon};
//!
//! fn consume(client: TunnelClient, tunnel: &str, config: TunnelWorkerConfig) -> Result<(), Box<dyn Error>> {
//!     let daemon = TunnelWorkerDaemon::new(client, tunnel, config);
//!     let handle = daemon.clone();
//!     // The crate `ctrlc`. Its feature `termination` adds SIGTERM and SIGHUP.
//!     ctrlc::set_handler(move || {
//!         let report = handle.close();
//!         for channel in report.abandoned() {
//!             eprintln!("{}: still in its callback", channel.channel_id);
//!         }
//!     })?;
//!     daemon.run()?;
//!     Ok(())
//! }
//! ```
//!
//! - Shutdown ends when
//!   [`shutdown_timeout`](crate::TunnelWorkerConfigBuilder::shutdown_timeout) has passed
//!   (30 s), or the timeout that you give to
//!   [`close_within`](crate::TunnelWorkerDaemon::close_within). Work that is still running
//!   then is abandoned. The [`ShutdownReport`] lists it, with the number of records that
//!   will be delivered again. If your platform kills processes after 30 s, as Kubernetes
//!   does, set a shorter timeout.
//! - A long callback should check [`is_closing`](crate::ChannelContext::is_closing).
//! - [`RunningDaemon`], which [`spawn`](crate::TunnelWorkerDaemon::spawn) returns, closes
//!   its daemon within 5 s when it is dropped. A program that ends with an error thus
//!   saves its progress.
//! - A process that is killed saves nothing. After the heartbeat timeout (300 s) the
//!   service gives its channels to other workers, and the records since the last
//!   checkpoints are delivered again.
//!
//! # Rolling updates
//!
//! Start the new process, then close the old one gracefully. The channels move within one
//! or two heartbeats, without duplicates. A shorter
//! [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) moves them
//! sooner. If processes may be killed, a shorter
//! [`heartbeat_timeout`](crate::TunnelWorkerConfigBuilder::heartbeat_timeout) lets other
//! workers take over their channels sooner.
//!
//! [`ShutdownReport`]: crate::ShutdownReport
//! [`RunningDaemon`]: crate::RunningDaemon
