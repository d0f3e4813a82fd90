//! The text of a verdict, and special ledgers.

use super::*;

#[test]
fn a_ledger_without_its_beginning_is_judged_by_the_rest() {
    let mut forgetful = LedgerWriter::new(3, Duration::ZERO);
    for event in ledger(opened()).events() {
        forgetful.record(Timestamp::default(), event.kind.clone());
    }
    let verdict = Checker::new().complete().judge(&forgetful.copy());
    assert_eq!(findings(&verdict), [], "{verdict}");
    assert!(!verdict.summary().is_whole);
}

#[test]
fn the_report_shows_the_events_around_a_finding() {
    let bad = verdict(steps([
        opened(),
        at(1, save(Some(11))),
        at(2, read(10, 20)),
    ]));
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
fn a_ledger_from_json_lines_gets_the_same_verdict() {
    let before = ledger(steps([opened(), at(1, save(Some(11)))]));
    let mut lines = Vec::new();
    before.write_json_lines(&mut lines).expect("lines");
    let after = Ledger::read_json_lines(&lines[..]).expect("a ledger");
    assert_eq!(after.verdict().to_string(), before.verdict().to_string());
}

#[test]
fn an_emulator_without_requests_is_clean() {
    let emulator = Emulator::builder().start().expect("emulator");
    assert!(emulator.ledger().verdict().is_clean());
}

/// The same event in another tunnel on the table, whose channel has the same id.
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
fn a_reader_of_two_tunnels_has_two_positions() {
    let by_hand = || {
        let known = vec![added(), changed(Open)];
        let parts = [
            known,
            begin("", 0).into(),
            read_as("r", "", 0, 10, false).into(),
        ];
        parts.into_iter().flatten()
    };
    let history = steps([
        at(0, [written(0, 10)]),
        at(0, by_hand()),
        at(1, by_hand().map(in_another_tunnel)),
    ]);
    assert_eq!(findings(&verdict(history)), []);
    // In one tunnel this reads the same records twice.
    let again = steps([
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
fn a_finding_shows_durations_with_units() {
    let late = steps([
        opened(),
        at(1, heartbeat(&[(2, Close)], &[])),
        at(3, read(10, 20)),
    ]);
    let verdict = verdict(late);
    let text = verdict.to_string();
    assert!(text.contains("readrecords, 2s after"), "{text}");
}
