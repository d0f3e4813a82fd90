//! Clients that share a tunnel, and those that vanish.

use super::*;

#[test]
fn two_clients_share_and_one_that_is_silent_loses_its_channels() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 4);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let (one, two) = (raw.connect(&tunnel, 10), raw.connect(&tunnel, 10));
    let all = raw.beat(&tunnel, &one, vec![]).expect("channels");
    assert_eq!(all.len(), 4);
    assert!(
        raw.beat(&tunnel, &two, vec![])
            .expect("channels")
            .is_empty()
    );
    let told = raw.beat(&tunnel, &one, all).expect("channels");
    let closing: Vec<p::Channel> = told
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
    assert_eq!(raw.beat(&tunnel, &one, closing).expect("channels").len(), 2);
    let given = raw.beat(&tunnel, &two, vec![]).expect("channels");
    assert_eq!(given.len(), 2);
    assert!(given.iter().all(|channel| channel.version == 2));

    clock.advance(Duration::from_secs(6));
    raw.beat(&tunnel, &two, given).expect("channels");
    clock.advance(Duration::from_secs(6));
    assert_eq!(raw.beat(&tunnel, &two, vec![]).expect("channels").len(), 4);
    let gone = raw.beat(&tunnel, &one, vec![]);
    assert_eq!(gone, Err("410 OTSResourceGone".to_owned()));
    let ledger = emulator.ledger();
    let expired = |event: &&Event| matches!(&event.kind, EventKind::Gone { client, why: Departure::Expired, .. } if **client == *one);
    assert_eq!(ledger.events().iter().filter(expired).count(), 1);
}

#[test]
fn who_only_connects_or_only_reads_has_no_share() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let quiet = raw.connect(&tunnel, 10);
    let busy = raw.connect(&tunnel, 10);
    let held = raw.beat(&tunnel, &busy, vec![]).expect("channels");
    assert_eq!(held.len(), 2, "who never beat takes no part");
    // Reading is no sign of life, and is answered to anyone.
    let channel = &held[0].channel_id;
    clock.advance(Duration::from_secs(11));
    assert_eq!(raw.drain(&tunnel, &quiet, channel).0.len(), 0);
    assert_eq!(raw.drain(&tunnel, "spark-client", channel).0.len(), 0);
    assert_eq!(raw.drain(&tunnel, "", channel).0.len(), 0);
    let gone = Err("410 OTSResourceGone".to_owned());
    assert_eq!(raw.beat(&tunnel, &quiet, vec![]), gone);
    assert_eq!(raw.beat(&tunnel, &busy, vec![]), gone);
}

#[test]
fn who_ignores_closing_keeps_the_channel_until_it_is_gone() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let (deaf, waiting) = (raw.connect(&tunnel, 10), raw.connect(&tunnel, 100));
    let held = raw.beat(&tunnel, &deaf, vec![]).expect("channels");
    raw.beat(&tunnel, &waiting, vec![]).expect("channels");
    for _ in 0..5 {
        let told = raw.beat(&tunnel, &deaf, held.clone()).expect("channels");
        let closing = |channel: &&p::Channel| channel.status() == p::ChannelStatus::Closing;
        assert_eq!(told.iter().filter(closing).count(), 1);
        assert_eq!(told.len(), 2);
        assert_eq!(raw.beat(&tunnel, &waiting, vec![]), Ok(vec![]));
    }
    clock.advance(Duration::from_secs(11));
    assert_eq!(
        raw.beat(&tunnel, &waiting, vec![]).map(|held| held.len()),
        Ok(2)
    );
}

#[test]
fn two_tunnels_on_a_table_know_nothing_of_each_other() {
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
    assert_eq!(raw.beat(two, &client, vec![]), gone, "another's client");
    for tunnel in [one, two] {
        let client = raw.connect(tunnel, 30);
        let channel = raw
            .beat(tunnel, &client, vec![])
            .expect("channels")
            .remove(0);
        assert_eq!(raw.drain(tunnel, &client, &channel.channel_id).0.len(), 1);
    }
}
