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
//!   (25 s), or the timeout that you give to
//!   [`close_within`](crate::TunnelWorkerDaemon::close_within). Work that is still running
//!   then is abandoned. The [`ShutdownReport`] lists it, with the number of records that
//!   will be delivered again. The default is 25 s because Kubernetes kills a process 30 s
//!   after it asked it to end. If your platform waits for a shorter time, set a shorter
//!   timeout.
//! - A long callback should check [`is_closing`](crate::ChannelContext::is_closing).
//! - [`RunningDaemon`], which [`spawn`](crate::TunnelWorkerDaemon::spawn) returns, closes
//!   its daemon within 5 s when it is dropped. A program that ends with an error thus
//!   saves its progress.
//! - A process that is killed saves nothing. After the heartbeat timeout (300 s) the
//!   service gives its channels to other workers, and the records since the last
//!   checkpoints are delivered again.
//!
//! # While the service is down
//!
//! - If everything that was delivered is processed and saved, `close` returns after about
//!   3 s: it tries to release the session for that long.
//! - Otherwise, the last tokens are retried until they are saved or the timeout has passed,
//!   because their records would be delivered again.
//! - If the service never receives the request to release the session, it gives the channels
//!   to other workers after the heartbeat timeout. The log says so at level `warn`.
//!
//! # Sessions that end by themselves
//!
//! A session that the worker ends because of an error, such as `OTSPermissionDenied`, is
//! given back in the same way, before `run` returns or the daemon reconnects: callbacks may
//! finish within the `shutdown_timeout`, processed tokens are saved, and the channels and
//! the session are released. Other workers own the channels with their next heartbeats.
//!
//! A session that was lost is not given back, because its channels belong to other workers
//! by then: its lease has ended, or the service no longer knows it. There is one more
//! exception: if a connect succeeds but its response is lost, nobody knows the id of the new
//! session. The service drops that session after the heartbeat timeout, and channels that it
//! assigned to it wait until then.
//!
//! # Rolling updates
//!
//! Start the new process, then close the old one gracefully within a minute. The channels
//! move within seconds, without duplicates, because a new worker sends heartbeats
//! [every 5 s](crate::guide::concepts#heartbeats-and-the-lease) in its first minute. Later,
//! it can take one
//! [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval). If processes
//! may be killed, a shorter
//! [`heartbeat_timeout`](crate::TunnelWorkerConfigBuilder::heartbeat_timeout) lets other
//! workers take over their channels sooner.
//!
//! [`ShutdownReport`]: crate::ShutdownReport
//! [`RunningDaemon`]: crate::RunningDaemon
