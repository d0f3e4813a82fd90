//! What is seen of a worker: events, snapshots, health and log lines.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault, FaultTarget};
use tablestore_tunnel::{
    BatchCounts, ChannelContext, ChannelSnapshot, ChannelStage, CloseReason, Health, HealthReason,
    ProcessError, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfigBuilder,
    TunnelWorkerDaemon, WorkerEvent, WorkerEventKind, WorkerState,
};

use crate::harness::{Gate, GateKeeper, HEARTBEAT, Running, Scene, Seen, config, wait_until};
use crate::judge::{judge, judge_orderly};
use crate::promises::{heartbeats_keep_coming, one_channel};

const STUCK_AFTER: Duration = Duration::from_millis(300);

/// An event as the tests compare it.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    what: &'static str,
    channel: Option<String>,
    records: usize,
    line: String,
    reason: Option<CloseReason>,
}

/// Notes every event.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Told>>>);

impl Notes {
    fn observe(&self, config: TunnelWorkerConfigBuilder) -> TunnelWorkerConfigBuilder {
        let notes = self.clone();
        config.observer(move |event: &WorkerEvent<'_>| notes.note(event))
    }

    fn note(&self, event: &WorkerEvent<'_>) {
        use WorkerEventKind as K;
        let (what, records, reason) = match event.kind {
            K::Connected { .. } => ("connected", 0, None),
            K::HeartbeatAnswered { .. } => ("answered", 0, None),
            K::HeartbeatFailed { .. } => ("heartbeat failed", 0, None),
            K::Reconnecting { .. } => ("reconnecting", 0, None),
            K::ChannelOpened { .. } => ("opened", 0, None),
            K::ChannelNotOpened { reason, .. } => ("not opened", 0, Some(reason)),
            K::BatchRead { records, .. } => ("read", records, None),
            K::BatchDone { records, .. } => ("done", records, None),
            K::BatchRetried { .. } => ("retried", 0, None),
            K::BatchSkipped { records, .. } => ("skipped", records, None),
            K::CheckpointSaved { .. } => ("saved", 0, None),
            K::CheckpointFailed { .. } => ("save failed", 0, None),
            K::ChannelStalled { .. } => ("stuck", 0, None),
            K::ChannelClosing { .. } => ("closing", 0, None),
            K::ChannelClosed { reason, .. } => ("closed", 0, Some(reason)),
            other => panic!("no test knows {other:?}"),
        };
        self.0.lock().expect("notes").push(Told {
            what,
            channel: event.kind.channel_id().map(str::to_owned),
            records,
            line: event.to_string(),
            reason,
        });
    }

    fn all(&self) -> Vec<Told> {
        self.0.lock().expect("notes").clone()
    }

    fn of(&self, what: &str) -> Vec<Told> {
        let mut told = self.all();
        told.retain(|told| told.what == what);
        told
    }
}

/// Waits for the one channel to be seen like that.
fn wait_for_channel(
    running: &Running,
    what: &str,
    condition: impl Fn(&ChannelSnapshot) -> bool,
) -> ChannelSnapshot {
    let found = RefCell::new(None);
    wait_until(what, || {
        let channels = running.daemon.snapshot().channels;
        *found.borrow_mut() = channels.into_iter().find(&condition);
        found.borrow().is_some()
    });
    found.into_inner().expect("found")
}

#[test]
fn promise_05_a_callback_that_blocks_shows_as_stuck_and_why() {
    let (scene, tunnel) = one_channel();
    let (seen, gate, notes) = (Seen::default(), Gate::default(), Notes::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            seen.note(ctx, records)
        }
    });
    let config = notes.observe(config(factory).stuck_after(STUCK_AFTER));
    let running = scene.start(&tunnel, config);
    scene.put_rows(60);
    keeper.0.wait_for_arrivals(1);
    wait_until("the worker is stuck", || {
        matches!(running.daemon.health(), Health::Stalled { .. })
    });
    let channel = wait_for_channel(&running, "in callback", |channel| {
        channel.stage == ChannelStage::InCallback
    });
    assert!(channel.stage_age > STUCK_AFTER);
    assert!(channel.is_stream && !channel.is_closing && !channel.is_caught_up);
    assert_eq!(channel.done, BatchCounts::default());
    assert!(channel.read.records >= 10);
    match running.daemon.health().reasons() {
        [
            HealthReason::ChannelStalled {
                channel_id, stage, ..
            },
        ] => {
            assert_eq!(*channel_id, channel.channel_id);
            assert_eq!(*stage, ChannelStage::InCallback);
        }
        other => panic!("{other:?}"),
    }
    wait_until("the observer hears of it", || !notes.of("stuck").is_empty());
    // Told once however long it takes, on the notices' thread and in the log.
    thread::park_timeout(2 * STUCK_AFTER);
    let stuck = notes.of("stuck");
    assert_eq!(stuck.len(), 1, "{stuck:?}");
    assert_eq!(stuck[0].channel.as_deref(), Some(&*channel.channel_id));
    assert!(stuck[0].line.contains("in callback for"), "{stuck:?}");
    drop(keeper);
    seen.wait_for_all(&scene);
    wait_until("all is well again", || running.daemon.health().is_ok());
    let channel = wait_for_channel(&running, "caught up", |channel| channel.is_caught_up);
    assert_eq!(channel.done.records, 60);
    assert!(channel.lag.expect("lag") < Duration::from_secs(3600));
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_a_channel_that_waits_for_its_checkpoint_or_read_shows_as_stuck() {
    for (action, stage) in [
        (Action::GetCheckpoint, ChannelStage::Opening),
        (Action::ReadRecords, ChannelStage::Reading),
        (Action::Checkpoint, ChannelStage::Saving),
    ] {
        let (scene, tunnel) = one_channel();
        let seen = Seen::default();
        scene
            .emulator
            .fault(Fault::on(action).delay(4 * STUCK_AFTER));
        let config = config(seen.factory()).stuck_after(STUCK_AFTER);
        let running = scene.start(&tunnel, config);
        scene.put_rows(10);
        wait_until(&format!("{action:?} shows"), || {
            let health = running.daemon.health();
            let is_it = |reason: &HealthReason| matches!(reason, HealthReason::ChannelStalled { stage: at, .. } if *at == stage);
            health.reasons().iter().any(is_it)
        });
        wait_until("it goes on", || running.daemon.health().is_ok());
        seen.wait_for_all(&scene);
        assert!(running.close().is_clean());
        judge_orderly(&scene, &seen);
    }
}

/// A channel fails until it is mended: seen in snapshots, health and events.
fn fails_visibly(
    scene: &Scene,
    tunnel: &str,
    config: TunnelWorkerConfigBuilder,
    told: &str,
    mend: impl FnOnce(),
) -> Notes {
    let notes = Notes::default();
    let config = notes.observe(config.stuck_after(STUCK_AFTER));
    let running = scene.start(tunnel, config);
    scene.put_rows(30);
    let is_save = told == "save failed";
    let failures = |channel: &ChannelSnapshot| match is_save {
        true => channel.save_failures.clone(),
        false => channel.failures.clone(),
    };
    let channel = wait_for_channel(&running, "failures show", |channel| {
        let failures = failures(channel);
        failures.count >= 3 && failures.failing_for > Some(STUCK_AFTER)
    });
    let error = failures(&channel).last_error.expect("an error");
    assert!(error.contains("on purpose"), "{error}");
    wait_until("health tells it", || {
        let health = running.daemon.health();
        matches!(health, Health::Stalled { .. }) && health.to_string().contains("on purpose")
    });
    wait_until("the observer hears of it", || notes.of(told).len() >= 3);
    let events = notes.of(told);
    assert!(events.iter().all(|told| told.channel.is_some()));
    mend();
    wait_until("all is well again", || {
        let snapshot = running.daemon.snapshot();
        let is_done = |channel: &ChannelSnapshot| channel.is_caught_up;
        snapshot.health().is_ok() && snapshot.channels.iter().any(is_done)
    });
    assert!(running.close().is_clean());
    notes
}

/// Every such request fails, which no retry helps.
fn always(target: FaultTarget) -> Fault {
    let target = target.times(1_000_000);
    target.fail(500, "OTSInternalServerError", "on purpose")
}

#[test]
fn promise_05_a_channel_that_keeps_failing_to_open_shows() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    scene
        .emulator
        .fault(always(Fault::on(Action::GetCheckpoint)));
    let config = config(seen.factory());
    let mend = || scene.emulator.clear_faults();
    let notes = fails_visibly(&scene, &tunnel, config, "not opened", mend);
    let not_opened = notes.of("not opened");
    assert!(not_opened[0].line.contains("on purpose"), "{not_opened:?}");
    assert_eq!(not_opened[0].reason, Some(CloseReason::Failed));
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_a_factory_that_keeps_failing_shows() {
    let (scene, tunnel) = one_channel();
    let (seen, mended) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let factory = seen.factory().channel_open({
        let mended = mended.clone();
        move |_| match mended.load(Ordering::SeqCst) {
            0 => Err(ProcessError::new("on purpose")),
            _ => Ok(()),
        }
    });
    let mend = || mended.store(1, Ordering::SeqCst);
    fails_visibly(&scene, &tunnel, config(factory), "not opened", mend);
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_a_channel_that_keeps_failing_to_read_shows() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    scene.emulator.fault(always(Fault::on(Action::ReadRecords)));
    let mend = || scene.emulator.clear_faults();
    let config = config(seen.factory());
    let notes = fails_visibly(&scene, &tunnel, config, "closed", mend);
    let closed = notes.of("closed");
    assert!(closed[0].line.contains("on purpose"), "{closed:?}");
    assert_eq!(closed[0].reason, Some(CloseReason::Failed));
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_a_callback_that_keeps_failing_shows() {
    let (scene, tunnel) = one_channel();
    let (seen, mended) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let factory = SimpleProcessFactory::new({
        let (seen, mended) = (seen.clone(), mended.clone());
        move |ctx: &ChannelContext, records: &[Record]| match mended.load(Ordering::SeqCst) {
            0 => Err(ProcessError::retry_after(HEARTBEAT, "on purpose")),
            _ => seen.note(ctx, records),
        }
    });
    let mend = || mended.store(1, Ordering::SeqCst);
    let notes = fails_visibly(&scene, &tunnel, config(factory), "retried", mend);
    let retried = notes.of("retried");
    assert!(retried[0].line.contains("on purpose"), "{retried:?}");
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_a_channel_that_keeps_failing_to_save_shows() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    scene.emulator.fault(always(Fault::on(Action::Checkpoint)));
    let mend = || scene.emulator.clear_faults();
    let config = config(seen.factory());
    let notes = fails_visibly(&scene, &tunnel, config, "save failed", mend);
    let failed = notes.of("save failed");
    assert!(failed[0].line.contains("on purpose"), "{failed:?}");
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_events_of_a_channel_come_in_order_and_count_what_the_ledger_counts() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(10));
    scene.base_rows(200);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let (seen, notes) = (Seen::default(), Notes::default());
    let running = scene.start(&tunnel, notes.observe(config(seen.factory())));
    scene.put_rows(200);
    seen.wait_for_all(&scene);
    wait_until("everything counts as done", || {
        running.daemon.snapshot().done.records == 400
    });
    let last = running.daemon.snapshot();
    let daemon = running.daemon.clone();
    assert!(running.close().is_clean());
    let told = notes.all();
    let mut channels: HashMap<&str, Vec<&Told>> = HashMap::new();
    for told in &told {
        if let Some(channel) = &told.channel {
            channels.entry(channel).or_default().push(told);
        }
    }
    assert_eq!(channels.len(), 8);
    for (channel, told) in &channels {
        in_order(channel, told);
    }
    let read = read_by_ledger(&scene);
    let sum = |what| -> u64 {
        let told = notes
            .of(what)
            .iter()
            .map(|told| told.records)
            .sum::<usize>();
        told as u64
    };
    assert_eq!(read, 400);
    assert_eq!((sum("read"), sum("done")), (read, read));
    assert_eq!((last.read.records, last.done.records), (read, read));
    assert!(last.read.bytes > 400 && last.read.batches >= 40, "{last:?}");
    // What channels did that are closed counts too.
    let after = daemon.snapshot();
    assert_eq!(after.channels, []);
    assert_eq!(after.done.records, read);
    let saves = scene.emulator.ledger();
    let saves = saves.events().iter();
    let saves = saves.filter(|event| matches!(event.kind, EventKind::Saved { .. }));
    assert_eq!(notes.of("saved").len(), saves.count());
    judge_orderly(&scene, &seen);
}

/// Records that the service says were read.
fn read_by_ledger(scene: &Scene) -> u64 {
    let ledger = scene.emulator.ledger();
    let read = ledger.events().iter().map(|event| match event.kind {
        EventKind::Read { from, to, .. } => to - from,
        _ => 0,
    });
    read.sum()
}

/// Opened first; each batch is read before it is done; closing and closed last.
fn in_order(channel: &str, told: &[&Told]) {
    // A checkpoint's end may be told a little later than what follows it.
    let told = told.iter().filter(|told| told.what != "saved");
    let told: Vec<_> = told.collect();
    let names: Vec<_> = told.iter().map(|told| told.what).collect();
    assert_eq!(names.first(), Some(&"opened"), "{channel}: {names:?}");
    assert_eq!(names.last(), Some(&"closed"), "{channel}: {names:?}");
    let at = |what| names.iter().position(|name| *name == what);
    let closing = at("closing").expect("closing");
    assert!(!names[closing..].contains(&"done"), "{channel}: {names:?}");
    for what in ["opened", "closing", "closed"] {
        let times = names.iter().filter(|name| **name == what).count();
        assert_eq!(times, 1, "{channel}: {what}");
    }
    let mut ahead = Vec::new();
    for told in &told {
        match told.what {
            "read" => ahead.insert(0, told.records),
            "done" => assert_eq!(ahead.pop(), Some(told.records), "{channel}: {names:?}"),
            _ => {}
        }
    }
    let reason = told.last().and_then(|told| told.reason).expect("a reason");
    let expected = match channel.starts_with("BaseData_") {
        true => CloseReason::Finished,
        false => CloseReason::Shutdown,
    };
    assert_eq!(reason, expected, "{channel}");
}

#[test]
fn promise_05_an_observer_that_panics_or_is_slow_harms_nothing() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(20));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (seen, calls) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let config = config(seen.factory()).observer({
        let calls = calls.clone();
        move |event: &WorkerEvent<'_>| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            if matches!(event.kind, WorkerEventKind::HeartbeatAnswered { .. }) {
                // Far longer than the interval.
                thread::park_timeout(10 * HEARTBEAT);
            }
            thread::park_timeout(Duration::from_millis(2));
            assert!(call % 2 == 0, "an observer's panic");
        }
    });
    let running = scene.start(&tunnel, config);
    scene.put_rows(400);
    seen.wait_for_all(&scene);
    heartbeats_keep_coming(&scene);
    assert!(running.close().is_clean());
    assert!(calls.load(Ordering::SeqCst) > 40);
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_an_observer_may_call_everything() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let daemon: Arc<OnceLock<TunnelWorkerDaemon>> = Arc::default();
    let asked = Arc::new(AtomicUsize::new(0));
    let config = config(seen.factory()).observer({
        let (daemon, asked) = (daemon.clone(), asked.clone());
        move |event: &WorkerEvent<'_>| {
            let daemon = daemon.wait();
            let is_ready = daemon.snapshot().state == WorkerState::Ready;
            if matches!(event.kind, WorkerEventKind::CheckpointSaved { .. })
                && !is_ready
                && !daemon.close().is_complete
            {
                asked.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let mut running = scene.start(&tunnel, config);
    daemon.set(running.daemon.clone()).expect("set once");
    scene.put_rows(10);
    running.join().expect("closed by its observer");
    assert!(
        asked.load(Ordering::SeqCst) > 0,
        "it asks and does not wait"
    );
    judge_orderly(&scene, &seen);
    assert_eq!(running.daemon.health(), Health::Dead);
}

#[test]
fn promise_05_a_session_that_is_lost_shows_and_the_next_one_too() {
    let (scene, tunnel) = one_channel();
    let (seen, notes) = (Seen::default(), Notes::default());
    // The emulator gives the channel away when the first client has timed out.
    let config = config(seen.factory()).heartbeat_timeout(Duration::from_secs(2));
    let running = scene.start(&tunnel, notes.observe(config));
    scene.put_rows(20);
    seen.wait_for_all(&scene);
    let snapshot = running.daemon.snapshot();
    assert_eq!(snapshot.state, WorkerState::Working);
    assert_eq!((snapshot.reconnects, &snapshot.last_error), (0, &None));
    assert!(snapshot.heartbeat.answered_age.is_some());
    let first = snapshot.client_id.expect("client id");
    let unavailable = Fault::on(Action::Heartbeat);
    let gone = unavailable.fail(410, "OTSResourceGone", "on purpose");
    scene.emulator.fault(gone);
    wait_until("the daemon connects again", || {
        running.daemon.snapshot().reconnects == 1
    });
    let between = running.daemon.snapshot();
    assert!(between.last_error.expect("why").contains("on purpose"));
    wait_until("the observer hears of it", || {
        !notes.of("reconnecting").is_empty()
    });
    let told = notes.of("reconnecting");
    assert_eq!(told.len(), 1);
    assert!(told[0].line.contains("on purpose"), "{told:?}");
    scene.put_rows(20);
    seen.wait_for_all(&scene);
    wait_until("all is well", || running.daemon.health().is_ok());
    let second = running.daemon.snapshot();
    assert_eq!(second.state, WorkerState::Working);
    assert_ne!(second.client_id.as_deref(), Some(&*first));
    let channel = &second.channels[0];
    let daemon = running.daemon.clone();
    assert_eq!(second.channel(&channel.channel_id), Some(channel));
    running.close();
    assert_eq!(daemon.snapshot().state, WorkerState::Ended);
    wait_until("both sessions are told", || {
        notes.of("connected").len() == 2
    });
    let closed = notes.of("closed");
    let reasons: Vec<_> = closed.iter().filter_map(|told| told.reason).collect();
    assert_eq!(reasons, [CloseReason::Lost, CloseReason::Shutdown]);
    judge(&scene, &seen);
}

#[test]
fn promise_05_failing_heartbeats_show_as_slow() {
    let (scene, tunnel) = one_channel();
    let (seen, notes) = (Seen::default(), Notes::default());
    let running = scene.start(&tunnel, notes.observe(config(seen.factory())));
    wait_until("the worker works", || {
        running.daemon.snapshot().state == WorkerState::Working
    });
    let target = Fault::on(Action::Heartbeat).times(3);
    scene.emulator.fault(target.delay(Duration::from_secs(1)));
    wait_until("late heartbeats show", || {
        matches!(running.daemon.health(), Health::Degraded { .. })
    });
    wait_until("all is well again", || running.daemon.health().is_ok());
    scene.put_rows(10);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn a_worker_shows_its_life() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let built = config(seen.factory()).build().expect("config");
    let worker = scene
        .client
        .new_tunnel_worker(&tunnel, &built)
        .expect("worker");
    assert_eq!(worker.snapshot().state, WorkerState::Ready);
    assert_eq!(worker.health(), Health::Ok);
    let handle = worker.clone();
    let thread = thread::spawn(move || handle.connect_and_working());
    scene.put_rows(10);
    seen.wait_for_all(&scene);
    let snapshot = worker.snapshot();
    assert_eq!(snapshot.state, WorkerState::Working);
    assert_eq!(snapshot.tunnel_id, tunnel);
    wait_until("the token is saved", || {
        let channels = worker.snapshot().channels;
        channels[0].last_saved.is_some()
    });
    let saved = worker.snapshot().channels.remove(0).last_saved;
    let token = saved.expect("saved").token;
    let receipt = worker.shutdown(Duration::from_secs(10));
    assert_eq!(receipt.channels[0].last_saved.as_deref(), Some(&*token));
    thread.join().expect("no panic").expect("works");
    assert_eq!(worker.snapshot().state, WorkerState::Ended);
    assert_eq!(worker.health(), Health::Dead);
}

#[test]
fn promise_06_heartbeats_go_out_while_the_observer_blocks() {
    let (scene, tunnel) = one_channel();
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = config(seen.factory()).observer(move |event: &WorkerEvent<'_>| {
        if matches!(event.kind, WorkerEventKind::HeartbeatAnswered { .. }) {
            gate.pass();
        }
    });
    let running = scene.start(&tunnel, config);
    scene.put_rows(30);
    keeper.0.wait_for_arrivals(1);
    scene.wait_for_ledger("heartbeats go on", |events| {
        let beat = |event: &&EventKind| matches!(event, EventKind::Heartbeat { .. });
        events.iter().filter(beat).count() >= 10
    });
    seen.wait_for_all(&scene);
    heartbeats_keep_coming(&scene);
    assert!(running.close().is_clean(), "a close does not wait for it");
    drop(keeper);
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_05_a_channel_that_waits_for_a_place_shows_it() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            seen.note(ctx, records)
        }
    });
    let config = config(factory).max_channel_parallel(1);
    let running = scene.start(&tunnel, config.read_max_times_per_round(3));
    scene.put_rows(100);
    keeper.0.wait_for_arrivals(1);
    wait_for_channel(&running, "the other channel waits", |channel| {
        channel.stage == ChannelStage::WaitingForPermit
    });
    drop(keeper);
    seen.wait_for_all(&scene);
    // Also where reads are joined, all that was read counts as done.
    wait_until("both have caught up", || {
        let channels = running.daemon.snapshot().channels;
        channels.len() == 2 && channels.iter().all(|channel| channel.is_caught_up)
    });
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}
