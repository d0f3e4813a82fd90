//! Clients that share a tunnel, and those that vanish.

use super::*;

#[test]
fn two_clients_share_and_one_that_is_silent_loses_its_channels() {
    let clock = EmulatorClock::manual(crate::clock::utc());
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
