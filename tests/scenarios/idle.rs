//! What a channel costs that has nothing to deliver.

use std::time::Duration;

use tablestore_emulator::EventKind;
use tablestore_tunnel::{ChannelBackoffConfig, TunnelType, TunnelWorkerConfig};

use crate::harness::{HEARTBEAT, Scene, Seen};
use crate::judge::judge_orderly;

fn count(events: &[EventKind], is_one: fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|event| is_one(event)).count()
}

fn is_read(event: &EventKind) -> bool {
    matches!(event, EventKind::Read { .. })
}

fn is_save(event: &EventKind) -> bool {
    matches!(event, EventKind::Saved { .. })
}

/// Waits for so many reads more, each of which is at least a pause away from
/// the last, and counts the saves that there have been by then.
fn saves_after(scene: &Scene, reads: usize) -> usize {
    let events = || -> Vec<EventKind> {
        let ledger = scene.emulator.ledger();
        ledger.events().iter().map(|e| e.kind.clone()).collect()
    };
    let until = count(&events(), is_read) + reads;
    scene.wait_for_ledger("the channel is read on", |events| {
        count(events, is_read) >= until
    });
    count(&events(), is_save)
}

#[test]
fn an_idle_channel_saves_nothing() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
    let interval = Duration::from_millis(5);
    let factory = seen.factory().checkpoint_interval(interval);
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(Duration::from_secs(30))
        .backoff(ChannelBackoffConfig::default().max_delay(2 * interval));
    let running = scene.start(&tunnel, config);
    scene.put_rows(100);
    seen.wait_for_all(&scene);
    let settled = saves_after(&scene, 20);
    assert!(settled >= 1, "what was delivered is saved");
    assert_eq!(saves_after(&scene, 50), settled, "nothing new is saved");
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}
