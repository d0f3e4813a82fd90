//! Clients that share a tunnel, and clients that vanish.

use super::*;

#[test]
fn two_clients_share_channels_and_a_silent_one_loses_them() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 4);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let (one, two) = (raw.connect(&tunnel, 10), raw.connect(&tunnel, 10));
    let all = raw.heartbeat(&tunnel, &one, vec![]).expect("channels");
    assert_eq!(all.len(), 4);
    assert!(
        raw.heartbeat(&tunnel, &two, vec![])
            .expect("channels")
            .is_empty()
    );
    let answer = raw.heartbeat(&tunnel, &one, all).expect("channels");
    let closing: Vec<p::Channel> = answer
        .iter()
        .filter(|channel| channel.status() == p::ChannelStatus::Closing)
        .map(|channel| p::Channel {
            version: channel.version + 1,
            status: p::ChannelStatus::Close.into(),
            ..channel.clone()
        })
        .collect();
    assert_eq!(closing.len(), 2);
    assert!(closing.iter().all(|channel| channel.version == 2));
    assert_eq!(
        raw.heartbeat(&tunnel, &one, closing)
            .expect("channels")
            .len(),
        2
    );
    let given = raw.heartbeat(&tunnel, &two, vec![]).expect("channels");
    assert_eq!(given.len(), 2);
    assert!(given.iter().all(|channel| channel.version == 2));

    clock.advance(Duration::from_secs(6));
    raw.heartbeat(&tunnel, &two, given).expect("channels");
    clock.advance(Duration::from_secs(6));
    assert_eq!(
        raw.heartbeat(&tunnel, &two, vec![])
            .expect("channels")
            .len(),
        4
    );
    let gone = raw.heartbeat(&tunnel, &one, vec![]);
    assert_eq!(gone, Err("410 OTSResourceGone".to_owned()));
    let ledger = emulator.ledger();
    let expired = |event: &&Event| matches!(&event.kind, EventKind::Gone { client, why: Departure::Expired, .. } if **client == *one);
    assert_eq!(ledger.events().iter().filter(expired).count(), 1);
}

#[test]
fn clients_without_heartbeats_have_no_share() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let quiet = raw.connect(&tunnel, 10);
    let busy = raw.connect(&tunnel, 10);
    let held = raw.heartbeat(&tunnel, &busy, vec![]).expect("channels");
    assert_eq!(
        held.len(),
        2,
        "a client without heartbeats gets no channels"
    );
    // Reads do not keep a client connected, and any client may read.
    let channel = &held[0].channel_id;
    clock.advance(Duration::from_secs(11));
    assert_eq!(raw.drain(&tunnel, &quiet, channel).0.len(), 0);
    assert_eq!(raw.drain(&tunnel, "spark-client", channel).0.len(), 0);
    assert_eq!(raw.drain(&tunnel, "", channel).0.len(), 0);
    let gone = Err("410 OTSResourceGone".to_owned());
    assert_eq!(raw.heartbeat(&tunnel, &quiet, vec![]), gone);
    assert_eq!(raw.heartbeat(&tunnel, &busy, vec![]), gone);
}

#[test]
fn a_client_that_ignores_closing_keeps_the_channel_until_it_expires() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let (deaf, waiting) = (raw.connect(&tunnel, 10), raw.connect(&tunnel, 100));
    let held = raw.heartbeat(&tunnel, &deaf, vec![]).expect("channels");
    raw.heartbeat(&tunnel, &waiting, vec![]).expect("channels");
    for _ in 0..5 {
        let answer = raw
            .heartbeat(&tunnel, &deaf, held.clone())
            .expect("channels");
        let closing = |channel: &&p::Channel| channel.status() == p::ChannelStatus::Closing;
        assert_eq!(answer.iter().filter(closing).count(), 1);
        assert_eq!(answer.len(), 2);
        assert_eq!(raw.heartbeat(&tunnel, &waiting, vec![]), Ok(vec![]));
    }
    clock.advance(Duration::from_secs(11));
    assert_eq!(
        raw.heartbeat(&tunnel, &waiting, vec![])
            .map(|held| held.len()),
        Ok(2)
    );
}

#[test]
fn two_tunnels_on_a_table_are_independent() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let ids = ["one", "two"].map(|name| {
        let mut request = create_request("orders", p::TunnelType::Stream);
        request.tunnel.tunnel_name = name.into();
        let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
        created.tunnel_id
    });
    table.put([1], [("n", 1)]).expect("written");
    let [one, two] = &ids;
    let client = raw.connect(one, 30);
    let gone = Err("410 OTSResourceGone".to_owned());
    assert_eq!(
        raw.heartbeat(two, &client, vec![]),
        gone,
        "another's client"
    );
    for tunnel in [one, two] {
        let client = raw.connect(tunnel, 30);
        let channel = raw
            .heartbeat(tunnel, &client, vec![])
            .expect("channels")
            .remove(0);
        assert_eq!(raw.drain(tunnel, &client, &channel.channel_id).0.len(), 1);
    }
}
