//! Rules on processed records.

use super::*;

#[test]
fn processed_unread() {
    violates(
        Rule::ProcessedUnread,
        [at(1, processed(0, 11))],
        [at(1, processed(0, 10))],
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
        [at(1, processed(0, 4)), at(1, processed(5, 10))],
        [at(1, processed(0, 5)), at(1, processed(5, 10))],
    );
}

#[test]
fn trimmed_records_need_not_be_read_or_processed() {
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
    // The read began at 10, and the first record is at 30.
    let rest = |count| {
        steps([
            opened(),
            at(1, processed(0, 10)),
            trimmed(),
            passed_over(count),
            at(1, read(10, 100)),
            at(1, processed(30, 100)),
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
        complete(steps([
            opened(),
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
    // An expired tunnel returns no more records.
    let tunnel = "t".into();
    let expired = complete(steps([
        opened(),
        at(1, [EventKind::TunnelExpired { tunnel }]),
    ]));
    assert_eq!(findings(&expired), []);
}

#[test]
fn processed_again() {
    violates(
        Rule::ProcessedAgain,
        [at(1, processed(0, 10)), at(1, processed(5, 10))],
        [
            at(1, processed(0, 10)),
            at(1, read(10, 12)),
            at(1, processed(10, 12)),
        ],
    );
}

#[test]
fn processed_twice() {
    let anew = |from| {
        steps([
            at(1, processed(0, 10)),
            at(1, begin("x", from)),
            at(1, read(from, 20)),
            at(1, processed(from, 20)),
        ])
    };
    finds(
        Rule::ProcessedTwice,
        Severity::Remark,
        [anew(5)],
        [anew(10)],
    );
    let other = |from| {
        steps([
            at(1, [connected("y")]),
            at(1, heartbeat_as("b", "y", &[], &[(1, Open)])),
            at(1, begin("y", from)),
            at(1, read_as("r", "y", from, 20, false)),
            at(1, processed_by("y", from, 20)),
        ])
    };
    finds(
        Rule::ProcessedTwice,
        Severity::Remark,
        [at(1, processed(0, 10)), other(0)],
        [at(1, processed(0, 10)), other(10)],
    );
}

#[test]
fn processed_after_close_and_loss() {
    let close = || at(2, heartbeat(&[(2, Close)], &[]));
    violates(
        Rule::ProcessedAfterClose,
        [close(), at(2, processed(0, 10))],
        [at(2, processed(0, 10)), close()],
    );
    let taken = || at(2, heartbeat(&[(1, Open)], &[]));
    finds(
        Rule::ProcessedAfterLoss,
        Severity::Remark,
        [taken(), at(2, processed(0, 10))],
        [at(2, processed(0, 10)), taken()],
    );
}

#[test]
fn save_beyond_processed() {
    violates(
        Rule::SaveBeyondProcessed,
        [
            at(1, processed(0, 9)),
            at(1, save(Some(10))),
            at(1, processed(9, 10)),
        ],
        [at(1, processed(0, 10)), at(1, save(Some(10)))],
    );
    // A client that never reports processed records is not judged by this rule.
    let good = verdict(steps([opened(), at(1, save(Some(10)))]));
    assert_eq!(findings(&good), []);
}

#[test]
fn never_processed() {
    let run = |to| steps([opened(), at(1, read(10, 100)), at(1, processed(0, to))]);
    let complete = |steps| Checker::new().complete().judge(&ledger(steps));
    let bad = complete(run(99));
    assert_eq!(
        findings(&bad),
        [(Rule::NeverProcessed, Severity::Violation)],
        "{bad}"
    );
    assert_eq!(findings(&complete(run(100))), []);
}
