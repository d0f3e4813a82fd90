//! The guarantees of the crate docs, each by its number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, ChannelStatus, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    AsyncProcessFactory, ChannelContext, ErrorCode, FINISH_TAG, ProcessError, ProcessorHandle,
    Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfig,
};
use time::OffsetDateTime;

use crate::harness::{Gate, GateKeeper, HEARTBEAT, Scene, Seen, config, wait_until};
use crate::judge::{judge, judge_orderly};

/// A stream tunnel on a table of one partition that reads 10 records at a time.
pub(crate) fn one_channel() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

/// The positions that were saved so far.
fn saves(scene: &Scene) -> Vec<Option<u64>> {
    let ledger = scene.emulator.ledger();
    let saved = ledger.events().iter().filter_map(|event| match event.kind {
        EventKind::Saved { position, .. } => Some(position),
        _ => None,
    });
    saved.collect()
}

#[test]
fn promise_01_a_saved_token_never_passes_unfinished_work() {
    let (scene, tunnel) = one_channel();
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            if seen.len() == 30 {
                gate.pass();
            }
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(100);
    keeper.0.wait_for_arrivals(1);
    wait_until("what is done is saved", || {
        saves(&scene).last() == Some(&Some(30))
    });
    // Reading goes on and would give later tokens away.
    scene.wait_for_ledger("more is read ahead", |events| {
        events
            .iter()
            .any(|event| matches!(event, EventKind::Read { from: 50, .. }))
    });
    assert_eq!(saves(&scene).last(), Some(&Some(30)));
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(saves(&scene).last(), Some(&Some(100)));
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_01_a_failing_callback_gets_its_batch_again() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let failures = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (seen, failures) = (seen.clone(), failures.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            // Twice in place; the third time lucky.
            if ctx.attempt() < 2 {
                failures.fetch_add(1, Ordering::SeqCst);
                return Err(ProcessError::new("not now"));
            }
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(50);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(failures.load(Ordering::SeqCst) >= 10, "two for each batch");
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_01_a_callback_that_gives_up_closes_the_channel_and_it_comes_back() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let gave_up = Arc::new(AtomicBool::new(false));
    let factory = SimpleProcessFactory::new({
        let (seen, gave_up) = (seen.clone(), gave_up.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            if seen.len() == 30 && !gave_up.swap(true, Ordering::SeqCst) {
                return Err(ProcessError::close("no disk"));
            }
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(60);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(gave_up.load(Ordering::SeqCst));
    // Everything before the failure was saved, so nothing came twice.
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_01_a_skipped_batch_is_passed_and_others_are_not() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let skipped = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (seen, skipped) = (seen.clone(), skipped.clone());
        let witness = scene.emulator.witness();
        move |ctx: &ChannelContext, records: &[Record]| {
            if seen.len() == 20 && skipped.load(Ordering::SeqCst) == 0 {
                skipped.store(records.len(), Ordering::SeqCst);
                // To pass over it is what is done with it.
                witness.note(ctx, records);
                return Err(ProcessError::skip("known to be bad"));
            }
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(60);
    seen.wait_for("all but the skipped are seen", |seen| {
        let skipped = skipped.load(Ordering::SeqCst);
        skipped > 0 && seen.len() == 60 - skipped
    });
    assert!(running.close().is_clean());
    assert_eq!(saves(&scene).last(), Some(&Some(60)));
}

#[test]
fn promise_01_a_program_that_commits_by_itself_decides_what_is_saved() {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    scene.base_rows(40);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let seen = Seen::default();
    let last: Arc<std::sync::Mutex<Option<(ProcessorHandle, String)>>> = Arc::default();
    let factory = AsyncProcessFactory::new({
        let (seen, last) = (seen.clone(), last.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let commit = (ctx.processor().clone(), ctx.next_token().to_owned());
            *last.lock().expect("last") = Some(commit);
            seen.note(ctx, records)
        }
    });
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .pool_threads(2);
    let running = scene.start(&tunnel, config);
    seen.wait_for_all(&scene);
    let is_last = || {
        last.lock()
            .expect("last")
            .as_ref()
            .is_some_and(|(_, t)| t == FINISH_TAG)
    };
    wait_until("the last batch has come", is_last);
    assert_eq!(saves(&scene), []);
    let (handle, token) = last.lock().expect("last").take().expect("a commit");
    handle
        .commit_token(&token)
        .expect("commit from another thread");
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
        .expect_err("the channel is gone");
    assert_eq!(late.code(), &ErrorCode::ChannelLost);
    assert_eq!(saves(&scene), [None], "nothing was sent");
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_02_batches_of_a_channel_come_one_at_a_time_in_order() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(7));
    scene.base_rows(300);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let (seen, overlaps) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let factory = SimpleProcessFactory::per_channel({
        let (seen, overlaps) = (seen.clone(), overlaps.clone());
        move |_: &ChannelContext| {
            let (seen, overlaps) = (seen.clone(), overlaps.clone());
            let inside = AtomicBool::new(false);
            Ok(move |ctx: &ChannelContext, records: &[Record]| {
                if inside.swap(true, Ordering::SeqCst) {
                    overlaps.fetch_add(1, Ordering::SeqCst);
                }
                let result = seen.note(ctx, records);
                std::thread::yield_now();
                inside.store(false, Ordering::SeqCst);
                result
            })
        }
    });
    let running = scene.start(&tunnel, config(factory));
    for _ in 0..10 {
        scene.put_rows(40);
    }
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(overlaps.load(Ordering::SeqCst), 0);
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_02_a_channel_that_comes_back_waits_for_its_last_callback() {
    let (scene, tunnel) = one_channel();
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (seen, inside, most) = (seen.clone(), inside.clone(), most.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            gate.pass();
            inside.fetch_sub(1, Ordering::SeqCst);
            seen.note(ctx, records)
        }
    });
    let running = scene.start(
        &tunnel,
        config(factory).heartbeat_timeout(Duration::from_secs(3)),
    );
    scene.put_rows(30);
    keeper.0.wait_for_arrivals(1);
    // The session is lost while the callback runs, and the same channel comes
    // back with the next one.
    let connects = |events: &[EventKind]| {
        let connected = |e: &&EventKind| matches!(e, EventKind::Connected { .. });
        events.iter().filter(connected).count()
    };
    scene
        .emulator
        .fault(Fault::on(Action::Heartbeat).fail(410, "OTSResourceGone", "gone"));
    scene.wait_for_ledger("there is a second session", |events| connects(events) >= 2);
    scene.wait_for_ledger("it holds the channel", |events| {
        let second = events.iter().rposition(|e| matches!(e, EventKind::Connected { .. }));
        let held = |e: &EventKind| {
            matches!(e, EventKind::Heartbeat { reported, .. } if !reported.is_empty())
        };
        events[second.expect("second")..].iter().any(held)
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(most.load(Ordering::SeqCst), 1);
    judge(&scene, &seen);
}

#[test]
fn promise_03_the_shutdown_callback_is_the_last_and_runs_once() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(20));
    scene.base_rows(400);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let seen = Seen::default();
    let log: Arc<std::sync::Mutex<Vec<(String, &'static str)>>> = Arc::default();
    let note = |what: &'static str| {
        let log = log.clone();
        move |ctx: &ChannelContext| {
            let entry = (format!("{} {}", ctx.client_id(), ctx.channel_id()), what);
            log.lock().expect("log").push(entry);
        }
    };
    let (opened, processed, shut) = (note("open"), note("process"), note("shutdown"));
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            processed(ctx);
            seen.note(ctx, records)
        }
    })
    .channel_open(move |ctx| {
        opened(ctx);
        Ok(())
    })
    .shutdown(shut);
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(200);
    seen.wait_for_all(&scene);
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
    judge_orderly(&scene, &seen);
}

/// When the heartbeats of the (only) client came.
fn beats(scene: &Scene) -> Vec<OffsetDateTime> {
    let ledger = scene.emulator.ledger();
    let beats = ledger.events().iter();
    let beats = beats.filter(|event| matches!(event.kind, EventKind::Heartbeat { .. }));
    beats.map(|event| event.time).collect()
}

/// Watches 20 heartbeats; none may be late by as much as a session of
/// this test may be silent.
pub(crate) fn heartbeats_keep_coming(scene: &Scene) {
    let before = beats(scene).len();
    wait_until("20 more heartbeats", || beats(scene).len() >= before + 20);
    let beats = beats(scene);
    let longest = beats[before..]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max();
    let longest = longest.expect("some beats");
    assert!(
        longest < time::Duration::seconds(2),
        "a heartbeat came after {longest}"
    );
}

#[test]
fn promise_06_heartbeats_go_out_while_callbacks_hold_every_pool_thread() {
    let scene = Scene::with(8, Emulator::builder().batch_rows(10));
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
    let running = scene.start(
        &tunnel,
        config(factory).heartbeat_timeout(Duration::from_secs(3)),
    );
    scene.put_rows(400);
    keeper.0.wait_for_arrivals(4);
    heartbeats_keep_coming(&scene);
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
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
    // Four wait for their checkpoint, four are held by the user's code.
    keeper.0.wait_for_arrivals(4);
    heartbeats_keep_coming(&scene);
    let closing = Instant::now();
    running.daemon.close_within(Duration::from_secs(2));
    assert!(closing.elapsed() < Duration::from_secs(5));
}

#[test]
fn promise_07_a_shutdown_ends_by_its_deadline_and_names_what_it_left() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let stuck = scene.table.partitions()[0].id.to_string();
    let factory = SimpleProcessFactory::new({
        let (seen, stuck) = (seen.clone(), stuck.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            seen.note(ctx, records)?;
            if ctx.channel_id().starts_with(&stuck) {
                gate.pass();
            }
            Ok(())
        }
    });
    let mut running = scene.start(&tunnel, config(factory));
    scene.put_rows(40);
    keeper.0.wait_for_arrivals(1);
    seen.wait_for("the other channel is done", |seen| {
        let other = seen
            .iter()
            .filter(|d| !d.channel.starts_with(&stuck))
            .count();
        let expected = scene.table.partitions()[1].changes as usize;
        other == expected
    });
    let closing = Instant::now();
    let receipt = running.daemon.close_within(Duration::from_secs(2));
    let took = closing.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(receipt.is_complete && !receipt.is_clean());
    let abandoned: Vec<_> = receipt.abandoned().collect();
    assert_eq!(abandoned.len(), 1);
    assert!(abandoned[0].channel_id.starts_with(&stuck));
    assert_eq!(abandoned[0].records_to_redeliver, Some(10));
    assert_eq!(abandoned[0].last_finished, None);
    assert!(abandoned[0].last_delivered.is_some());
    assert_eq!(
        receipt
            .channels
            .iter()
            .filter(|channel| channel.is_clean())
            .count(),
        1
    );
    running.join().expect("run has ended as well");
    // What the stuck callback does later changes nothing any more.
    let saved = saves(&scene).len();
    drop(keeper);
    let again = running.daemon.close();
    assert_eq!(again, receipt, "every call gets the same receipt");
    assert_eq!(saves(&scene).len(), saved);
}

#[test]
fn promise_07_a_shutdown_waits_for_a_running_callback() {
    let (scene, tunnel) = one_channel();
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(10);
    keeper.0.wait_for_arrivals(1);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| running.daemon.close());
        let beats_before = beats(&scene).len();
        wait_until("heartbeats go on meanwhile", || {
            beats(&scene).len() > beats_before + 3
        });
        drop(keeper);
        assert!(closing.join().expect("close").is_clean());
    });
    assert_eq!(saves(&scene).last(), Some(&Some(10)));
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_07_a_callback_may_close_its_own_daemon() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    let daemon: Arc<std::sync::OnceLock<tablestore_tunnel::TunnelWorkerDaemon>> = Arc::default();
    let factory = SimpleProcessFactory::new({
        let (seen, daemon) = (seen.clone(), daemon.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let receipt = daemon.wait().close();
            assert!(!receipt.is_complete, "a callback cannot wait for itself");
            seen.note(ctx, records)
        }
    });
    let mut running = scene.start(&tunnel, config(factory));
    daemon.set(running.daemon.clone()).expect("set once");
    scene.put_rows(10);
    running.join().expect("run ends");
    assert!(running.daemon.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_09_a_panic_touches_one_channel_only() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
    let victim = scene.table.partitions()[0].id.to_string();
    let panics = Arc::new(AtomicUsize::new(0));
    let factory = SimpleProcessFactory::new({
        let (seen, victim, panics) = (seen.clone(), victim.clone(), panics.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            if ctx.channel_id().starts_with(&victim) && panics.fetch_add(1, Ordering::SeqCst) < 4 {
                panic!("on purpose");
            }
            seen.note(ctx, records)
        }
    });
    // One thread: it has to survive.
    let running = scene.start(&tunnel, config(factory).pool_threads(1));
    scene.put_rows(200);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert!(
        panics.load(Ordering::SeqCst) > 4,
        "the channel came back and went on"
    );
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_09_panics_in_every_other_callback_are_contained() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
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
        let seen = seen.clone();
        move |_: &ChannelContext| {
            make();
            let seen = seen.clone();
            Ok(move |ctx: &ChannelContext, records: &[Record]| seen.note(ctx, records))
        }
    })
    .channel_open(move |_| {
        open();
        Ok(())
    })
    .shutdown(move |_| shutdown());
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(100);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_10_an_orderly_restart_in_the_middle_repeats_nothing() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(5));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(900);
    let seen = Seen::default();
    for round in 1..=5 {
        // Long intervals: the checkpoint at the end is the only one.
        let factory = seen
            .factory()
            .checkpoint_interval(Duration::from_secs(3600));
        let config = TunnelWorkerConfig::builder(factory)
            .heartbeat_interval_for_tests(HEARTBEAT)
            .pool_threads(2);
        let running = scene.start(&tunnel, config);
        let enough = (round * 150).min(900);
        seen.wait_for("some more are seen", |seen| seen.len() >= enough);
        assert!(running.close().is_clean());
    }
    let running = scene.start(&tunnel, config(seen.factory()));
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn promise_11_a_passing_fault_costs_no_heartbeat_interval() {
    let (scene, tunnel) = one_channel();
    let seen = Seen::default();
    // So long that a channel closed and handed out again would not be back.
    let config = config(seen.factory())
        .heartbeat_interval_for_tests(Duration::from_secs(100))
        .heartbeat_timeout(Duration::from_secs(300));
    let running = scene.start(&tunnel, config);
    scene.put_rows(10);
    seen.wait_for_all(&scene);
    scene
        .emulator
        .fault(Fault::on(Action::ReadRecords).times(2).reset());
    scene.put_rows(50);
    seen.wait_for_all(&scene);
    assert_eq!(beats(&scene).len(), 1);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

/// One line of a heartbeat for a channel: what was reported or answered.
fn status_of(states: &[tablestore_emulator::ChannelState], channel: &str) -> &'static str {
    let state = states.iter().find(|state| &*state.channel == channel);
    state.map_or("", |state| state.status.as_str())
}

#[test]
fn promise_10_a_channel_moves_in_the_least_number_of_heartbeats() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
    let slow_beats = |tag: &str| {
        config(seen.factory())
            .client_tag(tag)
            .heartbeat_interval_for_tests(Duration::from_secs(1))
    };
    let first = scene.start(&tunnel, slow_beats("first"));
    scene.put_rows(100);
    seen.wait_for_all(&scene);
    let second = scene.start(&tunnel, slow_beats("second"));
    while !seen.all().iter().any(|d| d.client.starts_with("second")) {
        scene.put_rows(20);
        seen.wait_for_all(&scene);
    }
    assert!(first.close().is_clean() && second.close().is_clean());
    judge_orderly(&scene, &seen);

    let deliveries = seen.all();
    let moved = deliveries.iter().find(|d| d.client.starts_with("second"));
    let moved = &moved.expect("one has moved").channel;
    let ledger = scene.emulator.ledger();
    let beats = ledger
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
    let mut beats = beats.skip_while(|(_, _, answered)| *answered != "CLOSING");
    assert_eq!(beats.next(), Some((true, "OPEN", "CLOSING")));
    let closed = beats.by_ref().find(|(is_first, ..)| *is_first);
    assert_eq!(closed.map(|(_, reported, _)| reported), Some("CLOSE"));
    let opened = beats.find(|(is_first, ..)| !is_first);
    assert_eq!(opened.map(|(_, _, answered)| answered), Some("OPEN"));
}
