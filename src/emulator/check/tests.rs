//! For each rule a history that breaks it, and one next to it that does not.

use std::time::Duration;

use super::{Checker, Rule, Severity, Verdict};
use crate::emulator::clock::Timestamp;
use crate::emulator::ledger::{Book, ChannelState, ChannelStatus, Departure, EventKind, Ledger};
use crate::emulator::{Action, EmulatorBuilder};
use ChannelStatus::{Close, Closing, Open, Terminated};

/// Client, place and time of what happens: client `x`, channel `c`, second 0.
type Step = (u64, EventKind);

fn at(second: u64, kinds: impl IntoIterator<Item = EventKind>) -> Vec<Step> {
    kinds.into_iter().map(|kind| (second, kind)).collect()
}

/// A stream channel of 100 records on partition `p`.
fn made() -> EventKind {
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

/// A request's coming in, what came of it, and its answer.
fn served(request: &str, action: Action, client: &str, kind: EventKind) -> [EventKind; 3] {
    [
        received(request, action, client),
        kind,
        answered(request, 200, None),
    ]
}

type States<'a> = &'a [(i64, ChannelStatus)];

fn beat(reported: States<'_>, told: States<'_>) -> [EventKind; 3] {
    beat_as("beat", "x", reported, told)
}

fn beat_as(request: &str, client: &str, reported: States<'_>, told: States<'_>) -> [EventKind; 3] {
    let kind = EventKind::Heartbeat {
        tunnel: "t".into(),
        client: client.into(),
        reported: states(reported),
        answered: states(told),
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

fn done(from: u64, to: u64) -> [EventKind; 1] {
    done_by("x", from, to)
}

fn done_by(client: &str, from: u64, to: u64) -> [EventKind; 1] {
    [EventKind::Processed {
        tunnel: "t".into(),
        client: client.into(),
        channel: "c".into(),
        from,
        to,
    }]
}

/// Those parts one after the other, each with its second.
fn story<const N: usize>(parts: [Vec<Step>; N]) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

/// `x` has the channel and has begun to read it from its start.
fn begun() -> Vec<Step> {
    story([
        at(0, [made(), written(0, 100), connected("x"), changed(Open)]),
        at(0, beat(&[], &[(1, Open)])),
        at(0, begin("x", 0)),
        at(0, read(0, 10)),
    ])
}

fn book(steps: Vec<Step>) -> Book {
    let mut book = Book::new(1_000, Duration::ZERO);
    for (second, kind) in steps {
        let request = match &kind {
            EventKind::Received { request_id, .. } => Some(request_id.clone()),
            _ => None,
        };
        if request.is_some() {
            book.on_behalf_of(request.as_ref());
        }
        let ends = matches!(kind, EventKind::Answered { .. });
        book.record(Timestamp::from_micros(second * 1_000_000), kind);
        if ends {
            book.on_behalf_of(None);
        }
    }
    book
}

fn ledger(steps: Vec<Step>) -> Ledger {
    book(steps).copy()
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

/// After the beginning: the steps that break a rule, and those that do not.
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
    let bad = verdict(story([begun(), story(bad)]));
    assert_eq!(findings(&bad), [(rule, severity)], "{bad}");
    let good = verdict(story([begun(), story(good)]));
    assert_eq!(findings(&good), [], "{good}");
}

#[test]
fn a_good_client_breaks_nothing() {
    let verdict = verdict(story([
        begun(),
        at(1, done(0, 10)),
        at(1, save(Some(10))),
        at(5, beat(&[(1, Open)], &[(2, Closing)])),
        at(6, read(10, 20)),
        at(6, done(10, 20)),
        at(6, save(Some(20))),
        at(7, beat(&[(3, Close)], &[])),
        at(8, beat(&[], &[(3, Open)])),
        at(8, begin("x", 20)),
        at(8, read(20, 20)),
        at(9, read_end(20, 100)),
        at(9, done(20, 100)),
        at(9, save(None)),
        at(10, beat(&[(4, Terminated)], &[])),
        at(
            11,
            [
                received("bye", Action::Shutdown, "x"),
                gone("x", Departure::ShutDown),
            ],
        ),
    ]));
    assert_eq!(findings(&verdict), [], "{verdict}");
}

#[test]
fn read_not_owned() {
    let other = || at(0, [connected("y")]);
    violates(
        Rule::ReadNotOwned,
        [
            other(),
            at(1, begin("y", 0)),
            at(1, read_as("r", "y", 0, 10, false)),
        ],
        [
            other(),
            at(1, beat_as("b", "y", &[], &[(1, Open)])),
            at(1, begin("y", 0)),
            at(1, read_as("r", "y", 0, 10, false)),
        ],
    );
}

#[test]
fn save_not_owned() {
    let saved = |client: &'static str| at(1, [received("s", Action::Checkpoint, client)]);
    violates(
        Rule::SaveNotOwned,
        [at(0, [connected("y")]), saved("y")],
        [saved("x")],
    );
}

#[test]
fn read_after_close() {
    let close = || at(2, beat(&[(2, Close)], &[]));
    violates(
        Rule::ReadAfterClose,
        [close(), at(4, read(10, 20))],
        // Given again, it reads again.
        [
            close(),
            at(3, beat(&[], &[(2, Open)])),
            at(4, begin("x", 0)),
            at(4, read(0, 20)),
        ],
    );
}

#[test]
fn what_was_on_its_way_is_only_remarked() {
    finds(
        Rule::ReadAfterClose,
        Severity::Remark,
        [at(2, beat(&[(2, Close)], &[])), at(3, read(10, 20))],
        // Received before, carried out after.
        [
            at(2, [received("slow", Action::ReadRecords, "x")]),
            at(2, beat(&[(2, Close)], &[])),
            at(9, read(10, 20)[1..].to_vec()),
        ],
    );
}

#[test]
fn save_after_close() {
    violates(
        Rule::SaveAfterClose,
        [at(2, beat(&[(2, Close)], &[])), at(4, save(Some(10)))],
        [at(2, save(Some(10))), at(2, beat(&[(2, Close)], &[]))],
    );
}

#[test]
fn read_after_loss() {
    // The answer to the heartbeat does not mention the channel any more.
    let taken = || at(2, beat_as("lost", "x", &[(1, Open)], &[]));
    violates(
        Rule::ReadAfterLoss,
        [taken(), at(4, read(10, 20))],
        // The client did not get that answer.
        [taken(), at(2, [faulted("lost")]), at(4, read(10, 20))],
    );
}

#[test]
fn save_after_loss() {
    let refused = |code| {
        at(
            2,
            [
                received("b", Action::Heartbeat, "x"),
                answered("b", 410, Some(code)),
            ],
        )
    };
    violates(
        Rule::SaveAfterLoss,
        [refused("OTSResourceGone"), at(4, save(Some(10)))],
        [refused("OTSTunnelServerUnavailable"), at(4, save(Some(10)))],
    );
    violates(
        Rule::SaveAfterLoss,
        [
            at(2, beat(&[(1, Open)], &[(2, Close)])),
            at(4, save(Some(10))),
        ],
        [
            at(2, beat(&[(1, Open)], &[(2, Closing)])),
            at(4, save(Some(10))),
        ],
    );
}

#[test]
fn request_after_shutdown() {
    let bye = || {
        at(
            2,
            [
                received("bye", Action::Shutdown, "x"),
                gone("x", Departure::ShutDown),
            ],
        )
    };
    violates(
        Rule::RequestAfterShutdown,
        [bye(), at(4, read(10, 20))],
        [at(2, read(10, 20)), bye()],
    );
    finds(
        Rule::RequestAfterShutdown,
        Severity::Remark,
        [bye(), at(2, [received("late", Action::Checkpoint, "x")])],
        [bye()],
    );
}

#[test]
fn read_before_parent() {
    let early = |status| {
        story([
            at(0, [made(), written(0, 9), connected("x"), changed(status)]),
            at(0, beat(&[], &[(1, Open)])),
            at(0, begin("x", 0)),
            at(0, read(0, 9)),
        ])
    };
    let bad = verdict(early(ChannelStatus::Wait));
    assert_eq!(
        findings(&bad),
        [(Rule::ReadBeforeParent, Severity::Violation)]
    );
    assert_eq!(findings(&verdict(early(Open))), []);
}

#[test]
fn read_skips() {
    violates(
        Rule::ReadSkips,
        [at(1, read(11, 20))],
        [at(1, read(10, 20))],
    );
    // Another begins after its checkpoint.
    let other = || {
        story([
            at(0, [connected("y")]),
            at(1, beat_as("b", "y", &[], &[(1, Open)])),
            at(1, begin("y", 5)),
        ])
    };
    violates(
        Rule::ReadSkips,
        [other(), at(1, read_as("r", "y", 6, 20, false))],
        [other(), at(1, read_as("r", "y", 5, 20, false))],
    );
}

#[test]
fn a_read_that_was_held_up_is_not_held_against_the_client() {
    // It comes in, and is carried out when the client has long asked again.
    let good = verdict(story([
        begun(),
        at(1, read(10, 20)),
        at(2, read(20, 30)),
        at(3, read_as("slow", "x", 10, 20, false)),
        at(3, [faulted("slow")]),
        at(4, read(30, 40)),
    ]));
    assert_eq!(findings(&good), [], "{good}");
}

#[test]
fn read_again() {
    violates(
        Rule::ReadAgain,
        [at(1, read(0, 10))],
        // It asked for its checkpoint again.
        [at(1, begin("x", 0)), at(1, read(0, 10))],
    );
    let lost = || at(1, read_as("lost", "x", 10, 20, false));
    violates(
        Rule::ReadAgain,
        [lost(), at(1, read(10, 20))],
        [
            lost(),
            at(1, [faulted("lost")]),
            at(1, read(10, 20)),
            at(1, read(20, 30)),
        ],
    );
    // A look at the number of the last save is no new beginning.
    violates(
        Rule::ReadAgain,
        [
            at(1, begin("x", 0)),
            at(1, read(10, 20)),
            at(1, read(10, 20)),
        ],
        [
            at(1, begin("x", 0)),
            at(1, read(10, 20)),
            at(1, read(20, 20)),
            at(1, read(20, 30)),
        ],
    );
}

#[test]
fn save_beyond_read() {
    violates(
        Rule::SaveBeyondRead,
        [at(1, save(Some(11)))],
        [at(1, save(Some(10)))],
    );
    violates(
        Rule::SaveBeyondRead,
        [at(1, read(10, 100)), at(1, save(None))],
        [at(1, read_end(10, 100)), at(1, save(None))],
    );
}

#[test]
fn save_backwards() {
    violates(
        Rule::SaveBackwards,
        [at(1, save(Some(10))), at(1, save(Some(9)))],
        [at(1, save(Some(9))), at(1, save(Some(10)))],
    );
    violates(
        Rule::SaveBackwards,
        [
            at(1, read_end(10, 100)),
            at(1, save(None)),
            at(1, save(Some(100))),
        ],
        [
            at(1, read_end(10, 100)),
            at(1, save(Some(100))),
            at(1, save(None)),
        ],
    );
}

#[test]
fn save_unchanged() {
    finds(
        Rule::SaveUnchanged,
        Severity::Remark,
        [at(1, save(Some(10))), at(1, save(Some(10)))],
        [at(1, save(Some(9))), at(1, save(Some(10)))],
    );
}

#[test]
fn terminated_unsaved() {
    let end = || at(1, read_end(10, 100));
    violates(
        Rule::TerminatedUnsaved,
        [end(), at(1, beat(&[(2, Terminated)], &[]))],
        [
            end(),
            at(1, save(None)),
            at(1, beat(&[(2, Terminated)], &[])),
        ],
    );
    // What the service says may be said back.
    violates(
        Rule::TerminatedUnsaved,
        [
            at(1, beat(&[(1, Open)], &[(2, Open)])),
            at(2, beat(&[(3, Terminated)], &[])),
        ],
        [
            at(1, beat(&[(1, Open)], &[(2, Terminated)])),
            at(2, beat(&[(2, Terminated)], &[])),
            at(3, beat(&[(2, Terminated)], &[])),
        ],
    );
}

#[test]
fn version_backwards() {
    let told = || at(1, beat_as("b", "x", &[(1, Open)], &[(2, Closing)]));
    let old = || at(2, beat(&[(1, Open)], &[(2, Closing)]));
    violates(
        Rule::VersionBackwards,
        [told(), old()],
        [told(), at(1, [faulted("b")]), old()],
    );
    violates(
        Rule::VersionBackwards,
        [
            at(1, beat(&[(3, Close)], &[])),
            at(1, beat(&[(2, Close)], &[])),
        ],
        [
            at(1, beat(&[(2, Close)], &[])),
            at(1, beat(&[(3, Close)], &[])),
        ],
    );
}

#[test]
fn version_not_raised() {
    violates(
        Rule::VersionNotRaised,
        [at(1, beat(&[(1, Close)], &[]))],
        [at(1, beat(&[(2, Close)], &[]))],
    );
    // The channel came back at once, which the client had no wish for.
    let back = || at(1, beat(&[(2, Close)], &[(2, Open)]));
    finds(
        Rule::VersionNotRaised,
        Severity::Remark,
        [back(), at(2, beat(&[(2, Close)], &[(2, Open)]))],
        [back(), at(2, beat(&[(3, Close)], &[]))],
    );
    // The service's CLOSE stays as it is.
    violates(
        Rule::VersionNotRaised,
        [
            at(1, beat(&[(1, Open)], &[(2, Closing)])),
            at(2, beat(&[(2, Close)], &[])),
        ],
        [
            at(1, beat(&[(1, Open)], &[(2, Close)])),
            at(2, beat(&[(2, Close)], &[])),
        ],
    );
}

#[test]
fn heartbeat_gap() {
    let stay = || beat(&[(1, Open)], &[(1, Open)]);
    violates(Rule::HeartbeatGap, [at(11, stay())], [at(10, stay())]);
    violates(
        Rule::HeartbeatGap,
        [at(11, read(10, 20)), at(12, read(20, 30))],
        [at(5, stay()), at(11, read(10, 20)), at(12, read(20, 30))],
    );
    // A heartbeat that is not answered does not renew the lease.
    let unheard = |code| {
        at(
            9,
            [
                received("b", Action::Heartbeat, "x"),
                answered("b", 503, Some(code)),
            ],
        )
    };
    violates(
        Rule::HeartbeatGap,
        [unheard("OTSTunnelServerUnavailable"), at(12, read(10, 20))],
        [unheard("OTSTunnelServerUnavailable"), at(10, read(10, 20))],
    );
    // A client that is dead owes nothing, nor one whose clock was moved.
    let good = verdict(story([begun(), at(99, gone_and_moved())]));
    assert_eq!(findings(&good), [], "{good}");
}

fn gone_and_moved() -> Vec<EventKind> {
    let by = Duration::from_secs(95);
    let moved = EventKind::ClockMoved { by };
    let stay = beat(&[(1, Open)], &[(1, Open)]);
    [vec![gone("z", Departure::Expired), moved], stay.to_vec()].concat()
}

#[test]
fn the_heartbeat_limit_can_be_narrower() {
    let late = ledger(story([begun(), at(4, beat(&[(1, Open)], &[(1, Open)]))]));
    let limit = |seconds| Checker::new().heartbeat_limit(Duration::from_secs(seconds));
    assert_eq!(
        findings(&limit(3).judge(&late)),
        [(Rule::HeartbeatGap, Severity::Violation)]
    );
    assert_eq!(findings(&limit(4).judge(&late)), []);
}

#[test]
fn never_read() {
    // `finished` saved where the end was read, but not all before it.
    let holes = |from| {
        story([
            begun(),
            at(1, begin("x", from)),
            at(1, read_end(from, 100)),
            at(1, save(None)),
        ])
    };
    let bad = verdict(holes(20));
    assert_eq!(
        findings(&bad),
        [(Rule::NeverRead, Severity::Violation)],
        "{bad}"
    );
    assert!(bad.to_string().contains("10..20 (10 records)"), "{bad}");
    assert_eq!(findings(&verdict(holes(10))), []);
}

#[test]
fn a_complete_run_has_read_all_that_was_written() {
    let complete = |steps| Checker::new().complete().judge(&ledger(steps));
    let run = |to| story([begun(), at(1, read(10, to))]);
    assert_eq!(
        findings(&complete(run(99))),
        [(Rule::NeverRead, Severity::Violation)]
    );
    assert_eq!(findings(&complete(run(100))), []);
    assert_eq!(findings(&verdict(run(99))), [], "it may go on");
    // What was ended by hand, or deleted, ends where it is.
    let ended = |kind| complete(story([begun(), at(1, [kind])]));
    assert_eq!(findings(&ended(changed(Terminated))), []);
    let tunnel = "t".into();
    assert_eq!(findings(&ended(EventKind::TunnelDeleted { tunnel })), []);
    // A channel that nobody had.
    let unread = complete(at(0, [made(), written(0, 5)]));
    assert_eq!(findings(&unread), [(Rule::NeverRead, Severity::Violation)]);
}

#[test]
fn processed_unread() {
    violates(
        Rule::ProcessedUnread,
        [at(1, done(0, 11))],
        [at(1, done(0, 10))],
    );
    let unknown = EventKind::ProcessedUnknown {
        tunnel: "t".into(),
        client: "x".into(),
        channel: "c".into(),
        records: 1,
    };
    violates(Rule::ProcessedUnread, [at(1, [unknown])], []);
}

#[test]
fn processed_skips() {
    violates(
        Rule::ProcessedSkips,
        [at(1, done(0, 4)), at(1, done(5, 10))],
        [at(1, done(0, 5)), at(1, done(5, 10))],
    );
}

#[test]
fn what_was_trimmed_nobody_has_to_read_or_deal_with() {
    let trimmed = || {
        at(
            1,
            [EventKind::Trimmed {
                table: "orders".into(),
                partition: "p".into(),
                from: 0,
                to: 30,
            }],
        )
    };
    let passed_over = |count| {
        at(
            1,
            [EventKind::Skipped {
                tunnel: "t".into(),
                client: "x".into(),
                channel: "c".into(),
                from: 10,
                count,
            }],
        )
    };
    // Asked for 10, given from 30 on.
    let rest = |count| {
        story([
            begun(),
            at(1, done(0, 10)),
            trimmed(),
            passed_over(count),
            at(1, read(10, 100)),
            at(1, done(30, 100)),
            at(1, save(Some(100))),
        ])
    };
    let complete = |steps| Checker::new().complete().judge(&ledger(steps));
    let good = complete(rest(20));
    assert_eq!(findings(&good), [], "{good}");
    let rules = complete(rest(19));
    let rules: Vec<_> = rules.violations().map(|found| found.rule).collect();
    assert_eq!(rules, [Rule::ProcessedSkips, Rule::SaveBeyondProcessed]);
    let unread = |more| {
        complete(story([
            begun(),
            at(1, read(10, 25)),
            more,
            at(1, begin("x", 30)),
            at(1, read(30, 100)),
        ]))
    };
    assert_eq!(findings(&unread(trimmed())), []);
    assert_eq!(
        findings(&unread(Vec::new())),
        [(Rule::NeverRead, Severity::Violation)]
    );
    // An expired tunnel gives nothing any more.
    let tunnel = "t".into();
    let expired = complete(story([
        begun(),
        at(1, [EventKind::TunnelExpired { tunnel }]),
    ]));
    assert_eq!(findings(&expired), []);
}

#[test]
fn processed_again() {
    violates(
        Rule::ProcessedAgain,
        [at(1, done(0, 10)), at(1, done(5, 10))],
        [at(1, done(0, 10)), at(1, read(10, 12)), at(1, done(10, 12))],
    );
}

#[test]
fn processed_twice() {
    let anew = |from| {
        story([
            at(1, done(0, 10)),
            at(1, begin("x", from)),
            at(1, read(from, 20)),
            at(1, done(from, 20)),
        ])
    };
    finds(
        Rule::ProcessedTwice,
        Severity::Remark,
        [anew(5)],
        [anew(10)],
    );
    let other = |from| {
        story([
            at(1, [connected("y")]),
            at(1, beat_as("b", "y", &[], &[(1, Open)])),
            at(1, begin("y", from)),
            at(1, read_as("r", "y", from, 20, false)),
            at(1, done_by("y", from, 20)),
        ])
    };
    finds(
        Rule::ProcessedTwice,
        Severity::Remark,
        [at(1, done(0, 10)), other(0)],
        [at(1, done(0, 10)), other(10)],
    );
}

#[test]
fn processed_after_close_and_loss() {
    let close = || at(2, beat(&[(2, Close)], &[]));
    violates(
        Rule::ProcessedAfterClose,
        [close(), at(2, done(0, 10))],
        [at(2, done(0, 10)), close()],
    );
    let taken = || at(2, beat(&[(1, Open)], &[]));
    finds(
        Rule::ProcessedAfterLoss,
        Severity::Remark,
        [taken(), at(2, done(0, 10))],
        [at(2, done(0, 10)), taken()],
    );
}

#[test]
fn save_beyond_processed() {
    violates(
        Rule::SaveBeyondProcessed,
        [at(1, done(0, 9)), at(1, save(Some(10))), at(1, done(9, 10))],
        [at(1, done(0, 10)), at(1, save(Some(10)))],
    );
    // A client that never says what it does is not asked.
    let good = verdict(story([begun(), at(1, save(Some(10)))]));
    assert_eq!(findings(&good), []);
}

#[test]
fn never_processed() {
    let run = |to| story([begun(), at(1, read(10, 100)), at(1, done(0, to))]);
    let complete = |steps| Checker::new().complete().judge(&ledger(steps));
    let bad = complete(run(99));
    assert_eq!(
        findings(&bad),
        [(Rule::NeverProcessed, Severity::Violation)],
        "{bad}"
    );
    assert_eq!(findings(&complete(run(100))), []);
}

#[test]
fn without_its_beginning_a_ledger_is_judged_by_what_is_left() {
    let mut forgetful = Book::new(3, Duration::ZERO);
    for event in ledger(begun()).events() {
        forgetful.record(Timestamp::default(), event.kind.clone());
    }
    let verdict = Checker::new().complete().judge(&forgetful.copy());
    assert_eq!(findings(&verdict), [], "{verdict}");
    assert!(!verdict.summary().is_whole);
}

#[test]
fn the_report_shows_what_happened_around() {
    let bad = verdict(story([begun(), at(1, save(Some(11))), at(2, read(10, 20))]));
    let text = bad.to_string();
    let wanted = [
        "violation: save_beyond_read at #14, client x, channel c: 11, read up to 10",
        "    #13 00:00:01.000000 received checkpoint from x for c",
        "  > #14 00:00:01.000000 x saved c at 11",
        "NOT clean: 1 violations, 0 remarks; save_beyond_read 1",
        "1 clients, 1 channels, 1 heartbeats, 2 reads of 20 records, 1 saves",
    ];
    for line in wanted {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    let json = serde_json::to_value(&bad).expect("json");
    assert_eq!(json["clean"], false);
    assert_eq!(json["findings"][0]["rule"], "save_beyond_read");
    assert_eq!(json["findings"][0]["severity"], "violation");
    assert_eq!(json["summary"]["by_rule"]["save_beyond_read"], 1);
}

#[test]
fn every_rule_has_its_name() {
    let names: std::collections::BTreeSet<String> = Rule::ALL.map(|rule| rule.to_string()).into();
    assert_eq!(names.len(), Rule::ALL.len());
    assert!(names.contains("read_skips"));
}

#[test]
fn a_ledger_on_disk_gets_the_same_verdict() {
    let before = ledger(story([begun(), at(1, save(Some(11)))]));
    let mut lines = Vec::new();
    before.write_json_lines(&mut lines).expect("lines");
    let after = Ledger::read_json_lines(&lines[..]).expect("a ledger");
    assert_eq!(after.verdict().to_string(), before.verdict().to_string());
}

#[test]
fn an_emulator_that_did_nothing_is_clean() {
    let emulator = EmulatorBuilder::new().start().expect("emulator");
    assert!(emulator.ledger().verdict().is_clean());
}

/// The same in another tunnel on the table, where the channel has the same id.
fn in_another_tunnel(mut kind: EventKind) -> EventKind {
    if let EventKind::ChannelAdded { tunnel, .. }
    | EventKind::ChannelChanged { tunnel, .. }
    | EventKind::CheckpointGiven { tunnel, .. }
    | EventKind::Read { tunnel, .. } = &mut kind
    {
        *tunnel = "u".into();
    }
    kind
}

#[test]
fn who_reads_two_tunnels_by_hand_under_one_name_stands_at_two_places() {
    let by_hand = || {
        let known = vec![made(), changed(Open)];
        let parts = [
            known,
            begin("", 0).into(),
            read_as("r", "", 0, 10, false).into(),
        ];
        parts.into_iter().flatten()
    };
    let steps = story([
        at(0, [written(0, 10)]),
        at(0, by_hand()),
        at(1, by_hand().map(in_another_tunnel)),
    ]);
    assert_eq!(findings(&verdict(steps)), []);
    // In one tunnel that is a place read twice.
    let again = story([
        at(0, [written(0, 10)]),
        at(0, by_hand()),
        at(1, read_as("r", "", 0, 10, false)),
    ]);
    assert_eq!(
        findings(&verdict(again)),
        [(Rule::ReadAgain, Severity::Violation)]
    );
}

#[test]
fn a_finding_tells_how_long_after_in_units() {
    let late = story([
        begun(),
        at(1, beat(&[(2, Close)], &[])),
        at(3, read(10, 20)),
    ]);
    let verdict = verdict(late);
    let text = verdict.to_string();
    assert!(text.contains("readrecords, 2s after"), "{text}");
}
