//! [`WorkerEvent`]: one thing that happened in a worker.

use std::fmt;
use std::time::Duration;

use super::snapshot::ChannelStage;
use crate::error::TunnelError;
use crate::processor::ProcessError;

/// One thing that happened in a worker, as a
/// [`WorkerObserver`](crate::observer::handler::WorkerObserver) hears of it.
///
/// `Display` tells it in a line. Neither that nor `Debug` shows records, keys
/// or tokens; what a callback wrote into its error is shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerEvent<'a> {
    /// The tunnel.
    pub tunnel_id: &'a str,
    /// The session that it happened in; empty between sessions.
    pub client_id: &'a str,
    /// What happened.
    pub kind: WorkerEventKind<'a>,
}

/// What can happen in a worker.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum WorkerEventKind<'a> {
    /// The service knows this worker by its client id from now on.
    #[non_exhaustive]
    Connected {},
    /// A heartbeat has been answered.
    #[non_exhaustive]
    HeartbeatAnswered {
        /// From the sending to the answer.
        elapsed: Duration,
        /// How many channels the service says are ours.
        channels: usize,
    },
    /// A heartbeat has failed; the next one follows after 1 to 5 s.
    #[non_exhaustive]
    HeartbeatFailed {
        /// How many have failed in a row, this one included.
        failures: u32,
        /// Why.
        error: &'a TunnelError,
    },
    /// The session is over, a daemon begins another one.
    #[non_exhaustive]
    Reconnecting {
        /// How long it waits before.
        pause: Duration,
        /// Why the session is over, or could not begin.
        error: &'a TunnelError,
    },
    /// The user's processor for the channel is open and reading begins.
    #[non_exhaustive]
    ChannelOpened {
        /// The channel.
        channel_id: &'a str,
        /// Whether it carries changes (true) or base data (false).
        is_stream: bool,
    },
    /// The channel was given back before it was open.
    #[non_exhaustive]
    ChannelNotOpened {
        /// The channel.
        channel_id: &'a str,
        /// Why.
        reason: CloseReason,
        /// What failed: the get-checkpoint request, the factory, the open callback.
        error: Option<&'a TunnelError>,
    },
    /// A read has brought something.
    #[non_exhaustive]
    BatchRead {
        /// The channel.
        channel_id: &'a str,
        /// Its records.
        records: usize,
        /// Bytes of the answer.
        bytes: usize,
        /// How long the request took.
        elapsed: Duration,
    },
    /// A batch is done: its callback has returned `Ok`, or asked to skip it,
    /// or was not called since the batch has no records.
    #[non_exhaustive]
    BatchDone {
        /// The channel.
        channel_id: &'a str,
        /// Its records.
        records: usize,
        /// Bytes of the answers that brought it.
        bytes: usize,
        /// How long the last callback took; zero if it was not called.
        elapsed: Duration,
    },
    /// A request of a channel (get-checkpoint, read or checkpoint) has failed for a reason
    /// that passes. It will be repeated, and the channel stays ours meanwhile. Reported on
    /// the observer's own thread, like heartbeats.
    #[non_exhaustive]
    RequestFailed {
        /// The channel.
        channel_id: &'a str,
        /// The path of the request, for example `/tunnel/readrecords`.
        path: &'a str,
        /// The delay after which the request is repeated.
        delay: Duration,
        /// Why it failed.
        error: &'a TunnelError,
    },
    /// A callback has failed and gets its batch again.
    #[non_exhaustive]
    BatchRetried {
        /// The channel.
        channel_id: &'a str,
        /// When: after this delay.
        delay: Duration,
        /// What the callback returned, or its panic.
        error: &'a ProcessError,
    },
    /// A callback has failed and asked to go on without its batch, which
    /// counts as done.
    #[non_exhaustive]
    BatchSkipped {
        /// The channel.
        channel_id: &'a str,
        /// How many records were passed over.
        records: usize,
        /// What the callback returned.
        error: &'a ProcessError,
    },
    /// The service knows a new checkpoint.
    #[non_exhaustive]
    CheckpointSaved {
        /// The channel.
        channel_id: &'a str,
        /// How long that took, retries included.
        elapsed: Duration,
    },
    /// A checkpoint could not be saved. The worker's own are tried again; one
    /// that the program committed is the program's business. Not told where
    /// nothing was sent since the channel is no longer ours.
    #[non_exhaustive]
    CheckpointFailed {
        /// The channel.
        channel_id: &'a str,
        /// Why.
        error: &'a TunnelError,
    },
    /// A channel has been at one stage for longer than
    /// [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after); told
    /// once for each time that it comes to a stage.
    #[non_exhaustive]
    ChannelStalled {
        /// The channel.
        channel_id: &'a str,
        /// What it is at.
        stage: ChannelStage,
        /// For how long.
        age: Duration,
    },
    /// The channel is being closed: its last callback has returned, what is
    /// processed gets saved, the shutdown callback comes.
    #[non_exhaustive]
    ChannelClosing {
        /// The channel.
        channel_id: &'a str,
    },
    /// The channel is closed: nothing of it runs any more. Comes once for
    /// every [`ChannelOpened`](Self::ChannelOpened), after the last callback
    /// has returned, also where a shutdown did not wait for that.
    #[non_exhaustive]
    ChannelClosed {
        /// The channel.
        channel_id: &'a str,
        /// Why.
        reason: CloseReason,
        /// What failed, if something did.
        error: Option<&'a TunnelError>,
    },
}

/// Why a channel was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was consumed to its end.
    Finished,
    /// The service wanted it back, in order: for another worker, say.
    TakenBack,
    /// The worker shut down.
    Shutdown,
    /// The service took it without waiting, or the session was lost.
    Lost,
    /// The deadline of a shutdown came first.
    Abandoned,
    /// Something failed. The service hands it out again.
    Failed,
}

impl CloseReason {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::Finished => "finished",
            CloseReason::TakenBack => "taken back",
            CloseReason::Shutdown => "worker shut down",
            CloseReason::Lost => "lost",
            CloseReason::Abandoned => "abandoned",
            CloseReason::Failed => "failed",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl WorkerEventKind<'_> {
    /// The channel that it concerns; none if it concerns the whole worker.
    pub fn channel_id(&self) -> Option<&str> {
        use WorkerEventKind as K;
        match self {
            K::Connected {}
            | K::HeartbeatAnswered { .. }
            | K::HeartbeatFailed { .. }
            | K::Reconnecting { .. } => None,
            K::ChannelOpened { channel_id, .. }
            | K::ChannelNotOpened { channel_id, .. }
            | K::BatchRead { channel_id, .. }
            | K::BatchDone { channel_id, .. }
            | K::RequestFailed { channel_id, .. }
            | K::BatchRetried { channel_id, .. }
            | K::BatchSkipped { channel_id, .. }
            | K::CheckpointSaved { channel_id, .. }
            | K::CheckpointFailed { channel_id, .. }
            | K::ChannelStalled { channel_id, .. }
            | K::ChannelClosing { channel_id, .. }
            | K::ChannelClosed { channel_id, .. } => Some(channel_id),
        }
    }

    fn fmt_worker(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use WorkerEventKind as K;
        match self {
            K::HeartbeatAnswered { elapsed, channels } => {
                write!(
                    f,
                    "heartbeat answered in {elapsed:?} with {channels} channels"
                )
            }
            K::HeartbeatFailed { failures, error } => {
                write!(f, "heartbeat failed, {failures} in a row: {error}")
            }
            K::Reconnecting { pause, error } => {
                write!(f, "connecting again in {pause:?}: {error}")
            }
            _ => f.write_str("connected"),
        }
    }

    fn fmt_batch(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use WorkerEventKind as K;
        match self {
            K::BatchRead {
                records,
                bytes,
                elapsed,
                ..
            } => write!(f, "{records} records, {bytes} bytes, read in {elapsed:?}"),
            K::BatchDone {
                records, elapsed, ..
            } => write!(f, "{records} records done in {elapsed:?}"),
            K::RequestFailed {
                path, delay, error, ..
            } => write!(f, "{path} failed, again in {delay:?}: {error}"),
            K::BatchRetried { delay, error, .. } => {
                write!(f, "batch given again in {delay:?}: {error}")
            }
            K::BatchSkipped { records, error, .. } => {
                write!(f, "{records} records skipped as asked: {error}")
            }
            other => other.fmt_channel(f),
        }
    }

    fn fmt_channel(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use WorkerEventKind as K;
        match self {
            K::ChannelOpened { .. } => f.write_str("open"),
            K::ChannelNotOpened { reason, error, .. } => {
                write!(f, "not opened, {reason}")?;
                fmt_error(f, *error)
            }
            K::CheckpointSaved { elapsed, .. } => write!(f, "checkpoint saved in {elapsed:?}"),
            K::CheckpointFailed { error, .. } => write!(f, "checkpoint not saved: {error}"),
            K::ChannelStalled { stage, age, .. } => write!(f, "{stage} for {age:?}"),
            K::ChannelClosing { .. } => f.write_str("closing"),
            K::ChannelClosed { reason, error, .. } => {
                write!(f, "closed, {reason}")?;
                fmt_error(f, *error)
            }
            other => other.fmt_worker(f),
        }
    }
}

fn fmt_error(f: &mut fmt::Formatter<'_>, error: Option<&TunnelError>) -> fmt::Result {
    match error {
        Some(error) => write!(f, ": {error}"),
        None => Ok(()),
    }
}

impl fmt::Display for WorkerEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tunnel {}, client {}: ", self.tunnel_id, self.client_id)?;
        if let Some(channel_id) = self.kind.channel_id() {
            write!(f, "channel {channel_id}: ")?;
        }
        self.kind.fmt_batch(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: WorkerEventKind<'_>) -> String {
        let event = WorkerEvent {
            tunnel_id: "t",
            client_id: "c",
            kind,
        };
        event.to_string()
    }

    #[test]
    fn every_event_tells_itself_in_a_line() {
        use WorkerEventKind as K;
        let error = &TunnelError::client("no");
        let failed = &ProcessError::new("disk full");
        let (channel_id, ms) = ("x", Duration::from_millis(7));
        let (records, bytes, elapsed) = (3, 99, ms);
        let table = [
            (K::Connected {}, "connected"),
            (
                K::HeartbeatAnswered {
                    elapsed,
                    channels: 2,
                },
                "heartbeat answered in 7ms with 2 channels",
            ),
            (
                K::HeartbeatFailed { failures: 2, error },
                "heartbeat failed, 2 in a row: OTSClientError: no",
            ),
            (
                K::Reconnecting { pause: ms, error },
                "connecting again in 7ms: OTSClientError: no",
            ),
            (
                K::ChannelOpened {
                    channel_id,
                    is_stream: true,
                },
                "channel x: open",
            ),
            (
                K::ChannelNotOpened {
                    channel_id,
                    reason: CloseReason::Failed,
                    error: Some(error),
                },
                "channel x: not opened, failed: OTSClientError: no",
            ),
            (
                K::BatchRead {
                    channel_id,
                    records,
                    bytes,
                    elapsed,
                },
                "channel x: 3 records, 99 bytes, read in 7ms",
            ),
            (
                K::BatchDone {
                    channel_id,
                    records,
                    bytes,
                    elapsed,
                },
                "channel x: 3 records done in 7ms",
            ),
            (
                K::BatchRetried {
                    channel_id,
                    delay: ms,
                    error: failed,
                },
                "channel x: batch given again in 7ms: disk full",
            ),
            (
                K::BatchSkipped {
                    channel_id,
                    records,
                    error: failed,
                },
                "channel x: 3 records skipped as asked: disk full",
            ),
            (
                K::CheckpointSaved {
                    channel_id,
                    elapsed,
                },
                "channel x: checkpoint saved in 7ms",
            ),
            (
                K::CheckpointFailed { channel_id, error },
                "channel x: checkpoint not saved: OTSClientError: no",
            ),
            (
                K::ChannelStalled {
                    channel_id,
                    stage: ChannelStage::InCallback,
                    age: ms,
                },
                "channel x: in callback for 7ms",
            ),
            (K::ChannelClosing { channel_id }, "channel x: closing"),
            (
                K::ChannelClosed {
                    channel_id,
                    reason: CloseReason::TakenBack,
                    error: None,
                },
                "channel x: closed, taken back",
            ),
        ];
        for (kind, text) in table {
            assert_eq!(line(kind), format!("tunnel t, client c: {text}"));
        }
    }
}
