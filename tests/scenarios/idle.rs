//! Tests the cost of a channel that has nothing to deliver.

use std::time::Duration;

use tablestore_emulator::EventKind;
use tablestore_tunnel::{ChannelBackoffConfig, TunnelType, TunnelWorkerConfig};

use crate::checks::assert_exactly_once;
use crate::harness::{HEARTBEAT, Processed, Scene};

fn count(events: &[EventKind], is_counted: fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|event| is_counted(event)).count()
}

fn is_read(event: &EventKind) -> bool {
    matches!(event, EventKind::Read { .. })
}

fn is_save(event: &EventKind) -> bool {
    matches!(event, EventKind::Saved { .. })
}

/// Waits for `reads` more reads, which are separated by pauses, and returns the
/// number of saves so far.
fn saves_after(scene: &Scene, reads: usize) -> usize {
    let events = || -> Vec<EventKind> {
        let ledger = scene.emulator.ledger();
        ledger.events().iter().map(|e| e.kind.clone()).collect()
    };
    let until = count(&events(), is_read) + reads;
    scene.wait_for_ledger("the channel has been read more", |events| {
        count(events, is_read) >= until
    });
    count(&events(), is_save)
}

#[test]
fn an_idle_channel_saves_nothing() {
    for always_call_back in [false, true] {
        check_an_idle_channel_saves_nothing(always_call_back);
    }
}

fn check_an_idle_channel_saves_nothing(always_call_back: bool) {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let interval = Duration::from_millis(5);
    let factory = processed.factory().checkpoint_interval(interval);
    let factory = factory.always_call_back(always_call_back);
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(Duration::from_secs(30))
        .backoff(ChannelBackoffConfig::default().max_delay(2 * interval));
    let running = scene.start(&tunnel, config);
    scene.put_rows(100);
    processed.wait_for_all(&scene);
    let settled = saves_after(&scene, 20);
    assert!(settled >= 1, "the delivered records were not saved");
    assert_eq!(
        saves_after(&scene, 50),
        settled,
        "an idle channel was saved again"
    );
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}
