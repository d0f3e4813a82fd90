//! [`Ledger`]: everything that happened, in order.
//!
//! Meant to judge a client by: what it was given, what it read, what it saved
//! and whether it was its own at that time.

use std::collections::VecDeque;
use std::sync::Arc;

use time::OffsetDateTime;

use super::action::Action;
use super::clock::Timestamp;

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Counts all events, from 0 without gaps.
    pub order: u64,
    /// When it happened, on the emulator's clock.
    pub time: OffsetDateTime,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A request came in, with the ids that it carries.
    Received {
        /// Its request id.
        request_id: Arc<str>,
        /// What it asks for.
        action: Action,
        /// The tunnel it names.
        tunnel: Option<Arc<str>>,
        /// The client it says it comes from.
        client: Option<Arc<str>>,
        /// The channel it names.
        channel: Option<Arc<str>>,
    },
    /// A request's answer was decided. Whether it arrived is another matter,
    /// see [`EventKind::Faulted`].
    Answered {
        /// Its request id.
        request_id: Arc<str>,
        /// What it asked for; nothing for a path that is no action.
        action: Option<Action>,
        /// The HTTP status.
        status: u16,
        /// The error code of an answer that is an error.
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
        client: Option<Arc<str>>,
        /// Its status now, as Describe names it.
        status: &'static str,
        /// Its version now.
        version: i64,
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
    /// Records were read.
    Read {
        /// The tunnel.
        tunnel: Arc<str>,
        /// Who read.
        client: Arc<str>,
        /// What was read.
        channel: Arc<str>,
        /// Position that was asked for: of the snapshot split or of the
        /// partition's log, counted from 0. The first record is there, unless
        /// the read [went past](EventKind::Skipped) some.
        from: u64,
        /// Position after the last record.
        to: u64,
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
        position: Option<u64>,
        /// The sequence number that was sent.
        sequence_number: i64,
        /// Whether the channel was the saver's.
        owned: bool,
    },
}

/// A channel in a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelState {
    /// The channel.
    pub channel: Arc<str>,
    /// Its version.
    pub version: i64,
    /// `OPEN`, `CLOSING`, `CLOSE` or `TERMINATED`.
    pub status: &'static str,
}

/// How a client came to be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// It was silent for longer than its timeout.
    Expired,
    /// It said goodbye.
    ShutDown,
}

/// What happened so far; a copy that does not grow.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    events: Vec<Event>,
}

impl Ledger {
    /// The events in order. The oldest are missing if there were more than
    /// [`EmulatorBuilder::ledger_limit`](super::EmulatorBuilder::ledger_limit).
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether it goes back to the beginning.
    pub fn is_whole(&self) -> bool {
        self.events.first().is_none_or(|event| event.order == 0)
    }
}

/// The ledger while it is written.
#[derive(Debug)]
pub(super) struct Book {
    events: VecDeque<Event>,
    written: u64,
    limit: usize,
}

impl Book {
    pub(super) fn new(limit: usize) -> Book {
        Book {
            events: VecDeque::new(),
            written: 0,
            limit,
        }
    }

    pub(super) fn record(&mut self, now: Timestamp, kind: EventKind) {
        self.events.push_back(Event {
            order: self.written,
            time: now.to_utc(),
            kind,
        });
        self.written += 1;
        if self.events.len() > self.limit {
            self.events.pop_front();
        }
    }

    pub(super) fn copy(&self) -> Ledger {
        Ledger {
            events: self.events.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_but_not_the_order() {
        let mut book = Book::new(2);
        for _ in 0..5 {
            let tunnel = "t".into();
            book.record(Timestamp::default(), EventKind::TunnelDeleted { tunnel });
        }
        let orders: Vec<u64> = book
            .copy()
            .events()
            .iter()
            .map(|event| event.order)
            .collect();
        assert_eq!(orders, [3, 4]);
    }
}
