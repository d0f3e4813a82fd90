//! Compares the ledger with the records that callbacks have processed.

use std::collections::{HashMap, HashSet};

use tablestore_emulator::{EventKind, Rule};
use time::OffsetDateTime;

use crate::harness::{Delivery, Processed, Scene, counts};

/// Fails if a written record was not processed, or if the checker reports a
/// violation.
pub(crate) fn assert_at_least_once(scene: &Scene, processed: &Processed) {
    assert_nothing_lost(scene, &processed.all());
    scene.assert_clean(&scene.emulator.witness().verdict());
}

/// Like [`assert_at_least_once`], and also fails if a record was processed twice.
pub(crate) fn assert_exactly_once(scene: &Scene, processed: &Processed) {
    assert_at_least_once(scene, processed);
    let verdict = scene.emulator.ledger().verdict();
    assert_eq!(
        verdict.by_rule(Rule::ProcessedTwice).count(),
        0,
        "{verdict}"
    );
    let deliveries = processed.all();
    let duplicates: Vec<_> = counts(&deliveries)
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .collect();
    assert!(
        duplicates.is_empty(),
        "{} records were processed twice, such as {:?}",
        duplicates.len(),
        duplicates.first()
    );
}

fn assert_nothing_lost(scene: &Scene, deliveries: &[Delivery]) {
    let expected = scene.expected();
    let processed = counts(deliveries);
    let lost: Vec<_> = expected
        .iter()
        .filter(|id| !processed.contains_key(id))
        .collect();
    assert!(
        lost.is_empty(),
        "{} records were lost, such as {:?}",
        lost.len(),
        lost.first()
    );
    let expected: HashSet<_> = expected.iter().collect();
    let unknown = processed.keys().find(|id| !expected.contains(*id));
    assert_eq!(unknown, None, "delivered, but never written");
}

/// The maximum of what was read and not yet processed at any time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) records: usize,
    pub(crate) channels: usize,
}

/// The largest backlog of a consumer. No record may have been read twice.
pub(crate) fn backlog(scenes: &[&Scene], processed: &Processed) -> Backlog {
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
    let done = processed.all().into_iter().map(|d| (d.done, d.channel, -1));
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
