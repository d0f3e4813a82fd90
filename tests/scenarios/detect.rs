//! Tests the detection of channels that stay in the status CLOSING: the service
//! has asked for the channel, but its callback does not return.

use std::time::Duration;

use tablestore_emulator::{Emulator, EventKind};
use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory, TunnelType};

use crate::checks::assert_at_least_once;
use crate::harness::{Gate, GateKeeper, Processed, Scene, config, wait_until};

/// A tunnel of two channels. Both callbacks of the first worker wait at the gate
/// while a second worker joins, which is assigned one of the channels.
struct Handover {
    scene: Scene,
    tunnel: String,
    processed: Processed,
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
            processed: Processed::default(),
            gate: Gate::default(),
        }
    }

    fn blocked(&self) -> SimpleProcessFactory {
        let (processed, gate) = (self.processed.clone(), self.gate.clone());
        SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            if ctx.may_checkpoint() {
                processed.add(ctx, records)?;
            }
            Ok(())
        })
    }

    fn heartbeats(&self) -> usize {
        let ledger = self.scene.emulator.ledger();
        let heartbeats = ledger.events().iter();
        let is_heartbeat = |kind: &EventKind| matches!(kind, EventKind::Heartbeat { .. });
        heartbeats.filter(|event| is_heartbeat(&event.kind)).count()
    }

    /// Whether the service has asked the first worker for a channel.
    fn is_closing(&self) -> bool {
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
fn a_channel_that_stays_closing_is_reassigned() {
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
        config_of(handover.processed.factory()).client_tag("second"),
    );
    // The callback still waits at the gate.
    handover
        .processed
        .wait_for("the second worker continues the channel", |processed| {
            processed.iter().any(|d| d.client.starts_with("second"))
        });
    drop(keeper);
    handover.processed.wait_for_all(&handover.scene);
    assert!(second.close().is_clean());
    first.daemon.close_within(Duration::from_secs(5));
    // The first worker saved nothing after it had lost the channel.
    assert_at_least_once(&handover.scene, &handover.processed);
}

#[test]
fn without_detection_a_closing_channel_waits_for_its_callback() {
    let handover = Handover::new();
    let keeper = GateKeeper(handover.gate.clone());
    let first = handover.scene.start(
        &handover.tunnel,
        config(handover.blocked()).client_tag("first"),
    );
    keeper.0.wait_for_arrivals(2);
    let second = handover.scene.start(
        &handover.tunnel,
        config(handover.processed.factory()).client_tag("second"),
    );
    wait_until("the service asks for a channel", || handover.is_closing());
    let before = handover.heartbeats();
    wait_until("16 more heartbeats have been sent", || {
        handover.heartbeats() >= before + 16
    });
    assert_eq!(handover.processed.len(), 0);
    drop(keeper);
    handover.processed.wait_for_all(&handover.scene);
    assert!(second.close().is_clean());
    assert!(first.close().is_clean());
    assert_at_least_once(&handover.scene, &handover.processed);
}
