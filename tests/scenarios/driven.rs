//! Tests long scenarios on a manual clock with the worker's default intervals.
//!
//! Days pass in an instant. The clock also shows whether an operation has waited
//! for a timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, ChannelState, ChannelStatus, Emulator, EventKind, Fault, Rule};
use tablestore_tunnel::{
    ChannelBackoffConfig, ChannelContext, Clock, ErrorCode, ProcessError, Record, RunningDaemon,
    SimpleProcessFactory, TunnelType, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
    TunnelWorkerDaemon, WorkerState,
};
use time::OffsetDateTime;

use crate::harness::{Gate, GateKeeper, Processed, Scene, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A scene whose client and emulator share a manual clock.
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

    /// A configuration with the default intervals.
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

    /// The current time, as the time since 1970.
    fn now(&self) -> Duration {
        Duration::try_from(self.clock.utc() - OffsetDateTime::UNIX_EPOCH).expect("after 1970")
    }

    /// The times at which the emulator received requests of this kind.
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

/// The seconds between consecutive times.
fn gaps(times: &[OffsetDateTime]) -> Vec<f64> {
    let pairs = times.windows(2);
    pairs
        .map(|two| (two[1] - two[0]).as_seconds_f64())
        .collect()
}

/// A backoff that polls idle channels at most once an hour.
fn hourly_backoff() -> ChannelBackoffConfig {
    ChannelBackoffConfig::default().max_delay(HOUR)
}

#[test]
fn promise_06_heartbeats_are_on_time_for_a_day() {
    let driven = Driven::new(2);
    let gate = Gate::default();
    let keeper = GateKeeper(gate.clone());
    let clock = driven.clock.clone();
    // The callback blocks for the whole day.
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        clock.blocked(|| gate.pass());
        Ok(())
    });
    let running = driven.start(driven.config(factory).backoff(hourly_backoff()));
    driven.clock.advance(Duration::ZERO);
    driven.scene.put_rows(1);
    driven.clock.advance(DAY);
    keeper.0.wait_for_arrivals(1);
    let heartbeats = driven.times(Action::Heartbeat);
    // In the first minute, when channels may move, every 5 s.
    assert_eq!(heartbeats.len(), 1 + 12 + (24 * 120 - 2));
    let gaps = gaps(&heartbeats);
    assert!(gaps[..12].iter().all(|gap| *gap == 5.0), "{gaps:?}");
    assert!(gaps[12..].iter().all(|gap| *gap == 30.0), "{gaps:?}");
    assert_eq!(driven.count(Action::Connect), 1);
    let health = running.daemon().health();
    assert!(format!("{health:?}").contains("Stalled"), "{health:?}");
    keeper.0.open();
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_session_whose_heartbeats_fail_saves_before_its_lease_ends() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    // No save by the interval.
    let factory = processed.factory().checkpoint_interval(DAY);
    let running = driven.start(driven.config(factory));
    driven.clock.advance(100 * SECOND);
    let busy = Fault::on(Action::Heartbeat).times(u64::MAX);
    let emulator = &driven.scene.emulator;
    emulator.fault(busy.fail(503, "OTSServerBusy", "busy"));
    driven.scene.put_rows(10);
    driven.clock.advance(10 * SECOND);
    assert_eq!(processed.len(), 10);
    assert_eq!(driven.count(Action::Checkpoint), 0);
    let lost = || running.daemon().snapshot().reconnects == 1;
    assert!(driven.clock.advance_until(300 * SECOND, lost));
    emulator.clear_faults();
    driven.clock.advance(10 * SECOND);
    driven.scene.put_rows(1);
    driven.clock.advance(10 * SECOND);
    assert_eq!(processed.len(), 11, "nothing comes again");
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_session_is_lost_exactly_at_the_heartbeat_timeout_and_replaced() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()).backoff(hourly_backoff()));
    driven.clock.advance(105 * SECOND);
    assert_eq!(driven.count(Action::Heartbeat), 1 + 12 + 1);
    // The last answered heartbeat was sent 15 s ago.
    let unavailable = Fault::on(Action::Heartbeat).times(u64::MAX);
    driven
        .scene
        .emulator
        .fault(unavailable.fail(503, "OTSTunnelServerUnavailable", "busy"));
    let lost_at = driven.now() + 285 * SECOND;
    driven
        .clock
        .advance(285 * SECOND - Duration::from_millis(1));
    assert_eq!(
        running.daemon().snapshot().reconnects,
        0,
        "the session was lost too early"
    );
    assert!(
        driven.count(Action::Heartbeat) > 60,
        "heartbeats were not retried"
    );
    driven
        .clock
        .advance_until(SECOND, || running.daemon().snapshot().reconnects == 1);
    assert_eq!(driven.now(), lost_at, "the session was lost too late");
    driven.scene.emulator.clear_faults();
    driven.scene.put_rows(1);
    // The worker reconnects after a pause of at most 1 s.
    driven.clock.advance(SECOND);
    assert_eq!(driven.count(Action::Connect), 2);
    assert_eq!(processed.len(), 1);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn idle_channels_send_only_polls_and_heartbeats() {
    let driven = Driven::new(2);
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(100);
    driven.clock.advance(60 * SECOND);
    assert_eq!(processed.len(), 100);
    assert_eq!(driven.count(Action::Checkpoint), 2, "one for each channel");
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
    // Each channel polls every 5 s, with a jitter of 25 %.
    assert!((1300..1600).contains(&polls), "{polls}");
    assert!(counts.is_empty(), "{counts:?}");
    assert!(running.close().expect("ends well").is_clean());
    assert_eq!(
        driven.count(Action::Checkpoint),
        2,
        "there was nothing new to save"
    );
}

#[test]
fn an_idle_channel_is_polled_with_increasing_backoff() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()));
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

/// While there are records, neither reads nor callbacks wait for a timer.
#[test]
fn a_busy_stream_is_delivered_without_pauses() {
    // Three full reads and the rest.
    const ROWS: usize = 3 * 5_000 + 100;
    let driven = Driven::new(1);
    let processed = Processed::default();
    driven.scene.put_rows(ROWS);
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(SECOND);
    assert_eq!(processed.len(), ROWS);
    let reads = driven.times(Action::ReadRecords);
    let (busy, _) = reads.split_at(4);
    assert_eq!(gaps(busy), [0.0; 3]);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_light_stream_is_delivered_within_a_second() {
    const STEP: Duration = Duration::from_millis(100);
    let driven = Driven::new(1);
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()));
    // The poll interval grows to its maximum.
    driven.clock.advance(60 * SECOND);
    for written in 1..=150 {
        driven.scene.put_rows(1);
        driven.clock.advance(STEP);
        // Two polls without records may fall between two rows, 15 and 90 ms after
        // a read with records. The next poll follows after at most 625 ms. The first
        // 100 rows are not checked, because the maximum poll interval is 6 s.
        let lag = written - processed.len();
        assert!(written < 100 || lag <= 7, "{lag} of {written}");
    }
    driven.clock.advance(10 * SECOND);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn promise_11_an_unreadable_response_costs_only_the_retry_delay() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(SECOND);
    driven
        .scene
        .emulator
        .fault(Fault::on(Action::ReadRecords).times(2).garbage());
    driven.scene.put_rows(10);
    // The maximum poll interval, plus the retries.
    driven.clock.advance(7 * SECOND);
    assert_eq!(processed.len(), 10);
    assert_eq!(
        driven.count(Action::GetCheckpoint),
        1,
        "the channel was closed and reopened"
    );
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn checkpoints_are_saved_once_per_interval() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let factory = processed.factory().checkpoint_interval(60 * SECOND);
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    for _ in 0..60 {
        driven.scene.put_rows(1);
        driven.clock.advance(10 * SECOND);
    }
    assert_eq!(processed.len(), 60);
    let saves = driven.times(Action::Checkpoint);
    assert!((8..=10).contains(&saves.len()), "{}", saves.len());
    assert!(gaps(&saves).iter().all(|gap| *gap >= 60.0));
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_batch_is_redelivered_after_its_retry_delay() {
    let driven = Driven::new(1);
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        match count.fetch_add(1, Ordering::SeqCst) {
            0 => Err(ProcessError::retry_after(6 * HOUR, "later")),
            _ => Ok(()),
        }
    });
    let running = driven.start(driven.config(factory).backoff(hourly_backoff()));
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
fn a_row_a_day_is_delivered_for_a_week() {
    let driven = Driven::new(2);
    let processed = Processed::default();
    let config = driven.config(processed.factory()).backoff(hourly_backoff());
    let config = config
        .heartbeat_interval(600 * SECOND)
        .heartbeat_timeout(HOUR);
    let running = driven.start(config);
    driven.clock.advance(SECOND);
    for day in 0..7 {
        driven.scene.put_rows(1);
        driven.clock.advance(DAY);
        assert_eq!(processed.len(), day + 1);
    }
    // In the first minute every 5 s, then every 10 min.
    assert_eq!(driven.count(Action::Heartbeat), 1 + 12 + (7 * 144 - 1));
    assert_eq!(driven.count(Action::Checkpoint), 7);
    assert_eq!(driven.count(Action::Connect), 1);
    assert!(running.close().expect("ends well").is_clean());
}

/// While the machine sleeps, the service ends the session.
#[test]
fn after_the_machine_sleeps_nothing_is_saved_until_it_reconnects() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let (in_callback, clock) = (processed.clone(), driven.clock.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, refused) = (calls.clone(), Arc::new(AtomicUsize::new(0)));
    let refusals = refused.clone();
    let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(ctx.may_checkpoint());
            clock.jump(HOUR);
            // Both report the loss immediately, before the worker's loop has noticed it.
            let error = ctx.processor().commit_token(ctx.next_token());
            let is_lost = error.is_err_and(|e| e.code() == &ErrorCode::ChannelLost);
            if is_lost && !ctx.may_checkpoint() {
                refusals.fetch_add(1, Ordering::SeqCst);
            }
            return Err(ProcessError::close("the machine slept"));
        }
        in_callback.add(ctx, records)
    });
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(10);
    // This step ends early, because the callback's jump goes further.
    driven.clock.advance(60 * SECOND);
    driven.clock.advance(60 * SECOND);
    assert_eq!(refused.load(Ordering::SeqCst), 1);
    assert_eq!(driven.count(Action::Connect), 2);
    assert_eq!(processed.len(), 10, "the batch was not redelivered");
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_suspended_machine_pauses_callbacks_until_a_heartbeat_is_answered() {
    // The service goes on by its own clock, and still knows the worker.
    let clock = Clock::manual(OffsetDateTime::now_utc());
    let scene = Scene::new(1);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let driven = Driven {
        clock,
        scene,
        tunnel,
    };
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(100 * SECOND);
    let (heartbeats, reads) = (
        driven.count(Action::Heartbeat),
        driven.count(Action::ReadRecords),
    );
    let failing = Fault::on(Action::Heartbeat).times(u64::MAX);
    driven
        .scene
        .emulator
        .fault(failing.fail(503, "OTSServerBusy", "busy"));
    driven.clock.suspend(HOUR);
    driven.scene.put_rows(10);
    // The poll of the idle channel finds the lease in doubt.
    driven.clock.advance(6 * SECOND);
    assert!(
        driven.count(Action::Heartbeat) > heartbeats,
        "one goes out immediately"
    );
    assert_eq!(
        driven.count(Action::ReadRecords),
        reads,
        "nothing is read in doubt"
    );
    assert_eq!(processed.len(), 0);
    driven.scene.emulator.clear_faults();
    driven.clock.advance(11 * SECOND);
    assert_eq!(processed.len(), 10);
    assert_eq!(driven.count(Action::Connect), 1, "the session goes on");
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_machine_that_was_suspended_for_too_long_connects_again() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(100 * SECOND);
    // The service lives by the same calendar, and has dropped the worker, which has to
    // ask to know that.
    driven.scene.breaks(Rule::HeartbeatGap);
    driven.clock.suspend(HOUR);
    driven.scene.put_rows(10);
    driven.clock.advance(20 * SECOND);
    assert_eq!(driven.count(Action::Connect), 2);
    assert_eq!(processed.len(), 10);
    assert!(running.close().expect("ends well").is_clean());
}

/// Two workers at the defaults: from the answer that says CLOSING to the first worker
/// until the second one reads.
#[test]
fn promise_10_a_channel_that_moves_is_without_a_reader_for_seven_seconds_at_most() {
    for offset in [0, 3, 7, 11, 17, 23, 29] {
        let driven = Driven::new(2);
        let processed = Processed::default();
        let config = |tag: &str| driven.config(processed.factory()).client_tag(tag);
        let first = driven.start(config("first"));
        driven.clock.advance((600 + offset) * SECOND);
        let second = driven.start(config("second"));
        for _ in 0..60 {
            driven.scene.put_rows(2);
            driven.clock.advance(SECOND);
        }
        driven.clock.advance(10 * SECOND);
        let ledger = driven.scene.emulator.ledger();
        let closing = ledger.events().iter().find_map(|event| match &event.kind {
            EventKind::Heartbeat { answered, .. } => {
                let is_closing = |state: &&ChannelState| state.status == ChannelStatus::Closing;
                let state = answered.iter().find(is_closing)?;
                Some((event.time, state.channel.clone()))
            }
            _ => None,
        });
        let (heard, moved) = closing.expect("a channel moves");
        let read = ledger.events().iter().find_map(|event| match &event.kind {
            EventKind::Read {
                channel, client, ..
            } if *channel == moved => client.starts_with("second").then_some(event.time),
            _ => None,
        });
        let gap = read.expect("the second worker reads it") - heard;
        assert!(gap.as_seconds_f64() <= 7.0, "offset {offset}: {gap}");
        assert!(second.close().expect("ends well").is_clean());
        assert!(first.close().expect("ends well").is_clean());
        assert_eq!(processed.len(), 120, "nothing twice");
    }
}

#[test]
fn a_channel_that_fails_is_opened_again_after_growing_pauses() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let refused = Fault::on(Action::ReadRecords).times(u64::MAX);
    driven
        .scene
        .emulator
        .fault(refused.fail(400, "OTSParameterInvalid", "no"));
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(1000 * SECOND);
    let times = driven.times(Action::GetCheckpoint);
    let pauses: Vec<u64> = gaps(&times).iter().map(|gap| gap.round() as u64).collect();
    assert_eq!(pauses[..5], [5, 10, 20, 40, 60], "{pauses:?}");
    assert!(
        pauses[5..].iter().all(|pause| (60..=62).contains(pause)),
        "{pauses:?}"
    );
    driven.scene.emulator.clear_faults();
    driven.scene.put_rows(10);
    driven.clock.advance(70 * SECOND);
    assert_eq!(processed.len(), 10);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn a_refused_checkpoint_releases_the_channel_with_growing_pauses() {
    let driven = Driven::new(1);
    let processed = Processed::default();
    let refused = Fault::on(Action::Checkpoint).times(u64::MAX);
    driven
        .scene
        .emulator
        .fault(refused.fail(400, "OTSParameterInvalid", "no"));
    let running = driven.start(driven.config(processed.factory()));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(10);
    driven.clock.advance(1000 * SECOND);
    // By the interval of 10 s, and once more when the channel closes.
    let saves = driven.count(Action::Checkpoint);
    assert!((10..=40).contains(&saves), "{saves} attempts in 1000 s");
    driven.scene.emulator.clear_faults();
    driven.clock.advance(100 * SECOND);
    assert!(running.close().expect("ends well").is_clean());
}

#[test]
fn closing_waits_for_no_timer() {
    type Setup = fn(&Driven) -> RunningDaemon;
    fn started(driven: &Driven) -> RunningDaemon {
        driven.start(driven.config(Processed::default().factory()))
    }
    let idle: Setup = |driven| {
        let running = started(driven);
        driven.clock.advance(60 * SECOND);
        running
    };
    let before_a_save: Setup = |driven| {
        let running = started(driven);
        driven.clock.advance(SECOND);
        driven.scene.put_rows(5);
        driven.clock.advance(3 * SECOND);
        assert_eq!(driven.count(Action::Checkpoint), 0, "saved too early");
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
        ("idle", idle, 1),
        ("before a save", before_a_save, 1),
        ("before a retry", before_a_retry, 1),
        ("between requests", between_requests, 1),
        ("before a reconnect", before_a_reconnect, 0),
        ("while connecting", while_connecting, 0),
    ] {
        let driven = Driven::new(1);
        let running = setup(&driven);
        let before = driven.now();
        let report = running.close().expect("ends well");
        assert_eq!(driven.now(), before, "{what}");
        assert_eq!(report.channels.len(), channels, "{what}");
        assert_eq!(report.abandoned().count(), 0, "{what}");
    }
}

#[test]
fn a_handover_waits_only_for_heartbeats() {
    let driven = Driven::new(1);
    let (first, second) = (Processed::default(), Processed::default());
    let one = driven.start(driven.config(first.factory()));
    driven.clock.advance(47 * SECOND);
    driven.scene.put_rows(5);
    // The maximum poll interval with its jitter.
    driven.clock.advance(7 * SECOND);
    assert_eq!(first.len(), 5);
    // The first worker leaves. The second is assigned the channel with its next
    // heartbeat.
    let two = driven.start(driven.config(second.factory()));
    driven.clock.advance(SECOND);
    assert_eq!(driven.count(Action::Connect), 2);
    assert!(one.close().expect("ends well").is_clean());
    driven.scene.put_rows(5);
    let (heartbeats, reads) = (
        driven.count(Action::Heartbeat),
        driven.count(Action::ReadRecords),
    );
    let is_assigned = || driven.count(Action::Heartbeat) > heartbeats;
    assert!(driven.clock.advance_until(30 * SECOND, is_assigned));
    assert!(
        driven.count(Action::ReadRecords) > reads,
        "the channel was not read immediately"
    );
    assert_eq!(
        second.len(),
        5,
        "the records were not processed immediately"
    );
    assert!(two.close().expect("ends well").is_clean());
}

#[test]
fn promise_07_a_shutdown_that_reaches_its_deadline_sends_one_request() {
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
    let (start, daemon) = (driven.now(), running.daemon().clone());
    let closing = thread::spawn(move || daemon.close());
    wait_until("the shutdown has started", || {
        running.daemon().snapshot().state == WorkerState::Draining
    });
    let has_ended = || closing.is_finished();
    driven.clock.advance(24 * SECOND - Duration::from_millis(1));
    assert!(!has_ended());
    assert_eq!(driven.count(Action::Shutdown), 0);
    assert!(
        driven
            .clock
            .advance_until(HOUR, || driven.count(Action::Shutdown) == 1)
    );
    // The last second is reserved for this request.
    assert_eq!(driven.now() - start, 24 * SECOND);
    // Callbacks may still return before the deadline.
    driven.clock.advance(SECOND - Duration::from_millis(1));
    assert!(!has_ended());
    driven.clock.advance(Duration::from_millis(1));
    wait_until("the shutdown has ended", has_ended);
    assert_eq!(driven.count(Action::Shutdown), 1);
    let report = closing.join().expect("no panic");
    assert_eq!(report.abandoned().count(), 2);
    let redelivered = report
        .channels
        .iter()
        .filter_map(|c| c.records_to_redeliver);
    assert_eq!(redelivered.sum::<u64>(), 20);
    keeper.0.open();
    running.close().expect("ends well");
}

/// A `ProcessorHandle` does not keep the pool of its configuration alive.
#[test]
fn a_kept_processor_handle_keeps_no_resources() {
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
    handle.commit_token(&token).expect("the channel is open");
    assert!(running.close().expect("ends well").is_clean());
    wait_until("the worker has released the pool", || {
        Arc::strong_count(&pool) == 1
    });
    let error = handle.commit_token(&token).expect_err("closed");
    assert_eq!(error.code(), &ErrorCode::ChannelLost);
}

/// An error that sends the name of the thread on which it is dropped.
#[derive(Debug)]
struct ReportsDrop(crossbeam_channel::Sender<String>);

impl std::fmt::Display for ReportsDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("on purpose")
    }
}

impl std::error::Error for ReportsDrop {}

impl Drop for ReportsDrop {
    fn drop(&mut self) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        let _ = self.0.send(name);
    }
}

#[test]
fn promise_12_errors_are_not_dropped_on_the_worker_loop() {
    let driven = Driven::new(1);
    let (sender, drops) = crossbeam_channel::unbounded();
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, _: &[Record]| {
        Err(ProcessError::close(ReportsDrop(sender.clone())))
    });
    let running = driven.start(driven.config(factory));
    driven.clock.advance(SECOND);
    driven.scene.put_rows(1);
    driven.clock.advance(60 * SECOND);
    assert!(running.close().is_ok());
    let names: Vec<String> = drops.try_iter().collect();
    assert!(!names.is_empty());
    assert!(names.iter().all(|name| name == "tunnel-io"), "{names:?}");
}
