//! Channels that the service wants back and that do not come to their end.

use std::time::Duration;

use tablestore_emulator::{Emulator, EventKind};
use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory, TunnelType};

use crate::harness::{Gate, GateKeeper, Scene, Seen, config, wait_until};
use crate::judge::judge;

/// Two channels, both in callbacks of a first worker that wait at the gate,
/// when a second worker comes to take one over.
struct Handover {
    scene: Scene,
    tunnel: String,
    seen: Seen,
    gate: Gate,
}

impl Handover {
    fn new() -> Handover {
        let scene = Scene::with(2, Emulator::builder().batch_rows(100));
        let tunnel = scene.tunnel(TunnelType::Stream);
        scene.put_rows(40);
        Handover {
            scene,
            tunnel,
            seen: Seen::default(),
            gate: Gate::default(),
        }
    }

    fn blocked(&self) -> SimpleProcessFactory {
        let (seen, gate) = (self.seen.clone(), self.gate.clone());
        SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            if ctx.may_checkpoint() {
                seen.note(ctx, records)?;
            }
            Ok(())
        })
    }

    fn beats(&self) -> usize {
        let ledger = self.scene.emulator.ledger();
        let beats = ledger.events().iter();
        let is_beat = |kind: &EventKind| matches!(kind, EventKind::Heartbeat { .. });
        beats.filter(|event| is_beat(&event.kind)).count()
    }

    /// Whether the service has asked for a channel back.
    fn is_asked_back(&self) -> bool {
        let ledger = self.scene.emulator.ledger();
        ledger.events().iter().any(|event| match &event.kind {
            EventKind::Heartbeat { answered, .. } => answered
                .iter()
                .any(|channel| channel.status.as_str() == "CLOSING"),
            _ => false,
        })
    }
}

#[test]
fn a_channel_that_stays_closing_is_given_to_another_worker() {
    let handover = Handover::new();
    let keeper = GateKeeper(handover.gate.clone());
    let config_of = |factory| config(factory).closing_channel_detect(true);
    let first = handover.scene.start(
        &handover.tunnel,
        config_of(handover.blocked()).client_tag("first"),
    );
    keeper.0.wait_for_arrivals(2);
    let second = handover.scene.start(
        &handover.tunnel,
        config_of(handover.seen.factory()).client_tag("second"),
    );
    // The callback still stands at the gate.
    handover
        .seen
        .wait_for("the other worker goes on with it", |seen| {
            seen.iter().any(|d| d.client.starts_with("second"))
        });
    drop(keeper);
    handover.seen.wait_for_all(&handover.scene);
    assert!(second.close().is_clean());
    first.daemon.close_within(Duration::from_secs(5));
    // Nothing was saved for the channel by who had lost it.
    judge(&handover.scene, &handover.seen);
}

#[test]
fn without_the_detector_a_channel_waits_for_its_callback() {
    let handover = Handover::new();
    let keeper = GateKeeper(handover.gate.clone());
    let first = handover.scene.start(
        &handover.tunnel,
        config(handover.blocked()).client_tag("first"),
    );
    keeper.0.wait_for_arrivals(2);
    let second = handover.scene.start(
        &handover.tunnel,
        config(handover.seen.factory()).client_tag("second"),
    );
    wait_until("a channel is wanted back", || handover.is_asked_back());
    let before = handover.beats();
    wait_until("many heartbeats later", || handover.beats() >= before + 16);
    assert_eq!(handover.seen.len(), 0);
    drop(keeper);
    handover.seen.wait_for_all(&handover.scene);
    assert!(second.close().is_clean());
    assert!(first.close().is_clean());
    judge(&handover.scene, &handover.seen);
}
