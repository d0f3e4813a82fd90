//! Start and end of a stream.

use super::raw::consume;
use super::*;

#[test]
fn a_backfill_begins_and_ends_at_its_offsets() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
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
        .heartbeat(&tunnel, &client, vec![])
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

/// The time as an offset, in nanoseconds since 1970.
fn nanos(clock: &EmulatorClock) -> u64 {
    u64::try_from(clock.utc().unix_timestamp_nanos()).expect("time")
}

fn create_with(raw: &mut Raw, config: p::StreamTunnelConfig) -> String {
    let mut request = create_request("orders", p::TunnelType::Stream);
    request.tunnel.stream_tunnel_config = Some(config);
    let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
    created.tunnel_id
}

#[test]
fn a_backfill_that_has_ended_counts_its_records_and_gets_no_more_partitions() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 1);
    clock.advance(Duration::from_secs(10));
    let end = nanos(&clock) + 5_000_000_000;
    let config = p::StreamTunnelConfig {
        flag: Some(p::StartOffsetFlag::Earliest.into()),
        end_offset: Some(end),
        ..p::StreamTunnelConfig::default()
    };
    let tunnel = create_with(&mut raw, config);
    table.put([1], [("n", 1)]).expect("written");
    clock.advance(Duration::from_secs(6));
    table.put([2], [("n", 2)]).expect("written");
    table.split(&table.partitions()[0].id).expect("a split");
    let client = raw.connect(&tunnel, 3_600);
    let seen = consume(&mut raw, &tunnel, &client);
    let seen: Vec<_> = seen
        .iter()
        .map(|(_, records, over)| (*records, *over))
        .collect();
    assert_eq!(seen, [(21, true)], "no channels of the parts");
    let info = raw.describe("orders");
    let count = info.channels.iter().map(p::ChannelInfo::channel_count);
    assert_eq!(
        count.collect::<Vec<_>>(),
        [21],
        "without what came after the end"
    );
    let now = i64::try_from(nanos(&clock)).expect("fits");
    assert_eq!(info.tunnel_rpo(), now, "all is consumed");
}

#[test]
fn a_stream_from_the_past_begins_in_the_partition_of_that_time() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 1);
    let oldest = table.partitions()[0].id.clone();
    clock.advance(Duration::from_secs(10));
    let [lower, upper] = table.split(&oldest).expect("a split");
    let start = nanos(&clock);
    clock.advance(Duration::from_secs(10));
    let written = table.put([1], [("n", 1)]).expect("written");
    let child = table.merge(&lower, &upper).expect("a merge");
    let config = p::StreamTunnelConfig {
        start_offset: Some(start),
        ..p::StreamTunnelConfig::default()
    };
    let tunnel = create_with(&mut raw, config);
    let client = raw.connect(&tunnel, 3_600);
    let seen = consume(&mut raw, &tunnel, &client).into_iter();
    let seen: Vec<_> = seen
        .map(|(channel, records, _)| (channel[..36].to_owned(), records))
        .collect();
    let expected = [(written.partition.to_string(), 1), (child.to_string(), 0)];
    assert_eq!(seen, expected, "the oldest holds nothing of that time");
}
