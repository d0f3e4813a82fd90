//! [`Ledger::violations`]: what a client did that it must not.
//!
//! Judged from the server's side: what a client processed it cannot see, only
//! what it was given and what it claims.

use std::collections::HashMap;
use std::sync::Arc;

use super::ledger::{ChannelState, Event, EventKind, Ledger};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The event that broke it, by its order.
    pub order: u64,
    /// The rule.
    pub rule: Rule,
    /// The tunnel.
    pub tunnel: Arc<str>,
    /// The channel.
    pub channel: Arc<str>,
    /// The client.
    pub client: Arc<str>,
}

/// What a client must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Reading a channel that is not (any more) the client's.
    ReadNotOwned,
    /// Saving a checkpoint of a channel that is not (any more) the client's.
    SaveNotOwned,
    /// Reading a channel whose parents are not read to their end.
    ReadBeforeParent,
    /// Reading on from a place that no one read up to: what lies before is lost.
    ReadSkips,
    /// Saving a place that no one read up to.
    SaveBeyondRead,
    /// Saving a place before the one that is saved.
    SaveBackwards,
    /// Reporting TERMINATED before `finished` is saved.
    TerminatedUnsaved,
    /// Reporting a version lower than the one reported before.
    VersionBackwards,
}

/// What is known of one channel of one tunnel so far.
#[derive(Debug, Default)]
struct Track {
    /// Left WAIT; only then it may be read.
    ready: bool,
    /// Position that reads have come to; nothing before the first.
    read_to: Option<u64>,
    end_read: bool,
    saved: Option<u64>,
    finished_saved: bool,
}

/// Goes through the events and remembers what the rules need.
#[derive(Debug, Default)]
struct Judge {
    tracks: HashMap<(Arc<str>, Arc<str>), Track>,
    /// Versions as last reported, by client (whose id is of one tunnel) and
    /// channel.
    versions: HashMap<(Arc<str>, Arc<str>), i64>,
    /// The ledger is there from its beginning.
    whole: bool,
    violations: Vec<Violation>,
}

impl Ledger {
    /// The rules that clients broke, in order.
    ///
    /// Where the beginning was forgotten ([`Ledger::is_whole`]), what depends
    /// on it is not judged.
    pub fn violations(&self) -> Vec<Violation> {
        let mut judge = Judge {
            whole: self.is_whole(),
            ..Judge::default()
        };
        self.events().iter().for_each(|event| judge.see(event));
        judge.violations
    }
}

impl Judge {
    fn see(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ChannelChanged {
                tunnel, channel, ..
            } => self.track(tunnel, channel).ready = true,
            EventKind::Read { .. } => self.see_read(event),
            EventKind::Saved { .. } => self.see_save(event),
            EventKind::Heartbeat {
                tunnel,
                client,
                reported,
                ..
            } => {
                for state in reported {
                    self.see_report(event.order, tunnel, client, state);
                }
            }
            _ => {}
        }
    }

    fn see_read(&mut self, event: &Event) {
        let EventKind::Read {
            tunnel,
            client,
            channel,
            from,
            to,
            finished,
            owned,
        } = &event.kind
        else {
            return;
        };
        let whole = self.whole;
        let track = self.track(tunnel, channel);
        let skips = track.read_to.max(track.saved).is_some_and(|to| *from > to);
        let broken = [
            (!owned, Rule::ReadNotOwned),
            (whole && !track.ready, Rule::ReadBeforeParent),
            (skips, Rule::ReadSkips),
        ];
        track.read_to = track.read_to.max(Some(*to));
        track.end_read |= finished;
        self.note(event.order, broken, tunnel, channel, client);
    }

    fn see_save(&mut self, event: &Event) {
        let EventKind::Saved {
            tunnel,
            client,
            channel,
            position,
            owned,
            ..
        } = &event.kind
        else {
            return;
        };
        let whole = self.whole;
        let track = self.track(tunnel, channel);
        // Before the first read only what was saved before can be saved.
        let beyond = match position {
            None => whole && !track.end_read,
            Some(position) => track.read_to.is_some_and(|read| *position > read),
        };
        let backwards = match position {
            None => false,
            Some(position) => track.finished_saved || track.saved > Some(*position),
        };
        let broken = [
            (!owned, Rule::SaveNotOwned),
            (beyond, Rule::SaveBeyondRead),
            (backwards, Rule::SaveBackwards),
        ];
        track.saved = position.or(track.saved);
        track.finished_saved |= position.is_none();
        self.note(event.order, broken, tunnel, channel, client);
    }

    fn see_report(
        &mut self,
        order: u64,
        tunnel: &Arc<str>,
        client: &Arc<str>,
        state: &ChannelState,
    ) {
        let key = (client.clone(), state.channel.clone());
        let before = self.versions.insert(key, state.version);
        let unsaved =
            state.status == "TERMINATED" && !self.track(tunnel, &state.channel).finished_saved;
        let broken = [
            (unsaved, Rule::TerminatedUnsaved),
            (before > Some(state.version), Rule::VersionBackwards),
        ];
        self.note(order, broken, tunnel, &state.channel, client);
    }

    fn track(&mut self, tunnel: &Arc<str>, channel: &Arc<str>) -> &mut Track {
        let key = (tunnel.clone(), channel.clone());
        self.tracks.entry(key).or_default()
    }

    fn note<const N: usize>(
        &mut self,
        order: u64,
        broken: [(bool, Rule); N],
        tunnel: &Arc<str>,
        channel: &Arc<str>,
        client: &Arc<str>,
    ) {
        let rules = broken.into_iter().filter(|(broken, _)| *broken);
        let violation = |(_, rule)| Violation {
            order,
            rule,
            tunnel: tunnel.clone(),
            channel: channel.clone(),
            client: client.clone(),
        };
        self.violations.extend(rules.map(violation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::clock::Timestamp;
    use crate::emulator::ledger::Book;

    fn opened() -> EventKind {
        EventKind::ChannelChanged {
            tunnel: "t".into(),
            channel: "c".into(),
            client: None,
            status: "OPEN",
            version: 0,
        }
    }

    fn read(from: u64, to: u64, finished: bool, owned: bool) -> EventKind {
        EventKind::Read {
            tunnel: "t".into(),
            client: "x".into(),
            channel: "c".into(),
            from,
            to,
            finished,
            owned,
        }
    }

    fn saved(position: Option<u64>, owned: bool) -> EventKind {
        EventKind::Saved {
            tunnel: "t".into(),
            client: "x".into(),
            channel: "c".into(),
            position,
            sequence_number: 1,
            owned,
        }
    }

    fn reported(version: i64, status: &'static str) -> EventKind {
        let state = ChannelState {
            channel: "c".into(),
            version,
            status,
        };
        EventKind::Heartbeat {
            tunnel: "t".into(),
            client: "x".into(),
            reported: vec![state],
            answered: Vec::new(),
        }
    }

    fn judged(events: impl IntoIterator<Item = EventKind>) -> Vec<Rule> {
        let mut book = Book::new(100);
        for event in events {
            book.record(Timestamp::default(), event);
        }
        let violations = book.copy().violations();
        violations
            .into_iter()
            .map(|violation| violation.rule)
            .collect()
    }

    #[test]
    fn a_good_client_breaks_nothing() {
        let rules = judged([
            opened(),
            read(0, 10, false, true),
            saved(Some(10), true),
            // Another begins at the checkpoint, or where it stood before.
            read(0, 20, false, true),
            read(20, 20, true, true),
            reported(0, "OPEN"),
            saved(None, true),
            reported(1, "TERMINATED"),
        ]);
        assert!(rules.is_empty(), "{rules:?}");
    }

    #[test]
    fn every_rule_is_noticed() {
        let begun = || vec![opened(), read(0, 10, false, true), saved(Some(5), true)];
        let case = |event: EventKind| judged(begun().into_iter().chain([event]));
        assert_eq!(judged([read(0, 1, false, true)]), [Rule::ReadBeforeParent]);
        assert_eq!(case(read(10, 11, false, false)), [Rule::ReadNotOwned]);
        assert_eq!(case(read(11, 12, false, true)), [Rule::ReadSkips]);
        assert_eq!(case(saved(Some(10), false)), [Rule::SaveNotOwned]);
        assert_eq!(case(saved(Some(11), true)), [Rule::SaveBeyondRead]);
        assert_eq!(case(saved(None, true)), [Rule::SaveBeyondRead]);
        assert_eq!(case(saved(Some(4), true)), [Rule::SaveBackwards]);
        assert_eq!(case(reported(1, "TERMINATED")), [Rule::TerminatedUnsaved]);
        let versions = [reported(3, "OPEN"), reported(2, "OPEN")];
        assert_eq!(judged(versions), [Rule::VersionBackwards]);
    }
}
