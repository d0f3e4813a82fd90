//! Outages of 100 s at default settings: what passes costs its own time, and nothing
//! comes again. Takes two minutes, so it runs on request:
//! `cargo test --test scenarios -- --ignored outages`.

use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Fault, FaultTarget};
use tablestore_tunnel::{TunnelType, TunnelWorkerConfig};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Processed, Scene};

const OUTAGE: Duration = Duration::from_secs(100);

/// The interval and the timeout of heartbeats in seconds: the defaults, and as short as
/// some set them.
const HEARTBEATS: [(u64, u64); 2] = [(30, 300), (5, 20)];

const ACTIONS: [Action; 5] = [
    Action::Connect,
    Action::Heartbeat,
    Action::GetCheckpoint,
    Action::ReadRecords,
    Action::Checkpoint,
];

type Failure = (&'static str, fn(FaultTarget) -> Fault);

const FAILURES: [Failure; 6] = [
    ("503 OTSServerBusy", |on| {
        on.fail(503, "OTSServerBusy", "busy")
    }),
    ("500 OTSInternalServerError", |on| {
        on.fail(500, "OTSInternalServerError", "internal")
    }),
    ("429", |on| on.fail(429, "OTSQuotaExhausted", "slower")),
    ("408", |on| on.fail(408, "OTSTimeout", "slow")),
    ("an unknown 503", |on| {
        on.fail(503, "OTSSomethingNew", "new")
    }),
    ("a reset connection", FaultTarget::reset),
];

/// How long after the end of the outage a worker has processed everything that was
/// written until then.
fn late_by(
    action: Option<Action>,
    (interval, timeout): (u64, u64),
    fault: impl Fn(FaultTarget) -> Fault,
) -> Duration {
    let scene = Scene::new(2);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let config = TunnelWorkerConfig::builder(processed.factory())
        .heartbeat_interval(Duration::from_secs(interval))
        .heartbeat_timeout(Duration::from_secs(timeout));
    let on = || match action {
        Some(action) => Fault::on(action).times(u64::MAX),
        None => Fault::on_any().times(u64::MAX),
    };
    let begins_before = matches!(action, Some(Action::Connect | Action::GetCheckpoint));
    if begins_before {
        scene.emulator.fault(fault(on()));
    }
    let running = scene.start(&tunnel, config);
    scene.put_rows(20);
    if !begins_before {
        processed.wait_for_all(&scene);
        scene.emulator.fault(fault(on()));
    }
    let until = Instant::now() + OUTAGE;
    while Instant::now() < until {
        scene.put_rows(2);
        thread::sleep(Duration::from_millis(500));
    }
    scene.emulator.clear_faults();
    let ended = Instant::now();
    scene.put_rows(2);
    processed.wait_for_all(&scene);
    let late = ended.elapsed();
    assert!(running.close().is_clean());
    match action.is_none() && timeout < OUTAGE.as_secs() {
        // The session is lost, and nothing can be saved for it.
        true => assert_at_least_once(&scene, &processed),
        false => assert_exactly_once(&scene, &processed),
    }
    late
}

#[test]
#[ignore = "takes two minutes"]
fn outages_of_100_seconds_cost_their_own_time_and_no_repeat() {
    let late = thread::scope(|scope| {
        let mut cells = Vec::new();
        let actions = ACTIONS.map(Some).into_iter().chain([None]);
        for (action, (name, failure)) in
            actions.flat_map(|action| FAILURES.map(|failure| (action, failure)))
        {
            for timeout in HEARTBEATS {
                let cell = scope.spawn(move || late_by(action, timeout, failure));
                cells.push((action, name, timeout, cell));
            }
        }
        let mut late = Vec::new();
        for (action, name, timeout, cell) in cells {
            let result = cell.join().map_err(|_| "it failed, see above");
            let at_most = match action {
                // The pause between attempts to connect is up to 12 s.
                Some(Action::Connect) | None => 12,
                _ => 5,
            };
            match result {
                Ok(took) if took <= Duration::from_secs(at_most) => {
                    println!("{action:?} {name} {timeout:?}: {took:?}");
                }
                bad => late.push(format!("{action:?} {name} {timeout:?}: {bad:?}")),
            }
        }
        late
    });
    assert!(late.is_empty(), "{late:#?}");
}
