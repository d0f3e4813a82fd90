//! What the ledger and the callbacks must agree on, whatever happened.

use std::collections::{HashMap, HashSet};

use tablestore_emulator::{EventKind, Rule};
use time::OffsetDateTime;

use crate::harness::{Delivery, Scene, Seen, counts};

/// Nothing of what was written is lost, and the checker has nothing to say
/// against the whole of the run.
pub(crate) fn judge(scene: &Scene, seen: &Seen) {
    nothing_lost(scene, &seen.all());
    scene.must_be_clean(&scene.emulator.witness().verdict());
}

/// As [`judge`], and nothing came twice.
pub(crate) fn judge_orderly(scene: &Scene, seen: &Seen) {
    judge(scene, seen);
    let verdict = scene.emulator.ledger().verdict();
    assert_eq!(
        verdict.by_rule(Rule::ProcessedTwice).count(),
        0,
        "{verdict}"
    );
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
