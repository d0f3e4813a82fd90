//! Promise 4: once a channel is known to be lost, no callback begins and
//! nothing is saved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault, Notice};
use tablestore_tunnel::{
    ChannelContext, ErrorCode, ProcessorHandle, Record, SimpleProcessFactory, TunnelType,
};
use time::OffsetDateTime;

use crate::harness::{Scene, Seen, config, wait_until};
use crate::judge::judge;

/// A stream tunnel on one partition that reads 10 records at a time.
fn scene() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

fn beats(scene: &Scene) -> usize {
    let ledger = scene.emulator.ledger();
    let is_beat = |kind: &EventKind| matches!(kind, EventKind::Heartbeat { .. });
    ledger.events().iter().filter(|e| is_beat(&e.kind)).count()
}

fn saves(scene: &Scene) -> usize {
    let ledger = scene.emulator.ledger();
    let is_save = |kind: &EventKind| matches!(kind, EventKind::Saved { .. });
    ledger.events().iter().filter(|e| is_save(&e.kind)).count()
}

/// What a callback left for the test to try.
type Kept = Arc<Mutex<Option<(ProcessorHandle, String)>>>;

/// Deals with the first batch at once; the second returns `Ok` as soon as its
/// channel is being closed. Counts what begins.
fn second_waits_for_the_loss(
    begun: &Arc<AtomicUsize>,
    kept: &Kept,
    seen: &Seen,
) -> SimpleProcessFactory {
    let (begun, kept, seen) = (begun.clone(), kept.clone(), seen.clone());
    SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        if begun.fetch_add(1, Ordering::SeqCst) == 1 {
            let handle = (ctx.processor().clone(), ctx.next_token().to_owned());
            *kept.lock().expect("kept") = Some(handle);
            while !ctx.is_closing() {
                thread::park_timeout(Duration::from_millis(1));
            }
            wait_until("the loss is known", || !ctx.may_checkpoint());
        }
        seen.note(ctx, records)
    })
}

#[test]
fn promise_04_nothing_begins_and_nothing_is_saved_when_the_service_took_the_channel() {
    for notice in [Notice::Missing, Notice::Close, Notice::Terminated] {
        let (scene, tunnel) = scene();
        let (begun, kept, seen) = (Arc::default(), Kept::default(), Seen::default());
        let shut = Arc::new(AtomicUsize::new(0));
        let factory = second_waits_for_the_loss(&begun, &kept, &seen).shutdown({
            let shut = shut.clone();
            move |ctx: &ChannelContext| {
                assert!(!ctx.may_checkpoint());
                shut.fetch_add(1, Ordering::SeqCst);
            }
        });
        let running = scene.start(&tunnel, config(factory));
        scene.put_rows(50);
        wait_until(
            "the first batch is saved, the second is in its callback",
            || saves(&scene) == 1 && begun.load(Ordering::SeqCst) == 2,
        );
        let fault = Fault::on(Action::Heartbeat).times(u64::MAX);
        scene.emulator.fault(fault.take_all(notice));
        wait_until("the channel is shut down", || {
            shut.load(Ordering::SeqCst) == 1
        });
        let late = beats(&scene) + 5;
        wait_until("some time has passed", || beats(&scene) >= late);
        assert_eq!(
            begun.load(Ordering::SeqCst),
            2,
            "{notice:?}: batches lay ready"
        );
        assert_eq!(
            saves(&scene),
            1,
            "{notice:?}: the second batch had returned Ok"
        );
        let (handle, token) = kept.lock().expect("kept").take().expect("a handle");
        let error = handle.commit_token(&token).expect_err("it is not ours");
        assert_eq!(error.code(), &ErrorCode::ChannelLost);
        assert_eq!(saves(&scene), 1, "nothing was sent");
        scene.emulator.clear_faults();
        seen.wait_for_all(&scene);
        running.close();
        judge(&scene, &seen);
    }
}

#[test]
fn promise_04_nothing_begins_and_nothing_is_saved_after_the_heartbeat_timeout() {
    let (scene, tunnel) = scene();
    let timeout = Duration::from_secs(1);
    let began: Arc<Mutex<Vec<OffsetDateTime>>> = Arc::default();
    let seen = Seen::default();
    let factory = SimpleProcessFactory::new({
        let (began, seen) = (began.clone(), seen.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            began.lock().expect("began").push(OffsetDateTime::now_utc());
            thread::park_timeout(Duration::from_millis(10));
            seen.note(ctx, records)
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
        seen.wait_for_all(&scene);
        // No heartbeat comes through any more; everything else does.
        let unreachable = Fault::on(Action::Heartbeat).times(u64::MAX);
        scene.emulator.fault(unreachable.reset());
        scene.put_rows(10_000);
        let error = working.join().expect("no panic").expect_err("lost");
        assert_eq!(error.code(), &ErrorCode::ResourceGone);
    });
    let ledger = scene.emulator.ledger();
    let last = |is_wanted: fn(&EventKind) -> bool| {
        let last = ledger.events().iter().rfind(|e| is_wanted(&e.kind));
        last.expect("one").time
    };
    let beat = last(|kind| matches!(kind, EventKind::Heartbeat { .. }));
    // It was sent before it was answered. On a machine under load a thread may
    // rest between its look at the clock and ours; without the promise they
    // would go on for ten seconds.
    let end = beat + timeout + Duration::from_millis(700);
    let callbacks = began.lock().expect("began").clone();
    assert!(
        callbacks.iter().all(|at| *at < end),
        "a callback began late"
    );
    assert!(last(|kind| matches!(kind, EventKind::Saved { .. })) < end);
    // It did go on as long as it was allowed to.
    assert!(callbacks.len() > 5, "{}", callbacks.len());
}
