//! Tests the worker with an unreliable network and service.

use std::time::Duration;

use tablestore_emulator::{Action, Emulator, Fault};
use tablestore_tunnel::TunnelType;

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Processed, Scene, config};

/// Consumes base data and a stream while `faults` happen.
fn consume_with(faults: impl IntoIterator<Item = Fault>) -> (Scene, Processed) {
    let scene = Scene::with(3, Emulator::builder().batch_rows(40));
    scene.base_rows(600);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    faults
        .into_iter()
        .for_each(|fault| scene.emulator.fault(fault));
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    scene.put_rows(600);
    (0..50).for_each(|n| scene.change_row(n));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    (scene, processed)
}

#[test]
fn an_overloaded_service_loses_and_repeats_nothing() {
    let unavailable = |action, nth| {
        let target = Fault::on(action).nth(nth).times(2);
        target.fail(503, "OTSTunnelServerUnavailable", "try later")
    };
    let (scene, processed) = consume_with([
        unavailable(Action::Connect, 1),
        unavailable(Action::Heartbeat, 2),
        unavailable(Action::GetCheckpoint, 2),
        unavailable(Action::ReadRecords, 3),
        unavailable(Action::ReadRecords, 20),
        unavailable(Action::Checkpoint, 2),
        unavailable(Action::Checkpoint, 8),
    ]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn connection_resets_lose_and_repeat_nothing() {
    let (scene, processed) = consume_with([
        Fault::on(Action::Connect).reset(),
        Fault::on(Action::Heartbeat).nth(2).reset(),
        Fault::on(Action::GetCheckpoint).nth(2).reset(),
        Fault::on(Action::ReadRecords).nth(4).times(3).reset(),
        Fault::on(Action::ReadRecords).nth(15).close(),
        Fault::on(Action::Checkpoint).nth(3).reset(),
    ]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn truncated_bodies_lose_and_repeat_nothing() {
    let (scene, processed) = consume_with([
        Fault::on(Action::Heartbeat).nth(2).cut(),
        Fault::on(Action::GetCheckpoint).nth(2).cut(),
        Fault::on(Action::ReadRecords).nth(2).times(2).cut(),
        Fault::on(Action::ReadRecords).nth(12).cut(),
    ]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_lost_checkpoint_response_is_repaired() {
    let (scene, processed) = consume_with([
        Fault::on(Action::Checkpoint).nth(2).after().reset(),
        Fault::on(Action::Checkpoint).nth(5).after().close(),
        Fault::on(Action::Checkpoint).nth(9).cut(),
    ]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn an_undecodable_response_loses_nothing() {
    let (scene, processed) = consume_with([
        Fault::on(Action::ReadRecords).nth(3).garbage(),
        Fault::on(Action::GetCheckpoint).nth(5).garbage(),
    ]);
    assert_at_least_once(&scene, &processed);
}

#[test]
fn a_sequence_number_mismatch_is_repaired() {
    let mismatch = |nth| {
        let target = Fault::on(Action::Checkpoint).nth(nth);
        target.fail(400, "OTSSequenceNumberNotMatch", "number already used")
    };
    let (scene, processed) = consume_with([mismatch(1), mismatch(4)]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_session_forgotten_by_the_service_is_replaced() {
    let (scene, processed) = consume_with([Fault::on(Action::Heartbeat).nth(4).fail(
        410,
        "OTSResourceGone",
        "unknown client",
    )]);
    assert_at_least_once(&scene, &processed);
}

#[test]
fn a_slow_response_does_not_delay_other_channels() {
    let (scene, processed) = consume_with([
        Fault::on(Action::ReadRecords)
            .nth(2)
            .delay(Duration::from_secs(1)),
        Fault::on(Action::GetCheckpoint)
            .nth(1)
            .delay(Duration::from_secs(1)),
        Fault::on(Action::Heartbeat)
            .nth(3)
            .delay(Duration::from_secs(1)),
    ]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn fatal_errors_end_the_daemon() {
    for (status, code) in [
        (400, "OTSParameterInvalid"),
        (400, "OTSTunnelExpired"),
        (403, "OTSPermissionDenied"),
    ] {
        let scene = Scene::new(1);
        let tunnel = scene.tunnel(TunnelType::Stream);
        scene
            .emulator
            .fault(Fault::on(Action::Heartbeat).nth(2).fail(status, code, "no"));
        let mut running = scene.start(&tunnel, config(Processed::default().factory()));
        let error = running.join().expect_err("run ends");
        assert_eq!(error.code().as_str(), code);
        assert_eq!(error.http_status(), Some(status));
        assert!(error.request_id().is_some());
    }
}

#[test]
fn a_trimmed_log_is_reported_as_expired() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.emulator.fault(Fault::on(Action::ReadRecords).fail(
        503,
        "OTSTunnelServerUnavailable",
        "OTSTrimmedDataAccess Requested stream data is already trimmed or does not exist.",
    ));
    let mut running = scene.start(&tunnel, config(Processed::default().factory()));
    let error = running.join().expect_err("run ends");
    assert_eq!(error.code().as_str(), "OTSTunnelExpired");
}

#[test]
fn an_unknown_tunnel_ends_the_daemon_immediately() {
    let scene = Scene::new(1);
    let unknown = "9933470d-8a5e-4972-a5b0-b7ae6f836460";
    let mut running = scene.start(unknown, config(Processed::default().factory()));
    let error = running.join().expect_err("no such tunnel");
    assert_eq!(error.code().as_str(), "OTSParameterInvalid");
}
