//! The failure policy over a socket: what each failure costs, in each request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Emulator, EventKind, Fault, Rule};
use tablestore_tunnel::{
    Credentials, CredentialsError, ErrorCode, Health, TunnelClient, TunnelConfig, TunnelType,
    TunnelWorkerConfig, TunnelWorkerConfigBuilder, TunnelWorkerDaemon,
};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{HEARTBEAT, MAX_WAIT, Processed, Running, Scene, client, config, wait_until};

type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// Failures that pass, as the service or something in between answers.
const PASSING: [(u16, &str); 9] = [
    (503, "OTSTunnelServerUnavailable"),
    (503, "OTSServerBusy"),
    (503, "OTSTimeout"),
    (500, "OTSInternalServerError"),
    (503, "OTSSomethingNew"),
    (400, "OTSSomethingNew"),
    (429, "OTSSomethingNew"),
    (408, "OTSSomethingNew"),
    (502, "OTSClientError"),
];

/// A configuration as [`config`] makes it, with another checkpoint interval.
fn saving_every(interval: Duration, processed: &Processed) -> TunnelWorkerConfigBuilder {
    let factory = processed.factory().checkpoint_interval(interval);
    TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(MAX_WAIT)
        .closing_channel_detect(false)
        .client_tag("test")
        .pool_threads(4)
}

/// How often clients have connected.
fn connects(scene: &Scene) -> usize {
    let ledger = scene.emulator.ledger();
    let connected = |kind: &EventKind| matches!(kind, EventKind::Connected { .. });
    ledger
        .events()
        .iter()
        .filter(|e| connected(&e.kind))
        .count()
}

/// How often each action was requested.
fn counts(scene: &Scene) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in scene.emulator.ledger().events() {
        if let EventKind::Received { action, .. } = &event.kind {
            *counts.entry(format!("{action:?}")).or_default() += 1;
        }
    }
    counts
}

/// A worker with two channels that processes rows while requests of one action fail, and
/// nothing but time is lost: no session, no record twice.
fn costs_nothing_but_time(action: Action, name: &str, fault: impl Fn() -> Fault) {
    let scene = Scene::new(2);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    // Longer than any fault here, so that the lease holds.
    let config = config(processed.factory()).heartbeat_timeout(MAX_WAIT);
    if action != Action::Connect {
        let running = scene.start(&tunnel, config);
        scene.put_rows(20);
        processed.wait_for_all(&scene);
        scene.emulator.fault(fault());
        scene.put_rows(20);
        processed.wait_for_all(&scene);
        scene.put_rows(20);
        processed.wait_for_all(&scene);
        assert_eq!(running.daemon.snapshot().reconnects, 0, "{action:?} {name}");
        assert!(running.close().is_clean(), "{action:?} {name}");
    } else {
        scene.emulator.fault(fault());
        let running = scene.start(&tunnel, config);
        scene.put_rows(20);
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean(), "{action:?} {name}");
    }
    assert_eq!(connects(&scene), 1, "{action:?} {name}");
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_13_no_failure_that_passes_costs_the_session_or_a_repeat() {
    std::thread::scope(|scope| {
        for action in [
            Action::Heartbeat,
            Action::ReadRecords,
            Action::GetCheckpoint,
            Action::Checkpoint,
        ] {
            scope.spawn(move || {
                for (status, code) in PASSING {
                    costs_nothing_but_time(action, code, || {
                        Fault::on(action).times(2).fail(status, code, "for now")
                    });
                }
                costs_nothing_but_time(action, "garbage", || Fault::on(action).times(2).garbage());
                costs_nothing_but_time(action, "reset", || Fault::on(action).times(2).reset());
                costs_nothing_but_time(action, "close", || Fault::on(action).times(2).close());
            });
        }
    });
}

#[test]
fn promise_13_a_rejected_key_and_a_redirect_do_not_cost_a_session_whose_lease_holds() {
    for (status, code) in [
        (403, "OTSAuthFailed"),
        (401, "OTSSomethingNew"),
        (403, "OTSSomethingNew"),
        (302, "OTSSomethingNew"),
    ] {
        let fault = || {
            Fault::on(Action::Heartbeat)
                .times(2)
                .fail(status, code, "for now")
        };
        costs_nothing_but_time(Action::Heartbeat, code, fault);
    }
    for action in [
        Action::ReadRecords,
        Action::GetCheckpoint,
        Action::Checkpoint,
    ] {
        let fault = || {
            Fault::on(action)
                .times(2)
                .fail(403, "OTSAuthFailed", "for now")
        };
        costs_nothing_but_time(action, "OTSAuthFailed", fault);
    }
}

#[test]
fn a_daemon_goes_on_connecting_through_failures_that_pass() {
    for (status, code) in PASSING {
        let fault = || Fault::on(Action::Connect).fail(status, code, "for now");
        costs_nothing_but_time(Action::Connect, code, fault);
    }
    let fault = || Fault::on(Action::Connect).fail(302, "OTSSomethingNew", "elsewhere");
    costs_nothing_but_time(Action::Connect, "a redirect", fault);
}

/// Runs a daemon whose first request gets this answer; the error that ends it.
fn first_connect(status: u16, code: &str) -> ErrorCode {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let fault = Fault::on(Action::Connect).times(u64::MAX);
    scene.emulator.fault(fault.fail(status, code, "no"));
    let mut running = scene.start(&tunnel, config(Processed::default().factory()));
    let error = running.join().expect_err("run ends");
    assert_eq!(counts(&scene)["Connect"], 1);
    error.code().clone()
}

#[test]
fn what_cannot_pass_ends_a_daemon_on_its_first_connect() {
    for (status, code) in [
        (400, "OTSParameterInvalid"),
        (403, "OTSPermissionDenied"),
        (400, "OTSTunnelExpired"),
        (403, "OTSAuthFailed"),
        (403, "OTSSomethingNew"),
        (401, "OTSSomethingNew"),
    ] {
        assert_eq!(first_connect(status, code).as_str(), code);
    }
}

#[test]
fn a_rejected_key_ends_a_daemon_that_was_connected_only_after_the_heartbeat_timeout() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let timeout = Duration::from_secs(2);
    let processed = Processed::default();
    let config = config(processed.factory()).heartbeat_timeout(timeout);
    let mut running = scene.start(&tunnel, config);
    scene.put_rows(5);
    processed.wait_for_all(&scene);
    let began = Instant::now();
    let refused = Fault::on(Action::Connect).times(u64::MAX);
    scene
        .emulator
        .fault(refused.fail(403, "OTSAuthFailed", "no"));
    let gone = Fault::on(Action::Heartbeat);
    scene
        .emulator
        .fault(gone.fail(410, "OTSResourceGone", "gone"));
    let error = running.join().expect_err("the key stays rejected");
    assert_eq!(error.code(), &ErrorCode::AuthFailed);
    assert!(began.elapsed() >= timeout, "{:?}", began.elapsed());
    assert!(counts(&scene)["Connect"] >= 3);
}

/// A client whose provider does as `provide` says from the given call on.
fn client_with(
    scene: &Scene,
    provide: impl Fn(usize, Credentials) -> Result<Credentials, ProviderError> + Send + Sync + 'static,
) -> TunnelClient {
    let emulator = &scene.emulator;
    let key = Credentials::new(emulator.access_key_id(), emulator.access_key_secret());
    let calls = AtomicUsize::new(0);
    let provider = move || provide(calls.fetch_add(1, Ordering::SeqCst), key.clone());
    let (endpoint, instance) = (emulator.endpoint(), emulator.instance());
    TunnelClient::with_config(endpoint, instance, provider, TunnelConfig::new()).expect("a client")
}

#[test]
fn promise_13_a_provider_that_fails_or_panics_for_a_while_costs_nothing_but_time() {
    let scene = Scene::new(2);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let client = client_with(&scene, |call, key| match call % 7 {
        3 => Err("no keys just now".into()),
        5 => panic!("no keys just now"),
        _ => Ok(key),
    });
    let config = config(processed.factory()).heartbeat_timeout(MAX_WAIT);
    let config = config.build().expect("a config");
    let daemon = TunnelWorkerDaemon::new(client, tunnel, config);
    let running = daemon.spawn().expect("a thread");
    for _ in 0..10 {
        scene.put_rows(20);
        processed.wait_for_all(&scene);
    }
    assert_eq!(daemon.snapshot().reconnects, 0);
    assert!(running.close().expect("ends well").is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_provider_that_never_will_ends_a_daemon_on_its_first_connect_only() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let never = || -> Result<Credentials, ProviderError> {
        Err(CredentialsError::permanent("no role").into())
    };
    let new = |client, processed: &Processed| {
        let config = config(processed.factory()).heartbeat_timeout(MAX_WAIT);
        TunnelWorkerDaemon::new(client, tunnel.clone(), config.build().expect("a config"))
    };
    let processed = Processed::default();
    let error = new(client_with(&scene, move |_, _| never()), &processed).run();
    assert!(format!("{:?}", error.expect_err("final")).contains("no role"));

    let client = client_with(&scene, move |call, key| match call {
        5..10 => never(),
        _ => Ok(key),
    });
    let running = new(client, &processed).spawn().expect("a thread");
    scene.put_rows(20);
    processed.wait_for_all(&scene);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_provider_may_close_the_daemon_that_asks_it() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let closes: Arc<std::sync::OnceLock<TunnelWorkerDaemon>> = Arc::default();
    let client = client_with(&scene, {
        let closes = closes.clone();
        move |call, key| {
            if let (Some(daemon), true) = (closes.get(), call > 4) {
                daemon.close();
            }
            Ok(key)
        }
    });
    let config = config(Processed::default().factory());
    let daemon = TunnelWorkerDaemon::new(client, tunnel, config.build().expect("a config"));
    closes.set(daemon.clone()).expect("once");
    daemon.run().expect("it was closed");
}

#[test]
fn promise_14_a_session_that_we_end_is_given_back_with_its_progress_saved() {
    let scene = Scene::new(2);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    // No save by the interval.
    let config = || saving_every(MAX_WAIT, &processed);
    let mut running = scene.start(&tunnel, config());
    scene.put_rows(40);
    processed.wait_for_all(&scene);
    let refused = Fault::on(Action::Heartbeat);
    scene
        .emulator
        .fault(refused.fail(403, "OTSPermissionDenied", "no"));
    let error = running.join().expect_err("final");
    assert_eq!(error.code(), &ErrorCode::PermissionDenied);
    assert_eq!(counts(&scene)["Shutdown"], 1);
    // Another worker owns the channels long before the timeout, and repeats nothing.
    let began = Instant::now();
    let next = scene.start(&tunnel, config());
    scene.put_rows(20);
    processed.wait_for_all(&scene);
    assert!(began.elapsed() < MAX_WAIT / 2);
    assert!(next.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_15_an_outage_and_its_end_are_visible() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let config = config(processed.factory()).heartbeat_timeout(MAX_WAIT);
    let running = scene.start(&tunnel, config);
    scene.put_rows(5);
    processed.wait_for_all(&scene);
    let busy = || Fault::on(Action::ReadRecords).times(u64::MAX);
    scene
        .emulator
        .fault(busy().fail(503, "OTSServerBusy", "busy"));
    let failing = |running: &Running| {
        let snapshot = running.daemon.snapshot();
        snapshot.channels[0].failures.failing_for.is_some()
    };
    wait_until("the snapshot shows the outage", || failing(&running));
    scene.emulator.clear_faults();
    wait_until("the snapshot shows its end", || !failing(&running));

    let busy = Fault::on(Action::Heartbeat).times(u64::MAX);
    scene
        .emulator
        .fault(busy.fail(503, "OTSServerBusy", "busy"));
    wait_until("health shows that heartbeats fail", || {
        matches!(running.daemon.health(), Health::Degraded { .. })
    });
    scene.emulator.clear_faults();
    wait_until("health is well again", || running.daemon.health().is_ok());
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_session_without_channels_is_visible() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let first = scene.start(&tunnel, config(Processed::default().factory()));
    wait_until("the first worker has the channel", || {
        first.daemon.snapshot().channels.len() == 1
    });
    let spare = scene.start(&tunnel, config(Processed::default().factory()));
    wait_until("health shows that the second has none", || {
        spare
            .daemon
            .health()
            .to_string()
            .contains("no channels for")
    });
    assert!(first.close().is_clean());
    wait_until("it gets the channel", || spare.daemon.health().is_ok());
    assert!(spare.close().is_clean());
}

/// Another client saves behind the worker's back.
#[test]
fn a_checkpoint_of_another_owner_is_never_overwritten() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, saving_every(HEARTBEAT, &processed));
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    let saved = || {
        let snapshot = running.daemon.snapshot();
        snapshot.channels.first().and_then(|c| c.last_saved.clone())
    };
    wait_until("a checkpoint is saved", || saved().is_some());
    let channel = running.daemon.snapshot().channels[0].channel_id.clone();
    let client = client(&scene.emulator);
    let client_id = running.daemon.snapshot().client_id.expect("connected");
    let request = |token: &str, number| {
        tablestore_tunnel::CheckpointRequest::new(&tunnel, &client_id, &channel, token, number)
    };
    let stored = client
        .get_checkpoint(&tablestore_tunnel::GetCheckpointRequest::new(
            &tunnel, &client_id, &channel,
        ))
        .expect("the stored checkpoint");
    let next = stored.sequence_number + 1;
    // Nobody has read the channel to its end.
    scene.breaks(Rule::SaveBeyondRead);
    client
        .checkpoint(&request("finished", next))
        .expect("saved by another owner");
    scene.put_rows(10);
    wait_until("the channel is lost and closed", || {
        let ledger = scene.emulator.ledger();
        let mismatch = |kind: &EventKind| matches!(kind, EventKind::Answered { code: Some(code), .. } if code == "OTSSequenceNumberNotMatch");
        ledger.events().iter().any(|event| mismatch(&event.kind))
    });
    let after = client
        .get_checkpoint(&tablestore_tunnel::GetCheckpointRequest::new(
            &tunnel, &client_id, &channel,
        ))
        .expect("the stored checkpoint");
    assert_eq!(after.checkpoint, "finished", "nothing was overwritten");
    running.close();
}

#[test]
fn a_lost_answer_to_a_checkpoint_does_not_cost_the_channel() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, saving_every(HEARTBEAT / 4, &processed));
    for _ in 0..5 {
        let lost = Fault::on(Action::Checkpoint).times(2);
        scene.emulator.fault(lost.after().reset());
        scene.put_rows(10);
        processed.wait_for_all(&scene);
    }
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

/// A worker whose checkpoints get this answer as often as said: the channel comes back,
/// and goes on saving.
fn checkpoints_go_on_after(times: u64, status: u16, code: &str) {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, saving_every(HEARTBEAT, &processed));
    let fault = Fault::on(Action::Checkpoint).times(times);
    scene.emulator.fault(fault.fail(status, code, "no"));
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    wait_until("the channel is opened again", || {
        counts(&scene).get("GetCheckpoint").is_some_and(|n| *n >= 2)
    });
    scene.emulator.clear_faults();
    for _ in 0..2 {
        let saved = || {
            let snapshot = running.daemon.snapshot();
            snapshot.channels.first().and_then(|c| c.last_saved.clone())
        };
        let before = saved();
        scene.put_rows(10);
        processed.wait_for_all(&scene);
        wait_until("a later checkpoint is saved", || saved() != before);
    }
    assert!(running.close().is_clean());
    assert_at_least_once(&scene, &processed);
}

#[test]
fn a_number_that_never_matches_costs_the_channel_and_not_its_saves() {
    checkpoints_go_on_after(20, 400, "OTSSequenceNumberNotMatch");
}

#[test]
fn a_checkpoint_that_is_refused_or_redirected_releases_the_channel() {
    checkpoints_go_on_after(1, 302, "OTSSomethingNew");
    checkpoints_go_on_after(1, 400, "OTSParameterInvalid");
    checkpoints_go_on_after(1, 410, "OTSResourceGone");
}

#[test]
fn closing_during_an_outage_with_nothing_unsaved_takes_three_seconds_at_most() {
    let scene = Scene::new(2);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, saving_every(HEARTBEAT, &processed));
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    wait_until("everything is saved", || {
        let channels = running.daemon.snapshot().channels;
        channels
            .iter()
            .all(|c| c.done.records == 0 || c.last_saved.is_some())
    });
    for action in [
        Action::Heartbeat,
        Action::ReadRecords,
        Action::Checkpoint,
        Action::Shutdown,
    ] {
        let down = Fault::on(action).times(u64::MAX);
        scene
            .emulator
            .fault(down.fail(503, "OTSTunnelServerUnavailable", "down"));
    }
    let began = Instant::now();
    let report = running.daemon.close();
    let took = began.elapsed();
    assert!(
        report.is_complete && took < Duration::from_secs(5),
        "{took:?} {report:?}"
    );
    scene.emulator.clear_faults();
    drop(running);
    assert_at_least_once(&scene, &processed);
}

#[test]
fn closing_during_an_outage_waits_for_what_is_unsaved() {
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, saving_every(MAX_WAIT, &processed));
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    let down = Fault::on(Action::Checkpoint).times(8);
    scene
        .emulator
        .fault(down.fail(503, "OTSServerBusy", "down"));
    assert!(running.close().is_clean());
    assert!(counts(&scene)["Checkpoint"] >= 9);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn the_second_report_of_a_lost_session_claims_no_more_than_the_first() {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let mut running = scene.start(&tunnel, saving_every(MAX_WAIT, &processed));
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    let failed = Fault::on(Action::Checkpoint).times(u64::MAX);
    scene
        .emulator
        .fault(failed.fail(410, "OTSResourceGone", "gone"));
    let refused = Fault::on(Action::Heartbeat);
    scene
        .emulator
        .fault(refused.fail(403, "OTSPermissionDenied", "no"));
    running.join().expect_err("final");
    for _ in 0..2 {
        let report = running.daemon.close();
        assert!(!report.is_clean(), "{report:?}");
        let channel = &report.channels[0];
        assert_eq!(channel.records_to_redeliver, Some(10), "{report:?}");
        assert!(channel.last_delivered.is_some() && channel.last_saved.is_none());
    }
}
