//! How many channels read and process at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind};
use tablestore_tunnel::{
    ChannelContext, ChannelStage, ParallelReleaseManager, ProcessError, Record,
    SimpleProcessFactory, TunnelType, TunnelWorkerDaemon,
};

use crate::harness::{Delivery, Gate, GateKeeper, Scene, Seen, config, wait_until};
use crate::judge::{backlog, judge_orderly};

/// A stream tunnel that gives 10 records a read, with some for each channel.
fn scene(partitions: u32, rows: usize) -> (Scene, String) {
    let scene = Scene::with(partitions, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(rows);
    (scene, tunnel)
}

/// Counts the channels that are in callbacks.
#[derive(Clone, Default)]
struct Inside(Arc<(AtomicUsize, AtomicUsize)>);

impl Inside {
    fn enter(&self) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[test]
fn no_more_channels_are_at_work_than_configured() {
    let (scene, tunnel) = scene(6, 600);
    let (seen, inside) = (Seen::default(), Inside::default());
    let factory = SimpleProcessFactory::new({
        let (seen, inside) = (seen.clone(), inside.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            inside.enter();
            std::thread::yield_now();
            let result = seen.note(ctx, records);
            inside.leave();
            assert!(!ctx.parallel_release().release(), "not by hand");
            result
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(2));
    for _ in 0..5 {
        seen.wait_for_all(&scene);
        scene.put_rows(120);
    }
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(inside.most() <= 2);
    // Neither are more read: a channel counts from its read on.
    let worst = backlog(&[&scene], &seen);
    assert!(worst.channels <= 2, "{worst:?}");
    judge_orderly(&scene, &seen);
}

/// Whether every other channel waits for its place, or has nothing to read.
fn others_wait(daemon: &TunnelWorkerDaemon, ctx: &ChannelContext) -> bool {
    let snapshot = daemon.snapshot();
    let mut others = snapshot
        .channels
        .iter()
        .filter(|c| c.channel_id != ctx.channel_id());
    others.all(|c| c.stage == ChannelStage::WaitingForPermit || c.is_caught_up)
}

#[test]
fn channels_take_turns_and_nobody_starves() {
    let (scene, tunnel) = scene(3, 1200);
    let seen = Seen::default();
    let daemon: Arc<OnceLock<TunnelWorkerDaemon>> = Arc::default();
    let factory = SimpleProcessFactory::new({
        let (seen, daemon) = (seen.clone(), daemon.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            // Others can only take turns once the machine has run their readers.
            let until = Instant::now() + Duration::from_secs(1);
            while Instant::now() < until && !others_wait(daemon.wait(), ctx) {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(1));
    let _ = daemon.set(running.daemon.clone());
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
    let deliveries = seen.all();
    let channels: HashSet<_> = deliveries.iter().map(|d| &d.channel).collect();
    assert_eq!(channels.len(), 3);
    // From where all take part to where the first is through.
    let first = |channel: &String| deliveries.iter().position(|d| d.channel == *channel);
    let last = |channel: &String| deliveries.iter().rposition(|d| d.channel == *channel);
    let begin = channels.iter().filter_map(|channel| first(channel)).max();
    let end = channels.iter().filter_map(|channel| last(channel)).min();
    let (Some(begin), Some(end)) = (begin, end) else {
        panic!("nothing delivered");
    };
    assert!(begin < end, "they were served one after the other");
    // What a channel had read when others came: three batches at most.
    let longest = deliveries[begin..end]
        .chunk_by(|a, b| a.channel == b.channel)
        .map(<[Delivery]>::len)
        .max();
    assert!(longest <= Some(30), "{longest:?} at a stretch");
}

#[test]
fn a_channel_reads_ahead_while_nobody_waits_for_its_place() {
    let (scene, tunnel) = scene(1, 100);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(1));
    scene.wait_for_ledger("two batches lie ready", |events| {
        let reads = |e: &&EventKind| matches!(e, EventKind::Read { .. });
        events.iter().filter(reads).count() == 3
    });
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn a_channel_in_a_long_callback_takes_up_one_place_only() {
    let (scene, tunnel) = scene(3, 600);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let slow: Arc<OnceLock<String>> = Arc::default();
    let factory = SimpleProcessFactory::new({
        let (seen, slow) = (seen.clone(), slow.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            // Whichever comes first.
            if slow.get_or_init(|| ctx.channel_id().to_owned()) == ctx.channel_id() {
                gate.pass();
            }
            seen.note(ctx, records)
        }
    })
    .record_pipe_per_channel(3);
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(2));
    keeper.0.wait_for_arrivals(1);
    let slow = slow.get().expect("one is slow");
    let others = scene.table.partitions().into_iter();
    let others = others.filter(|partition| !slow.starts_with(&*partition.id));
    let others: u64 = others.map(|partition| partition.changes).sum();
    seen.wait_for("the others are served by the other place", |seen| {
        seen.len() as u64 == others
    });
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn a_callback_that_releases_its_place_lets_another_channel_in() {
    let (scene, tunnel) = scene(2, 40);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let late: Arc<Mutex<Vec<ParallelReleaseManager>>> = Arc::default();
    let released = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (seen, late, released) = (seen.clone(), late.clone(), released.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let handle = ctx.parallel_release().clone();
            released.fetch_add(usize::from(handle.release()), Ordering::SeqCst);
            assert!(!handle.release(), "once only");
            late.lock().expect("late").push(handle);
            gate.pass();
            seen.note(ctx, records)
        }
    });
    let config = config(factory)
        .max_channel_parallel(1)
        .need_manual_release(true);
    let running = scene.start(&tunnel, config);
    // Both callbacks run, though there is one place.
    keeper.0.wait_for_arrivals(2);
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let late = late.lock().expect("late");
    assert_eq!(released.load(Ordering::SeqCst), late.len(), "every batch");
    assert!(late.iter().all(|handle| !handle.release()), "too late");
    judge_orderly(&scene, &seen);
}

#[test]
fn a_place_that_is_not_released_is_kept_until_there_is_nothing_to_read() {
    let (scene, tunnel) = scene(3, 300);
    let seen = Seen::default();
    let config = config(seen.factory())
        .max_channel_parallel(1)
        .need_manual_release(true);
    let running = scene.start(&tunnel, config);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    let stretches = seen.all();
    let stretches = stretches.chunk_by(|a, b| a.channel == b.channel);
    assert_eq!(stretches.count(), 3, "one channel after the other");
    judge_orderly(&scene, &seen);
}

#[test]
fn a_channel_that_fails_gives_its_place_back() {
    for manual in [false, true] {
        let (scene, tunnel) = scene(3, 120);
        let seen = Seen::default();
        let failures = Arc::new(AtomicUsize::new(0));
        let factory = SimpleProcessFactory::new({
            let (seen, failures) = (seen.clone(), failures.clone());
            move |ctx: &ChannelContext, records: &[Record]| match failures
                .fetch_add(1, Ordering::SeqCst)
            {
                0 => Err(ProcessError::close("on purpose")),
                1 => panic!("on purpose"),
                _ => seen.note(ctx, records),
            }
        });
        let config = config(factory)
            .max_channel_parallel(1)
            .need_manual_release(manual)
            .process_attempts(1);
        let running = scene.start(&tunnel, config);
        seen.wait_for_all(&scene);
        assert!(running.close().is_clean());
        judge_orderly(&scene, &seen);
    }
}

#[test]
fn a_channel_that_waits_for_a_place_closes_at_once() {
    let (scene, tunnel) = scene(2, 40);
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    let is_open = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        gate.pass();
        Ok(())
    })
    .channel_open({
        let is_open = is_open.clone();
        move |_| {
            is_open.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let running = scene.start(&tunnel, config(factory).max_channel_parallel(1));
    keeper.0.wait_for_arrivals(1);
    wait_until("both are open", || is_open.load(Ordering::SeqCst) == 2);
    let receipt = running.daemon.close_within(Duration::from_secs(1));
    assert_eq!(receipt.channels.len(), 2);
    assert_eq!(receipt.abandoned().count(), 1, "the one in the callback");
}

#[test]
fn an_idle_channel_holds_no_place() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    for manual in [false, true] {
        let seen = Seen::default();
        let config = config(seen.factory())
            .max_channel_parallel(1)
            .need_manual_release(manual);
        let running = scene.start(&tunnel, config);
        scene.wait_for_ledger("both are read", |events| {
            let channels = events.iter().filter_map(|event| match event {
                EventKind::Read { channel, .. } => Some(channel.clone()),
                _ => None,
            });
            channels.collect::<HashSet<_>>().len() == 2
        });
        scene.put_rows(60);
        seen.wait_for("the new rows are seen", |seen| seen.len() >= 60);
        assert!(running.close().is_clean());
    }
}
