//! Tests how workers and daemons end: closing, dropping, errors and shutdown from
//! several threads.

use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    ChannelContext, ErrorCode, Record, SimpleProcessFactory, TunnelType, TunnelWorkerDaemon,
};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Gate, GateKeeper, Processed, Scene, config};

/// A stream tunnel on a table of two partitions. Each read returns 10 records.
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
fn dropping_a_running_daemon_saves_its_progress() {
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    for round in 1..=3 {
        let running = daemon(&scene, &tunnel, processed.factory()).spawn();
        let running = running.expect("a thread");
        // Other handles neither keep the daemon running nor stop it when dropped.
        let other = running.daemon().clone();
        drop(running.daemon().clone());
        scene.put_rows(100);
        processed.wait_for("more records are processed", |processed| {
            processed.len() >= round * 60
        });
        drop(running);
        assert!(other.close().is_clean(), "the daemon did not end cleanly");
    }
    let running = daemon(&scene, &tunnel, processed.factory()).spawn();
    let running = running.expect("a thread");
    processed.wait_for_all(&scene);
    assert!(running.close().expect("run ends well").is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn dropping_a_running_daemon_does_not_wait_for_a_stuck_callback() {
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
fn a_daemon_rejects_a_second_run_and_can_run_again_after_an_error() {
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let daemon = daemon(&scene, &tunnel, processed.factory());
    let running = daemon.spawn().expect("a thread");
    let second = daemon.run().expect_err("the daemon is running");
    assert_eq!(second.code(), &ErrorCode::ClientError);
    assert!(daemon.spawn().is_err());
    scene
        .emulator
        .fault(Fault::on(Action::Heartbeat).fail(403, "OTSPermissionDenied", "no"));
    let error = running.join().expect_err("the session is rejected");
    assert_eq!(error.code(), &ErrorCode::PermissionDenied);
    let running = daemon.spawn().expect("the first run has ended");
    scene.put_rows(50);
    processed.wait_for_all(&scene);
    assert!(running.close().expect("run ends well").is_clean());
    assert_at_least_once(&scene, &processed);
}

#[test]
fn promise_07_closing_waits_for_callbacks_of_lost_channels_and_reports_them() {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
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
    let report = running.daemon.close_within(Duration::from_millis(300));
    assert!(
        !report.is_clean(),
        "the callback is still running: {report:?}"
    );
    assert_eq!(report.abandoned().count(), 1, "{report:?}");
    assert_eq!(processed.len(), 0);
    thread::scope(|scope| {
        let closing = scope.spawn(|| running.daemon.close());
        drop(keeper);
        closing.join().expect("close");
    });
    assert_eq!(processed.len(), 5, "close returned before the callback");
    running.join().expect("run ends");
}

#[test]
fn a_worker_can_be_shut_down_at_any_time_by_many_threads() {
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let config = config(processed.factory()).build().expect("config");
    let worker = |tunnel: &str| {
        let worker = scene.client.new_tunnel_worker(tunnel, &config);
        worker.expect("worker")
    };
    let timeout = Duration::from_secs(10);

    let unused = worker(&tunnel);
    let report = unused.shutdown(timeout);
    assert!(report.is_clean() && report.channels.is_empty());
    assert_eq!(unused.shutdown(Duration::ZERO), report);
    let error = unused
        .connect_and_working()
        .expect_err("the worker was shut down");
    assert_eq!(error.code(), &ErrorCode::ClientError);

    let used = worker(&tunnel);
    thread::scope(|scope| {
        let working = scope.spawn(|| used.connect_and_working());
        scene.put_rows(100);
        processed.wait_for_all(&scene);
        let error = used
            .connect_and_working()
            .expect_err("the worker is running");
        assert_eq!(error.code(), &ErrorCode::ClientError);
        let closing: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| used.shutdown(timeout)))
            .collect();
        let reports: Vec<_> = closing
            .into_iter()
            .map(|closing| closing.join().expect("shutdown"))
            .collect();
        assert!(reports[0].is_clean());
        assert!(reports.iter().all(|report| *report == reports[0]));
        working.join().expect("no panic").expect("ends well");
        assert_eq!(used.shutdown(timeout), reports[0], "after the end");
    });
    let error = used
        .connect_and_working()
        .expect_err("the worker has already run");
    assert_eq!(error.code(), &ErrorCode::ClientError);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn closing_ends_the_pause_before_a_reconnect() {
    let (scene, tunnel) = scene();
    scene
        .emulator
        .fault(
            Fault::on(Action::Connect)
                .times(u64::MAX)
                .fail(410, "OTSResourceGone", "no"),
        );
    let running = scene.start(&tunnel, config(Processed::default().factory()));
    scene.wait_for_ledger("a connect was rejected", |events| {
        let failed = |e: &EventKind| matches!(e, EventKind::Answered { status: 410, .. });
        events.iter().any(failed)
    });
    let closing = Instant::now();
    assert!(running.close().is_clean());
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn closing_cancels_a_connect_in_flight() {
    let (scene, tunnel) = scene();
    let slow = Fault::on(Action::Connect).delay(Duration::from_secs(5));
    scene.emulator.fault(slow);
    let running = scene.start(&tunnel, config(Processed::default().factory()));
    scene.wait_for_ledger("the connect has been received", |events| !events.is_empty());
    let closing = Instant::now();
    assert!(running.close().is_clean());
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_shutdown_with_a_zero_timeout_ends_immediately() {
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let mut running = scene.start(&tunnel, config(processed.factory()));
    scene.put_rows(300);
    processed.wait_for("some records are processed", |processed| {
        !processed.is_empty()
    });
    let slow = Fault::on(Action::Heartbeat).times(u64::MAX);
    scene.emulator.fault(slow.delay(Duration::from_secs(5)));
    let closing = Instant::now();
    running.daemon.close_within(Duration::ZERO);
    running.join().expect("run ends");
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
