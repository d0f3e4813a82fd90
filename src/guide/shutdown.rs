//! How to stop, and what is left when something does not.
//!
//! [`close`](crate::TunnelWorkerDaemon::close), from any thread, in this order: no new
//! batches are taken; callbacks that run may finish, heartbeats go on meanwhile; the
//! last tokens are saved; the shutdown callbacks are called; the channels and the
//! session are given back. Then `run` returns `Ok`, and nothing will come again.
//!
//! ```no_run
//! use std::error::Error;
//! use tablestore_tunnel::{TunnelClient, TunnelWorkerConfig, TunnelWorkerDaemon};
//!
//! fn consume(client: TunnelClient, tunnel: &str, config: TunnelWorkerConfig) -> Result<(), Box<dyn Error>> {
//!     let daemon = TunnelWorkerDaemon::new(client, tunnel, config);
//!     let handle = daemon.clone();
//!     // The crate `ctrlc`; with its feature `termination`, for SIGTERM too.
//!     ctrlc::set_handler(move || {
//!         let receipt = handle.close();
//!         for channel in receipt.abandoned() {
//!             eprintln!("{}: still in its callback", channel.channel_id);
//!         }
//!     })?;
//!     daemon.run()?;
//!     Ok(())
//! }
//! ```
//!
//! - It has a deadline, [`shutdown_timeout`](crate::TunnelWorkerConfigBuilder::shutdown_timeout)
//!   (30 s), or that of [`close_within`](crate::TunnelWorkerDaemon::close_within). What is
//!   still at work then is abandoned and named in the [`ShutdownReport`], with the
//!   number of records that will come again. A platform that kills after 30 s
//!   (Kubernetes does) wants a deadline below that.
//! - A callback that takes long should look at
//!   [`is_closing`](crate::ChannelContext::is_closing).
//! - [`RunningDaemon`], from [`spawn`](crate::TunnelWorkerDaemon::spawn), closes its daemon
//!   when it is dropped, within 5 s: a program that ends by an error saves what it
//!   has done.
//! - A process that is killed saves nothing: the records since the last checkpoints
//!   come again, after the heartbeat timeout (300 s), when the service gives the
//!   channels to others.
//!
//! # Rolling updates
//!
//! Start the new process, then close the old one in order: the channels move within
//! a heartbeat or two, and nothing is repeated. A shorter
//! [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) moves them
//! sooner. For processes that may be killed, a shorter
//! [`heartbeat_timeout`](crate::TunnelWorkerConfigBuilder::heartbeat_timeout) hands their
//! channels on sooner.
//!
//! [`ShutdownReport`]: crate::ShutdownReport
//! [`RunningDaemon`]: crate::RunningDaemon
