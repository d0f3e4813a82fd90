//! Tests unusual programs and services: extreme settings, channels that are taken
//! away repeatedly, checkpoints that are always rejected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault, Notice};
use tablestore_tunnel::{
    ChannelContext, ProcessError, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfig,
};

use crate::checks::assert_at_least_once;
use crate::harness::{Gate, GateKeeper, HEARTBEAT, Processed, Scene, config, wait_until};

/// A stream tunnel on a table of one partition. Each read returns 10 records.
fn one_channel() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

#[test]
fn the_maximum_duration_is_accepted_everywhere() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let waits = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (processed, waits) = (processed.clone(), waits.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            if processed.len() == 20 {
                waits.fetch_add(1, Ordering::SeqCst);
                return Err(ProcessError::retry_after(Duration::MAX, "never"));
            }
            processed.add(ctx, records)
        }
    });
    let factory = factory.checkpoint_interval(Duration::MAX);
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(Duration::MAX)
        .stuck_after(Duration::MAX)
        .shutdown_timeout(Duration::MAX);
    scene.put_rows(30);
    let running = scene.start(&tunnel, config);
    scene.put_rows(30);
    wait_until("a batch waits for the maximum retry delay", || {
        waits.load(Ordering::SeqCst) == 1
    });
    let report = running.close();
    assert_eq!(report.abandoned().count(), 0, "{report:?}");
    // The waiting batch was delivered and has not been processed.
    assert_eq!(report.channels[0].records_to_redeliver, Some(10));
}

#[test]
fn the_largest_counts_and_sizes_are_no_limit() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let config = config(processed.factory().checkpoint_interval(Duration::ZERO))
        .memory_budget(usize::MAX)
        .max_channel_parallel(usize::MAX)
        .read_max_times_per_round(usize::MAX)
        .read_max_bytes_per_round(usize::MAX)
        .process_attempts(u32::MAX);
    let running = scene.start(&tunnel, config);
    scene.put_rows(60);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_at_least_once(&scene, &processed);
}

/// Counts running callbacks: the current number, and the maximum.
#[derive(Clone, Default)]
struct Concurrency(Arc<(AtomicUsize, AtomicUsize)>);

impl Concurrency {
    fn run(&self, call: impl FnOnce()) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        call();
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn max(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[test]
fn promise_02_a_channel_reopened_twice_waits_for_its_first_callback() {
    let (scene, tunnel) = one_channel();
    let (processed, gate) = (Processed::default(), Gate::default());
    let callbacks = Concurrency::default();
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let (processed, callbacks) = (processed.clone(), callbacks.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            callbacks.run(|| gate.pass());
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(30);
    keeper.0.wait_for_arrivals(1);
    let is_held = |since: usize| {
        move |events: &[EventKind]| {
            let held = |e: &&EventKind| matches!(e, EventKind::Heartbeat { answered, .. } if answered.len() == 1);
            events[since..].iter().filter(held).count() >= 4
        }
    };
    // While the callback runs, the channel is taken away and assigned again, twice.
    for _ in 0..2 {
        let fault = Fault::on(Action::Heartbeat);
        scene.emulator.fault(fault.take_all(Notice::Missing));
        let since = scene.emulator.ledger().events().len();
        scene.wait_for_ledger("the channel is taken away", |events| {
            let empty = |e: &EventKind| matches!(e, EventKind::Heartbeat { answered, .. } if answered.is_empty());
            events[since..].iter().any(empty)
        });
        let since = scene.emulator.ledger().events().len();
        scene.wait_for_ledger(
            "the channel is assigned for four heartbeats",
            is_held(since),
        );
    }
    assert_eq!(callbacks.max(), 1, "two callbacks of a channel overlapped");
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(callbacks.max(), 1);
    assert_at_least_once(&scene, &processed);
}
