//! Long stories on a clock that is moved by hand, by the worker's real
//! intervals: days pass in a moment, and what must not wait is seen not to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    ChannelBackoffConfig, ChannelContext, Clock, ErrorCode, ProcessError, Record, RunningDaemon,
    SimpleProcessFactory, TunnelType, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
    TunnelWorkerDaemon, WorkerState,
};
use time::OffsetDateTime;

use crate::harness::{Gate, GateKeeper, Scene, Seen, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A scene that both sides live through on one clock.
struct Driven {
    clock: Clock,
    scene: Scene,
    tunnel: String,
}

impl Driven {
    fn new(partitions: u32) -> Driven {
        let clock = Clock::manual(OffsetDateTime::now_utc());
        let builder = Emulator::builder().clock(clock.clone().into());
        let scene = Scene::with(partitions, builder);
        let tunnel = scene.tunnel(TunnelType::Stream);
        Driven {
            clock,
            scene,
            tunnel,
        }
    }

    /// The defaults, as in real life.
    fn config(&self, factory: SimpleProcessFactory) -> TunnelWorkerConfigBuilder {
        TunnelWorkerConfig::builder(factory)
            .clock(self.clock.clone())
            .client_tag("test")
            .pool_threads(4)
    }

    fn start(&self, config: TunnelWorkerConfigBuilder) -> RunningDaemon {
        let config = config.build().expect("config");
        let client = self.scene.client.clone();
        let daemon = TunnelWorkerDaemon::new(client, self.tunnel.as_str(), config);
        daemon.spawn().expect("a thread")
    }

    fn at(&self) -> Duration {
        Duration::try_from(self.clock.utc() - OffsetDateTime::UNIX_EPOCH).expect("after 1970")
    }

    /// When requests of that kind came in.
    fn times(&self, wanted: Action) -> Vec<OffsetDateTime> {
        let ledger = self.scene.emulator.ledger();
        let is_wanted = |kind: &EventKind| matches!(kind, EventKind::Received { action, .. } if *action == wanted);
        let events = ledger.events().iter();
        events
            .filter(|e| is_wanted(&e.kind))
            .map(|e| e.time)
            .collect()
    }

    fn count(&self, wanted: Action) -> usize {
        self.times(wanted).len()
    }
}

/// Seconds between each and the next.
fn gaps(times: &[OffsetDateTime]) -> Vec<f64> {
    let pairs = times.windows(2);
    pairs
        .map(|two| (two[1] - two[0]).as_seconds_f64())
        .collect()
}

/// Idle channels that are hardly read.
fn seldom() -> ChannelBackoffConfig {
    ChannelBackoffConfig::default().max_delay(HOUR)
}

#[test]
fn promise_06_a_day_of_heartbeats_is_on_time() {
    let driven = Driven::new(2);
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    let clock = driven.clock.clone();
    // The callback is stuck for the whole day.
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        clock.blocked(|| gate.pass());
        Ok(())
    });
    let running = driven.start(driven.config(factory).backoff(seldom()));
    driven.clock.advance(Duration::ZERO);
    driven.scene.put_rows(1);
    driven.clock.advance(DAY);
    keeper.0.wait_for_arrivals(1);
    let beats = driven.times(Action::Heartbeat);
    assert_eq!(beats.len(), 1 + 24 * 120);
    assert!(gaps(&beats).iter().all(|gap| *gap == 30.0));
    assert_eq!(driven.count(Action::Connect), 1);
    let health = running.daemon().health();
    assert!(format!("{health:?}").contains("Stalled"), "{health:?}");
    keeper.0.open();
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn the_session_is_lost_after_the_timeout_to_the_second_and_begun_anew() {
    let driven = Driven::new(1);
    let seen = Seen::default();
    let running = driven.start(driven.config(seen.factory()).backoff(seldom()));
    driven.clock.advance(45 * SECOND);
    assert_eq!(driven.count(Action::Heartbeat), 2);
    // The last beat that was answered went out 15 s ago.
    let unwell = Fault::on(Action::Heartbeat).times(u64::MAX);
    driven
        .scene
        .emulator
        .fault(unwell.fail(503, "OTSTunnelServerUnavailable", "busy"));
    let lost_at = driven.at() + 285 * SECOND;
    driven
        .clock
        .advance(285 * SECOND - Duration::from_millis(1));
    assert_eq!(
        running.daemon().snapshot().reconnects,
        0,
        "not before its time"
    );
    assert!(
        driven.count(Action::Heartbeat) > 100,
        "tried again and again"
    );
    driven
        .clock
        .advance_until(SECOND, || running.daemon().snapshot().reconnects == 1);
    assert_eq!(driven.at(), lost_at, "and not after");
    driven.scene.emulator.clear_faults();
    driven.scene.put_rows(1);
    // A pause of 10 s at most, and the channel is open again.
    driven.clock.advance(10 * SECOND);
    assert_eq!(driven.count(Action::Connect), 2);
    assert_eq!(seen.len(), 1);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn idle_channels_cost_their_polls_and_heartbeats_and_nothing_else() {
    let driven = Driven::new(2);
    let seen = Seen::default();
    let running = driven.start(driven.config(seen.factory()));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(100);
    driven.clock.advance(60 * SECOND);
    assert_eq!(seen.len(), 100);
    assert_eq!(driven.count(Action::Checkpoint), 2, "one a channel");
    let before = driven.scene.emulator.ledger().events().len();
    driven.clock.advance(HOUR);
    let ledger = driven.scene.emulator.ledger();
    let mut counts = std::collections::BTreeMap::new();
    for event in &ledger.events()[before..] {
        if let EventKind::Received { action, .. } = &event.kind {
            *counts.entry(format!("{action:?}")).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.remove("Heartbeat"), Some(120));
    let polls = counts.remove("ReadRecords").expect("polls");
    // Each channel every 5 s, more or less a quarter.
    assert!((1300..1600).contains(&polls), "{polls}");
    assert!(counts.is_empty(), "{counts:?}");
    assert!(running.close().expect("ends well").is_clean());
    assert_eq!(driven.count(Action::Checkpoint), 2, "nothing new to save");
}

#[test]
fn an_idle_channel_is_read_less_and_less_often() {
    let driven = Driven::new(1);
    let seen = Seen::default();
    let running = driven.start(driven.config(seen.factory()));
    driven.clock.advance(60 * SECOND);
    let pauses = gaps(&driven.times(Action::ReadRecords));
    let expected = [0.02, 0.1, 0.5, 2.5, 5.0, 5.0, 5.0];
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!(
            (expected * 0.75..=expected * 1.25).contains(pause),
            "{pauses:?}"
        );
    }
    assert!(pauses.len() > 10);
    assert!(running.close().expect("ends well").is_clean());
}

/// Nothing waits where there is something: not before the next read, not between
/// reader and callback.
#[test]
fn a_busy_stream_passes_in_no_time() {
    // As much as there is in an answer, three times, and the rest.
    const ROWS: usize = 3 * 5_000 + 100;
    let driven = Driven::new(1);
    let seen = Seen::default();
    driven.scene.put_rows(ROWS);
    let running = driven.start(driven.config(seen.factory()));
    driven.clock.advance(SECOND);
    assert_eq!(seen.len(), ROWS);
    let reads = driven.times(Action::ReadRecords);
    let (busy, _) = reads.split_at(4);
    assert_eq!(gaps(busy), [0.0; 3]);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_light_stream_arrives_within_moments() {
    const STEP: Duration = Duration::from_millis(100);
    let driven = Driven::new(1);
    let seen = Seen::default();
    let running = driven.start(driven.config(seen.factory()));
    // Its pauses have grown to their longest, and that one passes.
    driven.clock.advance(60 * SECOND);
    for written in 1..=150 {
        driven.scene.put_rows(1);
        driven.clock.advance(STEP);
        // Two reads may fall between two rows, 15 and 90 ms after the one with
        // records; the pause after them is 625 ms at most, the longest of all 6 s.
        let lag = written - seen.len();
        assert!(written < 100 || lag <= 7, "{lag} of {written}");
    }
    driven.clock.advance(10 * SECOND);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn promise_11_an_answer_that_cannot_be_read_costs_the_retry_delay() {
    let driven = Driven::new(1);
    let seen = Seen::default();
    let running = driven.start(driven.config(seen.factory()));
    driven.clock.advance(SECOND);
    driven
        .scene
        .emulator
        .fault(Fault::on(Action::ReadRecords).times(2).garbage());
    driven.scene.put_rows(10);
    // The longest pause between reads, and the retries.
    driven.clock.advance(7 * SECOND);
    assert_eq!(seen.len(), 10);
    assert_eq!(
        driven.count(Action::GetCheckpoint),
        1,
        "the channel stayed open"
    );
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn checkpoints_are_saved_once_an_interval_while_there_is_progress() {
    let driven = Driven::new(1);
    let seen = Seen::default();
    let factory = seen.factory().checkpoint_interval(60 * SECOND);
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    for _ in 0..60 {
        driven.scene.put_rows(1);
        driven.clock.advance(10 * SECOND);
    }
    assert_eq!(seen.len(), 60);
    let saves = driven.times(Action::Checkpoint);
    assert!((8..=10).contains(&saves.len()), "{}", saves.len());
    assert!(gaps(&saves).iter().all(|gap| *gap >= 60.0));
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_batch_is_given_again_when_its_time_has_come() {
    let driven = Driven::new(1);
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        match count.fetch_add(1, Ordering::SeqCst) {
            0 => Err(ProcessError::retry_after(6 * HOUR, "later")),
            _ => Ok(()),
        }
    });
    let running = driven.start(driven.config(factory).backoff(seldom()));
    driven.clock.advance(Duration::ZERO);
    driven.scene.put_rows(1);
    let tried = |n| attempts.load(Ordering::SeqCst) == n;
    assert!(driven.clock.advance_until(HOUR, || tried(1)));
    driven.clock.advance(6 * HOUR - SECOND);
    assert!(tried(1));
    driven.clock.advance(SECOND);
    assert!(tried(2));
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_week_passes_with_a_row_a_day() {
    let driven = Driven::new(2);
    let seen = Seen::default();
    let config = driven.config(seen.factory()).backoff(seldom());
    let config = config
        .heartbeat_interval(600 * SECOND)
        .heartbeat_timeout(HOUR);
    let running = driven.start(config);
    driven.clock.advance(SECOND);
    for day in 0..7 {
        driven.scene.put_rows(1);
        driven.clock.advance(DAY);
        assert_eq!(seen.len(), day + 1);
    }
    assert_eq!(driven.count(Action::Heartbeat), 1 + 7 * 144);
    assert_eq!(driven.count(Action::Checkpoint), 7);
    assert_eq!(driven.count(Action::Connect), 1);
    assert!(running.close().expect("ends well").is_clean());
}

/// A machine that slept comes back to a session that is gone.
#[test]
fn after_a_sleep_of_the_machine_nothing_is_saved_and_all_goes_on() {
    let driven = Driven::new(1);
    let seen = Seen::default();
    let (noted, clock) = (seen.clone(), driven.clock.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, refused) = (calls.clone(), Arc::new(AtomicUsize::new(0)));
    let refusals = refused.clone();
    let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(ctx.may_checkpoint());
            clock.jump(HOUR);
            // Both say the same at once, whatever the loop has heard of.
            let error = ctx.processor().commit_token(ctx.next_token());
            let is_lost = error.is_err_and(|e| e.code() == &ErrorCode::ChannelLost);
            if is_lost && !ctx.may_checkpoint() {
                refusals.fetch_add(1, Ordering::SeqCst);
            }
            return Err(ProcessError::close("the machine slept"));
        }
        noted.note(ctx, records)
    });
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(10);
    // Ends with the jump, which goes further.
    driven.clock.advance(60 * SECOND);
    driven.clock.advance(60 * SECOND);
    assert_eq!(refused.load(Ordering::SeqCst), 1);
    assert_eq!(driven.count(Action::Connect), 2);
    assert_eq!(seen.len(), 10, "they came again");
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_close_waits_for_no_timer() {
    type Setup = fn(&Driven) -> RunningDaemon;
    fn started(driven: &Driven) -> RunningDaemon {
        driven.start(driven.config(Seen::default().factory()))
    }
    let at_rest: Setup = |driven| {
        let running = started(driven);
        driven.clock.advance(60 * SECOND);
        running
    };
    let before_a_save: Setup = |driven| {
        let running = started(driven);
        driven.clock.advance(SECOND);
        driven.scene.put_rows(5);
        driven.clock.advance(3 * SECOND);
        assert_eq!(driven.count(Action::Checkpoint), 0, "its time is to come");
        running
    };
    let before_a_retry: Setup = |driven| {
        let factory = SimpleProcessFactory::new(|_: &ChannelContext, _: &[Record]| {
            Err(ProcessError::retry_after(HOUR, "later"))
        });
        let running = driven.start(driven.config(factory));
        driven.clock.advance(SECOND);
        driven.scene.put_rows(5);
        driven.clock.advance(10 * SECOND);
        running
    };
    let between_requests: Setup = |driven| {
        let busy = Fault::on(Action::ReadRecords).times(u64::MAX);
        driven
            .scene
            .emulator
            .fault(busy.fail(503, "OTSTunnelServerUnavailable", "busy"));
        let running = started(driven);
        driven.clock.advance(20 * SECOND);
        running
    };
    let before_a_reconnect: Setup = |driven| {
        let gone = Fault::on(Action::Heartbeat).times(u64::MAX);
        driven
            .scene
            .emulator
            .fault(gone.fail(410, "OTSResourceGone", "gone"));
        let running = started(driven);
        driven.clock.advance(Duration::ZERO);
        driven.scene.emulator.clear_faults();
        running
    };
    let while_connecting: Setup = |driven| {
        let busy = Fault::on(Action::Connect).times(u64::MAX);
        driven
            .scene
            .emulator
            .fault(busy.fail(503, "OTSTunnelServerUnavailable", "busy"));
        let running = started(driven);
        driven.clock.advance(10 * SECOND);
        running
    };
    for (what, setup, channels) in [
        ("at rest", at_rest, 1),
        ("before a save", before_a_save, 1),
        ("before a retry", before_a_retry, 1),
        ("between requests", between_requests, 1),
        ("before a reconnect", before_a_reconnect, 0),
        ("while connecting", while_connecting, 0),
    ] {
        let driven = Driven::new(1);
        let running = setup(&driven);
        let before = driven.at();
        let receipt = running.close().expect("ends well");
        assert_eq!(driven.at(), before, "{what}");
        assert_eq!(receipt.channels.len(), channels, "{what}");
        assert_eq!(receipt.abandoned().count(), 0, "{what}");
    }
}

#[test]
fn a_channel_that_is_handed_over_waits_for_heartbeats_only() {
    let driven = Driven::new(1);
    let (first, second) = (Seen::default(), Seen::default());
    let one = driven.start(driven.config(first.factory()));
    driven.clock.advance(47 * SECOND);
    driven.scene.put_rows(5);
    // The longest pause and its jitter.
    driven.clock.advance(7 * SECOND);
    assert_eq!(first.len(), 5);
    // The first leaves: the other gets the channel with its next heartbeat.
    let two = driven.start(driven.config(second.factory()));
    driven.clock.advance(SECOND);
    assert_eq!(driven.count(Action::Connect), 2);
    assert!(one.close().expect("ends well").is_clean());
    driven.scene.put_rows(5);
    let (beats, reads) = (
        driven.count(Action::Heartbeat),
        driven.count(Action::ReadRecords),
    );
    let heard = || driven.count(Action::Heartbeat) > beats;
    assert!(driven.clock.advance_until(30 * SECOND, heard));
    assert!(driven.count(Action::ReadRecords) > reads, "at once");
    assert_eq!(second.len(), 5, "and read and processed at once");
    assert!(two.close().expect("ends well").is_clean());
}

#[test]
fn promise_07_a_shutdown_ends_at_its_deadline_and_says_so_in_one_request() {
    let driven = Driven::new(2);
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    let clock = driven.clock.clone();
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        clock.blocked(|| gate.pass());
        Ok(())
    });
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(20);
    driven.clock.advance(6 * SECOND);
    keeper.0.wait_for_arrivals(2);
    let (began, daemon) = (driven.at(), running.daemon().clone());
    let closing = thread::spawn(move || daemon.close());
    wait_until("the shutdown has begun", || {
        running.daemon().snapshot().state == WorkerState::Draining
    });
    let ended = || closing.is_finished();
    driven.clock.advance(29 * SECOND - Duration::from_millis(1));
    assert!(!ended());
    assert_eq!(driven.count(Action::Shutdown), 0);
    assert!(
        driven
            .clock
            .advance_until(HOUR, || driven.count(Action::Shutdown) == 1)
    );
    // A second is left for the last request.
    assert_eq!(driven.at() - began, 29 * SECOND);
    // The rest is for the callbacks, which may still return.
    driven.clock.advance(SECOND - Duration::from_millis(1));
    assert!(!ended());
    driven.clock.advance(Duration::from_millis(1));
    wait_until("the shutdown has ended", ended);
    assert_eq!(driven.count(Action::Shutdown), 1);
    let receipt = closing.join().expect("no panic");
    assert_eq!(receipt.abandoned().count(), 2);
    let again = receipt
        .channels
        .iter()
        .filter_map(|c| c.records_to_redeliver);
    assert_eq!(again.sum::<u64>(), 20);
    keeper.0.open();
    running.close().expect("ends well");
}

/// A handle that the program keeps keeps nothing but itself.
#[test]
fn a_kept_handle_keeps_no_thread() {
    let driven = Driven::new(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let pool = Arc::new(pool.expect("pool"));
    let (sender, handles) = crossbeam_channel::unbounded();
    let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, _: &[Record]| {
        let _ = sender.send((ctx.processor().clone(), ctx.next_token().to_owned()));
        Ok(())
    });
    let config = driven.config(factory).pool(pool.clone());
    let running = driven.start(config);
    driven.clock.advance(SECOND);
    driven.scene.put_rows(1);
    driven.clock.advance(10 * SECOND);
    let (handle, token) = handles.try_recv().expect("a callback");
    handle.commit_token(&token).expect("it is ours");
    assert!(running.close().expect("ends well").is_clean());
    wait_until("nobody else has the pool", || Arc::strong_count(&pool) == 1);
    let error = handle.commit_token(&token).expect_err("closed");
    assert_eq!(error.code(), &ErrorCode::ChannelLost);
}

/// Tells on which thread it is dropped.
#[derive(Debug)]
struct Dropped(crossbeam_channel::Sender<String>);

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no more of this")
    }
}

impl std::error::Error for Dropped {}

impl Drop for Dropped {
    fn drop(&mut self) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        let _ = self.0.send(name);
    }
}

#[test]
fn promise_12_what_an_error_holds_is_not_dropped_by_the_workers_loop() {
    let driven = Driven::new(1);
    let (sender, drops) = crossbeam_channel::unbounded();
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        Err(ProcessError::close(Dropped(sender.clone())))
    });
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(1);
    driven.clock.advance(60 * SECOND);
    assert!(running.close().is_ok());
    let names: Vec<String> = drops.try_iter().collect();
    assert!(!names.is_empty());
    assert!(
        names.iter().all(|name| name.starts_with("tunnel-close")),
        "{names:?}"
    );
}
