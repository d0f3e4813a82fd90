//! Every stage of a channel, and everything that can end it there.
//!
//! One test a cause, one at a time; its stages run side by side, each with an
//! emulator of its own, and in the end no thread is left. What must come of it
//! stands in [`Stage`] and [`Cause`].

#[path = "scenarios/census.rs"]
mod census;
#[expect(dead_code, reason = "shared with the scenarios, which need all of it")]
#[path = "scenarios/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the scenarios, which need all of it")]
#[path = "scenarios/judge.rs"]
mod judge;

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

use crate::census::{alone, no_thread_of_a_worker_is_left};
use crate::harness::{Scene, Seen, config, wait_until};
use crate::judge::{judge, judge_orderly};

/// Where the channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In the user's `channel_open`.
    Opening,
    /// Read again and again, with nothing to process.
    Idle,
    /// A read is on its way, and will be for long.
    Reading,
    /// A batch waits for a thread of the pool.
    Queued,
    /// In the callback, with batches behind.
    InCallback,
    /// The callback has failed and asked for another attempt in an hour.
    Retrying,
    /// A checkpoint has been sent, its answer is slow.
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

    /// How many callbacks have begun; the cause must not let another one begin.
    fn callbacks(self) -> usize {
        match self {
            Stage::InCallback | Stage::Retrying | Stage::Saving => 1,
            _ => 0,
        }
    }

    /// The last position that is saved in the end.
    fn saved(self, cause: Cause) -> Option<u64> {
        match self {
            // It was sent before the cause.
            Stage::Saving => Some(10),
            Stage::InCallback if cause.is_orderly() => Some(10),
            _ => None,
        }
    }
}

/// What ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The service asks for the channel.
    Closing,
    /// The service takes it.
    Taken(Notice),
    /// The service does not know us any more.
    SessionLost,
    Shutdown,
    /// Of the handle that owns the daemon's thread.
    Drop,
}

impl Cause {
    /// Whether what is done is still saved, so that nothing comes twice.
    fn is_orderly(self) -> bool {
        matches!(self, Cause::Closing | Cause::Shutdown | Cause::Drop)
    }
}

/// What the callbacks tell and are told.
#[derive(Clone, Default)]
struct Script(Arc<Told>);

#[derive(Default)]
struct Told {
    /// What the user's code was called for, in order.
    log: Mutex<Vec<&'static str>>,
    /// Callbacks that wait for the cause need not any more.
    released: AtomicBool,
    /// The user's code is to panic at the stage: it is called there again and
    /// again, or waits there, until it is released.
    is_for_panics: AtomicBool,
    /// Panics that are still to come.
    panics: AtomicUsize,
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

    /// For user code that is to panic.
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
        wait_until("the end has come", || {
            ctx.is_closing() || self.is_released()
        });
    }

    /// When a callback that fails asks to be called again.
    fn retry_delay(&self) -> Duration {
        match self.is_for_panics() {
            true => Duration::from_millis(20),
            false => Duration::from_secs(3600),
        }
    }

    fn maybe_panic(&self) {
        let fewer = |left: usize| left.checked_sub(1);
        let panics = &self.0.panics;
        if panics
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer)
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

    fn factory(&self, stage: Stage, seen: &Seen) -> SimpleProcessFactory {
        let (process, open, shutdown) = (self.clone(), self.clone(), self.clone());
        let seen = seen.clone();
        SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
            process.process(stage, ctx)?;
            seen.note(ctx, records)
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

/// Reads through the service, as soon as the script releases it.
struct HeldReads(Script);

struct HeldConn {
    script: Script,
    service: Box<dyn ChannelConn>,
}

impl ChannelDialer for HeldReads {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        Ok(Box::new(HeldConn {
            script: self.0.clone(),
            service,
        }))
    }
}

impl ChannelConn for HeldConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        self.script.note("read");
        wait_until("it is released", || self.script.is_released());
        self.script.maybe_panic();
        self.service.read(token)
    }
}

/// A pool of one thread, which is busy until the sender is dropped.
fn busy_pool() -> (Arc<ThreadPool>, mpsc::Sender<()>) {
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    let pool = Arc::new(pool.expect("pool"));
    let (sender, receiver) = mpsc::channel();
    pool.spawn(move || {
        let _ = receiver.recv();
    });
    (pool, sender)
}

/// One channel at one stage.
struct Cell {
    stage: Stage,
    scene: Scene,
    tunnel: String,
    script: Script,
    seen: Seen,
    daemon: TunnelWorkerDaemon,
    running: Option<RunningDaemon>,
    busy: Option<mpsc::Sender<()>>,
}

impl Cell {
    /// `save`: where a slow checkpoint is slow.
    fn at(stage: Stage, save: FaultTarget, script: Script) -> Cell {
        let builder = Emulator::builder().batch_rows(10);
        // For who is not heard any more.
        let scene = Scene::with(1, builder.client_timeout(Duration::from_secs(3)));
        let tunnel = scene.tunnel(TunnelType::Stream);
        scene.put_rows(stage.rows());
        let seen = Seen::default();
        let slow = match stage {
            Stage::Reading if script.is_for_panics() => None,
            Stage::Reading => Some(Fault::on(Action::ReadRecords).delay(Duration::from_secs(20))),
            Stage::Saving => Some(save.delay(Duration::from_millis(700))),
            _ => None,
        };
        slow.into_iter().for_each(|slow| scene.emulator.fault(slow));
        let mut config = config(script.factory(stage, &seen)).pool_threads(1);
        let mut busy = None;
        match stage {
            Stage::Idle => config = config.backoff(quick()),
            Stage::Reading if script.is_for_panics() => {
                config = config.channel_dialer(HeldReads(script.clone()));
            }
            Stage::Queued => {
                let (pool, sender) = busy_pool();
                config = config.pool(pool);
                busy = Some(sender);
            }
            _ => {}
        }
        let cell = Cell::start(stage, scene, tunnel, script, seen, config, busy);
        cell.wait_for_stage();
        cell
    }

    fn start(
        stage: Stage,
        scene: Scene,
        tunnel: String,
        script: Script,
        seen: Seen,
        config: TunnelWorkerConfigBuilder,
        busy: Option<mpsc::Sender<()>>,
    ) -> Cell {
        let config = config.build().expect("config");
        let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
        Cell {
            stage,
            running: Some(daemon.spawn().expect("a thread")),
            scene,
            tunnel,
            script,
            seen,
            daemon,
            busy,
        }
    }

    fn wait_for_stage(&self) {
        let reads = |wanted| {
            self.scene.wait_for_ledger("it is read", |events| {
                received(events, Action::ReadRecords) >= wanted
            });
        };
        let faulted = || {
            let is_fault = |e: &EventKind| matches!(e, EventKind::Faulted { .. });
            self.scene
                .wait_for_ledger("a request is slow", |events| events.iter().any(is_fault));
        };
        let called = |what| wait_until("the user's code is called", || self.script.count(what) > 0);
        match self.stage {
            Stage::Opening => called("open"),
            Stage::InCallback | Stage::Retrying => called("process"),
            Stage::Idle => reads(5),
            Stage::BackingOff => reads(4),
            // The first batch was handed on before the second read.
            Stage::Queued => reads(2),
            Stage::Reading if self.script.is_for_panics() => called("read"),
            Stage::Reading | Stage::Saving => faulted(),
        }
    }

    fn bring(&mut self, cause: Cause) {
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
                let receipt = self.daemon.close();
                assert_eq!(receipt.abandoned().count(), 0, "{receipt:?}");
                // A batch that waits for another attempt was delivered.
                assert_eq!(receipt.is_clean(), self.stage != Stage::Retrying);
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

    /// What every cause must come to.
    fn judge_end(&self, cause: Cause) {
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

    /// The service was told as the protocol wants it, and after the last save.
    fn judge_report(&self, cause: Cause) {
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
            "{:?}, {cause:?}: saved late",
            self.stage
        );
        if matches!(cause, Cause::Shutdown | Cause::Drop) {
            let gone = kinds().position(|e| matches!(e, EventKind::Gone { .. }));
            assert!(
                gone > Some(report),
                "{:?}, {cause:?}: left early",
                self.stage
            );
        }
    }

    /// Nothing is lost: another worker brings the rest.
    fn consume_the_rest(mut self, is_orderly: bool) {
        self.script.0.released.store(true, Ordering::SeqCst);
        drop(self.busy.take());
        drop(self.running.take());
        self.scene.emulator.clear_faults();
        let id = self.channel();
        let _ = self.schedule(resume_channel(id));
        self.scene.put_rows(20);
        let config = config(self.seen.factory()).backoff(quick());
        let running = self.scene.start(&self.tunnel, config);
        self.seen.wait_for_all(&self.scene);
        assert!(running.close().is_clean());
        match is_orderly {
            true => judge_orderly(&self.scene, &self.seen),
            false => judge(&self.scene, &self.seen),
        }
    }
}

fn quick() -> ChannelBackoffConfig {
    ChannelBackoffConfig::default().max_delay(Duration::from_millis(20))
}

fn received(events: &[EventKind], wanted: Action) -> usize {
    let is_wanted =
        |e: &&EventKind| matches!(e, EventKind::Received { action, .. } if *action == wanted);
    events.iter().filter(is_wanted).count()
}

/// At every stage at the same time.
fn at_every_stage(test: impl Fn(Stage) + Sync) {
    let _alone = alone();
    thread::scope(|scope| {
        for stage in STAGES {
            let test = &test;
            scope.spawn(move || test(stage));
        }
    });
    no_thread_of_a_worker_is_left();
}

fn ends_as_it_should(cause: Cause) {
    at_every_stage(|stage| {
        let save = Fault::on(Action::Checkpoint);
        // In order, the end is reported after the save, however slow that is.
        // What was sent before a loss cannot be called back, so it is carried
        // out before.
        let save = match cause.is_orderly() {
            true => save.before(),
            false => save.after(),
        };
        let mut cell = Cell::at(stage, save, Script::default());
        let since = Instant::now();
        cell.bring(cause);
        wait_until("the channel is shut down", || {
            cell.script.count("shutdown") > 0
        });
        // Neither the slow read nor any pause is waited for.
        let took = since.elapsed();
        assert!(took < Duration::from_secs(10), "{stage:?}: {took:?}");
        cell.judge_report(cause);
        cell.judge_end(cause);
        cell.consume_the_rest(cause.is_orderly());
    });
}

#[test]
fn the_service_asks_for_the_channel() {
    ends_as_it_should(Cause::Closing);
}

#[test]
fn the_service_says_close() {
    ends_as_it_should(Cause::Taken(Notice::Close));
}

#[test]
fn the_service_says_terminated() {
    ends_as_it_should(Cause::Taken(Notice::Terminated));
}

#[test]
fn the_channel_is_missing_from_the_answer() {
    ends_as_it_should(Cause::Taken(Notice::Missing));
}

#[test]
fn the_session_is_lost() {
    ends_as_it_should(Cause::SessionLost);
}

#[test]
fn the_worker_is_shut_down() {
    ends_as_it_should(Cause::Shutdown);
}

#[test]
fn the_daemon_is_dropped() {
    ends_as_it_should(Cause::Drop);
}

#[test]
fn the_users_code_panics() {
    at_every_stage(|stage| {
        let mut cell = Cell::at(stage, Fault::on(Action::Checkpoint), Script::for_panics());
        // Of a batch three attempts in place, and one more when the channel is
        // back; what else panics is called anew with the channel.
        let panics = match stage {
            Stage::Opening | Stage::Reading => 1,
            _ => 4,
        };
        cell.script.0.panics.store(panics, Ordering::SeqCst);
        cell.script.0.released.store(true, Ordering::SeqCst);
        drop(cell.busy.take());
        cell.scene.put_rows(30);
        cell.seen.wait_for_all(&cell.scene);
        let told = &cell.script.0;
        assert_eq!(told.panicked.load(Ordering::SeqCst), panics, "{stage:?}");
        let running = cell.running.take().expect("running");
        assert!(running.close().expect("ends well").is_clean());
        let opened = cell.script.count("open") - usize::from(stage == Stage::Opening);
        assert_eq!(cell.script.count("shutdown"), opened, "{stage:?}");
        judge_orderly(&cell.scene, &cell.seen);
    });
}
