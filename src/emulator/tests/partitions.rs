//! Partitions that are split and merged.

use super::*;

#[test]
fn a_split_ends_the_parent_and_opens_the_children() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let parent = raw
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0);
    table.put([5], [("n", 1)]).expect("written");
    let children = table.split(&table.partitions()[0].id).expect("a split");
    let written = table.put([5], [("n", 2)]).expect("written");
    assert!(children.contains(&written.partition));

    let held = raw
        .beat(&tunnel, &client, vec![parent.clone()])
        .expect("channels");
    assert_eq!(held, std::slice::from_ref(&parent), "the children wait");
    let (records, finished) = raw.drain(&tunnel, &client, &parent.channel_id);
    assert!(finished);
    assert_eq!(records.len(), 1);
    let mut held = raw
        .beat(&tunnel, &client, vec![terminated(&parent)])
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
            .beat(&tunnel, &client, std::mem::take(&mut reports))
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
