//! A table, a tunnel and a client; what was written and what was seen.

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

/// How long a condition may take to come true, on a machine under load. No
/// wait of a test is longer, or a test that fails would never end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(100);

/// What tells one record from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Id {
    /// A row of the base data, by its key.
    Row(String),
    /// A change, by its partition and its place in the partition's log.
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

/// A stream channel's id begins with that of its partition.
fn partition(channel: &str) -> &str {
    channel.split('_').next().unwrap_or_default()
}

/// A served table, and what was written to it.
pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    pub(crate) table: Table,
    pub(crate) client: TunnelClient,
    expected: Mutex<Vec<Id>>,
    rows: Mutex<usize>,
    /// Rules that the test breaks on purpose.
    broken: Arc<Mutex<Vec<Rule>>>,
}

/// The scenes that there are, for the callbacks of their tunnels and the waits
/// of their tests.
static STAGED: Mutex<Vec<Staged>> = Mutex::new(Vec::new());

struct Staged {
    tunnel: String,
    emulator: Emulator,
    broken: Arc<Mutex<Vec<Rule>>>,
    thread: ThreadId,
}

/// Emulators with the same seed would make tunnels of the same ids.
static SEEDS: AtomicU64 = AtomicU64::new(1);

fn witness_of(tunnel: &str) -> Option<Witness> {
    let staged = STAGED.lock();
    let found = staged.iter().find(|staged| staged.tunnel == tunnel);
    found.map(|staged| staged.emulator.witness())
}

/// Fails unless a verdict has no violation but those on purpose.
fn must_be_clean(verdict: &Verdict, broken: &Mutex<Vec<Rule>>) {
    let broken = broken.lock();
    let mut unexpected = verdict.violations().filter(|f| !broken.contains(&f.rule));
    assert!(unexpected.next().is_none(), "{verdict}");
}

/// How long a test waits for something: as long as its scenes are clean, and
/// not forever.
struct Patience {
    end: Instant,
    look: Instant,
}

impl Patience {
    /// How often a test that waits looks at its scenes.
    const LOOK: Duration = Duration::from_secs(1);

    fn new() -> Patience {
        let now = Instant::now();
        Patience {
            end: now + PATIENCE,
            look: now + Patience::LOOK,
        }
    }

    /// Until when to wait before the next [`Patience::check`].
    fn until(&self) -> Instant {
        self.end.min(self.look)
    }

    #[track_caller]
    fn check(&mut self, in_vain: impl FnOnce() -> String) {
        let now = Instant::now();
        if now >= self.look {
            self.look = now + Patience::LOOK;
            Patience::look_at_scenes();
        }
        assert!(now < self.end, "waited in vain until {}", in_vain());
    }

    #[track_caller]
    fn look_at_scenes() {
        let here = thread::current().id();
        let staged = STAGED.lock();
        let own = staged.iter().filter(|staged| staged.thread == here);
        let own: Vec<_> = own
            .map(|staged| (staged.emulator.ledger(), staged.broken.clone()))
            .collect();
        drop(staged);
        for (ledger, broken) in own {
            must_be_clean(&ledger.verdict(), &broken);
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
            broken: Arc::default(),
        }
    }

    /// Says that the test breaks a rule on purpose. All others hold at its end.
    pub(crate) fn breaks(&self, rule: Rule) {
        self.broken.lock().push(rule);
    }

    /// Fails unless a verdict has no violation but those on purpose.
    pub(crate) fn must_be_clean(&self, verdict: &Verdict) {
        must_be_clean(verdict, &self.broken);
    }

    /// Rows that a tunnel made later finds as base data.
    pub(crate) fn base_rows(&self, count: usize) {
        let rows = self.take_numbers(count);
        let written = self.table.put_all(rows.clone().map(row)).expect("rows");
        assert_eq!(written.len(), count);
        let ids = rows.map(|n| Id::Row(key(n)));
        self.expected.lock().extend(ids);
    }

    /// New rows, as changes that a tunnel made earlier carries.
    pub(crate) fn put_rows(&self, count: usize) {
        let rows = self.take_numbers(count);
        let written = self.table.put_all(rows.map(row)).expect("rows");
        self.expect(&written);
    }

    /// The same with a value of so many bytes in each.
    pub(crate) fn put_large_rows(&self, count: usize, bytes: usize) {
        let value = "x".repeat(bytes);
        for n in self.take_numbers(count) {
            let written = self.table.put([key(n)], [("value", value.as_str())]);
            self.expect(&[written.expect("row")]);
        }
    }

    /// An update and a delete of a row.
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
        STAGED.lock().push(Staged {
            tunnel: created.tunnel_id.clone(),
            emulator: self.emulator.clone(),
            broken: self.broken.clone(),
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

/// Every scenario ends with the checker.
impl Drop for Scene {
    fn drop(&mut self) {
        // With the emulators, which would serve on.
        let own = |staged: &mut Staged| Arc::ptr_eq(&staged.broken, &self.broken);
        let struck: Vec<Staged> = STAGED.lock().extract_if(.., own).collect();
        drop(struck);
        if !thread::panicking() {
            let verdict = self.emulator.ledger().verdict();
            self.must_be_clean(&verdict);
            for rule in self.broken.lock().iter() {
                let count = verdict.by_rule(*rule).count();
                assert_ne!(count, 0, "{rule} was to be broken: {verdict}");
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

/// Polls what nothing announces.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let mut patience = Patience::new();
    while !condition() {
        patience.check(|| what.to_owned());
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

/// A configuration for tests: quick heartbeats, checkpoints after every batch.
pub(crate) fn config(factory: SimpleProcessFactory) -> TunnelWorkerConfigBuilder {
    let factory = factory.checkpoint_interval(Duration::ZERO);
    TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(Duration::from_secs(30))
        // Three of these heartbeats are over before a machine under load has
        // closed a channel.
        .closing_channel_detect(false)
        .client_tag("test")
        .pool_threads(4)
}

/// A daemon at work in a thread of its own.
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
        let daemon = TunnelWorkerDaemon::new(client, tunnel, config);
        let handle = daemon.clone();
        let thread = thread::spawn(move || handle.run());
        Running {
            daemon,
            thread: Some(thread),
        }
    }

    /// Closes in order and waits for the end of `run`.
    pub(crate) fn close(mut self) -> ShutdownReport {
        let receipt = self.daemon.close();
        self.join().expect("run ends well");
        receipt
    }

    /// Waits for `run` to end.
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

/// One record that a callback has dealt with.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: Id,
    pub(crate) client: String,
    pub(crate) channel: String,
    /// Before the callback returned.
    pub(crate) done: OffsetDateTime,
}

/// What callbacks have dealt with, in their order.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<(Mutex<Vec<Delivery>>, Condvar)>);

impl Seen {
    /// A factory of callbacks that note what they get and do no more.
    pub(crate) fn factory(&self) -> SimpleProcessFactory {
        let seen = self.clone();
        SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
            seen.note(ctx, records)
        })
    }

    /// Notes the records of a batch as dealt with; to be called last.
    pub(crate) fn note(&self, ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
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
        let mut patience = Patience::new();
        let mut seen = self.lock();
        while !condition(&seen) {
            self.0.1.wait_until(&mut seen, patience.until());
            patience.check(|| format!("{what}; {} records seen", seen.len()));
        }
    }

    /// Waits until everything that was written has been seen.
    pub(crate) fn wait_for_all(&self, scene: &Scene) {
        let expected = scene.expected();
        self.wait_for("everything is seen", |seen| {
            seen.len() >= expected.len() && {
                let counts = counts(seen);
                expected.iter().all(|id| counts.contains_key(id))
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.0.0.lock()
    }
}

pub(crate) fn counts(seen: &[Delivery]) -> HashMap<&Id, usize> {
    let mut counts = HashMap::new();
    for delivery in seen {
        *counts.entry(&delivery.id).or_default() += 1;
    }
    counts
}

/// A gate that callbacks wait at until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    /// Waits until the gate is open; the test knows how many wait.
    pub(crate) fn pass(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0.0.lock();
        state.1 += 1;
        self.0.1.notify_all();
        while !state.0 {
            let timeout = self.0.1.wait_until(&mut state, deadline);
            assert!(!timeout.timed_out(), "nobody opened the gate");
        }
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().0 = true;
        self.0.1.notify_all();
    }

    /// Waits until so many have come to the gate.
    pub(crate) fn wait_for_arrivals(&self, count: usize) {
        let mut patience = Patience::new();
        let mut state = self.0.0.lock();
        while state.1 < count {
            self.0.1.wait_until(&mut state, patience.until());
            patience.check(|| format!("{count} are at the gate; {} are", state.1));
        }
    }
}

/// Opens its gate when the test ends, however it ends.
impl Drop for GateKeeper {
    fn drop(&mut self) {
        self.0.open();
    }
}

pub(crate) struct GateKeeper(pub(crate) Gate);
