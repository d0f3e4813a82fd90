//! The fixture of the scenarios: a table, a tunnel and a client, with the records
//! written and the records processed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tablestore_emulator::{
    Emulator, EmulatorBuilder, EventKind, KeyType, RowUpdate, Rule, Table, TableSpec, Verdict,
    Witness, Written,
};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, ProcessResult, Record, SequenceInfo, ShutdownReport,
    SimpleProcessFactory, TunnelClient, TunnelError, TunnelType, TunnelWorkerConfig,
    TunnelWorkerConfigBuilder, TunnelWorkerDaemon,
};
use time::OffsetDateTime;

/// The time limit of every wait of a test, chosen for a machine under load.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);
/// The heartbeat interval of the tests.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(100);

/// Identifies a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Id {
    /// A row of the base data, by its primary key.
    Row(String),
    /// A change, by its partition and its position in the partition's log.
    Change(String, SequenceInfo),
}

impl Id {
    pub(crate) fn of(channel: &str, record: &Record) -> Id {
        match record.sequence_info() {
            Some(sequence) => Id::Change(partition(channel).to_owned(), sequence),
            None => {
                let key = record.primary_key().next().expect("a key");
                Id::Row(key.value().as_str().expect("a string").to_owned())
            }
        }
    }

    fn written(written: &Written) -> Id {
        Id::Change(written.partition.to_string(), written.sequence_info)
    }
}

/// The id of a channel's partition, which is the first part of the channel's id.
fn partition(channel: &str) -> &str {
    channel.split('_').next().unwrap_or_default()
}

/// An emulator with one table, and the records written to it.
///
/// The checker of the emulator's ledger runs when the scene is dropped.
pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    pub(crate) table: Table,
    pub(crate) client: TunnelClient,
    expected: Mutex<Vec<Id>>,
    rows: Mutex<usize>,
    /// The rules that the test violates on purpose.
    allowed: Arc<Mutex<Vec<Rule>>>,
}

/// The tunnels of all scenes. Callbacks look up the witness of their tunnel here,
/// and waiting tests check their own scenes.
static TUNNELS: Mutex<Vec<SceneTunnel>> = Mutex::new(Vec::new());

struct SceneTunnel {
    id: String,
    emulator: Emulator,
    allowed: Arc<Mutex<Vec<Rule>>>,
    /// The thread of the test.
    thread: ThreadId,
}

/// The next seed. Emulators with the same seed would create tunnels with the same ids.
static SEEDS: AtomicU64 = AtomicU64::new(1);

fn witness_of(tunnel: &str) -> Option<Witness> {
    let tunnels = TUNNELS.lock();
    let found = tunnels.iter().find(|known| known.id == tunnel);
    found.map(|known| known.emulator.witness())
}

/// Fails if a verdict has a violation of a rule that is not allowed.
fn assert_clean(verdict: &Verdict, allowed: &Mutex<Vec<Rule>>) {
    let allowed = allowed.lock();
    let mut unexpected = verdict.violations().filter(|f| !allowed.contains(&f.rule));
    assert!(unexpected.next().is_none(), "{verdict}");
}

/// A wait of a test. It fails after [`MAX_WAIT`], or when a scene of the test
/// violates a rule.
struct Wait {
    deadline: Instant,
    next_check: Instant,
}

impl Wait {
    /// How often a waiting test checks its scenes.
    const CHECK_INTERVAL: Duration = Duration::from_secs(1);

    fn new() -> Wait {
        let now = Instant::now();
        Wait {
            deadline: now + MAX_WAIT,
            next_check: now + Wait::CHECK_INTERVAL,
        }
    }

    /// The time of the next call of [`Wait::check`].
    fn until(&self) -> Instant {
        self.deadline.min(self.next_check)
    }

    /// Fails if the deadline has passed or a scene violates a rule. `condition`
    /// describes what the test waits for.
    #[track_caller]
    fn check(&mut self, condition: impl FnOnce() -> String) {
        let now = Instant::now();
        if now >= self.next_check {
            self.next_check = now + Wait::CHECK_INTERVAL;
            Wait::check_scenes();
        }
        assert!(now < self.deadline, "timed out before {}", condition());
    }

    #[track_caller]
    fn check_scenes() {
        let thread = thread::current().id();
        let tunnels = TUNNELS.lock();
        let own = tunnels.iter().filter(|tunnel| tunnel.thread == thread);
        let own: Vec<_> = own
            .map(|tunnel| (tunnel.emulator.ledger(), tunnel.allowed.clone()))
            .collect();
        drop(tunnels);
        for (ledger, allowed) in own {
            assert_clean(&ledger.verdict(), &allowed);
        }
    }
}

impl Scene {
    pub(crate) fn new(partitions: u32) -> Scene {
        Scene::with(partitions, Emulator::builder())
    }

    pub(crate) fn with(partitions: u32, builder: EmulatorBuilder) -> Scene {
        let builder = builder.seed(SEEDS.fetch_add(1, Ordering::Relaxed));
        let emulator = builder.warm_up(Duration::ZERO).start().expect("emulator");
        let spec = TableSpec::new("orders")
            .primary_key("id", KeyType::String)
            .partitions(partitions);
        let table = emulator.create_table(spec).expect("table");
        let client = client(&emulator);
        Scene {
            emulator,
            table,
            client,
            expected: Mutex::default(),
            rows: Mutex::default(),
            allowed: Arc::default(),
        }
    }

    /// Declares that the test violates a rule on purpose. All other rules must hold.
    pub(crate) fn breaks(&self, rule: Rule) {
        self.allowed.lock().push(rule);
    }

    /// Fails if a verdict has a violation that was not declared by [`Scene::breaks`].
    pub(crate) fn assert_clean(&self, verdict: &Verdict) {
        assert_clean(verdict, &self.allowed);
    }

    /// Writes rows before a tunnel is created, as base data.
    pub(crate) fn base_rows(&self, count: usize) {
        let rows = self.take_numbers(count);
        let written = self.table.put_all(rows.clone().map(row)).expect("rows");
        assert_eq!(written.len(), count);
        let ids = rows.map(|n| Id::Row(key(n)));
        self.expected.lock().extend(ids);
    }

    /// Writes rows after a tunnel was created, as changes.
    pub(crate) fn put_rows(&self, count: usize) {
        let rows = self.take_numbers(count);
        let written = self.table.put_all(rows.map(row)).expect("rows");
        self.expect(&written);
    }

    /// Like [`Scene::put_rows`], with a value of `bytes` bytes in each row.
    pub(crate) fn put_large_rows(&self, count: usize, bytes: usize) {
        let value = "x".repeat(bytes);
        for n in self.take_numbers(count) {
            let written = self.table.put([key(n)], [("value", value.as_str())]);
            self.expect(&[written.expect("row")]);
        }
    }

    /// Updates and then deletes a row.
    pub(crate) fn change_row(&self, n: usize) {
        let update = RowUpdate::new().put("paid", true).delete("note");
        let updated = self.table.update([key(n)], update).expect("update");
        let deleted = self.table.delete([key(n)]).expect("delete");
        self.expect(&[updated, deleted]);
    }

    fn expect(&self, written: &[Written]) {
        let ids = written.iter().map(Id::written);
        self.expected.lock().extend(ids);
    }

    fn take_numbers(&self, count: usize) -> std::ops::Range<usize> {
        let mut rows = self.rows.lock();
        let first = *rows;
        *rows += count;
        first..*rows
    }

    pub(crate) fn expected(&self) -> Vec<Id> {
        self.expected.lock().clone()
    }

    pub(crate) fn tunnel(&self, kind: TunnelType) -> String {
        let request = CreateTunnelRequest::new("orders", "tunnel", kind);
        let created = self.client.create_tunnel(&request).expect("tunnel");
        TUNNELS.lock().push(SceneTunnel {
            id: created.tunnel_id.clone(),
            emulator: self.emulator.clone(),
            allowed: self.allowed.clone(),
            thread: thread::current().id(),
        });
        created.tunnel_id
    }

    pub(crate) fn start(&self, tunnel: &str, config: TunnelWorkerConfigBuilder) -> Running {
        Running::start(self.client.clone(), tunnel, config)
    }

    /// Waits until the ledger fulfils a condition.
    pub(crate) fn wait_for_ledger(&self, what: &str, condition: impl Fn(&[EventKind]) -> bool) {
        wait_until(what, || {
            let ledger = self.emulator.ledger();
            let kinds: Vec<EventKind> = ledger.events().iter().map(|e| e.kind.clone()).collect();
            condition(&kinds)
        });
    }
}

/// Runs the checker at the end of every scenario.
impl Drop for Scene {
    fn drop(&mut self) {
        // Also drops the handles of the emulator, which would keep it running. The
        // lock is released first.
        let is_own = |tunnel: &mut SceneTunnel| Arc::ptr_eq(&tunnel.allowed, &self.allowed);
        let own: Vec<SceneTunnel> = TUNNELS.lock().extract_if(.., is_own).collect();
        drop(own);
        if !thread::panicking() {
            let verdict = self.emulator.ledger().verdict();
            self.assert_clean(&verdict);
            for rule in self.allowed.lock().iter() {
                let count = verdict.by_rule(*rule).count();
                assert_ne!(count, 0, "{rule} was not violated: {verdict}");
            }
        }
    }
}

pub(crate) fn client(emulator: &Emulator) -> TunnelClient {
    TunnelClient::new(
        emulator.endpoint(),
        emulator.instance(),
        emulator.access_key_id(),
        emulator.access_key_secret(),
    )
    .expect("client")
}

/// Polls until a condition holds. `what` describes the condition as a clause.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let mut wait = Wait::new();
    while !condition() {
        wait.check(|| what.to_owned());
        thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn key(n: usize) -> String {
    format!("row-{n:06}")
}

fn row(n: usize) -> ([String; 1], [(&'static str, String); 2]) {
    let note = format!("note {n}");
    ([key(n)], [("name", format!("name {n}")), ("note", note)])
}

/// A configuration for tests: a short heartbeat interval, and a checkpoint after
/// every batch.
pub(crate) fn config(factory: SimpleProcessFactory) -> TunnelWorkerConfigBuilder {
    let factory = factory.checkpoint_interval(Duration::ZERO);
    TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(Duration::from_secs(30))
        // Detection takes three heartbeats. With this interval, a machine under
        // load needs longer to close a channel.
        .closing_channel_detect(false)
        .client_tag("test")
        .pool_threads(4)
}

/// A daemon that runs on a thread of its own.
pub(crate) struct Running {
    pub(crate) daemon: TunnelWorkerDaemon,
    thread: Option<JoinHandle<Result<(), TunnelError>>>,
}

impl Running {
    pub(crate) fn start(
        client: TunnelClient,
        tunnel: &str,
        config: TunnelWorkerConfigBuilder,
    ) -> Running {
        let config = config.build().expect("config");
        Running::run(TunnelWorkerDaemon::new(client, tunnel, config))
    }

    pub(crate) fn run(daemon: TunnelWorkerDaemon) -> Running {
        let handle = daemon.clone();
        let thread = thread::spawn(move || handle.run());
        Running {
            daemon,
            thread: Some(thread),
        }
    }

    /// Closes the daemon gracefully and waits for the end of `run`.
    pub(crate) fn close(mut self) -> ShutdownReport {
        let report = self.daemon.close();
        self.join().expect("run ends well");
        report
    }

    /// Waits for `run` to end, and returns its result.
    pub(crate) fn join(&mut self) -> Result<(), TunnelError> {
        let thread = self.thread.take().expect("joined once");
        wait_until("run has ended", || thread.is_finished());
        thread.join().expect("run does not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.daemon.close_within(Duration::from_millis(100));
    }
}

/// A record that a callback has processed.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: Id,
    pub(crate) client: String,
    pub(crate) channel: String,
    /// The time shortly before the callback returned.
    pub(crate) done: OffsetDateTime,
}

/// The records that callbacks have processed, in order.
#[derive(Clone, Default)]
pub(crate) struct Processed(Arc<(Mutex<Vec<Delivery>>, Condvar)>);

impl Processed {
    /// A factory of callbacks that only add their records.
    pub(crate) fn factory(&self) -> SimpleProcessFactory {
        let processed = self.clone();
        SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
            processed.add(ctx, records)
        })
    }

    /// Adds the records of a batch. Callbacks call this last.
    pub(crate) fn add(&self, ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
        if let Some(witness) = witness_of(ctx.tunnel_id()) {
            witness.note(ctx, records);
        }
        let done = OffsetDateTime::now_utc();
        let delivery = |record| Delivery {
            id: Id::of(ctx.channel_id(), record),
            client: ctx.client_id().to_owned(),
            channel: ctx.channel_id().to_owned(),
            done,
        };
        self.lock().extend(records.iter().map(delivery));
        self.0.1.notify_all();
        Ok(())
    }

    pub(crate) fn all(&self) -> Vec<Delivery> {
        self.lock().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&[Delivery]) -> bool) {
        let mut wait = Wait::new();
        let mut processed = self.lock();
        while !condition(&processed) {
            self.0.1.wait_until(&mut processed, wait.until());
            wait.check(|| format!("{what}; {} records are processed", processed.len()));
        }
    }

    /// Waits until every written record has been processed.
    pub(crate) fn wait_for_all(&self, scene: &Scene) {
        let expected = scene.expected();
        self.wait_for("every record is processed", |processed| {
            processed.len() >= expected.len() && {
                let counts = counts(processed);
                expected.iter().all(|id| counts.contains_key(id))
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.0.0.lock()
    }
}

/// How often each record was processed.
pub(crate) fn counts(processed: &[Delivery]) -> HashMap<&Id, usize> {
    let mut counts = HashMap::new();
    for delivery in processed {
        *counts.entry(&delivery.id).or_default() += 1;
    }
    counts
}

/// A gate at which callbacks wait until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    is_open: bool,
    /// How many times [`Gate::pass`] was called.
    arrivals: usize,
}

impl Gate {
    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let deadline = Instant::now() + MAX_WAIT;
        let mut state = self.0.0.lock();
        state.arrivals += 1;
        self.0.1.notify_all();
        while !state.is_open {
            let timeout = self.0.1.wait_until(&mut state, deadline);
            assert!(!timeout.timed_out(), "the gate was not opened in time");
        }
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().is_open = true;
        self.0.1.notify_all();
    }

    /// Waits until [`Gate::pass`] has been called `count` times.
    pub(crate) fn wait_for_arrivals(&self, count: usize) {
        let mut wait = Wait::new();
        let mut state = self.0.0.lock();
        while state.arrivals < count {
            self.0.1.wait_until(&mut state, wait.until());
            wait.check(|| {
                let arrivals = state.arrivals;
                format!("{count} callbacks have arrived at the gate; {arrivals} have")
            });
        }
    }
}

/// Opens its gate when dropped, so that a failing test does not block callbacks.
pub(crate) struct GateKeeper(pub(crate) Gate);

impl Drop for GateKeeper {
    fn drop(&mut self) {
        self.0.open();
    }
}
