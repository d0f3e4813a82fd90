//! Bytes that are read and not yet processed.

use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind};
use tablestore_tunnel::{
    ChannelContext, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfigBuilder,
    TunnelWorkerDaemon,
};

use crate::harness::{Gate, GateKeeper, Scene, Seen, config, wait_until};
use crate::judge::{backlog, judge_orderly};

const MIB: usize = 1 << 20;
/// What a read sets aside before its size is known.
const ALLOWANCE: usize = 4 * MIB;
const BUDGET: usize = 2 * ALLOWANCE;
const ROW: usize = 32 << 10;

/// Answers of 1 MiB.
fn large_answers(partitions: u32) -> (Scene, String) {
    let scene = Scene::with(partitions, Emulator::builder().batch_rows(32));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

/// Callbacks that wait at the gate before they note what they got.
fn gated(seen: &Seen, gate: &Gate) -> SimpleProcessFactory {
    let (seen, gate) = (seen.clone(), gate.clone());
    SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        gate.pass();
        seen.note(ctx, records)
    })
}

fn with_budget(factory: SimpleProcessFactory) -> TunnelWorkerConfigBuilder {
    config(factory).memory_budget(BUDGET)
}

/// How many rows have been read.
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

/// Waits until reading stops for want of room, and long enough to see that it
/// has stopped: idle channels would be read every few milliseconds.
fn wait_for_full_budget(scenes: &[&Scene]) {
    let least = (BUDGET - ALLOWANCE) / ROW;
    wait_until("the budget is used", || rows_read(scenes) >= least as u64);
    let beats = |scene: &Scene| {
        let ledger = scene.emulator.ledger();
        let beats = ledger.events().iter();
        beats
            .filter(|e| matches!(e.kind, EventKind::Heartbeat { .. }))
            .count()
    };
    let before = beats(scenes[0]);
    wait_until("some heartbeats later", || beats(scenes[0]) >= before + 8);
}

#[test]
fn promise_08_what_is_read_and_not_processed_stays_within_the_budget() {
    let (scene, tunnel) = large_answers(6);
    // Three answers for each channel: without a budget all would be read.
    scene.put_large_rows(6 * 3 * 32, ROW);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running = scene.start(&tunnel, with_budget(gated(&seen, &gate)));
    wait_for_full_budget(&[&scene]);
    assert!(rows_read(&[&scene]) as usize * ROW <= BUDGET);
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let worst = backlog(&[&scene], &seen);
    assert!(worst.records * ROW <= BUDGET, "{worst:?}");
    judge_orderly(&scene, &seen);
}

/// What an open channel takes by itself.
#[test]
fn promise_08_open_channels_count_until_they_are_closed() {
    const CHANNEL: usize = 64 << 10;
    let (scene, tunnel) = large_answers(3);
    let config = with_budget(Seen::default().factory());
    let config = config.build().expect("config");
    let is_left = |bytes: usize| format!("{config:?}").contains(&format!("total: {bytes},"));
    assert!(is_left(BUDGET));
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), tunnel, config.clone());
    let running = daemon.spawn().expect("a thread");
    wait_until("three are open", || is_left(BUDGET - 3 * CHANNEL));
    assert!(running.close().expect("ends well").is_clean());
    wait_until("their threads have ended", || is_left(BUDGET));
}

#[test]
fn promise_08_two_workers_of_one_configuration_share_its_budget() {
    let (first, second) = (large_answers(3), large_answers(3));
    let scenes = [&first.0, &second.0];
    for scene in scenes {
        scene.put_large_rows(3 * 3 * 32, ROW);
    }
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = with_budget(gated(&seen, &gate)).build().expect("config");
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
        seen.wait_for("both are seen", |seen| seen.len() >= expected);
        for daemon in &daemons {
            assert!(daemon.close().is_clean());
        }
        for thread in threads {
            thread.join().expect("run").expect("ends well");
        }
    });
    let worst = backlog(&scenes, &seen);
    assert!(worst.records * ROW <= BUDGET, "{worst:?}");
}

#[test]
fn promise_08_a_batch_larger_than_the_budget_comes_alone() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_large_rows(120, 1000);
    let seen = Seen::default();
    let running = scene.start(&tunnel, config(seen.factory()).memory_budget(500));
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let worst = backlog(&[&scene], &seen);
    assert_eq!((worst.records, worst.channels), (10, 1));
    judge_orderly(&scene, &seen);
}

#[test]
fn a_channel_that_waits_for_memory_closes_at_once() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_large_rows(40, 1000);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running = scene.start(&tunnel, config(gated(&seen, &gate)).memory_budget(500));
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
    let receipt = running.daemon.close_within(Duration::from_secs(1));
    assert!(closing.elapsed() < Duration::from_secs(4));
    assert_eq!(receipt.abandoned().count(), 1, "the one in the callback");
}
