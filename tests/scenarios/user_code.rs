//! Tests all user code that the crate calls: each piece fails, panics, hangs, or closes
//! the daemon that calls it, and so does each destructor of a value that the crate owns.
//!
//! - [`Place`]: the pieces of user code.
//! - [`Plan`]: what goes wrong, and where.
//! - [`Program`]: user code of every kind, which follows the plan.

use std::any::Any;
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tablestore_emulator::{Action, Emulator, EventKind};
use tablestore_tunnel::{
    ChannelBatch, ChannelConn, ChannelContext, ChannelDialer, ChannelProcessor,
    ChannelProcessorFactory, CheckpointMode, Checkpointer, Clock, Credentials, ErrorCode,
    ProcessError, ProcessResult, ProcessorOptions, Record, SimpleProcessFactory, TunnelClient,
    TunnelConfig, TunnelError, TunnelType, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
    TunnelWorkerDaemon, WorkerEvent, WorkerEventKind,
};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{
    Gate, GateKeeper, HEARTBEAT, Id, MAX_WAIT, Processed, Running, Scene, config, wait_until,
};

/// A piece of user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The credentials provider, on the thread with this name.
    Provider(&'static str),
    /// The same, when a worker connects for the first time.
    ProviderAtConnect,
    CustomValue,
    NewProcessor,
    ChannelOpen,
    WrapCheckpointer,
    Dial,
    Read,
    Callback,
    Checkpoint,
    Shutdown,
    /// The observer, at an event of this kind.
    Observe(Kind),
    /// `Display` of an error.
    Show,
    /// The destructor of a value.
    Drop(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    HeartbeatAnswered,
    HeartbeatFailed,
    ChannelOpened,
    BatchRead,
    BatchDone,
    CheckpointSaved,
    ChannelClosing,
    ChannelClosed,
}

/// A value of the program's that the crate owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Processor,
    Custom,
    Checkpointer,
    Connection,
    /// An error of the provider on the thread with this name.
    ErrorOfProvider(&'static str),
    ErrorOfConnect,
    ErrorOfNewProcessor,
    ErrorOfChannelOpen,
    ErrorOfDial,
    ErrorOfRead,
    ErrorOfCallback,
    ErrorOfCheckpoint,
    /// The payload of a panic of the callback.
    PanicOfCallback,
}

/// What a piece of user code does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Returns an error.
    Fail,
    /// Returns an error that closes the channel.
    GiveUp,
    Panic,
    /// Panics with a payload that misbehaves when it is dropped.
    PanicWithValue,
    /// Waits for the gate.
    Hang,
    /// Closes the daemon.
    Close,
}

/// What goes wrong, where and how often.
struct Plan {
    steps: Vec<(Place, Deed, AtomicUsize)>,
    gate: Gate,
    daemon: Mutex<Option<TunnelWorkerDaemon>>,
    /// How many calls of user code have not returned.
    running: AtomicUsize,
    /// How many times each step was taken.
    taken: Mutex<Vec<Place>>,
}

impl Plan {
    fn new(steps: &[(Place, Deed, usize)]) -> Arc<Plan> {
        let step = |&(place, deed, times): &(Place, Deed, usize)| (place, deed, times.into());
        Arc::new(Plan {
            steps: steps.iter().map(step).collect(),
            gate: Gate::default(),
            daemon: Mutex::default(),
            running: AtomicUsize::new(0),
            taken: Mutex::default(),
        })
    }

    /// What the user code at `place` has to do now.
    fn next(&self, place: Place) -> Option<Deed> {
        let step = self.steps.iter().find(|(p, _, left)| {
            let take = |left: usize| left.checked_sub(1);
            *p == place
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                    .is_ok()
        })?;
        self.taken.lock().push(place);
        Some(step.1)
    }

    /// Follows the plan at `place`. An error of the program has `value` as its cause.
    fn follow(self: &Arc<Plan>, place: Place, value: Option<Value>) -> Result<(), ProcessError> {
        let failure = || Failure {
            plan: self.clone(),
            _owned: value.map(|value| Owned(self.clone(), value)),
        };
        match self.next(place) {
            None => Ok(()),
            Some(Deed::Fail) => Err(ProcessError::new(failure())),
            Some(Deed::GiveUp) => Err(ProcessError::close(failure())),
            Some(Deed::Panic) => panic!("on purpose: {place:?}"),
            Some(Deed::PanicWithValue) => panic_any(Owned(self.clone(), Value::PanicOfCallback)),
            Some(Deed::Hang) => {
                self.gate.pass();
                Ok(())
            }
            Some(Deed::Close) => {
                let daemon = self.daemon.lock().clone();
                let report = daemon.expect("a daemon").close();
                assert!(!report.is_complete, "it waited for its caller: {place:?}");
                Ok(())
            }
        }
    }

    fn call(self: &Arc<Plan>) -> Call {
        self.running.fetch_add(1, Ordering::SeqCst);
        Call(self.clone())
    }

    fn has(&self, place: Place) -> bool {
        self.steps.iter().any(|(planned, ..)| *planned == place)
    }

    fn has_taken(&self, place: Place) -> bool {
        self.taken.lock().contains(&place)
    }

    fn times_taken(&self) -> usize {
        self.taken.lock().len()
    }
}

/// A call of user code, until it returns.
struct Call(Arc<Plan>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A value that the crate owns; its destructor follows the plan.
struct Owned(Arc<Plan>, Value);

impl Drop for Owned {
    fn drop(&mut self) {
        let _call = self.0.call();
        let _ = self.0.follow(Place::Drop(self.1), None);
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.1)
    }
}

/// An error of the program's.
struct Failure {
    plan: Arc<Plan>,
    _owned: Option<Owned>,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failure")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _call = self.plan.call();
        let _ = self.plan.follow(Place::Show, None);
        f.write_str("failed on purpose")
    }
}

impl Error for Failure {}

/// The cause of a [`ProcessError`] of [`Plan::follow`], for code that returns another type.
fn as_tunnel_error(plan: &Arc<Plan>, place: Place, value: Value) -> Result<(), TunnelError> {
    // `ProcessError` gives its cause only to the crate, so another is made.
    plan.follow(place, None).map_err(|_| {
        TunnelError::other(Failure {
            plan: plan.clone(),
            _owned: Some(Owned(plan.clone(), value)),
        })
    })
}

/// User code of every kind.
#[derive(Clone)]
struct Program {
    plan: Arc<Plan>,
    processed: Processed,
}

struct Processor {
    program: Program,
    _owned: Owned,
}

impl ChannelProcessorFactory for Program {
    fn new_processor(&self, _: &ChannelContext) -> Result<Box<dyn ChannelProcessor>, ProcessError> {
        let _call = self.plan.call();
        let value = Value::ErrorOfNewProcessor;
        self.plan.follow(Place::NewProcessor, Some(value))?;
        Ok(Box::new(Processor {
            program: self.clone(),
            _owned: Owned(self.plan.clone(), Value::Processor),
        }))
    }

    fn options(&self) -> ProcessorOptions {
        let mut options = ProcessorOptions::default();
        let at_close = Place::Provider("tunnel-io at the end");
        options.checkpoint = CheckpointMode::Every(match self.plan.has(at_close) {
            // Only closing saves.
            true => MAX_WAIT,
            false => Duration::ZERO,
        });
        options
    }

    fn custom_value(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        let _call = self.plan.call();
        let _ = self.plan.follow(Place::CustomValue, None);
        Some(Arc::new(Owned(self.plan.clone(), Value::Custom)))
    }
}

impl ChannelProcessor for Processor {
    fn open(&mut self, _: &ChannelContext) -> ProcessResult {
        let plan = &self.program.plan;
        let _call = plan.call();
        plan.follow(Place::ChannelOpen, Some(Value::ErrorOfChannelOpen))
    }

    fn process(&mut self, channel: &ChannelContext, records: &[Record]) -> ProcessResult {
        let plan = &self.program.plan;
        let _call = plan.call();
        plan.follow(Place::Callback, Some(Value::ErrorOfCallback))?;
        if channel.is_closing() {
            return Err(ProcessError::close("the channel is closing"));
        }
        self.program.processed.add(channel, records)
    }

    fn shutdown(&mut self, _: &ChannelContext) {
        let plan = &self.program.plan;
        let _call = plan.call();
        let _ = plan.follow(Place::Shutdown, None);
    }
}

struct Conn {
    plan: Arc<Plan>,
    service: Box<dyn ChannelConn>,
    _owned: Owned,
}

impl ChannelDialer for Program {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        let _call = self.plan.call();
        self.plan.follow(Place::Dial, Some(Value::ErrorOfDial))?;
        Ok(Box::new(Conn {
            plan: self.plan.clone(),
            service,
            _owned: Owned(self.plan.clone(), Value::Connection),
        }))
    }
}

impl ChannelConn for Conn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        let _call = self.plan.call();
        as_tunnel_error(&self.plan, Place::Read, Value::ErrorOfRead)?;
        self.service.read(token)
    }
}

#[derive(Debug)]
struct ProgramCheckpointer {
    service: Arc<dyn Checkpointer>,
    owned: Owned,
}

impl Checkpointer for ProgramCheckpointer {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        let plan = &self.owned.0;
        let _call = plan.call();
        as_tunnel_error(plan, Place::Checkpoint, Value::ErrorOfCheckpoint)?;
        self.service.checkpoint(token)
    }
}

impl Program {
    fn new(steps: &[(Place, Deed, usize)]) -> Program {
        Program {
            plan: Plan::new(steps),
            processed: Processed::default(),
        }
    }

    fn config(&self) -> TunnelWorkerConfigBuilder {
        let (observed, wrapped) = (self.plan.clone(), self.plan.clone());
        let config = TunnelWorkerConfig::builder(self.clone())
            .heartbeat_interval_for_tests(HEARTBEAT)
            .heartbeat_timeout(MAX_WAIT)
            .closing_channel_detect(false)
            .client_tag("test")
            .pool_threads(4)
            .channel_dialer(self.clone())
            .checkpointer(move |_, service| {
                let _call = wrapped.call();
                let _ = wrapped.follow(Place::WrapCheckpointer, None);
                let owned = Owned(wrapped.clone(), Value::Checkpointer);
                Arc::new(ProgramCheckpointer { service, owned })
            });
        let is_observed =
            |(place, ..): &(Place, Deed, AtomicUsize)| matches!(place, Place::Observe(_));
        // Without an observer the worker drops its errors elsewhere.
        if !self.plan.steps.iter().any(is_observed) {
            return config;
        }
        config.observer(move |event: &WorkerEvent<'_>| {
            if let Some(kind) = kind(event) {
                let _call = observed.call();
                let _ = observed.follow(Place::Observe(kind), None);
            }
        })
    }

    fn client(&self, scene: &Scene) -> TunnelClient {
        let emulator = &scene.emulator;
        let key = Credentials::new(emulator.access_key_id(), emulator.access_key_secret());
        let (plan, heartbeats) = (self.plan.clone(), AtomicUsize::new(0));
        let provider = move || -> Result<Credentials, Box<dyn Error + Send + Sync>> {
            let _call = plan.call();
            let thread = thread::current();
            let steps = plan.steps.iter().map(|(place, ..)| *place);
            let is_heartbeat = thread.name() == Some("tunnel-requests");
            if is_heartbeat {
                // Connecting, and the heartbeats that open the channels.
                let before = heartbeats.fetch_add(1, Ordering::SeqCst);
                if before == 0 {
                    plan.follow(Place::ProviderAtConnect, None)
                        .map_err(|_| Failure {
                            plan: plan.clone(),
                            _owned: Some(Owned(plan.clone(), Value::ErrorOfConnect)),
                        })?;
                }
                if before < 3 {
                    return Ok(key.clone());
                }
            }
            let here = steps.into_iter().find_map(|place| match place {
                Place::Provider(name) if thread.name() == name.split(" at ").next() => Some(name),
                _ => None,
            });
            if let Some(name) = here {
                let value = Value::ErrorOfProvider(name);
                plan.follow(Place::Provider(name), None)
                    .map_err(|_| Failure {
                        plan: plan.clone(),
                        _owned: Some(Owned(plan.clone(), value)),
                    })?;
            }
            Ok(key.clone())
        };
        let (endpoint, instance) = (emulator.endpoint(), emulator.instance());
        TunnelClient::with_config(endpoint, instance, provider, TunnelConfig::new())
            .expect("a client")
    }

    fn start(&self, scene: &Scene, tunnel: &str) -> Started {
        self.start_with(scene, tunnel, self.config())
    }

    fn start_with(
        &self,
        scene: &Scene,
        tunnel: &str,
        config: TunnelWorkerConfigBuilder,
    ) -> Started {
        let config = config.build().expect("a config");
        let daemon = TunnelWorkerDaemon::new(self.client(scene), tunnel, config);
        *self.plan.daemon.lock() = Some(daemon.clone());
        Started {
            running: Running::run(daemon),
            plan: self.plan.clone(),
        }
    }
}

fn kind(event: &WorkerEvent<'_>) -> Option<Kind> {
    Some(match event.kind {
        WorkerEventKind::HeartbeatAnswered { .. } => Kind::HeartbeatAnswered,
        WorkerEventKind::HeartbeatFailed { .. } => Kind::HeartbeatFailed,
        WorkerEventKind::ChannelOpened { .. } => Kind::ChannelOpened,
        WorkerEventKind::BatchRead { .. } => Kind::BatchRead,
        WorkerEventKind::BatchDone { .. } => Kind::BatchDone,
        WorkerEventKind::CheckpointSaved { .. } => Kind::CheckpointSaved,
        WorkerEventKind::ChannelClosing { .. } => Kind::ChannelClosing,
        WorkerEventKind::ChannelClosed { .. } => Kind::ChannelClosed,
        _ => return None,
    })
}

/// A running program. Its plan knows the daemon until it is dropped.
struct Started {
    running: Running,
    plan: Arc<Plan>,
}

impl Drop for Started {
    fn drop(&mut self) {
        let daemon = self.plan.daemon.lock().take();
        drop(daemon);
    }
}

/// A stream tunnel on a table of two partitions. Each read returns 10 records.
fn scene() -> (Scene, String) {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

fn heartbeats(scene: &Scene) -> usize {
    let ledger = scene.emulator.ledger();
    let is_heartbeat = |kind: &EventKind| matches!(kind, EventKind::Received { action, .. } if *action == Action::Heartbeat);
    ledger
        .events()
        .iter()
        .filter(|event| is_heartbeat(&event.kind))
        .count()
}

fn assert_heartbeats_go_on(scene: &Scene) {
    let before = heartbeats(scene);
    wait_until("heartbeats go on", || heartbeats(scene) >= before + 5);
}

/// Waits until all records of at least one channel are processed.
fn wait_for_one_channel(scene: &Scene, processed: &Processed) {
    let expected = scene.expected();
    let partition = |id: &Id| match id {
        Id::Change(partition, _) => partition.clone(),
        Id::Row(_) => String::new(),
    };
    let partitions: HashSet<_> = expected.iter().map(partition).collect();
    assert_eq!(partitions.len(), 2, "both channels have records");
    processed.wait_for("one channel is processed to its end", |deliveries| {
        let seen: HashSet<_> = deliveries.iter().map(|delivery| &delivery.id).collect();
        partitions.iter().any(|one| {
            let mut own = expected.iter().filter(|id| partition(id) == *one);
            own.all(|id| seen.contains(id))
        })
    });
}

/// Consumes what is left with user code that works.
fn consume_the_rest(scene: &Scene, tunnel: &str, processed: &Processed) {
    let running = scene.start(tunnel, config(processed.factory()));
    scene.put_rows(10);
    processed.wait_for_all(scene);
    assert!(running.close().is_clean());
}

/// Runs `test` with each item, several at a time.
fn for_each<T>(items: &[T], test: impl Fn(T) + Send + Sync)
where
    T: Copy + fmt::Debug + Send + Sync,
{
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if catch_unwind(AssertUnwindSafe(|| test(*item))).is_err() {
                        eprintln!("failed with {item:?}");
                        failed.lock().push(*item);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "failed with {failed:?}");
}

/// All code that can panic, hang, or close the daemon.
const CODE: [Place; 21] = [
    Place::Provider("tunnel-requests"),
    Place::Provider("tunnel-reader"),
    Place::Provider("tunnel-io"),
    Place::Provider("tunnel-io at the end"),
    Place::Provider("tunnel-leave"),
    Place::CustomValue,
    Place::NewProcessor,
    Place::ChannelOpen,
    Place::WrapCheckpointer,
    Place::Dial,
    Place::Read,
    Place::Callback,
    Place::Checkpoint,
    Place::Shutdown,
    Place::Observe(Kind::HeartbeatAnswered),
    Place::Observe(Kind::ChannelOpened),
    Place::Observe(Kind::BatchRead),
    Place::Observe(Kind::BatchDone),
    Place::Observe(Kind::CheckpointSaved),
    Place::Observe(Kind::ChannelClosing),
    Place::Observe(Kind::ChannelClosed),
];

/// Whether the code at `place` runs only when the daemon closes.
fn is_at_the_end(place: Place) -> bool {
    matches!(
        place,
        Place::Provider("tunnel-leave" | "tunnel-io at the end")
    )
}

/// Whether the code at `place` runs when a channel closes.
fn needs_a_closed_channel(place: Place) -> bool {
    let at_close = [
        Place::Shutdown,
        Place::Observe(Kind::ChannelClosing),
        Place::Observe(Kind::ChannelClosed),
    ];
    at_close.contains(&place) || matches!(place, Place::Drop(_))
}

/// The steps that have `place` reached while the daemon runs.
fn steps(place: Place, deed: Deed, times: usize) -> Vec<(Place, Deed, usize)> {
    let mut steps = vec![(place, deed, times)];
    if needs_a_closed_channel(place) {
        steps.push((Place::Callback, Deed::GiveUp, 2));
    }
    steps
}

/// A daemon whose user code fails a few times delivers everything once, in one session.
fn costs_nothing_but_time(place: Place, deed: Deed) {
    let (scene, tunnel) = scene();
    let program = Program::new(&steps(place, deed, 2));
    let started = program.start(&scene, &tunnel);
    for _ in 0..3 {
        scene.put_rows(40);
        program.processed.wait_for_all(&scene);
    }
    if !is_at_the_end(place) {
        wait_until("the code has failed", || program.plan.times_taken() >= 2);
    }
    let snapshot = started.running.daemon.snapshot();
    assert_eq!(snapshot.reconnects, 0, "{place:?} {deed:?}");
    finish(started, &format!("{place:?} {deed:?}"));
    assert!(program.plan.has_taken(place), "{place:?}");
    assert_exactly_once(&scene, &program.processed);
}

/// Closes a daemon, and checks that nothing is left to do.
fn finish(mut started: Started, what: &str) {
    let report = started.running.daemon.close();
    started.running.join().expect("run ends well");
    assert!(report.is_clean(), "{what}: {report:?}");
}

#[test]
fn code_that_returns_an_error_costs_nothing_but_time() {
    let places = [
        Place::Provider("tunnel-requests"),
        Place::Provider("tunnel-reader"),
        Place::Provider("tunnel-io"),
        Place::Provider("tunnel-io at the end"),
        Place::Provider("tunnel-leave"),
        Place::NewProcessor,
        Place::ChannelOpen,
        Place::Dial,
        Place::Read,
        Place::Callback,
        Place::Checkpoint,
    ];
    for_each(&places, |place| costs_nothing_but_time(place, Deed::Fail));
}

#[test]
fn promise_09_code_that_panics_costs_nothing_but_time() {
    for_each(&CODE, |place| costs_nothing_but_time(place, Deed::Panic));
}

/// While the code at `place` hangs, everything else goes on.
fn hangs(place: Place, is_closed: bool) {
    let (scene, tunnel) = scene();
    let program = Program::new(&steps(place, Deed::Hang, 1));
    let keeper = GateKeeper(program.plan.gate.clone());
    let mut started = program.start(&scene, &tunnel);
    scene.put_rows(40);
    if !is_at_the_end(place) {
        keeper.0.wait_for_arrivals(1);
        scene.put_rows(40);
        wait_for_one_channel(&scene, &program.processed);
        if place != Place::Provider("tunnel-requests") {
            assert_heartbeats_go_on(&scene);
        }
    } else {
        program.processed.wait_for_all(&scene);
    }
    if is_closed {
        let began = Instant::now();
        started
            .running
            .daemon
            .close_within(Duration::from_millis(300));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(3), "{place:?}: {took:?}");
        started.running.join().expect("run ends well");
        assert!(program.plan.has_taken(place), "{place:?}");
        if place == Place::Provider("tunnel-leave") {
            keeper.0.open();
        }
        consume_the_rest(&scene, &tunnel, &program.processed);
    } else {
        keeper.0.open();
        program.processed.wait_for_all(&scene);
        finish(started, &format!("{place:?}"));
        assert_exactly_once(&scene, &program.processed);
        return;
    }
    drop(started);
    if matches!(place, Place::Provider(_)) {
        // A request that hangs in the provider counts as being on its way.
        assert_at_least_once(&scene, &program.processed);
        drop(scene);
    } else {
        // What hung sends nothing, and processes nothing, once it goes on.
        keeper.0.open();
        wait_until("the code has returned", || {
            program.plan.running.load(Ordering::SeqCst) == 0
        });
        assert_at_least_once(&scene, &program.processed);
    }
}

#[test]
fn code_that_hangs_delays_only_its_channel() {
    let places: Vec<_> = CODE
        .into_iter()
        .filter(|place| !is_at_the_end(*place))
        .collect();
    for_each(&places, |place| hangs(place, false));
}

#[test]
fn promise_07_a_daemon_whose_code_hangs_closes_by_its_deadline() {
    for_each(&CODE, |place| hangs(place, true));
}

/// The code at `place` closes its own daemon, which ends.
fn closes(place: Place) {
    let (scene, tunnel) = scene();
    let program = Program::new(&steps(place, Deed::Close, 1));
    let mut started = program.start(&scene, &tunnel);
    scene.put_rows(40);
    if is_at_the_end(place) {
        program.processed.wait_for_all(&scene);
        started.running.daemon.close();
    }
    started.running.join().expect("run ends well");
    wait_until("the daemon has ended", || {
        started.running.daemon.close().is_complete
    });
    assert!(program.plan.has_taken(place), "{place:?}");
    drop(started);
    consume_the_rest(&scene, &tunnel, &program.processed);
    assert_exactly_once(&scene, &program.processed);
}

#[test]
fn code_may_close_the_daemon_that_calls_it() {
    for_each(&CODE, closes);
}

#[test]
fn a_provider_may_misbehave_while_a_daemon_connects() {
    let place = Place::ProviderAtConnect;
    let drops = Place::Drop(Value::ErrorOfConnect);
    let steps: [&[(Place, Deed, usize)]; 7] = [
        &[(place, Deed::Fail, 1)],
        &[(place, Deed::Panic, 1)],
        &[(place, Deed::Fail, 1), (drops, Deed::Panic, 1)],
        &[(place, Deed::Fail, 1), (drops, Deed::Hang, 1)],
        &[(place, Deed::Hang, 1)],
        &[(place, Deed::Close, 1)],
        &[(place, Deed::Fail, 1), (drops, Deed::Close, 1)],
    ];
    for_each(&steps, |steps| {
        let (scene, tunnel) = scene();
        let program = Program::new(steps);
        let keeper = GateKeeper(program.plan.gate.clone());
        let mut started = program.start(&scene, &tunnel);
        scene.put_rows(40);
        match steps {
            [(_, Deed::Hang, _)] => keeper.0.wait_for_arrivals(1),
            [.., (_, Deed::Close, _)] => {
                started.running.join().expect("run ends well");
                return;
            }
            _ => program.processed.wait_for_all(&scene),
        }
        let began = Instant::now();
        let deadline = Duration::from_secs(1);
        let report = started.running.daemon.close_within(deadline);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert!(report.is_clean(), "{report:?}");
        started.running.join().expect("run ends well");
    });
}

/// All values that the crate owns.
const VALUES: [Value; 13] = [
    Value::Processor,
    Value::Custom,
    Value::Checkpointer,
    Value::Connection,
    Value::ErrorOfProvider("tunnel-requests"),
    Value::ErrorOfProvider("tunnel-reader"),
    Value::ErrorOfNewProcessor,
    Value::ErrorOfChannelOpen,
    Value::ErrorOfDial,
    Value::ErrorOfRead,
    Value::ErrorOfCallback,
    Value::ErrorOfCheckpoint,
    Value::PanicOfCallback,
];

/// The step that makes a value.
fn made_by(value: Value) -> Option<(Place, Deed)> {
    Some(match value {
        Value::ErrorOfProvider(name) => (Place::Provider(name), Deed::Fail),
        Value::ErrorOfNewProcessor => (Place::NewProcessor, Deed::Fail),
        Value::ErrorOfChannelOpen => (Place::ChannelOpen, Deed::Fail),
        Value::ErrorOfDial => (Place::Dial, Deed::Fail),
        Value::ErrorOfRead => (Place::Read, Deed::Fail),
        Value::ErrorOfCallback => (Place::Callback, Deed::Fail),
        Value::ErrorOfCheckpoint => (Place::Checkpoint, Deed::Fail),
        Value::PanicOfCallback => (Place::Callback, Deed::PanicWithValue),
        _ => return None,
    })
}

/// The steps that have a value made and dropped while the daemon runs.
fn drop_steps(value: Value, deed: Deed, times: usize) -> Vec<(Place, Deed, usize)> {
    let mut steps = vec![(Place::Drop(value), deed, times)];
    match made_by(value) {
        Some((place, deed)) => steps.push((place, deed, 1)),
        None => steps.push((Place::Callback, Deed::GiveUp, 1)),
    }
    steps
}

/// Everything is delivered once, in one session, although destructors panic.
fn survives(steps: &[(Place, Deed, usize)], use_rayon: bool, what: &str) {
    let (scene, tunnel) = scene();
    let program = Program::new(steps);
    let mut config = program.config();
    if use_rayon {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        config = config.pool(Arc::new(pool.expect("a pool")));
    }
    let started = program.start_with(&scene, &tunnel, config);
    for _ in 0..3 {
        scene.put_rows(40);
        program.processed.wait_for_all(&scene);
    }
    let drops = |place: &Place| matches!(place, Place::Drop(_));
    wait_until("a destructor has panicked", || {
        program.plan.taken.lock().iter().any(drops)
    });
    scene.put_rows(40);
    program.processed.wait_for_all(&scene);
    let snapshot = started.running.daemon.snapshot();
    assert_eq!(snapshot.reconnects, 0, "{what}");
    finish(started, what);
    assert_exactly_once(&scene, &program.processed);
}

#[test]
fn promise_09_a_destructor_that_panics_costs_nothing_but_time() {
    for_each(&VALUES, |value| {
        let steps = drop_steps(value, Deed::Panic, usize::MAX);
        survives(&steps, false, &format!("{value:?}"));
    });
}

#[test]
fn promise_09_a_destructor_that_panics_does_not_end_a_rayon_pool() {
    for_each(&VALUES, |value| {
        let steps = drop_steps(value, Deed::Panic, usize::MAX);
        survives(&steps, true, &format!("{value:?}"));
    });
}

/// Two destructors that panic one after the other would abort the process, if the second
/// ran while the first unwinds.
#[test]
fn promise_09_all_destructors_may_panic() {
    let mut steps: Vec<_> = VALUES
        .iter()
        .map(|value| (Place::Drop(*value), Deed::Panic, usize::MAX))
        .collect();
    let made: Vec<_> = VALUES.into_iter().filter_map(made_by).collect();
    steps.extend(made.iter().map(|(place, deed)| (*place, *deed, 1)));
    steps.push((Place::Callback, Deed::GiveUp, 2));
    for use_rayon in [false, true] {
        survives(&steps, use_rayon, "all");
    }
}

/// `Display` of an error of the program, which is printed to logs and snapshots.
#[test]
fn promise_09_an_error_that_panics_when_it_is_printed_costs_nothing_but_time() {
    let places = [
        Place::Provider("tunnel-requests"),
        Place::Provider("tunnel-reader"),
        Place::NewProcessor,
        Place::ChannelOpen,
        Place::Dial,
        Place::Callback,
    ];
    for_each(&places, |place| {
        let (scene, tunnel) = scene();
        let steps = [
            (place, Deed::Fail, 1),
            (Place::Show, Deed::Panic, usize::MAX),
        ];
        let program = Program::new(&steps);
        let started = program.start(&scene, &tunnel);
        scene.put_rows(40);
        program.processed.wait_for_all(&scene);
        wait_until("the error was printed", || program.plan.times_taken() >= 2);
        scene.put_rows(40);
        program.processed.wait_for_all(&scene);
        assert_eq!(started.running.daemon.snapshot().reconnects, 0);
        finish(started, "an error that panics");
        assert_exactly_once(&scene, &program.processed);
    });
}

#[test]
fn an_error_that_hangs_when_it_is_printed_delays_only_its_channel() {
    let places = [
        Place::Provider("tunnel-requests"),
        Place::Provider("tunnel-reader"),
        Place::NewProcessor,
        Place::Dial,
        Place::Callback,
        Place::Checkpoint,
    ];
    for_each(&places, |place| {
        let (scene, tunnel) = scene();
        let program = Program::new(&[(place, Deed::Fail, 1), (Place::Show, Deed::Hang, 1)]);
        let keeper = GateKeeper(program.plan.gate.clone());
        let mut started = program.start(&scene, &tunnel);
        scene.put_rows(40);
        keeper.0.wait_for_arrivals(1);
        scene.put_rows(40);
        wait_for_one_channel(&scene, &program.processed);
        let began = Instant::now();
        started
            .running
            .daemon
            .close_within(Duration::from_millis(500));
        started.running.join().expect("run ends well");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(3), "{place:?}: {took:?}");
        drop(keeper);
    });
}

#[test]
fn an_error_that_hangs_when_it_is_printed_does_not_keep_a_daemon_from_closing() {
    let (scene, tunnel) = scene();
    let place = Place::ProviderAtConnect;
    let program = Program::new(&[(place, Deed::Fail, 1), (Place::Show, Deed::Hang, 1)]);
    let keeper = GateKeeper(program.plan.gate.clone());
    let mut started = program.start(&scene, &tunnel);
    keeper.0.wait_for_arrivals(1);
    let report = started
        .running
        .daemon
        .close_within(Duration::from_millis(500));
    assert!(report.is_clean(), "{report:?}");
    started.running.join().expect("run ends well");
    drop(keeper);
}

/// An observer gets errors of the program.
#[test]
fn an_observer_hears_on_after_an_error_whose_destructor_panics() {
    let (scene, tunnel) = scene();
    let value = Value::ErrorOfProvider("tunnel-requests");
    let mut steps = drop_steps(value, Deed::Panic, usize::MAX);
    steps.push((Place::Observe(Kind::HeartbeatFailed), Deed::Fail, 1));
    // Counts the answered heartbeats.
    let answered = Place::Observe(Kind::HeartbeatAnswered);
    steps.push((answered, Deed::Fail, usize::MAX));
    let program = Program::new(&steps);
    let started = program.start(&scene, &tunnel);
    let count = |place: Place| {
        let taken = program.plan.taken.lock();
        taken.iter().filter(|taken| **taken == place).count()
    };
    wait_until("a destructor has panicked", || {
        count(Place::Drop(value)) > 0
    });
    let before = count(answered);
    wait_until("the observer hears on", || count(answered) > before + 3);
    finish(started, "observer");
}

#[test]
fn a_destructor_that_hangs_delays_only_its_channel() {
    for_each(&VALUES, |value| {
        let (scene, tunnel) = scene();
        let program = Program::new(&drop_steps(value, Deed::Hang, 1));
        let keeper = GateKeeper(program.plan.gate.clone());
        let mut started = program.start(&scene, &tunnel);
        scene.put_rows(40);
        keeper.0.wait_for_arrivals(1);
        scene.put_rows(40);
        wait_for_one_channel(&scene, &program.processed);
        assert_heartbeats_go_on(&scene);
        let began = Instant::now();
        started
            .running
            .daemon
            .close_within(Duration::from_millis(500));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(3), "{value:?}: {took:?}");
        started.running.join().expect("run ends well");
        consume_the_rest(&scene, &tunnel, &program.processed);
        keeper.0.open();
        drop(started);
        wait_until("the code has returned", || {
            program.plan.running.load(Ordering::SeqCst) == 0
        });
        assert_at_least_once(&scene, &program.processed);
    });
}

#[test]
fn a_destructor_may_close_its_daemon() {
    for_each(&VALUES, |value| {
        let (scene, tunnel) = scene();
        let program = Program::new(&drop_steps(value, Deed::Close, 1));
        let mut started = program.start(&scene, &tunnel);
        scene.put_rows(40);
        started.running.join().expect("run ends well");
        wait_until("the daemon has ended", || {
            started.running.daemon.close().is_complete
        });
        assert!(program.plan.times_taken() > 0, "{value:?}");
        drop(started);
        consume_the_rest(&scene, &tunnel, &program.processed);
        assert_exactly_once(&scene, &program.processed);
    });
}

/// A turn that was scheduled before its channel closed holds the last handle to the
/// channel, whose values then drop on the pool.
#[test]
fn a_stale_turn_on_a_rayon_pool_may_drop_the_last_handle_to_a_channel() {
    let (scene, tunnel) = scene();
    let mut steps: Vec<_> = VALUES
        .iter()
        .map(|value| (Place::Drop(*value), Deed::Panic, usize::MAX))
        .collect();
    steps.push((Place::Callback, Deed::Hang, 1));
    steps.push((Place::Observe(Kind::BatchRead), Deed::Fail, 0));
    let program = Program::new(&steps);
    let keeper = GateKeeper(program.plan.gate.clone());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = Arc::new(pool.expect("a pool"));
    let config = program.config().pool(pool.clone());
    let mut started = program.start_with(&scene, &tunnel, config);
    scene.put_rows(40);
    keeper.0.wait_for_arrivals(1);
    wait_until("the turn of the other channel is queued", || {
        let channels = started.running.daemon.snapshot().channels;
        channels
            .iter()
            .filter(|channel| channel.read.records > 0)
            .count()
            == 2
    });
    started
        .running
        .daemon
        .close_within(Duration::from_millis(300));
    started.running.join().expect("run ends well");
    drop(started);
    let drops = |value: Value| {
        let taken = program.plan.taken.lock();
        let dropped = |place: &&Place| **place == Place::Drop(value);
        taken.iter().filter(dropped).count()
    };
    keeper.0.open();
    wait_until("both channels have dropped their values", || {
        drops(Value::Processor) == 2 && drops(Value::Checkpointer) == 2
    });
    assert_eq!(pool.install(|| 7), 7, "the pool works");
    consume_the_rest(&scene, &tunnel, &program.processed);
    assert_at_least_once(&scene, &program.processed);
}

/// A closure that owns a value whose destructor panics.
#[test]
fn promise_09_a_closure_may_panic_when_it_is_dropped() {
    for use_rayon in [false, true] {
        let (scene, tunnel) = scene();
        let plan = Plan::new(&[
            (Place::Drop(Value::Processor), Deed::Panic, usize::MAX),
            (Place::Callback, Deed::GiveUp, 2),
        ]);
        let processed = Processed::default();
        let factory = SimpleProcessFactory::per_channel({
            let (plan, processed) = (plan.clone(), processed.clone());
            move |_: &ChannelContext| {
                let owned = Owned(plan.clone(), Value::Processor);
                let processed = processed.clone();
                Ok(move |ctx: &ChannelContext, records: &[Record]| {
                    owned.0.follow(Place::Callback, None)?;
                    processed.add(ctx, records)
                })
            }
        });
        let mut config = config(factory);
        if use_rayon {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
            config = config.pool(Arc::new(pool.expect("a pool")));
        }
        let running = scene.start(&tunnel, config);
        scene.put_rows(40);
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
        assert_exactly_once(&scene, &processed);
        wait_until("the closures were dropped", || plan.times_taken() >= 6);
    }
}

/// A dialer whose connections read on threads of their own, a few batches ahead.
struct Prefetching;

struct Prefetched {
    batches: crossbeam_channel::Receiver<Result<ChannelBatch, TunnelError>>,
}

impl ChannelDialer for Prefetching {
    fn dial(
        &self,
        channel: &ChannelContext,
        mut service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        let (sender, batches) = crossbeam_channel::bounded(2);
        let _ = channel;
        let (asks, asked) = crossbeam_channel::bounded::<String>(1);
        thread::spawn(move || {
            let Ok(mut token) = asked.recv() else {
                return;
            };
            loop {
                let batch = service.read(&token);
                if let Ok(batch) = &batch {
                    token = batch.next_token().to_owned();
                }
                let has_failed = batch.is_err();
                if sender.send(batch).is_err()
                    || has_failed
                    || token == tablestore_tunnel::FINISH_TAG
                {
                    return;
                }
            }
        });
        Ok(Box::new(PrefetchedConn {
            asks: Some(asks),
            conn: Prefetched { batches },
        }))
    }
}

struct PrefetchedConn {
    /// Sends the first token.
    asks: Option<crossbeam_channel::Sender<String>>,
    conn: Prefetched,
}

impl ChannelConn for PrefetchedConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        if let Some(asks) = self.asks.take() {
            let _ = asks.send(token.to_owned());
        }
        let batch = self.conn.batches.recv();
        batch.unwrap_or_else(|_| Err(TunnelError::other("the prefetching thread has ended")))
    }
}

#[test]
fn a_connection_may_read_ahead_on_a_thread_of_its_own() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(100));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    for _ in 0..3 {
        // A budget of a few answers, so that answers do not fit now and then.
        let config = config(processed.factory())
            .memory_budget(1 << 20)
            .channel_dialer(Prefetching);
        let running = scene.start(&tunnel, config);
        for _ in 0..5 {
            scene.put_large_rows(20, 30_000);
            scene.put_rows(100);
        }
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
    }
    assert_exactly_once(&scene, &processed);
}

/// A dialer that keeps the connections to the service.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Vec<Box<dyn ChannelConn>>>>);

impl ChannelDialer for Keep {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        self.0.lock().push(service);
        Err(ProcessError::new("it keeps the connection"))
    }
}

#[test]
fn nothing_is_read_through_the_connection_of_a_closed_channel() {
    let (scene, tunnel) = scene();
    let kept = Keep::default();
    let config = config(Processed::default().factory()).channel_dialer(kept.clone());
    let running = scene.start(&tunnel, config);
    wait_until("a channel is dialed", || !kept.0.lock().is_empty());
    running.close();
    for mut service in kept.0.lock().drain(..) {
        let error = service.read("token").expect_err("the channel is closed");
        assert_eq!(error.code(), &ErrorCode::ChannelLost);
    }
    let ledger = scene.emulator.ledger();
    let is_read = |kind: &EventKind| matches!(kind, EventKind::Received { action, .. } if *action == Action::ReadRecords);
    assert!(!ledger.events().iter().any(|event| is_read(&event.kind)));
}

#[test]
fn a_condition_may_move_its_clock() {
    let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
    let scene = Scene::with(2, Emulator::builder().clock(clock.clone().into()));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let factory = processed.factory();
    let config = config(factory).clock(clock.clone());
    let config = config.build().expect("a config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    scene.put_rows(40);
    let second = Duration::from_secs(1);
    let mut calls = 0;
    assert!(clock.advance_until(60 * second, || {
        calls += 1;
        match calls % 4 {
            0 => clock.advance(second / 10),
            1 => clock.jump(second / 10),
            2 => assert!(!clock.advance_until(second / 10, || false)),
            _ => assert!(clock.advance_until(second, || true)),
        }
        processed.len() == 40
    }));
    // A condition that panics leaves the clock as it was.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        clock.advance_until(second, || panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    clock.advance(second);
    // A condition may close the daemon.
    let closed = clock.advance_until(60 * second, || daemon.close().is_clean());
    assert!(closed);
    running.join().expect("run ends well");
    assert_exactly_once(&scene, &processed);
}
