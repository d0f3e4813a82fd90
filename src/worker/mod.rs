//! The worker: from a tunnel id to batches in callbacks.
//!
//! In reading order:
//!
//! - [`daemon`]: [`TunnelWorkerDaemon`], which makes workers until told to stop.
//! - [`running`]: [`RunningDaemon`], a daemon on a thread of its own.
//! - [`worker`]: [`TunnelWorker`], one connected client.
//! - [`receipt`]: [`ShutdownReceipt`], what a stop left behind.
//! - [`session`]: the loop of a worker, which owns all decisions.
//! - [`link`]: what every part of a session shares, and the events it sends.
//! - [`state`]: which channels are ours and what the service hears (pure).
//! - [`beat`]: when to send heartbeats (pure).
//! - [`timers`]: what is to happen later (pure).
//! - [`heartbeat`]: the thread that talks to the service about the session.
//! - [`predecessors`]: earlier connections that still run.
//! - [`lease`]: whether the session still holds.
//! - [`board`]: what is shown of a worker to who looks on.
//! - [`watch`]: looks for channels that do not move.
//! - [`connection`]: one open channel, as its threads share it.
//! - [`turn`]: whose turn it is with the channel's processor.
//! - [`stamp`]: a state and since when, in one word.
//! - [`meter`]: what one channel is at, for who looks on.
//! - [`trouble`]: what failed on a channel.
//! - [`reader`]: the thread that opens and reads one channel.
//! - [`backoff`]: how long it pauses (pure).
//! - [`round`]: what one callback gets, of one read or several.
//! - [`ahead`]: whether the reader decodes it, or the pool (pure).
//! - [`budget`]: how many bytes may be read and not yet processed.
//! - [`quota`]: how many channels read and process at once.
//! - [`permits`]: what both are made of: units taken in turn.
//! - [`pool`]: where callbacks run.
//! - [`tasks`]: what its threads do.
//! - [`runner`]: gives batches to the callback.
//! - [`unwind`]: catches panics.
//! - [`saver`]: what is saved, and when that is known.
//! - [`checkpoint`]: saves at the service.
//! - [`dial`]: reads from the service.
//! - [`closing`]: the end of a channel.
//! - [`latest`]: the newest value between two threads.

mod ahead;
mod backoff;
mod beat;
mod board;
mod budget;
mod checkpoint;
mod closing;
mod connection;
mod daemon;
mod dial;
mod heartbeat;
mod latest;
mod lease;
mod link;
mod meter;
mod permits;
mod pool;
mod predecessors;
mod quota;
mod reader;
mod receipt;
mod round;
mod runner;
mod running;
mod saver;
mod session;
mod stamp;
mod state;
mod tasks;
mod timers;
mod trouble;
mod turn;
pub(crate) mod unwind;
mod watch;
#[expect(clippy::module_inception, reason = "the Go SDK's name for it")]
mod worker;

pub(crate) use board::Board;
pub(crate) use budget::Budget;
pub use daemon::TunnelWorkerDaemon;
pub(crate) use lease::Ownership;
pub(crate) use pool::Pool;
pub(crate) use predecessors::Predecessors;
pub(crate) use quota::Place;
pub use receipt::{ChannelReceipt, ShutdownReceipt};
pub use running::RunningDaemon;
pub use worker::TunnelWorker;
