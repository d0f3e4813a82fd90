//! [`LedgerWriter`]: the ledger while it is written.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Event, EventKind, Ledger};
use crate::state::{Id, StateEvent};
use crate::timestamp::Timestamp;

/// How many channels in a heartbeat weigh as much as one event.
const STATES: usize = 16;

/// Records events in order, and drops the oldest ones if there are too many.
#[derive(Debug)]
pub(crate) struct LedgerWriter {
    events: VecDeque<Event>,
    written: u64,
    limit: usize,
    /// The total weight of the events; at most the limit.
    weight: usize,
    /// The request that is being carried out.
    request: Option<Id>,
    /// How far the clock was moved by hand, as far as it is recorded.
    moved: Duration,
}

impl LedgerWriter {
    pub(crate) fn new(limit: usize, moved: Duration) -> LedgerWriter {
        LedgerWriter {
            events: VecDeque::new(),
            written: 0,
            limit,
            weight: 0,
            request: None,
            moved,
        }
    }

    /// Sets the request that causes the following events.
    pub(crate) fn set_request(&mut self, request: Option<&Id>) {
        self.request = request.cloned();
    }

    /// Records how far the clock was moved by hand since the last record. `moved`
    /// is the total.
    pub(crate) fn clock_moved(&mut self, now: Timestamp, moved: Duration) {
        if moved > self.moved {
            let by = moved - self.moved;
            self.moved = moved;
            self.push(now, None, EventKind::ClockMoved { by });
        }
    }

    pub(crate) fn record(&mut self, now: Timestamp, kind: EventKind) {
        let named = match &kind {
            EventKind::Received { request_id, .. }
            | EventKind::Answered { request_id, .. }
            | EventKind::Faulted { request_id, .. } => Some(request_id.clone()),
            _ => None,
        };
        let request = named.or_else(|| self.request.clone());
        self.push(now, request, kind);
    }

    /// Records what happened in the state, in the order in which it happened.
    pub(crate) fn record_state(&mut self, events: Vec<(Timestamp, StateEvent)>) {
        for (time, event) in events {
            self.record(time, event.into());
        }
    }

    fn push(&mut self, now: Timestamp, request: Option<Id>, kind: EventKind) {
        self.weight += weight(&kind);
        self.events.push_back(Event {
            order: self.written,
            time: now.to_utc(),
            request,
            kind,
        });
        self.written += 1;
        while self.weight > self.limit {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.events.pop_front();
        self.weight -= oldest.map_or(self.weight, |event| weight(&event.kind));
    }

    /// Drops all events. Later events continue the numbering.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.weight = 0;
    }

    /// A copy of the events from an order number on.
    pub(crate) fn since(&self, order: u64) -> Ledger {
        let skipped = self.events.partition_point(|event| event.order < order);
        Ledger {
            events: self.events.range(skipped..).cloned().collect(),
        }
    }

    /// A copy of all events.
    pub(crate) fn copy(&self) -> Ledger {
        Ledger {
            events: self.events.iter().cloned().collect(),
        }
    }
}

/// The weight of an event. A heartbeat lists channels, and without a limit on them
/// a few clients with thousands of channels would fill the memory.
fn weight(kind: &EventKind) -> usize {
    match kind {
        EventKind::Heartbeat {
            reported, answered, ..
        } => 1 + (reported.len() + answered.len()) / STATES,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{ChannelState, ChannelStatus};

    fn deleted() -> EventKind {
        EventKind::TunnelDeleted { tunnel: "t".into() }
    }

    #[test]
    fn the_oldest_events_are_dropped_and_the_order_goes_on() {
        let mut writer = LedgerWriter::new(2, Duration::ZERO);
        for _ in 0..5 {
            writer.record(Timestamp::default(), deleted());
        }
        let ledger = writer.copy();
        let orders: Vec<u64> = ledger.events().iter().map(|event| event.order).collect();
        assert_eq!(orders, [3, 4]);
        assert!(!ledger.is_whole());
    }

    #[test]
    fn heartbeats_weigh_by_their_channels() {
        let heartbeat = |channels: usize| EventKind::Heartbeat {
            tunnel: "t".into(),
            client: "x".into(),
            reported: Vec::new(),
            answered: vec![
                ChannelState {
                    channel: "c".into(),
                    version: 0,
                    status: ChannelStatus::Open,
                };
                channels
            ],
        };
        let mut writer = LedgerWriter::new(5, Duration::ZERO);
        let mut kept_after = |channels| {
            writer.record(Timestamp::default(), heartbeat(channels));
            writer.copy().events().len()
        };
        assert_eq!([kept_after(15), kept_after(16), kept_after(31)], [1, 2, 3]);
        assert_eq!([kept_after(0), kept_after(64)], [3, 1]);
        assert_eq!([kept_after(80), kept_after(0)], [0, 1]);
        writer.clear();
        writer.record(Timestamp::default(), heartbeat(64));
        assert_eq!(writer.copy().events().len(), 1);
    }

    #[test]
    fn events_name_the_request_that_caused_them() {
        let mut writer = LedgerWriter::new(9, Duration::ZERO);
        let id: Id = "r".into();
        writer.set_request(Some(&id));
        writer.record(Timestamp::default(), deleted());
        writer.set_request(None);
        writer.record(Timestamp::default(), deleted());
        let requests: Vec<_> = writer
            .copy()
            .events
            .into_iter()
            .map(|e| e.request)
            .collect();
        assert_eq!(requests, [Some(id), None]);
    }

    #[test]
    fn moves_of_the_clock_are_recorded() {
        let (second, now) = (Duration::from_secs(1), Timestamp::default());
        let mut writer = LedgerWriter::new(9, second);
        for moved in [second, 8 * second, 8 * second, 10 * second] {
            writer.clock_moved(now, moved);
        }
        let kinds: Vec<_> = writer.copy().events.into_iter().map(|e| e.kind).collect();
        let by = [7 * second, 2 * second];
        assert_eq!(kinds, by.map(|by| EventKind::ClockMoved { by }));
    }
}
