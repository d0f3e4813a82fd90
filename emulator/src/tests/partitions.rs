//! Partitions that split and merge.

use super::raw::consume;
use super::*;

#[test]
fn a_split_ends_the_parent_and_opens_the_children() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let parent = raw
        .heartbeat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0);
    table.put([5], [("n", 1)]).expect("written");
    let children = table.split(&table.partitions()[0].id).expect("a split");
    let written = table.put([5], [("n", 2)]).expect("written");
    assert!(children.contains(&written.partition));

    let held = raw
        .heartbeat(&tunnel, &client, vec![parent.clone()])
        .expect("channels");
    assert_eq!(held, std::slice::from_ref(&parent), "the children wait");
    let (records, finished) = raw.drain(&tunnel, &client, &parent.channel_id);
    assert!(finished);
    assert_eq!(records.len(), 1);
    let mut held = raw
        .heartbeat(&tunnel, &client, vec![terminated(&parent)])
        .expect("channels");
    assert_eq!(held.len(), 2);
    held.retain(|channel| channel.channel_id.starts_with(&*written.partition));
    let (records, finished) = raw.drain(&tunnel, &client, &held[0].channel_id);
    assert!(!finished);
    assert_eq!(records.len(), 1);
}

#[test]
fn from_the_earliest_a_split_parent_comes_first() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    table.split(&table.partitions()[0].id).expect("a split");
    table.put([3], [("n", 3)]).expect("written");
    let mut request = create_request("orders", p::TunnelType::Stream);
    request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
        flag: Some(p::StartOffsetFlag::Earliest.into()),
        ..p::StreamTunnelConfig::default()
    });
    let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
    let tunnel = created.tunnel_id;
    let client = raw.connect(&tunnel, 30);
    let (mut seen, mut reports) = (Vec::new(), Vec::new());
    loop {
        let held = raw
            .heartbeat(&tunnel, &client, std::mem::take(&mut reports))
            .expect("channels");
        let mut records = 0;
        for channel in &held {
            let (batch, finished) = raw.drain(&tunnel, &client, &channel.channel_id);
            records += batch.len();
            if finished {
                reports.push(terminated(channel));
            }
        }
        seen.push((held.len(), records));
        if reports.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [(1, 20), (2, 1)]);
}

/// Ids of the partitions that take writes.
fn active(table: &Table) -> Vec<String> {
    let partitions = table.partitions().into_iter();
    let active = partitions.filter(|partition| partition.active);
    active.map(|partition| partition.id.to_string()).collect()
}

/// Consumes a tunnel. Returns the partition and the number of records of each
/// channel.
fn consumed(raw: &mut Raw, tunnel: &str) -> Vec<(String, usize)> {
    let client = raw.connect(tunnel, 30);
    consumed_by(raw, tunnel, &client)
}

fn consumed_by(raw: &mut Raw, tunnel: &str, client: &str) -> Vec<(String, usize)> {
    let seen = consume(raw, tunnel, client).into_iter();
    let partition = |channel: &str| channel.split('_').next().unwrap_or_default().to_owned();
    seen.map(|(channel, records, _)| (partition(&channel), records))
        .collect()
}

#[test]
fn a_merge_ends_both_parents_and_the_child_waits_for_both() {
    let (emulator, table, mut raw) = with_orders(Emulator::builder(), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let parents = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    assert_eq!(parents.len(), 2);
    for id in 0..10 {
        table.put([id], [("n", id)]).expect("written");
    }
    let [left, right] = [0, 1].map(|index| table.partitions()[index].id.clone());
    let child = table.merge(&right, &left).expect("a merge");
    let written = table.put([3], [("n", 3)]).expect("written");
    assert_eq!(written.partition, child);

    let status = |raw: &mut Raw| {
        let channels = raw.describe("orders").channels;
        let found = channels
            .into_iter()
            .find(|info| info.channel_id.starts_with(&*child));
        found.expect("the child").channel_status().to_owned()
    };
    let mut records = 0;
    for (parent, after) in parents.iter().zip(["WAIT", "OPEN"]) {
        assert_eq!(status(&mut raw), "WAIT", "not both are read");
        let (batch, finished) = raw.drain(&tunnel, &client, &parent.channel_id);
        assert!(finished);
        records += batch.len();
        assert_eq!(status(&mut raw), after);
    }
    assert_eq!(records, 10);
    let reports = parents.iter().map(terminated).collect();
    let held = raw.heartbeat(&tunnel, &client, reports).expect("channels");
    assert_eq!(held.len(), 1);
    assert!(held[0].channel_id.starts_with(&*child));
    let (batch, finished) = raw.drain(&tunnel, &client, &held[0].channel_id);
    assert_eq!((batch.len(), finished), (1, false));
    let merged = |event: &&Event| matches!(&event.kind, EventKind::Merged { parents, .. } if parents[..] == [left.clone(), right.clone()]);
    assert_eq!(emulator.ledger().events().iter().filter(merged).count(), 1);
}

#[test]
fn a_key_stays_in_order_across_splits_and_merges() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let mut written = Vec::new();
    for round in 0..6 {
        written.push(table.put([7], [("n", round)]).expect("written"));
        match active(&table).as_slice() {
            [one] => drop(table.split(one).expect("a split")),
            [left, right] => drop(table.merge(left, right).expect("a merge")),
            more => panic!("{more:?}"),
        }
    }
    assert!(written.is_sorted_by_key(|written| written.sequence_info));
    let seen = consumed(&mut raw, &tunnel);
    let with_records: Vec<String> = seen
        .into_iter()
        .flat_map(|(partition, records)| vec![partition; records])
        .collect();
    let expected: Vec<&str> = written.iter().map(|written| &*written.partition).collect();
    assert_eq!(with_records, expected, "parents first, whoever they are");
}

#[test]
fn from_the_earliest_old_partitions_come_first_also_with_empty_ones_between() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let root = active(&table).remove(0);
    // Two splits without writes between them: only the first and the last partition
    // have records.
    let [lower, upper] = table.split(&root).expect("a split");
    let leaf = table.merge(&lower, &upper).expect("a merge");
    table.put([1], [("n", 1)]).expect("written");
    let mut request = create_request("orders", p::TunnelType::Stream);
    request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
        flag: Some(p::StartOffsetFlag::Earliest.into()),
        ..p::StreamTunnelConfig::default()
    });
    let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
    let seen = consumed(&mut raw, &created.tunnel_id);
    let expected = [
        (root.clone(), 20),
        (lower.to_string(), 0),
        (upper.to_string(), 0),
        (leaf.to_string(), 1),
    ];
    assert_eq!(seen, expected);

    // After the old partitions are trimmed, no channel has to wait.
    table.trim(&root, 20).expect("trimmed");
    request.tunnel.tunnel_name = "second".into();
    let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
    assert_eq!(
        consumed(&mut raw, &created.tunnel_id),
        [(leaf.to_string(), 1)]
    );
}

#[test]
fn from_the_latest_only_active_partitions_are_read() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let [lower, upper] = table.split(&active(&table)[0]).expect("a split");
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let mut seen = consumed(&mut raw, &tunnel);
    seen.sort();
    let mut expected = [(lower.to_string(), 0), (upper.to_string(), 0)];
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn channels_of_a_split_during_base_data_wait_for_it_and_for_their_parent() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseAndStream);
    table.put([1], [("n", 1)]).expect("written");
    let parent = active(&table).remove(0);
    let children = table.split(&parent).expect("a split");
    table.put([1], [("n", 2)]).expect("written");
    let client = raw.connect(&tunnel, 30);
    let held = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    assert!(
        held.iter()
            .all(|channel| channel.channel_id.starts_with("BaseData_"))
    );
    let streams = raw.describe("orders").channels;
    let waits = |info: &&p::ChannelInfo| info.channel_status() == "WAIT";
    assert_eq!(
        streams.iter().filter(waits).count(),
        3,
        "parent and children"
    );
    let seen = consumed_by(&mut raw, &tunnel, &client);
    assert_eq!(seen[0], ("BaseData".to_owned(), 20), "as before the split");
    assert_eq!(seen[1], (parent, 1));
    let rest: Vec<_> = seen[2..].iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(rest, [&*children[0], &*children[1]]);
    assert_eq!(
        seen[2..].iter().map(|(_, records)| records).sum::<usize>(),
        1
    );
}

#[test]
fn base_data_has_no_channels_for_later_partitions() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseData);
    table.split(&active(&table)[0]).expect("a split");
    let seen = consumed(&mut raw, &tunnel);
    assert_eq!(seen, [("BaseData".to_owned(), 20)]);
    assert_eq!(raw.describe("orders").tunnel.stage, "ProcessStream");
}
