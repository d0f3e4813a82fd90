//! Tests promise 4: after a channel is known to be lost, no callback starts and
//! no checkpoint is saved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault, Notice};
use tablestore_tunnel::{
    ChannelContext, ErrorCode, ProcessorHandle, Record, SimpleProcessFactory, TunnelType,
};
use time::OffsetDateTime;

use crate::checks::assert_at_least_once;
use crate::harness::{Processed, Scene, config, wait_until};

/// A stream tunnel on a table of one partition. Each read returns 10 records.
fn scene() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

fn heartbeats(scene: &Scene) -> usize {
    let ledger = scene.emulator.ledger();
    let is_heartbeat = |kind: &EventKind| matches!(kind, EventKind::Heartbeat { .. });
    ledger
        .events()
        .iter()
        .filter(|e| is_heartbeat(&e.kind))
        .count()
}

fn saves(scene: &Scene) -> usize {
    let ledger = scene.emulator.ledger();
    let is_save = |kind: &EventKind| matches!(kind, EventKind::Saved { .. });
    ledger.events().iter().filter(|e| is_save(&e.kind)).count()
}

/// A handle and a token that a callback has kept, for a late commit.
type KeptCommit = Arc<Mutex<Option<(ProcessorHandle, String)>>>;

/// A callback that processes the first batch immediately, and returns `Ok` for the
/// second batch only when its channel is being closed. `calls` counts the calls.
fn second_batch_waits_for_the_loss(
    calls: &Arc<AtomicUsize>,
    kept: &KeptCommit,
    processed: &Processed,
) -> SimpleProcessFactory {
    let (calls, kept, processed) = (calls.clone(), kept.clone(), processed.clone());
    SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        if calls.fetch_add(1, Ordering::SeqCst) == 1 {
            let commit = (ctx.processor().clone(), ctx.next_token().to_owned());
            *kept.lock().expect("kept") = Some(commit);
            while !ctx.is_closing() {
                thread::park_timeout(Duration::from_millis(1));
            }
            wait_until("the loss is known", || !ctx.may_checkpoint());
        }
        processed.add(ctx, records)
    })
}

#[test]
fn promise_04_a_channel_taken_by_the_service_runs_no_callback_and_saves_nothing() {
    for notice in [Notice::Missing, Notice::Close, Notice::Terminated] {
        let (scene, tunnel) = scene();
        let (calls, kept, processed) =
            (Arc::default(), KeptCommit::default(), Processed::default());
        let shutdowns = Arc::new(AtomicUsize::new(0));
        let factory = second_batch_waits_for_the_loss(&calls, &kept, &processed).shutdown({
            let shutdowns = shutdowns.clone();
            move |ctx: &ChannelContext| {
                assert!(!ctx.may_checkpoint());
                shutdowns.fetch_add(1, Ordering::SeqCst);
            }
        });
        let running = scene.start(&tunnel, config(factory));
        scene.put_rows(50);
        wait_until(
            "the first batch is saved and the second is in its callback",
            || saves(&scene) == 1 && calls.load(Ordering::SeqCst) == 2,
        );
        let fault = Fault::on(Action::Heartbeat).times(u64::MAX);
        scene.emulator.fault(fault.take_all(notice));
        wait_until("the channel is shut down", || {
            shutdowns.load(Ordering::SeqCst) == 1
        });
        let late = heartbeats(&scene) + 5;
        wait_until("five more heartbeats have been sent", || {
            heartbeats(&scene) >= late
        });
        assert_eq!(
            calls.load(Ordering::SeqCst),
            2,
            "{notice:?}: another callback started"
        );
        assert_eq!(
            saves(&scene),
            1,
            "{notice:?}: the second batch was saved after the loss"
        );
        let (handle, token) = kept.lock().expect("kept").take().expect("a handle");
        let error = handle
            .commit_token(&token)
            .expect_err("the channel is lost");
        assert_eq!(error.code(), &ErrorCode::ChannelLost);
        assert_eq!(saves(&scene), 1, "the late commit was sent");
        scene.emulator.clear_faults();
        processed.wait_for_all(&scene);
        running.close();
        assert_at_least_once(&scene, &processed);
    }
}

#[test]
fn promise_04_after_the_heartbeat_timeout_no_callback_runs_and_nothing_is_saved() {
    let (scene, tunnel) = scene();
    let timeout = Duration::from_secs(1);
    let starts: Arc<Mutex<Vec<OffsetDateTime>>> = Arc::default();
    let processed = Processed::default();
    let factory = SimpleProcessFactory::new({
        let (starts, processed) = (starts.clone(), processed.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            starts
                .lock()
                .expect("starts")
                .push(OffsetDateTime::now_utc());
            thread::park_timeout(Duration::from_millis(10));
            processed.add(ctx, records)
        }
    });
    let config = config(factory).heartbeat_timeout(timeout).build();
    let worker = scene
        .client
        .new_tunnel_worker(&tunnel, &config.expect("config"));
    let worker = worker.expect("worker");
    thread::scope(|scope| {
        let working = scope.spawn(|| worker.connect_and_working());
        scene.put_rows(20);
        processed.wait_for_all(&scene);
        // From now on heartbeats fail, and all other requests succeed.
        let unreachable = Fault::on(Action::Heartbeat).times(u64::MAX);
        scene.emulator.fault(unreachable.reset());
        scene.put_rows(10_000);
        let error = working.join().expect("no panic").expect_err("lost");
        assert_eq!(error.code(), &ErrorCode::ResourceGone);
    });
    let ledger = scene.emulator.ledger();
    let last = |is_wanted: fn(&EventKind) -> bool| {
        let last = ledger.events().iter().rfind(|e| is_wanted(&e.kind));
        last.expect("an event").time
    };
    let last_heartbeat = last(|kind| matches!(kind, EventKind::Heartbeat { .. }));
    // The heartbeat was sent before the emulator answered it. On a machine under
    // load, a thread may also pause after it has checked the clock. Without the
    // promise, callbacks would continue for ten seconds.
    let end = last_heartbeat + timeout + Duration::from_millis(700);
    let callbacks = starts.lock().expect("starts").clone();
    assert!(
        callbacks.iter().all(|time| *time < end),
        "a callback started after the timeout"
    );
    assert!(last(|kind| matches!(kind, EventKind::Saved { .. })) < end);
    // Callbacks did continue until the timeout.
    assert!(callbacks.len() > 5, "{}", callbacks.len());
}
