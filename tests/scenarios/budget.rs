//! Tests the memory budget, which limits the bytes read and not yet processed.

use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind};
use tablestore_tunnel::{
    ChannelContext, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfigBuilder,
    TunnelWorkerDaemon,
};

use crate::checks::{assert_exactly_once, backlog};
use crate::harness::{Gate, GateKeeper, Processed, Scene, config, wait_until};

const MIB: usize = 1 << 20;
/// The bytes that a read reserves before its size is known.
const ALLOWANCE: usize = 4 * MIB;
const BUDGET: usize = 2 * ALLOWANCE;
const ROW: usize = 32 << 10;

/// A tunnel whose reads return 1 MiB.
fn large_reads(partitions: u32) -> (Scene, String) {
    let scene = Scene::with(partitions, Emulator::builder().batch_rows(32));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

/// Callbacks that wait at the gate before they process their batch.
fn gated(processed: &Processed, gate: &Gate) -> SimpleProcessFactory {
    let (processed, gate) = (processed.clone(), gate.clone());
    SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        gate.pass();
        processed.add(ctx, records)
    })
}

fn with_budget(factory: SimpleProcessFactory) -> TunnelWorkerConfigBuilder {
    config(factory).memory_budget(BUDGET)
}

/// The number of rows that have been read.
fn rows_read(scenes: &[&Scene]) -> u64 {
    let count = |scene: &&Scene| {
        let ledger = scene.emulator.ledger();
        let reads = ledger.events().iter().filter_map(|event| match event.kind {
            EventKind::Read { from, to, .. } => Some(to - from),
            _ => None,
        });
        reads.sum::<u64>()
    };
    scenes.iter().map(count).sum()
}

/// Waits until the budget is used up, and then long enough to be sure that
/// reading has stopped: idle channels would be read every few milliseconds.
fn wait_for_full_budget(scenes: &[&Scene]) {
    let minimum = (BUDGET - ALLOWANCE) / ROW;
    wait_until("the budget is used up", || {
        rows_read(scenes) >= minimum as u64
    });
    let heartbeats = |scene: &Scene| {
        let ledger = scene.emulator.ledger();
        let heartbeats = ledger.events().iter();
        heartbeats
            .filter(|e| matches!(e.kind, EventKind::Heartbeat { .. }))
            .count()
    };
    let before = heartbeats(scenes[0]);
    wait_until("eight more heartbeats have been sent", || {
        heartbeats(scenes[0]) >= before + 8
    });
}

#[test]
fn promise_08_unprocessed_records_stay_within_the_memory_budget() {
    let (scene, tunnel) = large_reads(6);
    // Three reads for each channel. Without a budget, all would be read.
    scene.put_large_rows(6 * 3 * 32, ROW);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running = scene.start(&tunnel, with_budget(gated(&processed, &gate)));
    wait_for_full_budget(&[&scene]);
    assert!(rows_read(&[&scene]) as usize * ROW <= BUDGET);
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let worst = backlog(&[&scene], &processed);
    assert!(worst.records * ROW <= BUDGET, "{worst:?}");
    assert_exactly_once(&scene, &processed);
}

/// An open channel uses memory even when it has read nothing.
#[test]
fn promise_08_open_channels_count_against_the_memory_budget() {
    const CHANNEL: usize = 64 << 10;
    let (scene, tunnel) = large_reads(3);
    let config = with_budget(Processed::default().factory());
    let config = config.build().expect("config");
    let is_available = |bytes: usize| format!("{config:?}").contains(&format!("total: {bytes},"));
    assert!(is_available(BUDGET));
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), tunnel, config.clone());
    let running = daemon.spawn().expect("a thread");
    wait_until("three channels are open", || {
        is_available(BUDGET - 3 * CHANNEL)
    });
    assert!(running.close().expect("ends well").is_clean());
    wait_until("the threads of the channels have ended", || {
        is_available(BUDGET)
    });
}

#[test]
fn promise_08_workers_of_one_configuration_share_its_memory_budget() {
    let (first, second) = (large_reads(3), large_reads(3));
    let scenes = [&first.0, &second.0];
    for scene in scenes {
        scene.put_large_rows(3 * 3 * 32, ROW);
    }
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = with_budget(gated(&processed, &gate))
        .build()
        .expect("config");
    let daemons = [&first, &second].map(|(scene, tunnel)| {
        TunnelWorkerDaemon::new(scene.client.clone(), tunnel.clone(), config.clone())
    });
    std::thread::scope(|scope| {
        let threads = daemons
            .each_ref()
            .map(|daemon| scope.spawn(move || daemon.run()));
        wait_for_full_budget(&scenes);
        assert!(rows_read(&scenes) as usize * ROW <= BUDGET);
        drop(keeper);
        let expected = scenes.map(|scene| scene.expected().len()).iter().sum();
        processed.wait_for("the records of both tunnels are processed", |processed| {
            processed.len() >= expected
        });
        for daemon in &daemons {
            assert!(daemon.close().is_clean());
        }
        for thread in threads {
            thread.join().expect("run").expect("ends well");
        }
    });
    let worst = backlog(&scenes, &processed);
    assert!(worst.records * ROW <= BUDGET, "{worst:?}");
}

#[test]
fn promise_08_a_batch_larger_than_the_budget_is_processed_alone() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_large_rows(120, 1000);
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()).memory_budget(500));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let worst = backlog(&[&scene], &processed);
    assert_eq!((worst.records, worst.channels), (10, 1));
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_channel_waiting_for_memory_closes_immediately() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_large_rows(40, 1000);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running = scene.start(&tunnel, config(gated(&processed, &gate)).memory_budget(500));
    keeper.0.wait_for_arrivals(1);
    wait_until("both channels are open", || {
        let ledger = scene.emulator.ledger();
        let last = ledger.events().iter().rev().find_map(|e| match &e.kind {
            EventKind::Heartbeat { reported, .. } => Some(reported.len()),
            _ => None,
        });
        last == Some(2)
    });
    let closing = Instant::now();
    let report = running.daemon.close_within(Duration::from_secs(1));
    assert!(closing.elapsed() < Duration::from_secs(4));
    assert_eq!(
        report.abandoned().count(),
        1,
        "only the channel in its callback"
    );
}
