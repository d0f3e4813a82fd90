//! [`WorkerSnapshot`]: what a worker is at, right now.

use std::fmt;
use std::time::Duration;

use super::health::{self, Health};

/// What a worker is at: taken by
/// [`TunnelWorker::snapshot`](crate::TunnelWorker::snapshot) and
/// [`TunnelWorkerDaemon::snapshot`](crate::TunnelWorkerDaemon::snapshot).
///
/// A copy: the worker goes on meanwhile and never waits for whoever takes
/// one. All ages are those at the time of the snapshot. Numbers that belong
/// together may be a batch apart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// The tunnel.
    pub tunnel_id: String,
    /// What the worker is doing.
    pub state: WorkerState,
    /// Since when.
    pub state_age: Duration,
    /// The id that the service gave to the session, the last one if it is over.
    pub client_id: Option<String>,
    /// How the heartbeats of this session go.
    pub heartbeat: HeartbeatSnapshot,
    /// How often a daemon has begun another session.
    pub reconnects: u64,
    /// Why the last session ended or the last connect failed, if it did.
    pub last_error: Option<String>,
    /// Everything read since the worker or daemon was made, closed channels included.
    pub read: BatchCounts,
    /// Everything of that which is done.
    pub done: BatchCounts,
    /// The channels that are open, opening, waiting to be reopened or closing,
    /// and those that were released after a failure and not assigned again yet.
    pub channels: Vec<ChannelSnapshot>,
    /// For how long the session has had no channels, although none of its channels has
    /// been consumed to its end; `None` if it has some, has finished some, or there is no
    /// session.
    pub without_channels_for: Option<Duration>,
    /// The configured
    /// [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after).
    pub stuck_after: Duration,
}

impl WorkerSnapshot {
    /// Whether that is well; see [`Health`] for what counts as what.
    pub fn health(&self) -> Health {
        health::judge(self)
    }

    /// The channel with this id, if it is listed.
    pub fn channel(&self, channel_id: &str) -> Option<&ChannelSnapshot> {
        self.channels
            .iter()
            .find(|channel| channel.channel_id == channel_id)
    }
}

/// What a worker or daemon is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerState {
    /// It has not been started.
    Ready,
    /// It waits for its first connect, or a daemon for the next one.
    Connecting,
    /// It has a session.
    Working,
    /// It shuts down.
    Draining,
    /// It has ended for good.
    Ended,
}

impl WorkerState {
    /// The state in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerState::Ready => "ready",
            WorkerState::Connecting => "connecting",
            WorkerState::Working => "working",
            WorkerState::Draining => "draining",
            WorkerState::Ended => "ended",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the heartbeats of a session go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeartbeatSnapshot {
    /// How long ago the last one was sent; none before the first.
    pub sent_age: Option<Duration>,
    /// How long ago an answer came; none before the first.
    pub answered_age: Option<Duration>,
    /// How many have failed since the last answer.
    pub failures: u32,
    /// The configured interval.
    pub interval: Duration,
    /// The configured timeout, after which the session counts as lost.
    pub timeout: Duration,
}

/// Batches, their records and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchCounts {
    /// Read: answers that brought records or another token. Done: batches,
    /// each of one answer or of several where reads are joined.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Their size on the wire, in bytes.
    pub bytes: u64,
}

impl std::ops::AddAssign for BatchCounts {
    fn add_assign(&mut self, other: BatchCounts) {
        self.batches += other.batches;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// What one channel is at.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelSnapshot {
    /// The channel.
    pub channel_id: String,
    /// Whether it carries changes (true) or base data (false).
    pub is_stream: bool,
    /// What it is at.
    pub stage: ChannelStage,
    /// Since when.
    pub stage_age: Duration,
    /// Whether it is to be closed as soon as the stage allows.
    pub is_closing: bool,
    /// What was read since the channel was opened here.
    pub read: BatchCounts,
    /// What of that is done.
    pub done: BatchCounts,
    /// Failures to open, to read, or of callbacks. A series of failed requests
    /// ends with the next request that succeeds, a series of other failures
    /// with the next batch that is done.
    pub failures: FailureSnapshot,
    /// Failures to save a checkpoint. A series ends with the next checkpoint
    /// that is saved.
    pub save_failures: FailureSnapshot,
    /// The last checkpoint that was saved since the channel was opened here.
    pub last_saved: Option<SavedCheckpoint>,
    /// How old the newest record is that is done. None for base data, before
    /// the first record, and with binary records. On a channel that
    /// [`is_caught_up`](Self::is_caught_up) it grows while nothing is written.
    pub lag: Option<Duration>,
    /// Whether the last read brought all that there was, and all of it is done.
    pub is_caught_up: bool,
}

/// What a channel is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelStage {
    /// An earlier callback of the same channel still runs, from before the
    /// channel was lost; it is not read before that returns.
    WaitingForPredecessor,
    /// Its checkpoint is asked for, its processor made and opened, its connection dialed.
    Opening,
    /// It failed the last time, and a pause passes before it is opened again: 5 s,
    /// doubling to 60 s, or up to 5 s after a failure that passes.
    WaitingToReopen,
    /// Nothing to do until the next read.
    Idle,
    /// A read is on its way, or what it brought is decoded, and nothing else to do.
    Reading,
    /// As many channels are at work as
    /// [`max_channel_parallel`](crate::TunnelWorkerConfigBuilder::max_channel_parallel)
    /// allows; it is read when another one gives its place back.
    WaitingForPermit,
    /// The memory budget is used up; it is read when other batches are done.
    WaitingForMemory,
    /// A batch waits for a thread of the pool.
    Queued,
    /// A thread of the pool has it: a batch is decoded, unless it was before, and
    /// in the callback.
    InCallback,
    /// A batch waits to be given to the callback again.
    WaitingToRetry,
    /// Everything is processed; the program has yet to commit `finished`.
    WaitingForCommit,
    /// A checkpoint is on its way and nothing else to do.
    Saving,
    /// Its shutdown callback is called.
    Closing,
    /// It was released after a failure: the service assigns it again, here
    /// or elsewhere. No longer listed when the heartbeat timeout has passed.
    Released,
}

impl ChannelStage {
    /// The stage in words.
    pub fn as_str(self) -> &'static str {
        match self {
            ChannelStage::WaitingForPredecessor => "waiting for an earlier callback",
            ChannelStage::Opening => "opening",
            ChannelStage::WaitingToReopen => "waiting to reopen",
            ChannelStage::Idle => "idle",
            ChannelStage::Reading => "reading",
            ChannelStage::WaitingForPermit => "waiting for a permit",
            ChannelStage::WaitingForMemory => "waiting for memory",
            ChannelStage::Queued => "queued",
            ChannelStage::InCallback => "in callback",
            ChannelStage::WaitingToRetry => "waiting to retry",
            ChannelStage::WaitingForCommit => "waiting for commit",
            ChannelStage::Saving => "saving",
            ChannelStage::Closing => "closing",
            ChannelStage::Released => "released",
        }
    }

    /// Whether a channel may be at this stage for as long as it likes.
    pub(crate) fn is_rest(self) -> bool {
        matches!(self, ChannelStage::Idle | ChannelStage::Released)
    }
}

impl fmt::Display for ChannelStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Failures of one kind, since the channel is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureSnapshot {
    /// How many there were.
    pub count: u64,
    /// How long it has been failing without a success since; none after one.
    pub failing_for: Option<Duration>,
    /// What the last one said, with its causes; kept after a success.
    pub last_error: Option<String>,
    /// How long ago the last one was.
    pub last_age: Option<Duration>,
}

/// A checkpoint that was saved.
///
/// `Debug` leaves the token out: it tells where in a table a consumer is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedCheckpoint {
    /// The token; [`FINISH_TAG`](crate::FINISH_TAG) at the end of a channel.
    pub token: String,
    /// How long ago it was saved.
    pub age: Duration,
}

impl fmt::Debug for SavedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedCheckpoint")
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}
