//! Blocking client for the Tunnel Service of Alibaba Cloud Tablestore (OTS).
//!
//! A *tunnel* delivers the rows of a table (base data) and then every later
//! change (stream). This crate consumes one on plain threads: it keeps a
//! session with the service, reads the channels that it is given, hands their
//! records to a callback and saves how far it came. It has no async runtime
//! and no unsafe code. Who knows the `tunnel` package of the Go SDK will find
//! its names here in Rust's spelling.
//!
//! # First program
//!
//! ```no_run
//! use tablestore_tunnel::{
//!     ChannelContext, CreateTunnelRequest, Record, SimpleProcessFactory, TunnelClient,
//!     TunnelError, TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
//! };
//!
//! fn main() -> Result<(), TunnelError> {
//!     let client = TunnelClient::new(
//!         "https://myinstance.cn-hangzhou.ots.aliyuncs.com",
//!         "myinstance",
//!         "access key id",
//!         "access key secret",
//!     )?;
//!     let request = CreateTunnelRequest::new("testTable", "testTunnel", TunnelType::BaseAndStream);
//!     let tunnel = client.create_tunnel(&request)?;
//!
//!     let factory = SimpleProcessFactory::new(|ctx: &ChannelContext, records: &[Record]| {
//!         for record in records {
//!             println!("{} {record}", ctx.channel_id());
//!         }
//!         Ok(())
//!     });
//!     let config = TunnelWorkerConfig::builder(factory).build()?;
//!     TunnelWorkerDaemon::new(client, tunnel.tunnel_id, config).run()
//! }
//! ```
//!
//! What fails and is tried again is logged by the `log` facade only: install a
//! logger, such as `env_logger`, to see it. Without an account,
//! `cargo run --example quickstart` in a clone of the repository runs a whole
//! tunnel on the emulator.
//!
//! # The book
//!
//! - [Concepts](guide::concepts): tunnels, channels, workers, tokens, with a picture.
//! - [Writing processors](guide::processing): callbacks, what to return, reading
//!   records.
//! - [Checkpoints](guide::checkpoints): what is saved when; once, and more than once.
//! - [Shutdown](guide::shutdown): how to stop; rolling updates.
//! - [Threads](guide::threads): which there are, and what of yours runs on them.
//! - [Configuration](guide::configuration): every setting and its default.
//! - [Errors](guide::errors): every code, what the worker does, what you do.
//! - [Observing](guide::observing): health, snapshots, events, logs.
//! - [Scaling](guide::scaling): more workers, more channels, one process;
//!   performance notes.
//! - [Testing](guide::testing): with the emulator, without an account.
//! - [Security](guide::security): keys, permissions, untrusted bytes.
//! - [Questions](guide::faq): expiry, duplicates, lag, hot partitions, lost sessions.
//! - [Foreign types](guide::foreign_types): those of other crates in this API.
//! - [Porting from Go](guide::porting_from_go): every name, side by side, and
//!   what behaves differently; the same [in Chinese](guide::porting_from_go_zh_cn).
//! - [Migrating to 0.2](guide::migrating_0_2): renamed items, and the emulator as a
//!   package of its own.
//! - [Differences measured](guide::sdk_differences): this client beside the Go and
//!   Java SDKs.
//!
//! # Words
//!
//! - A *channel* is a part of a tunnel that is read in order: one split of the
//!   base data, or the change log of one partition.
//! - A *worker* is one client of a tunnel with a session; the service spreads
//!   the channels over all connected workers, on all machines.
//! - A *token* is a place in a channel. A *checkpoint* is a token that the
//!   service keeps: where the channel goes on, whoever reads it next.
//! - A channel is *finished* when it will never have more records: base data
//!   that has been read, or a partition that was split. [`FINISH_TAG`] is its
//!   last token.
//!
//! # Guarantees
//!
//! Each has tests that carry its number (`cargo test promise_`).
//!
//! 1. **At least once.** A saved token never passes a record whose callback
//!    has not returned `Ok`. Whatever fails, no record is lost; after a crash
//!    those since the last checkpoint come again.
//! 2. **Order.** The batches of a channel come in order, one at a time; an
//!    `FnMut` is never entered twice at once. This holds also for a channel
//!    that is lost and comes back while its last callback still runs. The
//!    changes of one primary key keep their order over splits.
//! 3. **The shutdown callback is the last** of its channel, and runs once.
//! 4. **Nothing after a loss.** Once it is known that a channel is no longer
//!    ours, no callback begins and nothing is saved.
//! 5. **No silent stall.** A channel that is ours makes progress, or its stage,
//!    its age and its last error show why not: in
//!    [`snapshot`](TunnelWorkerDaemon::snapshot),
//!    [`health`](TunnelWorkerDaemon::health), the events and the log.
//! 6. **Heartbeats are on time** whatever callbacks do: slow or blocked
//!    callbacks, a full pool, a slow service do not cost the session.
//! 7. **A shutdown ends by its deadline** and tells what it had to leave
//!    ([`ShutdownReport`]).
//! 8. **Memory is bounded.** Bytes that have been read and not yet processed
//!    stay within the
//!    [`memory_budget`](TunnelWorkerConfigBuilder::memory_budget).
//! 9. **A panic in a callback** is caught, counts as an error, and touches one
//!    channel only.
//! 10. **An orderly shutdown or hand-over repeats nothing.**
//! 11. **A passing fault** (a reset, a 503, a timeout) costs a channel the delay
//!     of a retry and not a heartbeat interval.
//! 12. **No lock is held** while your code runs: every method may be called
//!     from every callback.
//!
//! # Where things are
//!
//! - [`TunnelClient`]: create, list, describe and delete tunnels.
//! - [`TunnelWorkerDaemon`]: consume one. [`TunnelWorkerConfig::builder`]: how.
//! - [`SimpleProcessFactory`], [`AsyncProcessFactory`]: your callback.
//!   [`ChannelContext`], [`Record`]: what it gets. [`ProcessError`]: what it may
//!   answer.
//! - [`TunnelError`] and [`ErrorCode`]: what can go wrong.
//! - [`WorkerSnapshot`], [`Health`], [`WorkerObserver`]: what it is doing.
//!
//! # Versions
//!
//! Needs Rust 1.88; a later one only with a new minor version. Until 1.0 a new
//! minor version may break programs, as the changelog then tells. [Foreign types](guide::foreign_types) lists
//! the crates whose new major version is one of this crate.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod _wire;
#[cfg(feature = "_bench")]
#[doc(hidden)]
pub mod bench;
mod client;
mod clock;
mod config;
mod credentials;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
mod http;
mod limits;
mod model;
mod observer;
mod pool;
mod processor;
mod protocol;
mod record;
mod sync;
#[cfg(test)]
mod vectors;
mod worker;

/// How the crate is built, for those who change it.
#[cfg(doc)]
#[doc = include_str!("../DESIGN.md")]
pub mod _design {}

/// The README's examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use crate::client::TunnelClient;
pub use crate::clock::Clock;
pub use crate::config::{
    ChannelBackoffConfig, TunnelConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
};
pub use crate::credentials::{Credentials, CredentialsProvider};
pub use crate::error::{ErrorCode, TunnelError};
pub use crate::model::{
    ChannelInfo, ChannelRpo, ChannelStatus, ChannelType, CheckpointRequest, CheckpointResponse,
    CreateTunnelRequest, CreateTunnelResponse, DeleteTunnelRequest, DeleteTunnelResponse,
    DescribeTunnelRequest, DescribeTunnelResponse, GetCheckpointRequest, GetCheckpointResponse,
    GetRpoRequest, GetRpoResponse, ListTunnelRequest, ListTunnelResponse, ReadRecordsRequest,
    ReadRecordsResponse, ScheduleChannel, ScheduleRequest, ScheduleResponse, StartOffset,
    StreamTunnelConfig, TunnelInfo, TunnelRpo, TunnelStage, TunnelType, open_channel,
    resume_channel, suspend_channel, terminate_channel,
};
pub use crate::observer::{
    BatchCounts, ChannelSnapshot, ChannelStage, CloseReason, FailureSnapshot, Health, HealthReason,
    HeartbeatSnapshot, SavedCheckpoint, WorkerEvent, WorkerEventKind, WorkerObserver,
    WorkerSnapshot, WorkerState,
};
pub use crate::processor::{
    AsyncProcessFactory, ChannelBatch, ChannelConn, ChannelContext, ChannelDialer,
    ChannelProcessor, ChannelProcessorFactory, CheckpointMode, Checkpointer,
    ParallelReleaseManager, ProcessError, ProcessResult, ProcessorHandle, ProcessorOptions,
    SimpleProcessFactory,
};
pub use crate::record::{
    ActionType, ColumnKind, FINISH_TAG, OwnedColumn, OwnedRecord, PrimaryKeyColumn,
    PrimaryKeyColumns, Record, RecordColumn, RecordColumns, SequenceInfo, Value, ValueRef,
    parse_binary_records,
};
pub use crate::worker::{
    ChannelReport, RunningDaemon, ShutdownReport, TunnelWorker, TunnelWorkerDaemon,
};
