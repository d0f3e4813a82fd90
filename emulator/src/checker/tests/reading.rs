//! Rules on the positions of reads and saves, ends, versions, heartbeats, and unread
//! records.

use super::*;

#[test]
fn read_before_parent() {
    let early = |status| {
        steps([
            at(0, [added(), written(0, 9), connected("x"), changed(status)]),
            at(0, heartbeat(&[], &[(1, Open)])),
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
    // Another client begins after its checkpoint.
    let other = || {
        steps([
            at(0, [connected("y")]),
            at(1, heartbeat_as("b", "y", &[], &[(1, Open)])),
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
fn a_delayed_read_breaks_no_rule() {
    // The read is carried out after the client has sent another one.
    let good = verdict(steps([
        opened(),
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
        // The client fetched its checkpoint again.
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
    // Fetching the number of the last save is no new start.
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
        [end(), at(1, heartbeat(&[(2, Terminated)], &[]))],
        [
            end(),
            at(1, save(None)),
            at(1, heartbeat(&[(2, Terminated)], &[])),
        ],
    );
    // A client may repeat the status of an answer.
    violates(
        Rule::TerminatedUnsaved,
        [
            at(1, heartbeat(&[(1, Open)], &[(2, Open)])),
            at(2, heartbeat(&[(3, Terminated)], &[])),
        ],
        [
            at(1, heartbeat(&[(1, Open)], &[(2, Terminated)])),
            at(2, heartbeat(&[(2, Terminated)], &[])),
            at(3, heartbeat(&[(2, Terminated)], &[])),
        ],
    );
}

#[test]
fn version_backwards() {
    let asked = || at(1, heartbeat_as("b", "x", &[(1, Open)], &[(2, Closing)]));
    let old = || at(2, heartbeat(&[(1, Open)], &[(2, Closing)]));
    violates(
        Rule::VersionBackwards,
        [asked(), old()],
        [asked(), at(1, [faulted("b")]), old()],
    );
    violates(
        Rule::VersionBackwards,
        [
            at(1, heartbeat(&[(3, Close)], &[])),
            at(1, heartbeat(&[(2, Close)], &[])),
        ],
        [
            at(1, heartbeat(&[(2, Close)], &[])),
            at(1, heartbeat(&[(3, Close)], &[])),
        ],
    );
    // A fault held the older report back.
    let late = || at(2, heartbeat_as("late", "x", &[(1, Open)], &[]));
    violates(
        Rule::VersionBackwards,
        [at(1, heartbeat(&[(3, Close)], &[])), late()],
        [
            at(1, [faulted("late")]),
            at(1, heartbeat(&[(3, Close)], &[])),
            late(),
        ],
    );
}

#[test]
fn version_not_raised() {
    violates(
        Rule::VersionNotRaised,
        [at(1, heartbeat(&[(1, Close)], &[]))],
        [at(1, heartbeat(&[(2, Close)], &[]))],
    );
    // The channel came back immediately, though the client had given it back.
    let back = || at(1, heartbeat(&[(2, Close)], &[(2, Open)]));
    finds(
        Rule::VersionNotRaised,
        Severity::Remark,
        [back(), at(2, heartbeat(&[(2, Close)], &[(2, Open)]))],
        [back(), at(2, heartbeat(&[(3, Close)], &[]))],
    );
    // The CLOSE of the service keeps its version.
    violates(
        Rule::VersionNotRaised,
        [
            at(1, heartbeat(&[(1, Open)], &[(2, Closing)])),
            at(2, heartbeat(&[(2, Close)], &[])),
        ],
        [
            at(1, heartbeat(&[(1, Open)], &[(2, Close)])),
            at(2, heartbeat(&[(2, Close)], &[])),
        ],
    );
}

#[test]
fn heartbeat_gap() {
    let stay = || heartbeat(&[(1, Open)], &[(1, Open)]);
    violates(Rule::HeartbeatGap, [at(11, stay())], [at(10, stay())]);
    violates(
        Rule::HeartbeatGap,
        [at(11, read(10, 20)), at(12, read(20, 30))],
        [at(5, stay()), at(11, read(10, 20)), at(12, read(20, 30))],
    );
    // A heartbeat without an answer does not renew the lease.
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
    // Removed clients need no heartbeats, and moves of the clock do not count.
    let good = verdict(steps([opened(), at(99, gone_and_moved())]));
    assert_eq!(findings(&good), [], "{good}");
}

fn gone_and_moved() -> Vec<EventKind> {
    let by = Duration::from_secs(95);
    let moved = EventKind::ClockMoved { by };
    let stay = heartbeat(&[(1, Open)], &[(1, Open)]);
    [vec![gone("z", Departure::Expired), moved], stay.to_vec()].concat()
}

#[test]
fn the_heartbeat_limit_can_be_shorter() {
    let late = ledger(steps([
        opened(),
        at(4, heartbeat(&[(1, Open)], &[(1, Open)])),
    ]));
    let limit = |seconds| Checker::new().heartbeat_limit(Duration::from_secs(seconds));
    assert_eq!(
        findings(&limit(3).judge(&late)),
        [(Rule::HeartbeatGap, Severity::Violation)]
    );
    assert_eq!(findings(&limit(4).judge(&late)), []);
}

#[test]
fn never_read() {
    // `finished` is saved after the end was read, but earlier records were not.
    let holes = |from| {
        steps([
            opened(),
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
fn a_complete_run_has_read_all_written_records() {
    let complete = |steps| Checker::new().complete().judge(&ledger(steps));
    let run = |to| steps([opened(), at(1, read(10, to))]);
    assert_eq!(
        findings(&complete(run(99))),
        [(Rule::NeverRead, Severity::Violation)]
    );
    assert_eq!(findings(&complete(run(100))), []);
    assert_eq!(findings(&verdict(run(99))), [], "it may go on");
    // Channels that were ended by hand or deleted need not be read to their ends.
    let ended = |kind| complete(steps([opened(), at(1, [kind])]));
    assert_eq!(findings(&ended(changed(Terminated))), []);
    let tunnel = "t".into();
    assert_eq!(findings(&ended(EventKind::TunnelDeleted { tunnel })), []);
    // A channel that nobody held.
    let unread = complete(at(0, [added(), written(0, 5)]));
    assert_eq!(findings(&unread), [(Rule::NeverRead, Severity::Violation)]);
}
