//! [`StateEvent`]: what happened in the state, for the ledger.

use std::time::Duration;

use super::ids::Id;
use super::status::{ChannelState, ChannelStatus, Departure};
use crate::timestamp::Timestamp;
use tablestore_tunnel::SequenceInfo;

/// Something that happened in the state.
///
/// The state does not write a ledger. It collects its events in order, and
/// the caller takes them with [`State::take_events`](super::State).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateEvent {
    Table(TableEvent),
    Tunnel(TunnelEvent),
    Client(ClientEvent),
    Access(AccessEvent),
}

/// Something that happened to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableEvent {
    /// Changes were written to the log of a partition.
    Written {
        table: Id,
        partition: Id,
        from: u64,
        to: u64,
    },
    Split {
        table: Id,
        parent: Id,
        children: Vec<Id>,
    },
    Merged {
        table: Id,
        parents: Vec<Id>,
        child: Id,
    },
    /// Changes were dropped from the log of a partition.
    Trimmed {
        table: Id,
        partition: Id,
        from: u64,
        to: u64,
    },
    Dropped {
        table: Id,
    },
}

/// Something that happened to a tunnel or its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TunnelEvent {
    Created {
        tunnel: Id,
        table: Id,
    },
    Deleted {
        tunnel: Id,
    },
    ChannelAdded {
        tunnel: Id,
        channel: Id,
        /// `None` for base data.
        partition: Option<Id>,
        start: u64,
        end: u64,
        /// Channels that must be read to their ends first.
        parents: Vec<Id>,
    },
    Expired {
        tunnel: Id,
    },
    /// A channel changed its holder, status or version.
    ChannelChanged {
        tunnel: Id,
        channel: Id,
        client: Option<Id>,
        status: ChannelStatus,
        version: i64,
    },
}

/// Something that a client did, or that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientEvent {
    Connected {
        tunnel: Id,
        client: Id,
        timeout: Duration,
    },
    /// A client was removed from its tunnel.
    Gone {
        tunnel: Id,
        client: Id,
        why: Departure,
    },
    Heartbeat {
        tunnel: Id,
        client: Id,
        reported: Vec<ChannelState>,
        answered: Vec<ChannelState>,
    },
}

/// A client's use of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessEvent {
    /// A client fetched the checkpoint of a channel.
    CheckpointRead {
        access: Access,
        /// `None` for `finished`.
        position: Option<u64>,
        sequence_number: i64,
    },
    /// A read skipped trimmed records.
    Skipped {
        tunnel: Id,
        client: Id,
        channel: Id,
        from: u64,
        count: u64,
    },
    Read {
        access: Access,
        from: u64,
        to: u64,
        first_sequence: Option<SequenceInfo>,
        last_sequence: Option<SequenceInfo>,
        finished: bool,
    },
    /// A checkpoint was saved.
    Saved {
        access: Access,
        /// `None` for `finished`.
        position: Option<u64>,
        sequence_number: i64,
    },
}

impl From<TableEvent> for StateEvent {
    fn from(event: TableEvent) -> StateEvent {
        StateEvent::Table(event)
    }
}

impl From<TunnelEvent> for StateEvent {
    fn from(event: TunnelEvent) -> StateEvent {
        StateEvent::Tunnel(event)
    }
}

impl From<ClientEvent> for StateEvent {
    fn from(event: ClientEvent) -> StateEvent {
        StateEvent::Client(event)
    }
}

impl From<AccessEvent> for StateEvent {
    fn from(event: AccessEvent) -> StateEvent {
        StateEvent::Access(event)
    }
}

/// A client's access to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) tunnel: Id,
    pub(crate) client: Id,
    pub(crate) channel: Id,
    /// Whether the client held the channel.
    pub(crate) owned: bool,
}

/// The events that nobody has taken yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct EventQueue(Vec<(Timestamp, StateEvent)>);

impl EventQueue {
    pub(super) fn push(&mut self, now: Timestamp, event: impl Into<StateEvent>) {
        self.0.push((now, event.into()));
    }

    pub(super) fn take(&mut self) -> Vec<(Timestamp, StateEvent)> {
        std::mem::take(&mut self.0)
    }
}
