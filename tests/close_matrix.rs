//! Tests everything that can end a channel, at every stage of the channel.
//!
//! There is one test per cause. Tests run one at a time; the stages of a test run
//! at the same time, each with an emulator of its own. At the end no thread of a
//! worker may be left. The expected results are methods of [`Stage`] and [`Cause`].

#[expect(dead_code, reason = "shared with the scenarios, which need all of it")]
#[path = "scenarios/checks.rs"]
mod checks;
#[expect(dead_code, reason = "shared with the scenarios, which need all of it")]
#[path = "scenarios/harness.rs"]
mod harness;
#[path = "scenarios/thread_names.rs"]
mod thread_names;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tablestore_emulator::{Action, Emulator, EventKind, Fault, FaultTarget, Notice};
use tablestore_tunnel::{
    ChannelBackoffConfig, ChannelBatch, ChannelConn, ChannelContext, ChannelDialer, ProcessError,
    ProcessResult, Record, RunningDaemon, ScheduleChannel, ScheduleRequest, SimpleProcessFactory,
    TunnelError, TunnelType, TunnelWorkerConfigBuilder, TunnelWorkerDaemon, resume_channel,
    suspend_channel,
};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Processed, Scene, config, wait_until};
use crate::thread_names::{assert_no_worker_threads, run_alone};

/// The stage of the channel when the cause occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `channel_open` is running.
    Opening,
    /// The channel is polled and has nothing to process.
    Idle,
    /// A slow read is in flight.
    Reading,
    /// A batch waits for a thread of the pool.
    Queued,
    /// The callback is running, with more batches queued.
    InCallback,
    /// The callback has failed and asked for a retry in an hour.
    Retrying,
    /// A slow checkpoint is in flight.
    Saving,
    /// The reader pauses for seconds.
    BackingOff,
}

const STAGES: [Stage; 8] = [
    Stage::Opening,
    Stage::Idle,
    Stage::Reading,
    Stage::Queued,
    Stage::InCallback,
    Stage::Retrying,
    Stage::Saving,
    Stage::BackingOff,
];

impl Stage {
    fn rows(self) -> usize {
        match self {
            Stage::Queued | Stage::InCallback => 30,
            Stage::Retrying | Stage::Saving => 10,
            Stage::Opening | Stage::Idle | Stage::Reading | Stage::BackingOff => 0,
        }
    }

    /// The number of callbacks that have started. None may start after the cause.
    fn callbacks(self) -> usize {
        match self {
            Stage::InCallback | Stage::Retrying | Stage::Saving => 1,
            _ => 0,
        }
    }

    /// The last position saved in the end.
    fn saved(self, cause: Cause) -> Option<u64> {
        match self {
            // The checkpoint was sent before the cause.
            Stage::Saving => Some(10),
            Stage::InCallback if cause.is_graceful() => Some(10),
            _ => None,
        }
    }
}

/// The event that ends the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The service asks for the channel.
    Closing,
    /// The service takes the channel away.
    Taken(Notice),
    /// The service has forgotten the client.
    SessionLost,
    /// The program closes the daemon.
    Shutdown,
    /// The program drops the `RunningDaemon`.
    Drop,
}

impl Cause {
    /// Whether finished batches are still saved, so that nothing is redelivered.
    fn is_graceful(self) -> bool {
        matches!(self, Cause::Closing | Cause::Shutdown | Cause::Drop)
    }
}

/// Controls the user code of a channel, and records its calls.
#[derive(Clone, Default)]
struct Script(Arc<ScriptState>);

#[derive(Default)]
struct ScriptState {
    /// The calls of user code, in order.
    log: Mutex<Vec<&'static str>>,
    /// Set to stop callbacks from waiting for the cause.
    released: AtomicBool,
    /// Whether user code will panic at the stage. It waits or is retried there
    /// until it is released.
    is_for_panics: AtomicBool,
    /// The number of panics left.
    panics: AtomicUsize,
    /// The number of panics so far.
    panicked: AtomicUsize,
}

impl Script {
    fn note(&self, what: &'static str) {
        self.0.log.lock().expect("log").push(what);
    }

    fn count(&self, what: &str) -> usize {
        let log = self.0.log.lock().expect("log");
        log.iter().filter(|entry| **entry == what).count()
    }

    /// A script of user code that panics.
    fn for_panics() -> Script {
        let script = Script::default();
        script.0.is_for_panics.store(true, Ordering::SeqCst);
        script
    }

    fn is_for_panics(&self) -> bool {
        self.0.is_for_panics.load(Ordering::SeqCst)
    }

    fn is_released(&self) -> bool {
        self.0.released.load(Ordering::SeqCst)
    }

    fn wait_for_the_end(&self, ctx: &ChannelContext) {
        wait_until("the channel is closing or released", || {
            ctx.is_closing() || self.is_released()
        });
    }

    /// The retry delay of a failing callback.
    fn retry_delay(&self) -> Duration {
        match self.is_for_panics() {
            true => Duration::from_millis(20),
            false => Duration::from_secs(3600),
        }
    }

    fn maybe_panic(&self) {
        let decrement = |left: usize| left.checked_sub(1);
        let panics = &self.0.panics;
        if panics
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement)
            .is_ok()
        {
            self.0.panicked.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose");
        }
    }

    fn process(&self, stage: Stage, ctx: &ChannelContext) -> ProcessResult {
        self.note("process");
        self.maybe_panic();
        match stage {
            Stage::InCallback => self.wait_for_the_end(ctx),
            Stage::Retrying if !self.is_released() => {
                return Err(ProcessError::retry_after(self.retry_delay(), "later"));
            }
            _ => {}
        }
        self.maybe_panic();
        Ok(())
    }

    fn factory(&self, stage: Stage, processed: &Processed) -> SimpleProcessFactory {
        let (process, open, shutdown) = (self.clone(), self.clone(), self.clone());
        let processed = processed.clone();
        SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
            process.process(stage, ctx)?;
            processed.add(ctx, records)
        })
        .channel_open(move |ctx| {
            open.note("open");
            if stage == Stage::Opening {
                open.wait_for_the_end(ctx);
                open.maybe_panic();
            }
            Ok(())
        })
        .shutdown(move |_| shutdown.note("shutdown"))
    }
}

/// A dialer whose reads wait until the script is released.
struct BlockedDialer(Script);

struct BlockedConn {
    script: Script,
    service: Box<dyn ChannelConn>,
}

impl ChannelDialer for BlockedDialer {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        Ok(Box::new(BlockedConn {
            script: self.0.clone(),
            service,
        }))
    }
}

impl ChannelConn for BlockedConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        self.script.note("read");
        wait_until("the script is released", || self.script.is_released());
        self.script.maybe_panic();
        self.service.read(token)
    }
}

/// A pool of one thread that is busy until the sender is dropped.
fn busy_pool() -> (Arc<ThreadPool>, mpsc::Sender<()>) {
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    let pool = Arc::new(pool.expect("pool"));
    let (sender, receiver) = mpsc::channel();
    pool.spawn(move || {
        let _ = receiver.recv();
    });
    (pool, sender)
}

/// A channel at a stage.
struct Case {
    stage: Stage,
    scene: Scene,
    tunnel: String,
    script: Script,
    processed: Processed,
    daemon: TunnelWorkerDaemon,
    running: Option<RunningDaemon>,
    busy: Option<mpsc::Sender<()>>,
}

impl Case {
    /// Starts a worker and waits until its channel has reached the stage. `save` is
    /// the target of the fault that makes a checkpoint slow.
    fn at(stage: Stage, save: FaultTarget, script: Script) -> Case {
        let builder = Emulator::builder().batch_rows(10);
        // A client without heartbeats loses its channel after this time.
        let scene = Scene::with(1, builder.client_timeout(Duration::from_secs(3)));
        let tunnel = scene.tunnel(TunnelType::Stream);
        scene.put_rows(stage.rows());
        let processed = Processed::default();
        let slow = match stage {
            Stage::Reading if script.is_for_panics() => None,
            Stage::Reading => Some(Fault::on(Action::ReadRecords).delay(Duration::from_secs(20))),
            Stage::Saving => Some(save.delay(Duration::from_millis(700))),
            _ => None,
        };
        slow.into_iter().for_each(|slow| scene.emulator.fault(slow));
        let mut config = config(script.factory(stage, &processed)).pool_threads(1);
        let mut busy = None;
        match stage {
            Stage::Idle => config = config.backoff(short_backoff()),
            Stage::Reading if script.is_for_panics() => {
                config = config.channel_dialer(BlockedDialer(script.clone()));
            }
            Stage::Queued => {
                let (pool, sender) = busy_pool();
                config = config.pool(pool);
                busy = Some(sender);
            }
            _ => {}
        }
        let case = Case::start(stage, scene, tunnel, script, processed, config, busy);
        case.wait_for_stage();
        case
    }

    fn start(
        stage: Stage,
        scene: Scene,
        tunnel: String,
        script: Script,
        processed: Processed,
        config: TunnelWorkerConfigBuilder,
        busy: Option<mpsc::Sender<()>>,
    ) -> Case {
        let config = config.build().expect("config");
        let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
        Case {
            stage,
            running: Some(daemon.spawn().expect("a thread")),
            scene,
            tunnel,
            script,
            processed,
            daemon,
            busy,
        }
    }

    fn wait_for_stage(&self) {
        let reads = |wanted| {
            self.scene.wait_for_ledger("the channel is read", |events| {
                received(events, Action::ReadRecords) >= wanted
            });
        };
        let faulted = || {
            let is_fault = |e: &EventKind| matches!(e, EventKind::Faulted { .. });
            self.scene
                .wait_for_ledger("a request is slow", |events| events.iter().any(is_fault));
        };
        let called = |what| wait_until("user code is called", || self.script.count(what) > 0);
        match self.stage {
            Stage::Opening => called("open"),
            Stage::InCallback | Stage::Retrying => called("process"),
            Stage::Idle => reads(5),
            Stage::BackingOff => reads(4),
            // The first batch was queued before the second read.
            Stage::Queued => reads(2),
            Stage::Reading if self.script.is_for_panics() => called("read"),
            Stage::Reading | Stage::Saving => faulted(),
        }
    }

    fn apply(&mut self, cause: Cause) {
        let always = || Fault::on(Action::Heartbeat).times(u64::MAX);
        let emulator = &self.scene.emulator;
        match cause {
            Cause::Closing => {
                let id = self.channel();
                self.schedule(suspend_channel(id)).expect("suspended");
            }
            Cause::Taken(notice) => emulator.fault(always().take_all(notice)),
            Cause::SessionLost => emulator.fault(always().fail(410, "OTSResourceGone", "gone")),
            Cause::Shutdown => {
                let report = self.daemon.close();
                assert_eq!(report.abandoned().count(), 0, "{report:?}");
                // A batch that waits for its retry was delivered but not finished.
                assert_eq!(report.is_clean(), self.stage != Stage::Retrying);
            }
            Cause::Drop => drop(self.running.take()),
        }
    }

    fn schedule(&self, channel: ScheduleChannel) -> Result<(), TunnelError> {
        let request = ScheduleRequest::new(&self.tunnel, [channel]);
        self.scene.client.schedule(&request).map(|_| ())
    }

    fn channel(&self) -> String {
        let ledger = self.scene.emulator.ledger();
        let held = ledger.events().iter().find_map(|event| match &event.kind {
            EventKind::Heartbeat { answered, .. } => Some(answered.first()?.channel.to_string()),
            _ => None,
        });
        held.expect("a channel")
    }

    /// Checks the calls of user code and the saved position.
    fn check_end(&self, cause: Cause) {
        let at = format!("{:?}, {cause:?}", self.stage);
        assert_eq!(self.script.count("open"), 1, "{at}");
        assert_eq!(self.script.count("shutdown"), 1, "{at}");
        let last = self.script.0.log.lock().expect("log").last().copied();
        assert_eq!(last, Some("shutdown"), "{at}");
        let callbacks = self.script.count("process");
        assert_eq!(callbacks, self.stage.callbacks(), "{at}: callbacks");
        let ledger = self.scene.emulator.ledger();
        let saved = ledger
            .events()
            .iter()
            .rev()
            .find_map(|event| match event.kind {
                EventKind::Saved { position, .. } => Some(position),
                _ => None,
            });
        assert_eq!(saved.flatten(), self.stage.saved(cause), "{at}: saved");
    }

    /// Checks that the end was reported to the service as the protocol requires,
    /// and only after the last save.
    fn check_reported_status(&self, cause: Cause) {
        let wanted = match cause {
            Cause::Taken(Notice::Missing) | Cause::SessionLost => return,
            Cause::Taken(Notice::Terminated) => "TERMINATED",
            _ => "CLOSE",
        };
        let reports = |e: &EventKind| {
            let is_wanted = |r: &tablestore_emulator::ChannelState| r.status.as_str() == wanted;
            matches!(e, EventKind::Heartbeat { reported, .. } if reported.iter().any(is_wanted))
        };
        self.scene
            .wait_for_ledger("the end is reported", |events| events.iter().any(reports));
        let ledger = self.scene.emulator.ledger();
        let kinds = || ledger.events().iter().map(|event| &event.kind);
        let report = kinds().position(reports).expect("a report");
        let saved = kinds().rposition(|e| matches!(e, EventKind::Saved { .. }));
        assert!(
            saved < Some(report),
            "{:?}, {cause:?}: saved after the report",
            self.stage
        );
        if matches!(cause, Cause::Shutdown | Cause::Drop) {
            let gone = kinds().position(|e| matches!(e, EventKind::Gone { .. }));
            assert!(
                gone > Some(report),
                "{:?}, {cause:?}: left before the report",
                self.stage
            );
        }
    }

    /// Consumes the remaining records with another worker, and checks that nothing
    /// is lost.
    fn consume_the_rest(mut self, is_graceful: bool) {
        self.script.0.released.store(true, Ordering::SeqCst);
        drop(self.busy.take());
        drop(self.running.take());
        self.scene.emulator.clear_faults();
        let id = self.channel();
        let _ = self.schedule(resume_channel(id));
        self.scene.put_rows(20);
        let config = config(self.processed.factory()).backoff(short_backoff());
        let running = self.scene.start(&self.tunnel, config);
        self.processed.wait_for_all(&self.scene);
        assert!(running.close().is_clean());
        match is_graceful {
            true => assert_exactly_once(&self.scene, &self.processed),
            false => assert_at_least_once(&self.scene, &self.processed),
        }
    }
}

fn short_backoff() -> ChannelBackoffConfig {
    ChannelBackoffConfig::default().max_delay(Duration::from_millis(20))
}

fn received(events: &[EventKind], wanted: Action) -> usize {
    let is_wanted =
        |e: &&EventKind| matches!(e, EventKind::Received { action, .. } if *action == wanted);
    events.iter().filter(is_wanted).count()
}

/// Runs a test for every stage at the same time.
fn at_every_stage(test: impl Fn(Stage) + Sync) {
    let _alone = run_alone();
    thread::scope(|scope| {
        for stage in STAGES {
            let test = &test;
            scope.spawn(move || test(stage));
        }
    });
    assert_no_worker_threads();
}

fn assert_ends_at_every_stage(cause: Cause) {
    at_every_stage(|stage| {
        let save = Fault::on(Action::Checkpoint);
        // A graceful end waits for the checkpoint, however slow it is. A checkpoint
        // sent before a loss cannot be cancelled, so the service executes it before
        // it delays the response.
        let save = match cause.is_graceful() {
            true => save.before(),
            false => save.after(),
        };
        let mut case = Case::at(stage, save, Script::default());
        let start = Instant::now();
        case.apply(cause);
        wait_until("the channel is shut down", || {
            case.script.count("shutdown") > 0
        });
        // The end waits neither for the slow read nor for any pause.
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "{stage:?}: {took:?}");
        case.check_reported_status(cause);
        case.check_end(cause);
        case.consume_the_rest(cause.is_graceful());
    });
}

#[test]
fn status_closing_ends_the_channel_at_every_stage() {
    assert_ends_at_every_stage(Cause::Closing);
}

#[test]
fn status_close_ends_the_channel_at_every_stage() {
    assert_ends_at_every_stage(Cause::Taken(Notice::Close));
}

#[test]
fn status_terminated_ends_the_channel_at_every_stage() {
    assert_ends_at_every_stage(Cause::Taken(Notice::Terminated));
}

#[test]
fn a_channel_missing_from_the_response_ends_at_every_stage() {
    assert_ends_at_every_stage(Cause::Taken(Notice::Missing));
}

#[test]
fn a_lost_session_ends_the_channel_at_every_stage() {
    assert_ends_at_every_stage(Cause::SessionLost);
}

#[test]
fn shutdown_ends_the_channel_at_every_stage() {
    assert_ends_at_every_stage(Cause::Shutdown);
}

#[test]
fn dropping_the_daemon_ends_the_channel_at_every_stage() {
    assert_ends_at_every_stage(Cause::Drop);
}

#[test]
fn panics_in_user_code_are_contained_at_every_stage() {
    at_every_stage(|stage| {
        let mut case = Case::at(stage, Fault::on(Action::Checkpoint), Script::for_panics());
        // A panicking callback gets three attempts, and a fourth after the channel
        // was reopened. Other user code is called again when the channel is reopened.
        let panics = match stage {
            Stage::Opening | Stage::Reading => 1,
            _ => 4,
        };
        case.script.0.panics.store(panics, Ordering::SeqCst);
        case.script.0.released.store(true, Ordering::SeqCst);
        drop(case.busy.take());
        case.scene.put_rows(30);
        case.processed.wait_for_all(&case.scene);
        let panicked = case.script.0.panicked.load(Ordering::SeqCst);
        assert_eq!(panicked, panics, "{stage:?}");
        let running = case.running.take().expect("running");
        assert!(running.close().expect("ends well").is_clean());
        let opened = case.script.count("open") - usize::from(stage == Stage::Opening);
        assert_eq!(case.script.count("shutdown"), opened, "{stage:?}");
        assert_exactly_once(&case.scene, &case.processed);
    });
}
