//! Where a stream begins and ends.

use super::*;

#[test]
fn a_backfill_begins_and_ends_at_its_offsets() {
    let clock = EmulatorClock::manual(crate::clock::utc());
    let (_emulator, table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 1);
    let nanos =
        |clock: &EmulatorClock| u64::try_from(clock.utc().unix_timestamp_nanos()).expect("time");
    clock.advance(Duration::from_secs(10));
    let start = nanos(&clock);
    let first = table.put([1], [("n", 1)]).expect("written");
    clock.advance(Duration::from_secs(10));
    let end = nanos(&clock) + 5_000_000_000;
    let mut create = |start: u64, end: u64| {
        let mut request = create_request("orders", p::TunnelType::Stream);
        request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
            flag: None,
            start_offset: Some(start),
            end_offset: Some(end),
        });
        let answer: Result<p::CreateTunnelResponse, _> = raw.ask(Action::Create, &request);
        answer.map(|answer| answer.tunnel_id)
    };
    let refused = Err("400 OTSParameterInvalid".to_owned());
    assert_eq!(create(start, start), refused, "ends where it begins");
    assert_eq!(create(end, 0), refused, "begins in the future");
    assert_eq!(create(1_000_000_000, end), refused, "begins before the log");
    let tunnel = create(start, end).expect("created");

    let config = raw
        .describe("orders")
        .tunnel
        .stream_tunnel_config
        .expect("a config");
    assert_eq!((config.start_offset(), config.end_offset()), (start, end));
    let client = raw.connect(&tunnel, 3_600);
    let channel = raw
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let (records, finished) = raw.drain(&tunnel, &client, &channel);
    assert_eq!((records.len(), finished), (1, false));
    assert_eq!(first.position, 20, "after the rows of before");
    clock.advance(Duration::from_secs(6));
    table.put([2], [("n", 2)]).expect("written");
    let (records, finished) = raw.drain(&tunnel, &client, &channel);
    assert_eq!((records.len(), finished), (0, true));
}
