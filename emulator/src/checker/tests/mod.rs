//! For each rule a history that breaks it, and a similar one that does not.
//!
//! Files, in reading order:
//!
//! - this file: the steps of histories.
//! - [`holding`]: rules on who may read, save and report.
//! - [`reading`]: rules on positions, ends, versions and heartbeats.
//! - [`processing`]: rules on processed records.
//! - [`report`]: the text of a verdict.

mod holding;
mod processing;
mod reading;
mod report;

use std::time::Duration;

use super::{Checker, Rule, Severity, Verdict};
use crate::ledger::{ChannelState, ChannelStatus, Departure, EventKind, Ledger, LedgerWriter};
use crate::timestamp::Timestamp;
use crate::{Action, Emulator};
use ChannelStatus::{Close, Closing, Open, Terminated};

/// Client, place and time of what happens: client `x`, channel `c`, second 0.
type Step = (u64, EventKind);

fn at(second: u64, kinds: impl IntoIterator<Item = EventKind>) -> Vec<Step> {
    kinds.into_iter().map(|kind| (second, kind)).collect()
}

/// A stream channel of 100 records on partition `p`.
fn added() -> EventKind {
    EventKind::ChannelAdded {
        tunnel: "t".into(),
        channel: "c".into(),
        partition: Some("p".into()),
        start: 0,
        end: 0,
        parents: Vec::new(),
    }
}

fn written(from: u64, to: u64) -> EventKind {
    EventKind::Written {
        table: "orders".into(),
        partition: "p".into(),
        from,
        to,
    }
}

fn changed(status: ChannelStatus) -> EventKind {
    EventKind::ChannelChanged {
        tunnel: "t".into(),
        channel: "c".into(),
        client: None,
        status,
        version: 0,
    }
}

fn connected(client: &str) -> EventKind {
    EventKind::Connected {
        tunnel: "t".into(),
        client: client.into(),
        timeout: Duration::from_secs(10),
    }
}

fn gone(client: &str, why: Departure) -> EventKind {
    EventKind::Gone {
        tunnel: "t".into(),
        client: client.into(),
        why,
    }
}

fn states(states: &[(i64, ChannelStatus)]) -> Vec<ChannelState> {
    let state = |(version, status): &(i64, ChannelStatus)| ChannelState {
        channel: "c".into(),
        version: *version,
        status: *status,
    };
    states.iter().map(state).collect()
}

fn received(request: &str, action: Action, client: &str) -> EventKind {
    let of_channel = !matches!(action, Action::Heartbeat | Action::Shutdown);
    EventKind::Received {
        request_id: request.into(),
        action,
        tunnel: Some("t".into()),
        client: Some(client.into()),
        channel: of_channel.then(|| "c".into()),
    }
}

fn answered(request: &str, status: u16, code: Option<&str>) -> EventKind {
    EventKind::Answered {
        request_id: request.into(),
        action: None,
        status,
        code: code.map(str::to_owned),
    }
}

fn faulted(request: &str) -> EventKind {
    EventKind::Faulted {
        request_id: request.into(),
        action: Action::Heartbeat,
        effect: "Reset".into(),
        carried_out: true,
        answer_suffers: true,
    }
}

/// A request that comes in, its event, and its answer.
fn served(request: &str, action: Action, client: &str, kind: EventKind) -> [EventKind; 3] {
    [
        received(request, action, client),
        kind,
        answered(request, 200, None),
    ]
}

type States<'a> = &'a [(i64, ChannelStatus)];

fn heartbeat(reported: States<'_>, answered: States<'_>) -> [EventKind; 3] {
    heartbeat_as("beat", "x", reported, answered)
}

fn heartbeat_as(
    request: &str,
    client: &str,
    reported: States<'_>,
    answered: States<'_>,
) -> [EventKind; 3] {
    let kind = EventKind::Heartbeat {
        tunnel: "t".into(),
        client: client.into(),
        reported: states(reported),
        answered: states(answered),
    };
    served(request, Action::Heartbeat, client, kind)
}

fn begin(client: &str, position: u64) -> [EventKind; 3] {
    let kind = EventKind::CheckpointGiven {
        tunnel: "t".into(),
        client: client.into(),
        channel: "c".into(),
        position: Some(position),
        sequence_number: 0,
        owned: true,
    };
    served("begin", Action::GetCheckpoint, client, kind)
}

fn read(from: u64, to: u64) -> [EventKind; 3] {
    read_as("read", "x", from, to, false)
}

fn read_end(from: u64, to: u64) -> [EventKind; 3] {
    read_as("read", "x", from, to, true)
}

fn read_as(request: &str, client: &str, from: u64, to: u64, finished: bool) -> [EventKind; 3] {
    let kind = EventKind::Read {
        tunnel: "t".into(),
        client: client.into(),
        channel: "c".into(),
        from,
        to,
        first_sequence: None,
        last_sequence: None,
        finished,
        owned: true,
    };
    served(request, Action::ReadRecords, client, kind)
}

fn save(position: Option<u64>) -> [EventKind; 3] {
    let kind = EventKind::Saved {
        tunnel: "t".into(),
        client: "x".into(),
        channel: "c".into(),
        position,
        sequence_number: 1,
        owned: true,
    };
    served("save", Action::Checkpoint, "x", kind)
}

fn processed(from: u64, to: u64) -> [EventKind; 1] {
    processed_by("x", from, to)
}

fn processed_by(client: &str, from: u64, to: u64) -> [EventKind; 1] {
    [EventKind::Processed {
        tunnel: "t".into(),
        client: client.into(),
        channel: "c".into(),
        from,
        to,
    }]
}

/// Joins parts of a history.
fn steps<const N: usize>(parts: [Vec<Step>; N]) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

/// Client `x` holds the channel and has fetched its checkpoint.
fn opened() -> Vec<Step> {
    steps([
        at(0, [added(), written(0, 100), connected("x"), changed(Open)]),
        at(0, heartbeat(&[], &[(1, Open)])),
        at(0, begin("x", 0)),
        at(0, read(0, 10)),
    ])
}

fn ledger_writer(steps: Vec<Step>) -> LedgerWriter {
    let mut writer = LedgerWriter::new(1_000, Duration::ZERO);
    for (second, kind) in steps {
        let request = match &kind {
            EventKind::Received { request_id, .. } => Some(request_id.clone()),
            _ => None,
        };
        if request.is_some() {
            writer.set_request(request.as_ref());
        }
        let ends = matches!(kind, EventKind::Answered { .. });
        writer.record(Timestamp::from_micros(second * 1_000_000), kind);
        if ends {
            writer.set_request(None);
        }
    }
    writer
}

fn ledger(steps: Vec<Step>) -> Ledger {
    ledger_writer(steps).copy()
}

fn verdict(steps: Vec<Step>) -> Verdict {
    Checker::new().judge(&ledger(steps))
}

fn findings(verdict: &Verdict) -> Vec<(Rule, Severity)> {
    let findings = verdict.findings().iter();
    findings
        .map(|finding| (finding.rule, finding.severity))
        .collect()
}

/// After [`opened`], the `bad` steps break a rule, and the `good` steps do not.
#[track_caller]
fn violates<const N: usize, const M: usize>(rule: Rule, bad: [Vec<Step>; N], good: [Vec<Step>; M]) {
    finds(rule, Severity::Violation, bad, good);
}

#[track_caller]
fn finds<const N: usize, const M: usize>(
    rule: Rule,
    severity: Severity,
    bad: [Vec<Step>; N],
    good: [Vec<Step>; M],
) {
    let bad = verdict(steps([opened(), steps(bad)]));
    assert_eq!(findings(&bad), [(rule, severity)], "{bad}");
    let good = verdict(steps([opened(), steps(good)]));
    assert_eq!(findings(&good), [], "{good}");
}
