//! [`Event`] and [`EventKind`]: the events of a ledger.
//!
//! The names of variants and fields are also the names in the JSON lines.
//! Programs in other languages read them, so they stay as they are.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::text;
use crate::protocol::Action;
use crate::state::{ChannelState, ChannelStatus, Departure};
use tablestore_tunnel::SequenceInfo;

/// An event.
///
/// In JSON it is an object with `order`, `time` (RFC 3339, with microseconds),
/// `request` if there is one, `event` (the kind in `snake_case`) and the fields of
/// the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The number of the event, counted from 0 without gaps.
    pub order: u64,
    /// The time of the event, on the emulator's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The id of the request that caused it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<str>>,
    /// The kind of the event, with its fields.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A request came in, with the ids that it names.
    Received {
        /// Its request id.
        request_id: Arc<str>,
        /// Its action.
        action: Action,
        /// The tunnel that it names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tunnel: Option<Arc<str>>,
        /// The client that it names as its sender.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Arc<str>>,
        /// The channel that it names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Arc<str>>,
    },
    /// The answer to a request was made. A fault may still keep it from the
    /// client, see [`EventKind::Faulted`].
    Answered {
        /// Its request id.
        request_id: Arc<str>,
        /// Its action; `None` if the path is no action.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<Action>,
        /// The HTTP status.
        status: u16,
        /// The error code, for an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A fault hit a request.
    Faulted {
        /// Its request id.
        request_id: Arc<str>,
        /// Its action.
        action: Action,
        /// The effect of the fault, as in a fault script.
        effect: String,
        /// Whether the request had been carried out by then.
        carried_out: bool,
        /// Whether the client gets no answer, a different one, or a late one.
        answer_suffers: bool,
    },
    /// The clock was moved by hand since the previous event.
    ClockMoved {
        /// The distance. In JSON `by_us`, in microseconds.
        #[serde(rename = "by_us", with = "text::micros")]
        by: Duration,
    },
    /// Rows were written, which added changes to the log of a partition.
    Written {
        /// The table.
        table: Arc<str>,
        /// Id of the partition.
        partition: Arc<str>,
        /// Position of the first change in the log.
        from: u64,
        /// Position after the last change.
        to: u64,
    },
    /// A tunnel was created.
    TunnelCreated {
        /// Its id.
        tunnel: Arc<str>,
        /// Its table.
        table: Arc<str>,
    },
    /// A tunnel was deleted.
    TunnelDeleted {
        /// Its id.
        tunnel: Arc<str>,
    },
    /// A tunnel got a channel. Clients see it when it leaves `WAIT`.
    ChannelAdded {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Id of the partition whose log it reads; `None` for base data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partition: Option<Arc<str>>,
        /// Position of its first record.
        start: u64,
        /// Position after its last record. Base data ends there, and the log of a
        /// partition grows with [`EventKind::Written`].
        end: u64,
        /// Channels that must be read to their ends first.
        parents: Vec<Arc<str>>,
    },
    /// A partition was split.
    Split {
        /// The table.
        table: Arc<str>,
        /// Id of the partition that was split.
        parent: Arc<str>,
        /// Ids of its parts.
        children: Vec<Arc<str>>,
    },
    /// Two partitions were merged.
    Merged {
        /// The table.
        table: Arc<str>,
        /// Ids of the partitions that were merged, the lower first.
        parents: Vec<Arc<str>>,
        /// Id of the new partition.
        child: Arc<str>,
    },
    /// Changes were dropped from a log.
    Trimmed {
        /// The table.
        table: Arc<str>,
        /// Id of the partition.
        partition: Arc<str>,
        /// Position of the first dropped change, counted from 0.
        from: u64,
        /// Position of the first change that was kept.
        to: u64,
    },
    /// A table was dropped, after the tunnels on it.
    TableDropped {
        /// The table.
        table: Arc<str>,
    },
    /// A tunnel expired: it cannot be consumed any more, because its log was not
    /// read in time.
    TunnelExpired {
        /// Its id.
        tunnel: Arc<str>,
    },
    /// A client connected.
    Connected {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The id that the client got.
        client: Arc<str>,
        /// Its timeout. In JSON `timeout_us`, in microseconds.
        #[serde(rename = "timeout_us", with = "text::micros")]
        timeout: Duration,
    },
    /// A client was removed.
    Gone {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The reason.
        why: Departure,
    },
    /// A client's heartbeat was answered.
    Heartbeat {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channels in its report.
        reported: Vec<ChannelState>,
        /// The channels in the answer.
        answered: Vec<ChannelState>,
    },
    /// A channel changed its holder or its status.
    ChannelChanged {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// The client that holds it now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Arc<str>>,
        /// Its status now, as in Describe.
        status: ChannelStatus,
        /// Its version now.
        version: i64,
    },
    /// A client fetched the checkpoint of a channel.
    CheckpointGiven {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// The position of the token; `None` for `finished`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        /// The sequence number of the last save.
        sequence_number: i64,
        /// Whether the client held the channel.
        owned: bool,
    },
    /// A read skipped records that were trimmed before anyone read them. The event
    /// of the read follows.
    Skipped {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Position of the read's token.
        from: u64,
        /// How many records were skipped.
        count: u64,
    },
    /// Records were read: `to - from` of them, less those that were
    /// [skipped](EventKind::Skipped).
    Read {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Position of the read's token, in the base data or in the partition's log,
        /// counted from 0. The first record is at this position, unless records were
        /// skipped.
        from: u64,
        /// Position after the last record, and position of the next token.
        to: u64,
        /// Sequence number of the first record, for a stream.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "text::sequence"
        )]
        first_sequence: Option<SequenceInfo>,
        /// Sequence number of the last record, for a stream.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "text::sequence"
        )]
        last_sequence: Option<SequenceInfo>,
        /// Whether the answer's token is `finished`.
        finished: bool,
        /// Whether the client held the channel.
        owned: bool,
    },
    /// A checkpoint was saved.
    Saved {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// The position of the token; `None` for `finished`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        /// The sequence number of the save.
        sequence_number: i64,
        /// Whether the client held the channel.
        owned: bool,
    },
    /// A consumer reported that it has processed records, see
    /// [`Witness`](crate::Witness).
    Processed {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Position of the first record.
        from: u64,
        /// Position after the last record.
        to: u64,
    },
    /// A consumer reported that it has processed records, but the channel has no
    /// records with these keys or sequence numbers.
    ProcessedUnknown {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// How many records.
        records: u64,
    },
}
