//! [`LedgerWriter`]: the ledger while it is written.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Event, EventKind, Ledger};
use crate::state::{Id, StateEvent};
use crate::timestamp::Timestamp;

/// So many channels in a heartbeat weigh as much as an event.
const STATES: usize = 16;

/// Takes events in their order, and forgets the oldest when there are too many.
#[derive(Debug)]
pub(crate) struct LedgerWriter {
    events: VecDeque<Event>,
    written: u64,
    limit: usize,
    /// What the events weigh together; at most the limit.
    weight: usize,
    /// The request that is being carried out.
    request: Option<Id>,
    /// How far the clock was moved by hand, as far as events tell.
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

    /// What is recorded from now on comes from that request, or from none.
    pub(crate) fn on_behalf_of(&mut self, request: Option<&Id>) {
        self.request = request.cloned();
    }

    /// Records how far the clock was moved by hand, if that is news: `moved` is
    /// what [`EmulatorClock::moved`](crate::EmulatorClock) says.
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
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.events.pop_front();
        self.weight -= oldest.map_or(self.weight, |event| weight(&event.kind));
    }

    /// Forgets all events; those to come count on.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.weight = 0;
    }

    /// The events from that order number on.
    pub(crate) fn since(&self, order: u64) -> Ledger {
        let skipped = self.events.partition_point(|event| event.order < order);
        Ledger {
            events: self.events.range(skipped..).cloned().collect(),
        }
    }

    pub(crate) fn copy(&self) -> Ledger {
        Ledger {
            events: self.events.iter().cloned().collect(),
        }
    }
}

/// How many events it counts as: a heartbeat tells of many channels, and
/// without a bound on them some clients with thousands would fill the memory.
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
    fn forgets_the_oldest_but_not_the_order() {
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
    fn heartbeats_count_by_their_channels() {
        let beat = |channels: usize| EventKind::Heartbeat {
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
            writer.record(Timestamp::default(), beat(channels));
            writer.copy().events().len()
        };
        assert_eq!([kept_after(15), kept_after(16), kept_after(31)], [1, 2, 3]);
        assert_eq!([kept_after(0), kept_after(64)], [3, 1]);
        assert_eq!([kept_after(80), kept_after(0)], [0, 1]);
        writer.clear();
        writer.record(Timestamp::default(), beat(64));
        assert_eq!(writer.copy().events().len(), 1);
    }

    #[test]
    fn names_the_request_that_an_event_comes_from() {
        let mut writer = LedgerWriter::new(9, Duration::ZERO);
        let id: Id = "r".into();
        writer.on_behalf_of(Some(&id));
        writer.record(Timestamp::default(), deleted());
        writer.on_behalf_of(None);
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
    fn tells_when_the_clock_was_moved() {
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
