//! The ledger, the witness and the verdict in the Rust API.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use tablestore_emulator::{
    Checker, Emulator, EventKind, KeyType, Ledger, RecordId, Rule, Severity, Table, TableSpec,
    Verdict, Witness,
};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Record, SimpleProcessFactory, TunnelClient, TunnelType,
    TunnelWorkerConfig, TunnelWorkerDaemon,
};

/// The longest wait. Only failing tests wait this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn client(emulator: &Emulator) -> TunnelClient {
    let (id, secret) = (emulator.access_key_id(), emulator.access_key_secret());
    TunnelClient::new(emulator.endpoint(), emulator.instance(), id, secret).expect("a client")
}

fn orders(emulator: &Emulator) -> Table {
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    emulator.create_table(spec).expect("a table")
}

/// Consumes 60 rows of base data and 60 changes. `note` reports each batch to the
/// witness.
fn run(
    note: impl Fn(&Witness, &ChannelContext, &[Record]) + Clone + Send + Sync + 'static,
) -> Emulator {
    let builder = Emulator::builder().warm_up(Duration::ZERO).batch_rows(20);
    let emulator = builder.start().expect("started");
    let table = orders(&emulator);
    let rows = |from: i64| (from..from + 60).map(|id| ([id], [("n", id)]));
    table.put_all(rows(0)).expect("base data");
    let client = client(&emulator);
    let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::BaseAndStream);
    let tunnel = client.create_tunnel(&request).expect("created").tunnel_id;
    table.put_all(rows(30)).expect("changes");
    let (witness, (sender, receiver)) = (emulator.witness(), mpsc::channel());
    let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        note(&witness, ctx, records);
        let _ = sender.send(records.len());
        Ok(())
    });
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(Duration::from_millis(100))
        .build();
    let daemon = TunnelWorkerDaemon::new(client, &tunnel, config.expect("a config"));
    let running = daemon.spawn().expect("a thread");
    let mut left = 120;
    while left > 0 {
        left -= receiver.recv_timeout(PATIENCE).expect("a batch");
    }
    assert!(running.close().expect("a good end").is_clean());
    emulator
}

fn broken(verdict: &Verdict) -> BTreeSet<Rule> {
    verdict.findings().iter().map(|found| found.rule).collect()
}

#[test]
fn a_correct_consumer_has_a_clean_verdict() {
    let emulator = run(|witness, ctx, records| witness.note(ctx, records));
    let verdict = emulator.witness().verdict();
    assert_eq!(broken(&verdict), BTreeSet::new(), "{verdict}");
    let summary = verdict.summary();
    assert_eq!(
        (summary.records_read, summary.records_processed),
        (120, 120)
    );
    assert_eq!((summary.clients, summary.channels), (1, 2));
    assert!(summary.is_whole && summary.saves >= 2 && summary.heartbeats >= 2);
}

#[test]
fn a_lost_record_is_found() {
    let emulator = run(|witness, ctx, records| witness.note(ctx, &records[1..]));
    let verdict = emulator.witness().verdict();
    let rules = broken(&verdict);
    for rule in [
        Rule::ProcessedSkips,
        Rule::SaveBeyondProcessed,
        Rule::NeverProcessed,
    ] {
        assert!(rules.contains(&rule), "{rule}: {verdict}");
    }
    // Reading and saving break no rule.
    let by_requests = verdict.violations().filter(|found| {
        matches!(
            found.rule,
            Rule::ReadSkips | Rule::ReadAgain | Rule::NeverRead
        )
    });
    assert_eq!(by_requests.count(), 0, "{verdict}");
}

#[test]
fn repeated_and_invented_records_are_found() {
    let emulator = run(|witness, ctx, records| {
        witness.note(ctx, records);
        witness.note(ctx, records);
        let made_up = RecordId::Key(vec![1_000_i64.into()]);
        let (tunnel, client, channel) = (ctx.tunnel_id(), ctx.client_id(), ctx.channel_id());
        witness.note_ids(tunnel, client, channel, [made_up]);
    });
    let verdict = emulator.witness().verdict();
    let wanted = BTreeSet::from([Rule::ProcessedAgain, Rule::ProcessedUnread]);
    assert_eq!(broken(&verdict), wanted, "{verdict}");
    assert!(!verdict.is_clean());
}

#[test]
fn unread_records_are_found_in_a_complete_run() {
    let emulator = run(|witness, ctx, records| witness.note(ctx, records));
    emulator
        .table("orders")
        .expect("the table")
        .put([7], [("n", 7)])
        .expect("one more");
    assert!(emulator.ledger().verdict().is_clean(), "it may come yet");
    let verdict = emulator.witness().verdict();
    let missed: Vec<_> = verdict.violations().collect();
    assert_eq!(missed.len(), 1, "{verdict}");
    assert_eq!(missed[0].rule, Rule::NeverRead);
    assert_eq!(missed[0].severity, Severity::Violation);
    assert_eq!(missed[0].detail, "120..121 (1 records)");
}

#[test]
fn a_ledger_can_be_written_and_judged_later() {
    let emulator = run(|witness, ctx, records| witness.note(ctx, &records[1..]));
    let now = emulator.ledger();
    let mut lines = Vec::new();
    now.write_json_lines(&mut lines).expect("written");
    let text = String::from_utf8(lines).expect("text");
    for secret in [emulator.access_key_secret(), emulator.access_key_id()] {
        assert!(!text.contains(secret));
    }
    let later = Ledger::read_json_lines(text.as_bytes()).expect("read");
    assert_eq!(later.events(), now.events());
    let verdict = |ledger| Checker::new().complete().judge(ledger).to_string();
    assert_eq!(verdict(&later), verdict(&now));
}

#[test]
fn a_read_event_has_its_records_and_its_request() {
    let emulator = run(|witness, ctx, records| witness.note(ctx, records));
    let ledger = emulator.ledger();
    let mut streams = 0;
    for event in ledger.events() {
        let EventKind::Read {
            channel,
            from,
            to,
            first_sequence,
            last_sequence,
            ..
        } = &event.kind
        else {
            continue;
        };
        let request = event.request.as_deref().expect("a request");
        let came = ledger.events().iter().find(|event| {
            matches!(&event.kind, EventKind::Received { request_id, .. } if **request_id == *request)
        });
        assert!(came.is_some_and(|came| came.order < event.order));
        let is_stream = !channel.starts_with("BaseData");
        assert_eq!(first_sequence.is_some(), is_stream && to > from);
        assert!(first_sequence <= last_sequence);
        streams += u64::from(is_stream) * (to - from);
    }
    assert_eq!(streams, 60);
}
