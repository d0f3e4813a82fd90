//! Blocking client for the Tunnel Service of Alibaba Cloud Tablestore (OTS).
//!
//! A *tunnel* delivers the rows of a table (base data), and then every later change
//! (stream). This crate consumes a tunnel on plain threads: it keeps a session with the
//! service, reads the channels that are assigned to it, passes their records to a callback,
//! and saves checkpoints. It uses no async runtime and no unsafe code. The names are those
//! of the `tunnel` package of the Go SDK, in Rust's spelling.
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
//! Retried failures are only logged, with the `log` facade, at level `warn`: install a logger
//! to see them. `env_logger::init()` alone shows no warnings
//! ([why](guide::observing#logs)). If you have no account, clone the repository and run
//! `cargo run --example quickstart`, which consumes a whole tunnel of the emulator.
//!
//! # The book
//!
//! - [Concepts](guide::concepts): tunnels, channels, workers and tokens, with a picture.
//! - [Writing processors](guide::processing): callbacks, their results, and how to read
//!   records.
//! - [Checkpoints](guide::checkpoints): when they are saved; at-least-once and
//!   exactly-once processing.
//! - [Shutdown](guide::shutdown): how to stop; rolling updates.
//! - [Threads](guide::threads): the threads of a worker, and the user code on them.
//! - [Configuration](guide::configuration): every setting and its default.
//! - [Errors](guide::errors): every code, what follows from each kind of failure, and what to
//!   do.
//! - [Observing](guide::observing): health, snapshots, events, logs.
//! - [Scaling](guide::scaling): many workers, many channels, several workers in one
//!   process; performance notes.
//! - [Testing](guide::testing): with the emulator, without an account.
//! - [Security](guide::security): access keys, permissions, untrusted input.
//! - [Questions](guide::faq): expiry, duplicates, lag, hot partitions, lost sessions.
//! - [Foreign types](guide::foreign_types): types of other crates in this API.
//! - [Porting from Go](guide::porting_from_go): all names side by side, and differences in
//!   behavior; also [in Chinese](guide::porting_from_go_zh_cn).
//! - [Migrating to 0.2](guide::migrating_0_2): renamed and new items, the emulator as a
//!   package of its own, and what behaves differently.
//! - [Differences measured](guide::sdk_differences): this client compared with the Go and
//!   Java SDKs.
//!
//! # Words
//!
//! - A *channel* is a part of a tunnel that is read in order: one split of the base data,
//!   or the change log of one partition.
//! - A *worker* is a client of a tunnel that has a session. The service distributes the
//!   channels over all connected workers, on all machines.
//! - A *token* is a position in a channel. A *checkpoint* is a token that the service
//!   stores: the next worker that reads the channel continues from it.
//! - A channel is *finished* when it will never have more records: its base data has been
//!   read, or its partition was split. [`FINISH_TAG`] is its last token.
//!
//! # Guarantees
//!
//! Each guarantee has tests named after its number (`cargo test promise_`).
//!
//! 1. **At least once.** A saved token never skips a record whose callback has not returned
//!    `Ok`. No failure loses a record. After a crash, the records since the last checkpoint
//!    are delivered again.
//! 2. **Order.** The batches of a channel are delivered in order, one at a time; calls of an
//!    `FnMut` never overlap. This holds even if a channel is lost and reassigned to the same
//!    worker while its last callback still runs. The changes of one primary key keep their
//!    order when a partition is split.
//! 3. **The shutdown callback is the last** callback of a channel, and runs once.
//! 4. **Nothing after a loss.** Once a worker knows that it has lost a channel, it starts no
//!    callback and saves no checkpoint for it.
//! 5. **No silent stall.** A channel of a worker makes progress, or its stage, the time in
//!    that stage and its last error show why it does not: in
//!    [`snapshot`](TunnelWorkerDaemon::snapshot), [`health`](TunnelWorkerDaemon::health),
//!    the events and the log.
//! 6. **Heartbeats are on time**, whatever callbacks do: slow or blocked callbacks, a full
//!    pool, or a slow service do not cost the session.
//! 7. **A shutdown ends by its deadline**, and the report lists unfinished work
//!    ([`ShutdownReport`]).
//! 8. **Memory is bounded.** The bytes that are read and not yet processed stay within the
//!    [`memory_budget`](TunnelWorkerConfigBuilder::memory_budget).
//! 9. **A panic in a callback** is caught, counts as an error, and affects one channel only.
//! 10. **A graceful shutdown or reassignment redelivers nothing.**
//! 11. **A temporary failure** (a reset, a 503, a timeout) costs a channel one retry delay,
//!     not a heartbeat interval.
//! 12. **No lock is held** while your code runs: you may call every method from every
//!     callback.
//! 13. **Temporary failures cost only time.** Whatever their kind and whatever request
//!     fails, they never end a session whose lease holds, and never cause a redelivery.
//!     A failure is temporary unless [it is known not to
//!     be](guide::errors#what-follows-from-a-failure).
//! 14. **A session that the worker ends is given back**: its progress is saved, and other
//!     workers own its channels within one of their heartbeats.
//! 15. **Outages are visible.** The log and the [`snapshot`](TunnelWorkerDaemon::snapshot)
//!     show an outage within a second of its first failed request, and its end as well.
//! 16. **Threads and memory are bounded** by the configuration and the number of open
//!     channels, whatever hangs.
//!
//! # Overview of the API
//!
//! - [`TunnelClient`]: creates, lists, describes and deletes tunnels.
//! - [`TunnelWorkerDaemon`]: consumes a tunnel. [`TunnelWorkerConfig::builder`]: its
//!   configuration.
//! - [`SimpleProcessFactory`], [`AsyncProcessFactory`]: take your callback.
//!   [`ChannelContext`], [`Record`]: its arguments. [`ProcessError`]: its error.
//! - [`TunnelError`] and [`ErrorCode`]: the errors of all other methods.
//!   [`CredentialsProvider`] and [`CredentialsError`]: keys that change, or never come.
//! - [`WorkerSnapshot`], [`Health`], [`WorkerObserver`]: the state of a worker.
//!
//! # Versions
//!
//! The crate needs Rust 1.88. Only a new minor version may require a later Rust. Until 1.0, a
//! new minor version may contain breaking changes, which the changelog lists. A new major
//! version of a crate in [Foreign types](guide::foreign_types) is a breaking change of this
//! crate.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(simulation)]
#[doc(hidden)]
pub mod _simulation;
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
mod io_pool;
mod limits;
mod model;
mod observer;
mod policy;
mod pool;
mod processor;
mod protocol;
mod record;
mod sync;
mod text;
mod user_code;
#[cfg(test)]
mod vectors;
mod worker;

/// The design of the crate, for contributors.
#[cfg(doc)]
#[doc = include_str!("../DESIGN.md")]
pub mod _design {}

/// Compiles the examples of the README as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use client::TunnelClient;
pub use clock::Clock;
pub use config::{
    ChannelBackoffConfig, TunnelConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
};
pub use credentials::{Credentials, CredentialsError, CredentialsProvider};
pub use error::{ErrorCode, TunnelError};
pub use model::{
    ChannelInfo, ChannelRpo, ChannelStatus, ChannelType, CheckpointRequest, CheckpointResponse,
    CreateTunnelRequest, CreateTunnelResponse, DeleteTunnelRequest, DeleteTunnelResponse,
    DescribeTunnelRequest, DescribeTunnelResponse, GetCheckpointRequest, GetCheckpointResponse,
    GetRpoRequest, GetRpoResponse, ListTunnelRequest, ListTunnelResponse, ReadRecordsRequest,
    ReadRecordsResponse, ScheduleChannel, ScheduleRequest, ScheduleResponse, StartOffset,
    StreamTunnelConfig, TunnelInfo, TunnelRpo, TunnelStage, TunnelType, open_channel,
    resume_channel, suspend_channel, terminate_channel,
};
pub use observer::{
    BatchCounts, ChannelSnapshot, ChannelStage, CloseReason, FailureSnapshot, Health, HealthReason,
    HeartbeatSnapshot, SavedCheckpoint, WorkerEvent, WorkerEventKind, WorkerObserver,
    WorkerSnapshot, WorkerState,
};
pub use processor::{
    AsyncProcessFactory, ChannelBatch, ChannelConn, ChannelContext, ChannelDialer,
    ChannelProcessor, ChannelProcessorFactory, CheckpointMode, Checkpointer,
    ParallelReleaseManager, ProcessError, ProcessResult, ProcessorHandle, ProcessorOptions,
    SimpleProcessFactory,
};
pub use record::{
    ActionType, ColumnKind, FINISH_TAG, OwnedColumn, OwnedRecord, PrimaryKeyColumn,
    PrimaryKeyColumns, Record, RecordColumn, RecordColumns, SequenceInfo, Value, ValueRef,
    parse_binary_records,
};
pub use worker::{ChannelReport, RunningDaemon, ShutdownReport, TunnelWorker, TunnelWorkerDaemon};
