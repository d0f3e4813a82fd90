//! Tests the limit on channels that read and process at the same time. Each active
//! channel holds a permit.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind};
use tablestore_tunnel::{
    ChannelContext, ChannelStage, ParallelReleaseManager, ProcessError, Record,
    SimpleProcessFactory, TunnelType, TunnelWorkerDaemon,
};

use crate::checks::{assert_exactly_once, backlog};
use crate::harness::{Delivery, Gate, GateKeeper, Processed, Scene, config, wait_until};

/// A stream tunnel with records in every channel. Each read returns 10 records.
fn scene(partitions: u32, rows: usize) -> (Scene, String) {
    let scene = Scene::with(partitions, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(rows);
    (scene, tunnel)
}

/// Counts running callbacks: the current number, and the maximum.
#[derive(Clone, Default)]
struct Concurrency(Arc<(AtomicUsize, AtomicUsize)>);

impl Concurrency {
    fn enter(&self) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn max(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[test]
fn at_most_the_configured_number_of_channels_is_active() {
    let (scene, tunnel) = scene(6, 600);
    let (processed, callbacks) = (Processed::default(), Concurrency::default());
    let factory = SimpleProcessFactory::new({
        let (processed, callbacks) = (processed.clone(), callbacks.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            callbacks.enter();
            std::thread::yield_now();
            let result = processed.add(ctx, records);
            callbacks.leave();
            assert!(
                !ctx.parallel_release().release(),
                "released a permit that is not released manually"
            );
            result
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(2));
    for _ in 0..5 {
        processed.wait_for_all(&scene);
        scene.put_rows(120);
    }
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(callbacks.max() <= 2);
    // A channel counts as active from its read on.
    let worst = backlog(&[&scene], &processed);
    assert!(worst.channels <= 2, "{worst:?}");
    assert_exactly_once(&scene, &processed);
}

/// Whether every other channel waits for a permit or has caught up.
fn others_wait(daemon: &TunnelWorkerDaemon, ctx: &ChannelContext) -> bool {
    let snapshot = daemon.snapshot();
    let mut others = snapshot
        .channels
        .iter()
        .filter(|c| c.channel_id != ctx.channel_id());
    others.all(|c| c.stage == ChannelStage::WaitingForPermit || c.is_caught_up)
}

#[test]
fn channels_take_turns_and_no_channel_starves() {
    let (scene, tunnel) = scene(3, 1200);
    let processed = Processed::default();
    let daemon: Arc<OnceLock<TunnelWorkerDaemon>> = Arc::default();
    let factory = SimpleProcessFactory::new({
        let (processed, daemon) = (processed.clone(), daemon.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            // Other channels can take turns only after the system has scheduled
            // their readers.
            let deadline = Instant::now() + Duration::from_secs(1);
            while Instant::now() < deadline && !others_wait(daemon.wait(), ctx) {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(1));
    let _ = daemon.set(running.daemon.clone());
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
    let deliveries = processed.all();
    let channels: HashSet<_> = deliveries.iter().map(|d| &d.channel).collect();
    assert_eq!(channels.len(), 3);
    // Check the part in which all channels still have records.
    let first = |channel: &String| deliveries.iter().position(|d| d.channel == *channel);
    let last = |channel: &String| deliveries.iter().rposition(|d| d.channel == *channel);
    let begin = channels.iter().filter_map(|channel| first(channel)).max();
    let end = channels.iter().filter_map(|channel| last(channel)).min();
    let (Some(begin), Some(end)) = (begin, end) else {
        panic!("nothing was delivered");
    };
    assert!(begin < end, "the channels did not take turns");
    // A channel may have read up to three batches before others wait.
    let longest = deliveries[begin..end]
        .chunk_by(|a, b| a.channel == b.channel)
        .map(<[Delivery]>::len)
        .max();
    assert!(longest <= Some(30), "{longest:?} records without a turn");
}

#[test]
fn a_channel_reads_ahead_while_no_other_channel_waits_for_a_permit() {
    let (scene, tunnel) = scene(1, 100);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(1));
    scene.wait_for_ledger("two batches are queued", |events| {
        let reads = |e: &&EventKind| matches!(e, EventKind::Read { .. });
        events.iter().filter(reads).count() == 3
    });
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_channel_in_a_long_callback_holds_only_one_permit() {
    let (scene, tunnel) = scene(3, 600);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let slow: Arc<OnceLock<String>> = Arc::default();
    let factory = SimpleProcessFactory::new({
        let (processed, slow) = (processed.clone(), slow.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            // The first channel that is called is the slow one.
            if slow.get_or_init(|| ctx.channel_id().to_owned()) == ctx.channel_id() {
                gate.pass();
            }
            processed.add(ctx, records)
        }
    })
    .record_pipe_per_channel(3);
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(2));
    keeper.0.wait_for_arrivals(1);
    let slow = slow.get().expect("a slow channel");
    let others = scene.table.partitions().into_iter();
    let others = others.filter(|partition| !slow.starts_with(&*partition.id));
    let others: u64 = others.map(|partition| partition.changes).sum();
    processed.wait_for(
        "the second permit has served all other channels",
        |processed| processed.len() as u64 == others,
    );
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn releasing_the_permit_in_a_callback_admits_another_channel() {
    let (scene, tunnel) = scene(2, 40);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let handles: Arc<Mutex<Vec<ParallelReleaseManager>>> = Arc::default();
    let released = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (processed, handles, released) = (processed.clone(), handles.clone(), released.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let handle = ctx.parallel_release().clone();
            released.fetch_add(usize::from(handle.release()), Ordering::SeqCst);
            assert!(!handle.release(), "released twice");
            handles.lock().expect("handles").push(handle);
            gate.pass();
            processed.add(ctx, records)
        }
    });
    let config = config(factory)
        .max_channel_parallel(1)
        .need_manual_release(true);
    let running = scene.start(&tunnel, config);
    // Both callbacks run, although there is only one permit.
    keeper.0.wait_for_arrivals(2);
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let handles = handles.lock().expect("handles");
    assert_eq!(
        released.load(Ordering::SeqCst),
        handles.len(),
        "not every batch released its permit"
    );
    assert!(
        handles.iter().all(|handle| !handle.release()),
        "released after the callback"
    );
    assert_exactly_once(&scene, &processed);
}

#[test]
fn an_unreleased_permit_is_held_until_the_channel_is_idle() {
    let (scene, tunnel) = scene(3, 300);
    let processed = Processed::default();
    let config = config(processed.factory())
        .max_channel_parallel(1)
        .need_manual_release(true);
    let running = scene.start(&tunnel, config);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let deliveries = processed.all();
    let turns = deliveries.chunk_by(|a, b| a.channel == b.channel);
    assert_eq!(turns.count(), 3, "a channel was interrupted");
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_failing_channel_releases_its_permit() {
    for manual in [false, true] {
        let (scene, tunnel) = scene(3, 120);
        let processed = Processed::default();
        let failures = Arc::new(AtomicUsize::new(0));
        let factory = SimpleProcessFactory::new({
            let (processed, failures) = (processed.clone(), failures.clone());
            move |ctx: &ChannelContext, records: &[Record]| match failures
                .fetch_add(1, Ordering::SeqCst)
            {
                0 => Err(ProcessError::close("on purpose")),
                1 => panic!("on purpose"),
                _ => processed.add(ctx, records),
            }
        });
        let config = config(factory)
            .max_channel_parallel(1)
            .need_manual_release(manual)
            .process_attempts(1);
        let running = scene.start(&tunnel, config);
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
        assert_exactly_once(&scene, &processed);
    }
}

#[test]
fn a_channel_waiting_for_a_permit_closes_immediately() {
    let (scene, tunnel) = scene(2, 40);
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    let opened = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        gate.pass();
        Ok(())
    })
    .channel_open({
        let opened = opened.clone();
        move |_| {
            opened.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(1));
    keeper.0.wait_for_arrivals(1);
    wait_until("both channels are open", || {
        opened.load(Ordering::SeqCst) == 2
    });
    let report = running.daemon.close_within(Duration::from_secs(1));
    assert_eq!(report.channels.len(), 2);
    assert_eq!(
        report.abandoned().count(),
        1,
        "only the channel in its callback"
    );
}

#[test]
fn an_idle_channel_holds_no_permit() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    for manual in [false, true] {
        let processed = Processed::default();
        let config = config(processed.factory())
            .max_channel_parallel(1)
            .need_manual_release(manual);
        let running = scene.start(&tunnel, config);
        scene.wait_for_ledger("both channels are read", |events| {
            let channels = events.iter().filter_map(|event| match event {
                EventKind::Read { channel, .. } => Some(channel.clone()),
                _ => None,
            });
            channels.collect::<HashSet<_>>().len() == 2
        });
        scene.put_rows(60);
        processed.wait_for("the new rows are processed", |processed| {
            processed.len() >= 60
        });
        assert!(running.close().is_clean());
    }
}
