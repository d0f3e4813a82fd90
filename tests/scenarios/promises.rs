//! Tests the guarantees of the crate docs. The name of a test starts with the
//! number of its guarantee.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, ChannelStatus, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    AsyncProcessFactory, ChannelContext, ErrorCode, FINISH_TAG, ProcessError, ProcessorHandle,
    Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfig,
};
use time::OffsetDateTime;

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Gate, GateKeeper, HEARTBEAT, Processed, Scene, config, wait_until};

/// A stream tunnel on a table of one partition. Each read returns 10 records.
pub(crate) fn one_channel() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

/// The positions saved so far.
fn saves(scene: &Scene) -> Vec<Option<u64>> {
    let ledger = scene.emulator.ledger();
    let saved = ledger.events().iter().filter_map(|event| match event.kind {
        EventKind::Saved { position, .. } => Some(position),
        _ => None,
    });
    saved.collect()
}

#[test]
fn promise_01_a_saved_token_never_passes_an_unprocessed_batch() {
    let (scene, tunnel) = one_channel();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            if processed.len() == 30 {
                gate.pass();
            }
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(100);
    keeper.0.wait_for_arrivals(1);
    wait_until("the processed batches are saved", || {
        saves(&scene).last() == Some(&Some(30))
    });
    // The worker also reads ahead, so it knows later tokens.
    scene.wait_for_ledger("more records are read ahead", |events| {
        events
            .iter()
            .any(|event| matches!(event, EventKind::Read { from: 50, .. }))
    });
    assert_eq!(saves(&scene).last(), Some(&Some(30)));
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(saves(&scene).last(), Some(&Some(100)));
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_01_a_failed_batch_is_redelivered() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let failures = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (processed, failures) = (processed.clone(), failures.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            // The first two attempts fail, and the third succeeds.
            if ctx.attempt() < 2 {
                failures.fetch_add(1, Ordering::SeqCst);
                return Err(ProcessError::new("not now"));
            }
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(50);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(
        failures.load(Ordering::SeqCst) >= 10,
        "fewer than two failures per batch"
    );
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_01_a_callback_may_close_its_channel_which_is_reopened() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let has_failed = Arc::new(AtomicBool::new(false));
    let factory = SimpleProcessFactory::new({
        let (processed, has_failed) = (processed.clone(), has_failed.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            if processed.len() == 30 && !has_failed.swap(true, Ordering::SeqCst) {
                return Err(ProcessError::close("on purpose"));
            }
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(60);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(has_failed.load(Ordering::SeqCst));
    // Everything before the failure was saved, so nothing was redelivered.
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_01_the_checkpoint_passes_a_skipped_batch() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let skipped = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (processed, skipped) = (processed.clone(), skipped.clone());
        let witness = scene.emulator.witness();
        move |ctx: &ChannelContext, records: &[Record]| {
            if processed.len() == 20 && skipped.load(Ordering::SeqCst) == 0 {
                skipped.store(records.len(), Ordering::SeqCst);
                // A skipped batch counts as processed.
                witness.note(ctx, records);
                return Err(ProcessError::skip("on purpose"));
            }
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(60);
    processed.wait_for(
        "all records but the skipped batch are processed",
        |processed| {
            let skipped = skipped.load(Ordering::SeqCst);
            skipped > 0 && processed.len() == 60 - skipped
        },
    );
    assert!(running.close().is_clean());
    assert_eq!(saves(&scene).last(), Some(&Some(60)));
}

#[test]
fn promise_01_manual_commits_decide_what_is_saved() {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    scene.base_rows(40);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let processed = Processed::default();
    let last: Arc<std::sync::Mutex<Option<(ProcessorHandle, String)>>> = Arc::default();
    let factory = AsyncProcessFactory::new({
        let (processed, last) = (processed.clone(), last.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let commit = (ctx.processor().clone(), ctx.next_token().to_owned());
            *last.lock().expect("last") = Some(commit);
            processed.add(ctx, records)
        }
    });
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .pool_threads(2);
    let running = scene.start(&tunnel, config);
    processed.wait_for_all(&scene);
    let is_last = || {
        last.lock()
            .expect("last")
            .as_ref()
            .is_some_and(|(_, t)| t == FINISH_TAG)
    };
    wait_until("the last batch is delivered", is_last);
    assert_eq!(saves(&scene), []);
    let (handle, token) = last.lock().expect("last").take().expect("a commit");
    handle
        .commit_token(&token)
        .expect("a commit from another thread");
    assert_eq!(saves(&scene), [None]);
    scene.wait_for_ledger("the channel is terminated", |events| {
        let is_terminated = |e: &EventKind| {
            matches!(
                e,
                EventKind::ChannelChanged {
                    status: ChannelStatus::Terminated,
                    ..
                }
            )
        };
        events.iter().any(is_terminated)
    });
    running.close();
    let late = handle
        .commit_token(&token)
        .expect_err("the channel is closed");
    assert_eq!(late.code(), &ErrorCode::ChannelLost);
    assert_eq!(saves(&scene), [None], "the late commit was sent");
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_02_batches_of_a_channel_are_delivered_one_at_a_time_in_order() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(7));
    scene.base_rows(300);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let (processed, overlaps) = (Processed::default(), Arc::new(AtomicUsize::new(0)));
    let factory = SimpleProcessFactory::per_channel({
        let (processed, overlaps) = (processed.clone(), overlaps.clone());
        move |_: &ChannelContext| {
            let (processed, overlaps) = (processed.clone(), overlaps.clone());
            let is_running = AtomicBool::new(false);
            Ok(move |ctx: &ChannelContext, records: &[Record]| {
                if is_running.swap(true, Ordering::SeqCst) {
                    overlaps.fetch_add(1, Ordering::SeqCst);
                }
                let result = processed.add(ctx, records);
                std::thread::yield_now();
                is_running.store(false, Ordering::SeqCst);
                result
            })
        }
    });
    let running = scene.start(&tunnel, config(factory));
    for _ in 0..10 {
        scene.put_rows(40);
    }
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(overlaps.load(Ordering::SeqCst), 0);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_02_a_reopened_channel_waits_for_its_previous_callback() {
    let (scene, tunnel) = one_channel();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running_callbacks = Arc::new(AtomicUsize::new(0));
    let max_callbacks = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        let (current, max) = (running_callbacks.clone(), max_callbacks.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            max.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            gate.pass();
            current.fetch_sub(1, Ordering::SeqCst);
            processed.add(ctx, records)
        }
    });
    let running = scene.start(
        &tunnel,
        config(factory).heartbeat_timeout(Duration::from_secs(3)),
    );
    scene.put_rows(30);
    keeper.0.wait_for_arrivals(1);
    // The session is lost while the callback runs, and the next session is assigned
    // the same channel.
    let connects = |events: &[EventKind]| {
        let connected = |e: &&EventKind| matches!(e, EventKind::Connected { .. });
        events.iter().filter(connected).count()
    };
    scene
        .emulator
        .fault(Fault::on(Action::Heartbeat).fail(410, "OTSResourceGone", "gone"));
    scene.wait_for_ledger("a second session has connected", |events| {
        connects(events) >= 2
    });
    scene.wait_for_ledger("the second session holds the channel", |events| {
        let second = events.iter().rposition(|e| matches!(e, EventKind::Connected { .. }));
        let held = |e: &EventKind| {
            matches!(e, EventKind::Heartbeat { reported, .. } if !reported.is_empty())
        };
        events[second.expect("second")..].iter().any(held)
    });
    assert_eq!(max_callbacks.load(Ordering::SeqCst), 1);
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(max_callbacks.load(Ordering::SeqCst), 1);
    assert_at_least_once(&scene, &processed);
}

#[test]
fn promise_03_the_shutdown_callback_runs_once_and_last() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(20));
    scene.base_rows(400);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let processed = Processed::default();
    let log: Arc<std::sync::Mutex<Vec<(String, &'static str)>>> = Arc::default();
    let note = |what: &'static str| {
        let log = log.clone();
        move |ctx: &ChannelContext| {
            let entry = (format!("{} {}", ctx.client_id(), ctx.channel_id()), what);
            log.lock().expect("log").push(entry);
        }
    };
    let (on_open, on_batch, on_shutdown) = (note("open"), note("process"), note("shutdown"));
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            on_batch(ctx);
            processed.add(ctx, records)
        }
    })
    .channel_open(move |ctx| {
        on_open(ctx);
        Ok(())
    })
    .shutdown(on_shutdown);
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(200);
    processed.wait_for_all(&scene);
    running.close();
    let log = log.lock().expect("log");
    let channels: std::collections::HashSet<_> = log.iter().map(|(channel, _)| channel).collect();
    assert_eq!(channels.len(), 8);
    for channel in channels {
        let own: Vec<_> = log
            .iter()
            .filter(|(c, _)| c == channel)
            .map(|(_, what)| *what)
            .collect();
        assert_eq!(own.first(), Some(&"open"), "{channel}");
        assert_eq!(own.last(), Some(&"shutdown"), "{channel}");
        assert_eq!(
            own.iter().filter(|what| **what == "shutdown").count(),
            1,
            "{channel}"
        );
        assert_eq!(
            own.iter().filter(|what| **what == "open").count(),
            1,
            "{channel}"
        );
    }
    assert_exactly_once(&scene, &processed);
}

/// The times of the heartbeats. The tunnel has only one client.
fn heartbeats(scene: &Scene) -> Vec<OffsetDateTime> {
    let ledger = scene.emulator.ledger();
    let heartbeats = ledger.events().iter();
    let heartbeats = heartbeats.filter(|event| matches!(event.kind, EventKind::Heartbeat { .. }));
    heartbeats.map(|event| event.time).collect()
}

/// Watches 20 heartbeats. No gap may come near the heartbeat timeout of the test.
pub(crate) fn assert_heartbeats_continue(scene: &Scene) {
    let before = heartbeats(scene).len();
    wait_until("20 more heartbeats have been sent", || {
        heartbeats(scene).len() >= before + 20
    });
    let heartbeats = heartbeats(scene);
    let longest = heartbeats[before..]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max();
    let longest = longest.expect("heartbeats");
    assert!(
        longest < time::Duration::seconds(2),
        "a heartbeat was sent only after {longest}"
    );
}

#[test]
fn promise_06_heartbeats_go_out_while_callbacks_hold_every_pool_thread() {
    let scene = Scene::with(8, Emulator::builder().batch_rows(10));
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
    let running = scene.start(
        &tunnel,
        config(factory).heartbeat_timeout(Duration::from_secs(3)),
    );
    scene.put_rows(400);
    keeper.0.wait_for_arrivals(4);
    assert_heartbeats_continue(&scene);
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_06_heartbeats_go_out_while_channels_are_slow_to_open() {
    let scene = Scene::new(8);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    scene.emulator.fault(
        Fault::on(Action::GetCheckpoint)
            .times(4)
            .delay(Duration::from_secs(30)),
    );
    let factory = SimpleProcessFactory::new(|_, _| Ok(())).channel_open(move |_| {
        gate.pass();
        Ok(())
    });
    let running = scene.start(
        &tunnel,
        config(factory).heartbeat_timeout(Duration::from_secs(3)),
    );
    // Four channels wait for their checkpoint, and four are blocked by user code.
    keeper.0.wait_for_arrivals(4);
    assert_heartbeats_continue(&scene);
    let closing = Instant::now();
    running.daemon.close_within(Duration::from_secs(2));
    assert!(closing.elapsed() < Duration::from_secs(5));
}

#[test]
fn promise_07_a_shutdown_meets_its_deadline_and_reports_abandoned_channels() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let stuck = scene.table.partitions()[0].id.to_string();
    let factory = SimpleProcessFactory::new({
        let (processed, stuck) = (processed.clone(), stuck.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            processed.add(ctx, records)?;
            if ctx.channel_id().starts_with(&stuck) {
                gate.pass();
            }
            Ok(())
        }
    });
    let mut running = scene.start(&tunnel, config(factory));
    scene.put_rows(40);
    keeper.0.wait_for_arrivals(1);
    processed.wait_for("the other channel has caught up", |processed| {
        let other = processed
            .iter()
            .filter(|d| !d.channel.starts_with(&stuck))
            .count();
        let expected = scene.table.partitions()[1].changes as usize;
        other == expected
    });
    let closing = Instant::now();
    let report = running.daemon.close_within(Duration::from_secs(2));
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(report.is_complete && !report.is_clean());
    let abandoned: Vec<_> = report.abandoned().collect();
    assert_eq!(abandoned.len(), 1);
    assert!(abandoned[0].channel_id.starts_with(&stuck));
    assert_eq!(abandoned[0].records_to_redeliver, Some(10));
    assert_eq!(abandoned[0].last_finished, None);
    assert!(abandoned[0].last_delivered.is_some());
    assert_eq!(
        report
            .channels
            .iter()
            .filter(|channel| channel.is_clean())
            .count(),
        1
    );
    running.join().expect("run has ended too");
    // The stuck callback has no effect when it returns later.
    let saved = saves(&scene).len();
    drop(keeper);
    let again = running.daemon.close();
    assert_eq!(again, report, "the second call returned another report");
    assert_eq!(saves(&scene).len(), saved);
}

#[test]
fn promise_07_a_shutdown_waits_for_a_running_callback() {
    let (scene, tunnel) = one_channel();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(10);
    keeper.0.wait_for_arrivals(1);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| running.daemon.close());
        let before = heartbeats(&scene).len();
        wait_until("heartbeats continue meanwhile", || {
            heartbeats(&scene).len() > before + 3
        });
        drop(keeper);
        assert!(closing.join().expect("close").is_clean());
    });
    assert_eq!(saves(&scene).last(), Some(&Some(10)));
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_07_a_callback_may_close_its_own_daemon() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    let daemon: Arc<std::sync::OnceLock<tablestore_tunnel::TunnelWorkerDaemon>> = Arc::default();
    let factory = SimpleProcessFactory::new({
        let (processed, daemon) = (processed.clone(), daemon.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let report = daemon.wait().close();
            assert!(!report.is_complete, "close waited for its own callback");
            processed.add(ctx, records)
        }
    });
    let mut running = scene.start(&tunnel, config(factory));
    daemon.set(running.daemon.clone()).expect("set once");
    scene.put_rows(10);
    running.join().expect("run ends");
    assert!(running.daemon.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_09_a_panic_affects_only_its_channel() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let victim = scene.table.partitions()[0].id.to_string();
    let panics = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (processed, victim, panics) = (processed.clone(), victim.clone(), panics.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            if ctx.channel_id().starts_with(&victim) && panics.fetch_add(1, Ordering::SeqCst) < 4 {
                panic!("on purpose");
            }
            processed.add(ctx, records)
        }
    });
    // The pool has one thread, which must survive the panics.
    let running = scene.start(&tunnel, config(factory).pool_threads(1));
    scene.put_rows(200);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(
        panics.load(Ordering::SeqCst) > 4,
        "the channel was not reopened"
    );
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_09_panics_in_other_user_code_are_contained() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let once = |what: &'static str| {
        let done = AtomicBool::new(false);
        move || {
            if !done.swap(true, Ordering::SeqCst) {
                panic!("in {what} on purpose");
            }
        }
    };
    let (make, open, shutdown) = (once("the factory"), once("open"), once("shutdown"));
    let factory = SimpleProcessFactory::per_channel({
        let processed = processed.clone();
        move |_: &ChannelContext| {
            make();
            let processed = processed.clone();
            Ok(move |ctx: &ChannelContext, records: &[Record]| processed.add(ctx, records))
        }
    })
    .channel_open(move |_| {
        open();
        Ok(())
    })
    .shutdown(move |_| shutdown());
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(100);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_10_graceful_restarts_redeliver_nothing() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(5));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(900);
    let processed = Processed::default();
    for round in 1..=5 {
        // With this interval, the only checkpoint is saved at the end.
        let factory = processed
            .factory()
            .checkpoint_interval(Duration::from_secs(3600));
        let config = TunnelWorkerConfig::builder(factory)
            .heartbeat_interval_for_tests(HEARTBEAT)
            .pool_threads(2);
        let running = scene.start(&tunnel, config);
        let enough = (round * 150).min(900);
        processed.wait_for("more records are processed", |processed| {
            processed.len() >= enough
        });
        assert!(running.close().is_clean());
    }
    let running = scene.start(&tunnel, config(processed.factory()));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn promise_11_a_transient_fault_does_not_cost_a_heartbeat_interval() {
    let (scene, tunnel) = one_channel();
    let processed = Processed::default();
    // The interval is so long that a closed channel would not be reopened in time.
    let config = config(processed.factory())
        .heartbeat_interval_for_tests(Duration::from_secs(100))
        .heartbeat_timeout(Duration::from_secs(300));
    let running = scene.start(&tunnel, config);
    scene.put_rows(10);
    processed.wait_for_all(&scene);
    scene
        .emulator
        .fault(Fault::on(Action::ReadRecords).times(2).reset());
    scene.put_rows(50);
    processed.wait_for_all(&scene);
    assert_eq!(heartbeats(&scene).len(), 1);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

/// The status of a channel in a heartbeat, as reported or answered.
fn status_of(states: &[tablestore_emulator::ChannelState], channel: &str) -> &'static str {
    let state = states.iter().find(|state| &*state.channel == channel);
    state.map_or("", |state| state.status.as_str())
}

#[test]
fn promise_10_a_channel_moves_in_the_minimum_number_of_heartbeats() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let slow_heartbeats = |tag: &str| {
        config(processed.factory())
            .client_tag(tag)
            .heartbeat_interval_for_tests(Duration::from_secs(1))
    };
    let first = scene.start(&tunnel, slow_heartbeats("first"));
    scene.put_rows(100);
    processed.wait_for_all(&scene);
    let second = scene.start(&tunnel, slow_heartbeats("second"));
    while !processed
        .all()
        .iter()
        .any(|d| d.client.starts_with("second"))
    {
        scene.put_rows(20);
        processed.wait_for_all(&scene);
    }
    assert!(first.close().is_clean() && second.close().is_clean());
    assert_exactly_once(&scene, &processed);

    let deliveries = processed.all();
    let moved = deliveries.iter().find(|d| d.client.starts_with("second"));
    let moved = &moved.expect("a moved channel").channel;
    let ledger = scene.emulator.ledger();
    let heartbeats = ledger
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Heartbeat {
                client,
                reported,
                answered,
                ..
            } => Some((
                client.starts_with("first"),
                status_of(reported, moved),
                status_of(answered, moved),
            )),
            _ => None,
        });
    let mut heartbeats = heartbeats.skip_while(|(_, _, answered)| *answered != "CLOSING");
    assert_eq!(heartbeats.next(), Some((true, "OPEN", "CLOSING")));
    let closed = heartbeats.by_ref().find(|(is_first, ..)| *is_first);
    assert_eq!(closed.map(|(_, reported, _)| reported), Some("CLOSE"));
    let opened = heartbeats.find(|(is_first, ..)| !is_first);
    assert_eq!(opened.map(|(_, _, answered)| answered), Some("OPEN"));
}
