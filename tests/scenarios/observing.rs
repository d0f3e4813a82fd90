//! Tests events, snapshots and health.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault, FaultTarget};
use tablestore_tunnel::{
    BatchCounts, ChannelConn, ChannelContext, ChannelDialer, ChannelSnapshot, ChannelStage,
    CloseReason, Health, HealthReason, ProcessError, Record, SimpleProcessFactory, TunnelType,
    TunnelWorkerConfigBuilder, TunnelWorkerDaemon, WorkerEvent, WorkerEventKind, WorkerState,
};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Gate, GateKeeper, HEARTBEAT, Processed, Running, Scene, config, wait_until};
use crate::promises::{assert_heartbeats_continue, one_channel};

const STUCK_AFTER: Duration = Duration::from_millis(300);

/// An event in a form that the tests can compare.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    name: &'static str,
    channel: Option<String>,
    records: usize,
    line: String,
    reason: Option<CloseReason>,
}

/// Records every event.
#[derive(Clone, Default)]
struct EventLog(Arc<Mutex<Vec<Event>>>);

impl EventLog {
    fn observe(&self, config: TunnelWorkerConfigBuilder) -> TunnelWorkerConfigBuilder {
        let log = self.clone();
        config.observer(move |event: &WorkerEvent<'_>| log.add(event))
    }

    fn add(&self, event: &WorkerEvent<'_>) {
        use WorkerEventKind as K;
        let (name, records, reason) = match event.kind {
            K::Connected { .. } => ("connected", 0, None),
            K::HeartbeatAnswered { .. } => ("answered", 0, None),
            K::HeartbeatFailed { .. } => ("heartbeat failed", 0, None),
            K::Reconnecting { .. } => ("reconnecting", 0, None),
            K::ChannelOpened { .. } => ("opened", 0, None),
            K::ChannelNotOpened { reason, .. } => ("not opened", 0, Some(reason)),
            K::BatchRead { records, .. } => ("read", records, None),
            K::BatchDone { records, .. } => ("done", records, None),
            K::RequestFailed { .. } => ("request failed", 0, None),
            K::BatchRetried { .. } => ("retried", 0, None),
            K::BatchSkipped { records, .. } => ("skipped", records, None),
            K::CheckpointSaved { .. } => ("saved", 0, None),
            K::CheckpointFailed { .. } => ("save failed", 0, None),
            K::ChannelStalled { .. } => ("stalled", 0, None),
            K::ChannelClosing { .. } => ("closing", 0, None),
            K::ChannelClosed { reason, .. } => ("closed", 0, Some(reason)),
            other => panic!("unexpected event: {other:?}"),
        };
        self.0.lock().expect("events").push(Event {
            name,
            channel: event.kind.channel_id().map(str::to_owned),
            records,
            line: event.to_string(),
            reason,
        });
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().expect("events").clone()
    }

    fn named(&self, name: &str) -> Vec<Event> {
        let mut events = self.all();
        events.retain(|event| event.name == name);
        events
    }
}

/// Waits until a channel fulfils a condition, and returns its snapshot.
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
fn promise_05_a_blocked_callback_is_reported_as_stalled_with_its_stage() {
    let (scene, tunnel) = one_channel();
    let (processed, gate, log) = (Processed::default(), Gate::default(), EventLog::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
        }
    });
    let config = log.observe(config(factory).stuck_after(STUCK_AFTER));
    let running = scene.start(&tunnel, config);
    scene.put_rows(60);
    keeper.0.wait_for_arrivals(1);
    wait_until("the worker is stalled", || {
        matches!(running.daemon.health(), Health::Stalled { .. })
    });
    let channel = wait_for_channel(&running, "the channel is in its callback", |channel| {
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
    wait_until("the observer is called", || {
        !log.named("stalled").is_empty()
    });
    // The stall is reported once, however long it lasts.
    thread::park_timeout(2 * STUCK_AFTER);
    let stalled = log.named("stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    assert_eq!(stalled[0].channel.as_deref(), Some(&*channel.channel_id));
    assert!(stalled[0].line.contains("in callback for"), "{stalled:?}");
    drop(keeper);
    processed.wait_for_all(&scene);
    wait_until("the worker is healthy again", || {
        running.daemon.health().is_ok()
    });
    let channel = wait_for_channel(&running, "the channel has caught up", |channel| {
        channel.is_caught_up
    });
    assert_eq!(channel.done.records, 60);
    assert!(channel.lag.expect("lag") < Duration::from_secs(3600));
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

/// Hangs at the gate instead of a dial.
struct HangingDial(Gate);

impl ChannelDialer for HangingDial {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        self.0.pass();
        Ok(service)
    }
}

#[test]
fn promise_05_a_reader_that_hangs_in_code_of_the_program_is_reported_as_stalled() {
    let observes = |config: TunnelWorkerConfigBuilder, gate: &Gate| {
        let gate = gate.clone();
        config.observer(move |event: &WorkerEvent<'_>| {
            if matches!(event.kind, WorkerEventKind::BatchRead { records: 1.., .. }) {
                gate.pass();
            }
        })
    };
    let dials = |config: TunnelWorkerConfigBuilder, gate: &Gate| {
        config.channel_dialer(HangingDial(gate.clone()))
    };
    type Hang<'a> = &'a dyn Fn(TunnelWorkerConfigBuilder, &Gate) -> TunnelWorkerConfigBuilder;
    let table: [(Hang<'_>, _); 2] = [
        (&dials, ChannelStage::Opening),
        (&observes, ChannelStage::Reading),
    ];
    for (hang, stage) in table {
        let (scene, tunnel) = one_channel();
        let (processed, gate) = (Processed::default(), Gate::default());
        let keeper = GateKeeper(gate.clone());
        let config = config(processed.factory()).stuck_after(STUCK_AFTER);
        let running = scene.start(&tunnel, hang(config, &gate));
        scene.put_rows(10);
        keeper.0.wait_for_arrivals(1);
        wait_until("the stall is reported", || {
            let health = running.daemon.health();
            let is_it = |reason: &HealthReason| matches!(reason, HealthReason::ChannelStalled { stage: at, .. } if *at == stage);
            health.reasons().iter().any(is_it)
        });
        drop(keeper);
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
    }
}

#[test]
fn promise_05_a_channel_waiting_for_a_response_is_reported_as_stalled() {
    for (action, stage) in [
        (Action::GetCheckpoint, ChannelStage::Opening),
        (Action::ReadRecords, ChannelStage::Reading),
        (Action::Checkpoint, ChannelStage::Saving),
    ] {
        let (scene, tunnel) = one_channel();
        let processed = Processed::default();
        scene
            .emulator
            .fault(Fault::on(action).delay(4 * STUCK_AFTER));
        let config = config(processed.factory()).stuck_after(STUCK_AFTER);
        let running = scene.start(&tunnel, config);
        scene.put_rows(10);
        wait_until(&format!("a stalled {action:?} is reported"), || {
            let health = running.daemon.health();
            let is_stalled = |reason: &HealthReason| matches!(reason, HealthReason::ChannelStalled { stage: at, .. } if *at == stage);
            health.reasons().iter().any(is_stalled)
        });
        wait_until("the channel continues", || running.daemon.health().is_ok());
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
        assert_exactly_once(&scene, &processed);
    }
}

/// Runs a channel that keeps failing. Checks that snapshots, health and events
/// report the failures, repairs the cause, and checks that the channel recovers.
fn assert_failures_are_reported(
    scene: &Scene,
    tunnel: &str,
    config: TunnelWorkerConfigBuilder,
    event_name: &str,
    repair: impl FnOnce(),
) -> EventLog {
    let log = EventLog::default();
    let config = log.observe(config.stuck_after(STUCK_AFTER));
    let running = scene.start(tunnel, config);
    scene.put_rows(30);
    // Whichever kind of failure it is.
    let failures = |channel: &ChannelSnapshot| match channel.save_failures.count {
        0 => channel.failures.clone(),
        _ => channel.save_failures.clone(),
    };
    let channel = wait_for_channel(&running, "snapshots show failures", |channel| {
        let failures = failures(channel);
        failures.count >= 3 && failures.failing_for > Some(STUCK_AFTER)
    });
    let error = failures(&channel).last_error.expect("an error");
    assert!(error.contains("on purpose"), "{error}");
    wait_until("health reports the failures", || {
        let health = running.daemon.health();
        matches!(health, Health::Stalled { .. }) && health.to_string().contains("on purpose")
    });
    wait_until("the observer is called three times", || {
        log.named(event_name).len() >= 3
    });
    let events = log.named(event_name);
    assert!(events.iter().all(|event| event.channel.is_some()));
    repair();
    wait_until("the worker is healthy again", || {
        let snapshot = running.daemon.snapshot();
        let is_done = |channel: &ChannelSnapshot| channel.is_caught_up;
        snapshot.health().is_ok() && snapshot.channels.iter().any(is_done)
    });
    assert!(running.close().is_clean());
    log
}

/// A fault that makes every request fail, with an error for which the channel is
/// released.
fn always(target: FaultTarget) -> Fault {
    let target = target.times(1_000_000);
    target.fail(400, "OTSParameterInvalid", "on purpose")
}

/// A fault that makes every request fail, with an error that passes.
fn for_now(target: FaultTarget) -> Fault {
    let target = target.times(1_000_000);
    target.fail(500, "OTSInternalServerError", "on purpose")
}

#[test]
fn promise_05_requests_that_are_tried_again_are_reported() {
    for action in [
        Action::GetCheckpoint,
        Action::ReadRecords,
        Action::Checkpoint,
    ] {
        let (scene, tunnel) = one_channel();
        let processed = Processed::default();
        scene.emulator.fault(for_now(Fault::on(action)));
        let config = config(processed.factory());
        let repair = || scene.emulator.clear_faults();
        let log = assert_failures_are_reported(&scene, &tunnel, config, "request failed", repair);
        let failed = log.named("request failed");
        assert!(failed[0].line.contains("on purpose"), "{failed:?}");
        for event in ["not opened", "closed"] {
            let reasons = log.named(event).into_iter().map(|event| event.reason);
            let by_us = reasons.filter(|reason| *reason != Some(CloseReason::Shutdown));
            assert_eq!(by_us.count(), 0, "{action:?}: the channel stays ours");
        }
        assert_exactly_once(&scene, &processed);
    }
}

#[test]
fn promise_05_repeated_failures_to_open_are_reported() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    scene
        .emulator
        .fault(always(Fault::on(Action::GetCheckpoint)));
    let config = config(processed.factory());
    let repair = || scene.emulator.clear_faults();
    let log = assert_failures_are_reported(&scene, &tunnel, config, "not opened", repair);
    let not_opened = log.named("not opened");
    assert!(not_opened[0].line.contains("on purpose"), "{not_opened:?}");
    assert_eq!(not_opened[0].reason, Some(CloseReason::Failed));
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_05_a_repeatedly_failing_factory_is_reported() {
    let (scene, tunnel) = one_channel();
    let (processed, is_repaired) = (Processed::default(), Arc::new(AtomicBool::new(false)));
    let factory = processed.factory().channel_open({
        let is_repaired = is_repaired.clone();
        move |_| match is_repaired.load(Ordering::SeqCst) {
            false => Err(ProcessError::new("on purpose")),
            true => Ok(()),
        }
    });
    let repair = || is_repaired.store(true, Ordering::SeqCst);
    assert_failures_are_reported(&scene, &tunnel, config(factory), "not opened", repair);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_05_repeated_failures_to_read_are_reported() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    scene.emulator.fault(always(Fault::on(Action::ReadRecords)));
    let repair = || scene.emulator.clear_faults();
    let config = config(processed.factory());
    let log = assert_failures_are_reported(&scene, &tunnel, config, "closed", repair);
    let closed = log.named("closed");
    assert!(closed[0].line.contains("on purpose"), "{closed:?}");
    assert_eq!(closed[0].reason, Some(CloseReason::Failed));
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_05_a_repeatedly_failing_callback_is_reported() {
    let (scene, tunnel) = one_channel();
    let (processed, is_repaired) = (Processed::default(), Arc::new(AtomicBool::new(false)));
    let factory = SimpleProcessFactory::new({
        let (processed, is_repaired) = (processed.clone(), is_repaired.clone());
        move |ctx: &ChannelContext, records: &[Record]| match is_repaired.load(Ordering::SeqCst) {
            false => Err(ProcessError::retry_after(HEARTBEAT, "on purpose")),
            true => processed.add(ctx, records),
        }
    });
    let repair = || is_repaired.store(true, Ordering::SeqCst);
    let log = assert_failures_are_reported(&scene, &tunnel, config(factory), "retried", repair);
    let retried = log.named("retried");
    assert!(retried[0].line.contains("on purpose"), "{retried:?}");
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_05_repeated_failures_to_save_are_reported() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    scene.emulator.fault(always(Fault::on(Action::Checkpoint)));
    let repair = || scene.emulator.clear_faults();
    let config = config(processed.factory());
    let log = assert_failures_are_reported(&scene, &tunnel, config, "save failed", repair);
    let failed = log.named("save failed");
    assert!(failed[0].line.contains("on purpose"), "{failed:?}");
    // The channel is released each time, without a checkpoint.
    assert_at_least_once(&scene, &processed);
}

#[test]
fn promise_05_channel_events_are_in_order_and_match_the_ledger() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(10));
    scene.base_rows(200);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let (processed, log) = (Processed::default(), EventLog::default());
    let running = scene.start(&tunnel, log.observe(config(processed.factory())));
    scene.put_rows(200);
    processed.wait_for_all(&scene);
    wait_until("the snapshot counts every record as done", || {
        running.daemon.snapshot().done.records == 400
    });
    let last = running.daemon.snapshot();
    let daemon = running.daemon.clone();
    assert!(running.close().is_clean());
    let events = log.all();
    let mut channels: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in &events {
        if let Some(channel) = &event.channel {
            channels.entry(channel).or_default().push(event);
        }
    }
    assert_eq!(channels.len(), 8);
    for (channel, events) in &channels {
        assert_in_order(channel, events);
    }
    let read = read_by_ledger(&scene);
    let sum = |name| -> u64 {
        let events = log.named(name);
        events.iter().map(|event| event.records as u64).sum()
    };
    assert_eq!(read, 400);
    assert_eq!((sum("read"), sum("done")), (read, read));
    assert_eq!((last.read.records, last.done.records), (read, read));
    assert!(last.read.bytes > 400 && last.read.batches >= 40, "{last:?}");
    // Closed channels still count in the totals.
    let after = daemon.snapshot();
    assert_eq!(after.channels, []);
    assert_eq!(after.done.records, read);
    let saves = scene.emulator.ledger();
    let saves = saves.events().iter();
    let saves = saves.filter(|event| matches!(event.kind, EventKind::Saved { .. }));
    assert_eq!(log.named("saved").len(), saves.count());
    assert_exactly_once(&scene, &processed);
}

/// The number of records read, according to the ledger.
fn read_by_ledger(scene: &Scene) -> u64 {
    let ledger = scene.emulator.ledger();
    let read = ledger.events().iter().map(|event| match event.kind {
        EventKind::Read { from, to, .. } => to - from,
        _ => 0,
    });
    read.sum()
}

/// Fails unless "opened" comes first, each batch is read before it is done, and
/// "closing" and "closed" come last.
fn assert_in_order(channel: &str, events: &[&Event]) {
    // A saved checkpoint may be reported slightly after the events that follow it.
    let events = events.iter().filter(|event| event.name != "saved");
    let events: Vec<_> = events.collect();
    let names: Vec<_> = events.iter().map(|event| event.name).collect();
    assert_eq!(names.first(), Some(&"opened"), "{channel}: {names:?}");
    assert_eq!(names.last(), Some(&"closed"), "{channel}: {names:?}");
    let position = |wanted| names.iter().position(|name| *name == wanted);
    let closing = position("closing").expect("closing");
    assert!(!names[closing..].contains(&"done"), "{channel}: {names:?}");
    for wanted in ["opened", "closing", "closed"] {
        let count = names.iter().filter(|name| **name == wanted).count();
        assert_eq!(count, 1, "{channel}: {wanted}");
    }
    let mut queued = Vec::new();
    for event in &events {
        match event.name {
            "read" => queued.insert(0, event.records),
            "done" => assert_eq!(queued.pop(), Some(event.records), "{channel}: {names:?}"),
            _ => {}
        }
    }
    let reason = events.last().and_then(|event| event.reason);
    let reason = reason.expect("a reason");
    let expected = match channel.starts_with("BaseData_") {
        true => CloseReason::Finished,
        false => CloseReason::Shutdown,
    };
    assert_eq!(reason, expected, "{channel}");
}

#[test]
fn promise_05_a_slow_or_panicking_observer_does_no_harm() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(20));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (processed, calls) = (Processed::default(), Arc::new(AtomicUsize::new(0)));
    let config = config(processed.factory()).observer({
        let calls = calls.clone();
        move |event: &WorkerEvent<'_>| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            if matches!(event.kind, WorkerEventKind::HeartbeatAnswered { .. }) {
                // This is far longer than the heartbeat interval.
                thread::park_timeout(10 * HEARTBEAT);
            }
            thread::park_timeout(Duration::from_millis(2));
            assert!(call % 2 == 0, "on purpose");
        }
    });
    let running = scene.start(&tunnel, config);
    scene.put_rows(400);
    processed.wait_for_all(&scene);
    assert_heartbeats_continue(&scene);
    assert!(running.close().is_clean());
    assert!(calls.load(Ordering::SeqCst) > 40);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_05_an_observer_may_call_any_method() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let daemon: Arc<OnceLock<TunnelWorkerDaemon>> = Arc::default();
    let incomplete = Arc::new(AtomicUsize::new(0));
    let config = config(processed.factory()).observer({
        let (daemon, incomplete) = (daemon.clone(), incomplete.clone());
        move |event: &WorkerEvent<'_>| {
            let daemon = daemon.wait();
            let is_ready = daemon.snapshot().state == WorkerState::Ready;
            if matches!(event.kind, WorkerEventKind::CheckpointSaved { .. })
                && !is_ready
                && !daemon.close().is_complete
            {
                incomplete.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let mut running = scene.start(&tunnel, config);
    daemon.set(running.daemon.clone()).expect("set once");
    scene.put_rows(10);
    running.join().expect("closed by its observer");
    assert!(
        incomplete.load(Ordering::SeqCst) > 0,
        "close waited for its own observer"
    );
    assert_exactly_once(&scene, &processed);
    assert_eq!(running.daemon.health(), Health::Dead);
}

#[test]
fn promise_05_a_lost_session_and_its_successor_are_reported() {
    let (scene, tunnel) = one_channel();
    let (processed, log) = (Processed::default(), EventLog::default());
    // The emulator reassigns the channel after the first client has timed out.
    let config = config(processed.factory()).heartbeat_timeout(Duration::from_secs(2));
    let running = scene.start(&tunnel, log.observe(config));
    scene.put_rows(20);
    processed.wait_for_all(&scene);
    let snapshot = running.daemon.snapshot();
    assert_eq!(snapshot.state, WorkerState::Working);
    assert_eq!((snapshot.reconnects, &snapshot.last_error), (0, &None));
    assert!(snapshot.heartbeat.answered_age.is_some());
    let first = snapshot.client_id.expect("client id");
    let heartbeat = Fault::on(Action::Heartbeat);
    let gone = heartbeat.fail(410, "OTSResourceGone", "on purpose");
    scene.emulator.fault(gone);
    wait_until("the daemon reconnects", || {
        running.daemon.snapshot().reconnects == 1
    });
    let between = running.daemon.snapshot();
    let error = between.last_error.expect("an error");
    assert!(error.contains("on purpose"), "{error}");
    wait_until("the observer is called", || {
        !log.named("reconnecting").is_empty()
    });
    let reconnecting = log.named("reconnecting");
    assert_eq!(reconnecting.len(), 1);
    assert!(
        reconnecting[0].line.contains("on purpose"),
        "{reconnecting:?}"
    );
    scene.put_rows(20);
    processed.wait_for_all(&scene);
    wait_until("the worker is healthy", || running.daemon.health().is_ok());
    let second = running.daemon.snapshot();
    assert_eq!(second.state, WorkerState::Working);
    assert_ne!(second.client_id.as_deref(), Some(&*first));
    let channel = &second.channels[0];
    let daemon = running.daemon.clone();
    assert_eq!(second.channel(&channel.channel_id), Some(channel));
    running.close();
    assert_eq!(daemon.snapshot().state, WorkerState::Ended);
    wait_until("both sessions are reported", || {
        log.named("connected").len() == 2
    });
    let closed = log.named("closed");
    let reasons: Vec<_> = closed.iter().filter_map(|event| event.reason).collect();
    assert_eq!(reasons, [CloseReason::Lost, CloseReason::Shutdown]);
    assert_at_least_once(&scene, &processed);
}

#[test]
fn promise_05_slow_heartbeats_show_as_degraded_health() {
    let (scene, tunnel) = one_channel();
    let (processed, log) = (Processed::default(), EventLog::default());
    let running = scene.start(&tunnel, log.observe(config(processed.factory())));
    wait_until("the worker is working", || {
        running.daemon.snapshot().state == WorkerState::Working
    });
    let target = Fault::on(Action::Heartbeat).times(3);
    scene.emulator.fault(target.delay(Duration::from_secs(1)));
    wait_until("health reports late heartbeats", || {
        matches!(running.daemon.health(), Health::Degraded { .. })
    });
    wait_until("the worker is healthy again", || {
        running.daemon.health().is_ok()
    });
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn snapshots_follow_the_life_of_a_worker() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let built = config(processed.factory()).build().expect("config");
    let worker = scene
        .client
        .new_tunnel_worker(&tunnel, &built)
        .expect("worker");
    assert_eq!(worker.snapshot().state, WorkerState::Ready);
    assert_eq!(worker.health(), Health::Ok);
    let handle = worker.clone();
    let thread = thread::spawn(move || handle.connect_and_working());
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    let snapshot = worker.snapshot();
    assert_eq!(snapshot.state, WorkerState::Working);
    assert_eq!(snapshot.tunnel_id, tunnel);
    wait_until("the token is saved", || {
        let channels = worker.snapshot().channels;
        channels[0].last_saved.is_some()
    });
    let saved = worker.snapshot().channels.remove(0).last_saved;
    let token = saved.expect("saved").token;
    let report = worker.shutdown(Duration::from_secs(10));
    assert_eq!(report.channels[0].last_saved.as_deref(), Some(&*token));
    thread.join().expect("no panic").expect("ends well");
    assert_eq!(worker.snapshot().state, WorkerState::Ended);
    assert_eq!(worker.health(), Health::Dead);
}

#[test]
fn promise_06_heartbeats_go_out_while_the_observer_blocks() {
    let (scene, tunnel) = one_channel();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = config(processed.factory()).observer(move |event: &WorkerEvent<'_>| {
        if matches!(event.kind, WorkerEventKind::HeartbeatAnswered { .. }) {
            gate.pass();
        }
    });
    let running = scene.start(&tunnel, config);
    scene.put_rows(30);
    keeper.0.wait_for_arrivals(1);
    scene.wait_for_ledger("ten heartbeats have been sent", |events| {
        let heartbeat = |event: &&EventKind| matches!(event, EventKind::Heartbeat { .. });
        events.iter().filter(heartbeat).count() >= 10
    });
    processed.wait_for_all(&scene);
    assert_heartbeats_continue(&scene);
    assert!(running.close().is_clean(), "close waited for the observer");
    drop(keeper);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_05_a_channel_waiting_for_a_permit_is_visible() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
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
    processed.wait_for_all(&scene);
    // Joined reads count as done as well.
    wait_until("both channels have caught up", || {
        let channels = running.daemon.snapshot().channels;
        channels.len() == 2 && channels.iter().all(|channel| channel.is_caught_up)
    });
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}
