//! Programs and services that do what nobody expects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault, Notice};
use tablestore_tunnel::{
    ChannelContext, ProcessError, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfig,
};

use crate::harness::{Gate, GateKeeper, HEARTBEAT, Scene, Seen, config, wait_until};
use crate::judge::judge;

/// A stream tunnel on a table of one partition that reads 10 records at a time.
fn one_channel() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

#[test]
fn never_is_a_duration_like_any_other() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let waits = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (seen, waits) = (seen.clone(), waits.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            if seen.len() == 20 {
                waits.fetch_add(1, Ordering::SeqCst);
                return Err(ProcessError::retry_after(Duration::MAX, "for ever"));
            }
            seen.note(ctx, records)
        }
    });
    let factory = factory.checkpoint_interval(Duration::MAX);
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(Duration::MAX)
        .shutdown_timeout(Duration::MAX);
    scene.put_rows(30);
    let running = scene.start(&tunnel, config);
    scene.put_rows(30);
    wait_until("a batch waits for ever", || {
        waits.load(Ordering::SeqCst) == 1
    });
    let receipt = running.close();
    assert_eq!(receipt.abandoned().count(), 0, "{receipt:?}");
    // The batch that waits was delivered and is not finished.
    assert_eq!(receipt.channels[0].records_to_redeliver, Some(10));
}

/// How many callbacks are in progress, and how many were at most.
#[derive(Clone, Default)]
struct Inside(Arc<(AtomicUsize, AtomicUsize)>);

impl Inside {
    fn run(&self, call: impl FnOnce()) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        call();
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[test]
fn promise_02_a_channel_that_comes_back_twice_waits_for_its_first_callback() {
    let (scene, tunnel) = one_channel();
    let (seen, gate, inside) = (Seen::default(), Gate::default(), Inside::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let (seen, inside) = (seen.clone(), inside.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            inside.run(|| gate.pass());
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(30);
    keeper.0.wait_for_arrivals(1);
    let answers = |wanted: usize, since: usize| {
        move |events: &[EventKind]| {
            let held = |e: &&EventKind| matches!(e, EventKind::Heartbeat { answered, .. } if answered.len() == wanted);
            events[since..].iter().filter(held).count() >= 4
        }
    };
    // Twice: taken away while the callback runs, and given back.
    for _ in 0..2 {
        let fault = Fault::on(Action::Heartbeat);
        scene.emulator.fault(fault.take_all(Notice::Missing));
        let since = scene.emulator.ledger().events().len();
        scene.wait_for_ledger("it is taken away", |events| {
            let empty = |e: &EventKind| matches!(e, EventKind::Heartbeat { answered, .. } if answered.is_empty());
            events[since..].iter().any(empty)
        });
        let since = scene.emulator.ledger().events().len();
        scene.wait_for_ledger("it is back for a while", answers(1, since));
    }
    assert_eq!(inside.most(), 1, "callbacks of one channel at a time");
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(inside.most(), 1);
    judge(&scene, &seen);
}

#[test]
fn a_checkpoint_that_is_refused_is_not_sent_without_a_pause() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let fault = Fault::on(Action::Checkpoint).times(u64::MAX);
    scene
        .emulator
        .fault(fault.fail(400, "OTSParameterInvalid", "no"));
    let running = scene.start(&tunnel, config(seen.factory()));
    scene.put_rows(10);
    seen.wait_for_all(&scene);
    let of = |events: &[EventKind], wanted: Action| {
        let is_wanted =
            |e: &&EventKind| matches!(e, EventKind::Received { action, .. } if *action == wanted);
        events.iter().filter(is_wanted).count()
    };
    // Ten heartbeats are a second or more.
    scene.wait_for_ledger("some time has passed", |events| {
        let first = events
            .iter()
            .position(|e| of(std::slice::from_ref(e), Action::Checkpoint) > 0);
        first.is_some_and(|first| of(&events[first..], Action::Heartbeat) >= 12)
    });
    let ledger = scene.emulator.ledger();
    let kinds: Vec<EventKind> = ledger.events().iter().map(|e| e.kind.clone()).collect();
    // One a second, and as slow as the heartbeats on a machine under load.
    let (saves, beats) = (
        of(&kinds, Action::Checkpoint),
        of(&kinds, Action::Heartbeat),
    );
    assert!(
        saves <= 1 + beats / 5,
        "{saves} attempts in {beats} heartbeats"
    );
    scene.emulator.clear_faults();
    assert!(running.close().is_clean());
    judge(&scene, &seen);
}
