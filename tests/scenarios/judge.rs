//! What the ledger and the callbacks must agree on, whatever happened.

use std::collections::{HashMap, HashSet};

use tablestore_tunnel::emulator::{EventKind, Ledger};
use time::OffsetDateTime;

use crate::harness::{Delivery, Id, Scene, Seen, counts};

/// Nothing is lost, nothing came in the wrong order, nothing was saved before
/// it was done or after the channel was lost.
pub(crate) fn judge(scene: &Scene, seen: &Seen) {
    let deliveries = seen.all();
    nothing_lost(scene, &deliveries);
    in_order(scene, &deliveries);
    let ledger = scene.emulator.ledger();
    saved_when_done(&ledger, &deliveries);
    saved_by_owners(&ledger);
}

/// As [`judge`] after a stop without any time for it: a save that was on its
/// way arrived after the farewell, which nobody can help.
pub(crate) fn judge_abrupt(scene: &Scene, seen: &Seen) {
    let deliveries = seen.all();
    nothing_lost(scene, &deliveries);
    in_order(scene, &deliveries);
    saved_when_done(&scene.emulator.ledger(), &deliveries);
}

/// As [`judge`], and nothing came twice.
pub(crate) fn judge_orderly(scene: &Scene, seen: &Seen) {
    judge(scene, seen);
    let deliveries = seen.all();
    let twice: Vec<_> = counts(&deliveries)
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .collect();
    assert!(
        twice.is_empty(),
        "{} records came twice, {:?}",
        twice.len(),
        twice.first()
    );
}

fn nothing_lost(scene: &Scene, deliveries: &[Delivery]) {
    let expected = scene.expected();
    let seen = counts(deliveries);
    let lost: Vec<_> = expected
        .iter()
        .filter(|id| !seen.contains_key(id))
        .collect();
    assert!(
        lost.is_empty(),
        "{} records lost, {:?}",
        lost.len(),
        lost.first()
    );
    let expected: HashSet<_> = expected.iter().collect();
    let made_up = seen.keys().find(|id| !expected.contains(*id));
    assert_eq!(made_up, None, "delivered, but never written");
}

/// Per session and channel, changes come in the order of their sequence
/// numbers, except that a channel that is opened again begins at its
/// checkpoint: a step back must lead to a record that was seen before.
fn in_order(scene: &Scene, deliveries: &[Delivery]) {
    let places: HashMap<Id, usize> = scene
        .expected()
        .into_iter()
        .enumerate()
        .map(|(n, id)| (id, n))
        .collect();
    let mut newest: HashMap<&str, (&Id, HashSet<&Id>)> = HashMap::new();
    for Delivery { id, channel, .. } in deliveries {
        let Id::Change(..) = id else { continue };
        let (last, before) = newest
            .entry(channel)
            .or_insert_with(|| (id, HashSet::new()));
        assert!(
            places[*last] <= places[id] || before.contains(id),
            "{channel}: {id:?} came after {last:?}"
        );
        *last = id;
        before.insert(id);
    }
}

/// Every saved position had only finished records before it.
fn saved_when_done(ledger: &Ledger, deliveries: &[Delivery]) {
    let reads = reads(ledger);
    for event in ledger.events() {
        if let EventKind::Saved {
            channel, position, ..
        } = &event.kind
        {
            let (from, to) = reads[&**channel];
            let needed = position.unwrap_or(to) - from;
            let done = done_by(deliveries, channel, event.time) as u64;
            assert!(
                done >= needed,
                "{channel}: saved position {position:?} when {done} of {needed} records were done"
            );
        }
    }
}

fn saved_by_owners(ledger: &Ledger) {
    for event in ledger.events() {
        if let EventKind::Saved { channel, owned, .. } = &event.kind {
            assert!(*owned, "{channel} was saved by who did not own it");
        }
    }
}

fn done_by(deliveries: &[Delivery], channel: &str, time: OffsetDateTime) -> usize {
    let done = deliveries
        .iter()
        .filter(|delivery| delivery.channel == channel && delivery.done <= time);
    done.map(|delivery| &delivery.id)
        .collect::<HashSet<_>>()
        .len()
}

/// The most that was read and not yet dealt with at any time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) records: usize,
    pub(crate) channels: usize,
}

/// The worst backlog of everything that `seen` is the consumer of, where no
/// record was read twice.
pub(crate) fn backlog(scenes: &[&Scene], seen: &Seen) -> Backlog {
    let mut changes: Vec<(OffsetDateTime, String, i64)> = Vec::new();
    for scene in scenes {
        for event in scene.emulator.ledger().events() {
            if let EventKind::Read {
                channel, from, to, ..
            } = &event.kind
            {
                changes.push((event.time, channel.to_string(), (to - from) as i64));
            }
        }
    }
    let done = seen.all().into_iter().map(|d| (d.done, d.channel, -1));
    changes.extend(done);
    changes.sort_by_key(|(time, ..)| *time);
    let mut open: HashMap<String, i64> = HashMap::new();
    let mut worst = Backlog::default();
    for (_, channel, records) in changes {
        *open.entry(channel).or_default() += records;
        let records: i64 = open.values().sum();
        worst.records = worst.records.max(records as usize);
        worst.channels = worst
            .channels
            .max(open.values().filter(|n| **n > 0).count());
    }
    worst
}

/// Per channel the first and the last position that was read.
fn reads(ledger: &Ledger) -> HashMap<String, (u64, u64)> {
    let mut reads = HashMap::new();
    for event in ledger.events() {
        if let EventKind::Read {
            channel, from, to, ..
        } = &event.kind
        {
            let range = reads.entry(channel.to_string()).or_insert((*from, *to));
            *range = (range.0.min(*from), range.1.max(*to));
        }
    }
    reads
}
