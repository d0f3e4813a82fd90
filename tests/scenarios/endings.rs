//! Who may end a worker or a daemon, when, and what becomes of it.

use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    ChannelContext, ErrorCode, Record, SimpleProcessFactory, TunnelType, TunnelWorkerDaemon,
};

use crate::harness::{Gate, GateKeeper, Scene, Seen, config};
use crate::judge::{judge, judge_orderly};

/// A stream tunnel on a table of two partitions that reads 10 records at a time.
fn scene() -> (Scene, String) {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

fn daemon(scene: &Scene, tunnel: &str, factory: SimpleProcessFactory) -> TunnelWorkerDaemon {
    let config = config(factory).build().expect("config");
    TunnelWorkerDaemon::new(scene.client.clone(), tunnel, config)
}

#[test]
fn a_dropped_running_daemon_saves_what_it_has_done() {
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    for round in 1..=3 {
        let running = daemon(&scene, &tunnel, seen.factory()).spawn();
        let running = running.expect("a thread");
        // Other handles are no reason to go on, and none to stop.
        let other = running.daemon().clone();
        drop(running.daemon().clone());
        scene.put_rows(100);
        seen.wait_for("some more are seen", |seen| seen.len() >= round * 60);
        drop(running);
        assert!(other.close().is_clean(), "ended in order");
    }
    let running = daemon(&scene, &tunnel, seen.factory()).spawn();
    let running = running.expect("a thread");
    seen.wait_for_all(&scene);
    assert!(running.close().expect("run ends well").is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn a_dropped_running_daemon_waits_for_no_stuck_callback() {
    let (scene, tunnel) = scene();
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        gate.pass();
        Ok(())
    });
    let running = daemon(&scene, &tunnel, factory).spawn().expect("a thread");
    scene.put_rows(10);
    keeper.0.wait_for_arrivals(1);
    let dropping = Instant::now();
    drop(running);
    let took = dropping.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_daemon_runs_once_at_a_time_and_can_run_again_after_an_error() {
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let daemon = daemon(&scene, &tunnel, seen.factory());
    let running = daemon.spawn().expect("a thread");
    let second = daemon.run().expect_err("it runs already");
    assert_eq!(second.code(), &ErrorCode::ClientError);
    assert!(daemon.spawn().is_err());
    scene
        .emulator
        .fault(Fault::on(Action::Heartbeat).fail(403, "OTSAuthFailed", "no"));
    let error = running.join().expect_err("the session is refused");
    assert_eq!(error.code(), &ErrorCode::AuthFailed);
    let running = daemon.spawn().expect("the first one is over");
    scene.put_rows(50);
    seen.wait_for_all(&scene);
    assert!(running.close().expect("run ends well").is_clean());
    judge(&scene, &seen);
}

#[test]
fn promise_07_a_close_waits_for_callbacks_of_lost_channels_and_names_them() {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
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
    let mut running = scene.start(&tunnel, config(factory));
    scene.put_rows(5);
    keeper.0.wait_for_arrivals(1);
    let gone = Fault::on(Action::Heartbeat);
    scene
        .emulator
        .fault(gone.fail(410, "OTSResourceGone", "gone"));
    scene.wait_for_ledger("the session is lost", |events| {
        let failed = |e: &EventKind| matches!(e, EventKind::Answered { status: 410, .. });
        events.iter().any(failed)
    });
    let receipt = running.daemon.close_within(Duration::from_millis(300));
    assert!(!receipt.is_clean(), "its callback still runs: {receipt:?}");
    assert_eq!(receipt.abandoned().count(), 1, "{receipt:?}");
    assert_eq!(seen.len(), 0);
    thread::scope(|scope| {
        let closing = scope.spawn(|| running.daemon.close());
        drop(keeper);
        closing.join().expect("close");
    });
    assert_eq!(seen.len(), 5, "close returns after the callback");
    running.join().expect("run ends");
}

#[test]
fn a_worker_can_be_shut_down_at_any_time_and_by_many() {
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let config = config(seen.factory()).build().expect("config");
    let worker = |tunnel: &str| {
        let worker = scene.client.new_tunnel_worker(tunnel, &config);
        worker.expect("worker")
    };
    let second = Duration::from_secs(10);

    let unused = worker(&tunnel);
    let receipt = unused.shutdown(second);
    assert!(receipt.is_clean() && receipt.channels.is_empty());
    assert_eq!(unused.shutdown(Duration::ZERO), receipt);
    let error = unused.connect_and_working().expect_err("it was shut down");
    assert_eq!(error.code(), &ErrorCode::ClientError);

    let used = worker(&tunnel);
    thread::scope(|scope| {
        let working = scope.spawn(|| used.connect_and_working());
        scene.put_rows(100);
        seen.wait_for_all(&scene);
        let error = used.connect_and_working().expect_err("it is at work");
        assert_eq!(error.code(), &ErrorCode::ClientError);
        let closing: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| used.shutdown(second)))
            .collect();
        let receipts: Vec<_> = closing
            .into_iter()
            .map(|closing| closing.join().expect("shutdown"))
            .collect();
        assert!(receipts[0].is_clean());
        assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
        working.join().expect("no panic").expect("ends well");
        assert_eq!(used.shutdown(second), receipts[0], "after the end");
    });
    let error = used.connect_and_working().expect_err("it is used");
    assert_eq!(error.code(), &ErrorCode::ClientError);
    judge_orderly(&scene, &seen);
}

#[test]
fn a_close_ends_the_pause_before_connecting_again() {
    let (scene, tunnel) = scene();
    scene
        .emulator
        .fault(
            Fault::on(Action::Connect)
                .times(u64::MAX)
                .fail(410, "OTSResourceGone", "no"),
        );
    let running = scene.start(&tunnel, config(Seen::default().factory()));
    scene.wait_for_ledger("a connect was refused", |events| {
        let failed = |e: &EventKind| matches!(e, EventKind::Answered { status: 410, .. });
        events.iter().any(failed)
    });
    let closing = Instant::now();
    assert!(running.close().is_clean());
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_close_ends_a_connect_on_its_way() {
    let (scene, tunnel) = scene();
    let slow = Fault::on(Action::Connect).delay(Duration::from_secs(5));
    scene.emulator.fault(slow);
    let running = scene.start(&tunnel, config(Seen::default().factory()));
    scene.wait_for_ledger("the connect is there", |events| !events.is_empty());
    let closing = Instant::now();
    assert!(running.close().is_clean());
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_shutdown_without_time_ends_at_once() {
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let mut running = scene.start(&tunnel, config(seen.factory()));
    scene.put_rows(300);
    seen.wait_for("some are seen", |seen| !seen.is_empty());
    let slow = Fault::on(Action::Heartbeat).times(u64::MAX);
    scene.emulator.fault(slow.delay(Duration::from_secs(5)));
    let closing = Instant::now();
    running.daemon.close_within(Duration::ZERO);
    running.join().expect("run ends");
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
