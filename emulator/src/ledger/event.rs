//! [`Event`]: one thing that happened, and all the kinds there are.
//!
//! The names of variants and fields are the names in the JSON lines; they are
//! read by programs in other languages, so they stay as they are.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::text;
use crate::protocol::Action;
use crate::state::{ChannelState, ChannelStatus, Departure};
use tablestore_tunnel::SequenceInfo;

/// One thing that happened.
///
/// As JSON an object: `order`, `time` (RFC 3339, with microseconds), `request`
/// if there is one, `event` (the kind in `snake_case`) and the kind's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Counts all events, from 0 without gaps.
    pub order: u64,
    /// When it happened, on the emulator's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Id of the request that it comes from, if it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<str>>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A request came in, with the ids that it carries.
    Received {
        /// Its request id.
        request_id: Arc<str>,
        /// What it asks for.
        action: Action,
        /// The tunnel it names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tunnel: Option<Arc<str>>,
        /// The client it says it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Arc<str>>,
        /// The channel it names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Arc<str>>,
    },
    /// A request's answer was decided. Whether it arrived is another matter,
    /// see [`EventKind::Faulted`].
    Answered {
        /// Its request id.
        request_id: Arc<str>,
        /// What it asked for; nothing for a path that is no action.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<Action>,
        /// The HTTP status.
        status: u16,
        /// The error code of an answer that is an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A fault hit a request.
    Faulted {
        /// Its request id.
        request_id: Arc<str>,
        /// What it asked for.
        action: Action,
        /// What the fault did, in words.
        effect: String,
        /// Whether the request had been carried out by then.
        carried_out: bool,
        /// Whether the client gets no answer, another one, or a late one.
        answer_suffers: bool,
    },
    /// The clock was moved by hand since the event before.
    ClockMoved {
        /// How far. In JSON `by_us`, in microseconds.
        #[serde(rename = "by_us", with = "text::micros")]
        by: Duration,
    },
    /// Rows were written, and changes came into a partition's log.
    Written {
        /// The table.
        table: Arc<str>,
        /// Id of the partition.
        partition: Arc<str>,
        /// Position of the first change in the partition's log.
        from: u64,
        /// Position after the last one.
        to: u64,
    },
    /// A tunnel was created.
    TunnelCreated {
        /// Its id.
        tunnel: Arc<str>,
        /// The table it is on.
        table: Arc<str>,
    },
    /// A tunnel was deleted.
    TunnelDeleted {
        /// Its id.
        tunnel: Arc<str>,
    },
    /// A tunnel got a channel; clients see it when it leaves `WAIT`.
    ChannelAdded {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Id of the partition whose log it gives; nothing for base data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partition: Option<Arc<str>>,
        /// Position of its first record.
        start: u64,
        /// Position after its last record. Base data has no more than that;
        /// the log of a partition goes on with [`EventKind::Written`].
        end: u64,
        /// The channels to be read to their end before.
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
        /// Id of what they became.
        child: Arc<str>,
    },
    /// Changes are no longer in the log.
    Trimmed {
        /// The table.
        table: Arc<str>,
        /// Id of the partition.
        partition: Arc<str>,
        /// Position of the first that went, counted from 0.
        from: u64,
        /// Position of the first that stayed.
        to: u64,
    },
    /// A table was dropped, after the tunnels on it.
    TableDropped {
        /// The table.
        table: Arc<str>,
    },
    /// A tunnel cannot be consumed any more: its log was not read in time.
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
        /// How long it may be silent. In JSON `timeout_us`, in microseconds.
        #[serde(rename = "timeout_us", with = "text::micros")]
        timeout: Duration,
    },
    /// A client is no longer known.
    Gone {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// How that came.
        why: Departure,
    },
    /// A client's heartbeat was answered.
    Heartbeat {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The client.
        client: Arc<str>,
        /// What it said of its channels.
        reported: Vec<ChannelState>,
        /// What it was told.
        answered: Vec<ChannelState>,
    },
    /// A channel changed its holder or its status.
    ChannelChanged {
        /// The tunnel.
        tunnel: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Who has it now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Arc<str>>,
        /// Its status now, as Describe names it.
        status: ChannelStatus,
        /// Its version now.
        version: i64,
    },
    /// A client asked where to begin with a channel.
    CheckpointGiven {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who asked.
        client: Arc<str>,
        /// For what.
        channel: Arc<str>,
        /// The position that the token stands for; nothing for `finished`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        /// The number of the last save.
        sequence_number: i64,
        /// Whether the channel was the client's.
        owned: bool,
    },
    /// A read went past records that no one will get: they were trimmed
    /// before they were read. The read itself follows.
    Skipped {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who read.
        client: Arc<str>,
        /// What was read.
        channel: Arc<str>,
        /// Position that was asked for.
        from: u64,
        /// How many records were passed over.
        count: u64,
    },
    /// Records were read: `to - from` of them, less what was
    /// [passed over](EventKind::Skipped).
    Read {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who read.
        client: Arc<str>,
        /// What was read.
        channel: Arc<str>,
        /// Position that was asked for: of the snapshot split or of the
        /// partition's log, counted from 0. The first record is there, unless
        /// some were passed over.
        from: u64,
        /// Position after the last record: the place of the next token.
        to: u64,
        /// Sequence number of the first record, where records have one.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "text::sequence"
        )]
        first_sequence: Option<SequenceInfo>,
        /// Sequence number of the last record, where records have one.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "text::sequence"
        )]
        last_sequence: Option<SequenceInfo>,
        /// Whether the answer said that nothing more will come.
        finished: bool,
        /// Whether the channel was the reader's.
        owned: bool,
    },
    /// A checkpoint was saved.
    Saved {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who saved.
        client: Arc<str>,
        /// What was saved.
        channel: Arc<str>,
        /// The position that the token stands for; nothing for `finished`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        /// The sequence number that was sent.
        sequence_number: i64,
        /// Whether the channel was the saver's.
        owned: bool,
    },
    /// A consumer says that it has dealt with records, see
    /// [`Witness`](crate::Witness).
    Processed {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who.
        client: Arc<str>,
        /// Of which channel.
        channel: Arc<str>,
        /// Position of the first record.
        from: u64,
        /// Position after the last record.
        to: u64,
    },
    /// A consumer says that it has dealt with records, but the channel has
    /// none of that key or sequence number.
    ProcessedUnknown {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who.
        client: Arc<str>,
        /// Of which channel.
        channel: Arc<str>,
        /// How many.
        records: u64,
    },
}
