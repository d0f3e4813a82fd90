//! Tests promise 6 under load: the ledger shows whether heartbeats were on time.

use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory, TunnelType};
use time::OffsetDateTime;

use crate::harness::{Gate, GateKeeper, Processed, Scene, config, wait_until};

/// The heartbeat timeout, after which the service reassigns the channels.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The heartbeat interval.
const INTERVAL: Duration = Duration::from_millis(300);

fn heartbeats(scene: &Scene) -> Vec<OffsetDateTime> {
    let ledger = scene.emulator.ledger();
    let heartbeats = ledger.events().iter();
    let heartbeats = heartbeats.filter(|event| matches!(event.kind, EventKind::Heartbeat { .. }));
    heartbeats.map(|event| event.time).collect()
}

/// Fails unless there was a single session, without a gap between heartbeats that
/// comes near the timeout.
fn assert_heartbeats_on_time(scene: &Scene) {
    let ledger = scene.emulator.ledger();
    let is_connect = |kind: &EventKind| matches!(kind, EventKind::Connected { .. });
    let connects = ledger
        .events()
        .iter()
        .filter(|e| is_connect(&e.kind))
        .count();
    assert_eq!(connects, 1, "the session was lost");
    let heartbeats = heartbeats(scene);
    let gaps = heartbeats.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = gaps.max().expect("heartbeats");
    assert!(
        longest < TIMEOUT / 2,
        "a heartbeat was sent only after {longest}"
    );
}

#[test]
fn promise_06_heartbeats_are_on_time_while_two_thousand_channels_are_stuck() {
    const CHANNELS: usize = 2000;
    let scene = Scene::with(1, Emulator::builder().base_split_rows(1));
    scene.base_rows(CHANNELS);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let (processed, gate, factory_gate) = (Processed::default(), Gate::default(), Gate::default());
    let keepers = [GateKeeper(gate.clone()), GateKeeper(factory_gate.clone())];
    let slow = Fault::on(Action::GetCheckpoint).times(20);
    scene.emulator.fault(slow.delay(Duration::from_secs(30)));
    let opened = std::sync::atomic::AtomicUsize::new(0);
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
        }
    })
    .channel_open(move |_| {
        // In addition, a hundred factories block.
        if opened.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 100 {
            factory_gate.pass();
        }
        Ok(())
    });
    let config = config(factory).heartbeat_timeout(TIMEOUT);
    let running = scene.start(&tunnel, config.heartbeat_interval_for_tests(INTERVAL));
    keepers[1].0.wait_for_arrivals(100);
    keepers[0].0.wait_for_arrivals(4);
    let before = heartbeats(&scene).len();
    wait_until("eight more heartbeats have been sent", || {
        // Checking is expensive: it copies a ledger of thousands of channels.
        std::thread::park_timeout(INTERVAL);
        heartbeats(&scene).len() >= before + 8
    });
    drop(keepers);
    processed.wait_for(
        "all channels but the 20 slow ones are processed",
        |processed| processed.len() >= CHANNELS - 20,
    );
    assert_heartbeats_on_time(&scene);
    let closing = Instant::now();
    assert!(running.close().is_clean(), "a slow channel was read");
    let took = closing.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "{took:?}: close waited for a request"
    );
    assert!(
        processed.len() <= CHANNELS,
        "a channel was lost and redelivered"
    );
}
