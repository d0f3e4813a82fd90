//! Promise 6 where it is hard to keep: heartbeats in time, by the ledger.

use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory, TunnelType};
use time::OffsetDateTime;

use crate::harness::{Gate, GateKeeper, Scene, Seen, config, wait_until};

/// The service would have taken the channels away after this.
const TIMEOUT: Duration = Duration::from_secs(5);

const INTERVAL: Duration = Duration::from_millis(300);

fn beats(scene: &Scene) -> Vec<OffsetDateTime> {
    let ledger = scene.emulator.ledger();
    let beats = ledger.events().iter();
    let beats = beats.filter(|event| matches!(event.kind, EventKind::Heartbeat { .. }));
    beats.map(|event| event.time).collect()
}

/// One session from beginning to end, without a gap that comes near its timeout.
fn heartbeats_kept_their_time(scene: &Scene) {
    let ledger = scene.emulator.ledger();
    let is_connect = |kind: &EventKind| matches!(kind, EventKind::Connected { .. });
    let connects = ledger
        .events()
        .iter()
        .filter(|e| is_connect(&e.kind))
        .count();
    assert_eq!(connects, 1, "the session was lost");
    let beats = beats(scene);
    let gaps = beats.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = gaps.max().expect("some beats");
    assert!(longest < TIMEOUT / 2, "a heartbeat came after {longest}");
}

#[test]
fn promise_06_two_thousand_channels_at_once_with_everything_stuck() {
    const CHANNELS: usize = 2000;
    let scene = Scene::with(1, Emulator::builder().base_split_rows(1));
    scene.base_rows(CHANNELS);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let (seen, gate, factory_gate) = (Seen::default(), Gate::default(), Gate::default());
    let keepers = [GateKeeper(gate.clone()), GateKeeper(factory_gate.clone())];
    let slow = Fault::on(Action::GetCheckpoint).times(20);
    scene.emulator.fault(slow.delay(Duration::from_secs(30)));
    let opened = std::sync::atomic::AtomicUsize::new(0);
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            seen.note(ctx, records)
        }
    })
    .channel_open(move |_| {
        // A hundred factories that block, on top.
        if opened.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 100 {
            factory_gate.pass();
        }
        Ok(())
    });
    let config = config(factory).heartbeat_timeout(TIMEOUT);
    let running = scene.start(&tunnel, config.heartbeat_interval_for_tests(INTERVAL));
    keepers[1].0.wait_for_arrivals(100);
    keepers[0].0.wait_for_arrivals(4);
    let before = beats(&scene).len();
    wait_until("8 more heartbeats", || {
        // Each look copies what thousands of channels have left in the ledger.
        std::thread::park_timeout(INTERVAL);
        beats(&scene).len() >= before + 8
    });
    drop(keepers);
    seen.wait_for("all but the slow are seen", |seen| {
        seen.len() >= CHANNELS - 20
    });
    heartbeats_kept_their_time(&scene);
    let closing = Instant::now();
    assert!(running.close().is_clean(), "nothing of the slow was read");
    let took = closing.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "{took:?}: waited for a request"
    );
    assert!(seen.len() <= CHANNELS, "no channel was lost and came again");
}
