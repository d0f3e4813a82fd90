//! Tests that a consumer that is killed at any moment and restarted loses nothing,
//! and that its saved checkpoints never pass an unprocessed record.
//!
//! The emulator and the writer run in the test. The consumer is this binary,
//! started as a separate process and configured by environment variables. For each
//! record it writes a line to a file before its callback returns.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind, KeyType, Ledger, Table, TableSpec, Written};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Record, SimpleProcessFactory, TunnelClient, TunnelType,
    TunnelWorkerConfig, TunnelWorkerDaemon,
};
use time::OffsetDateTime;

const KILLS: usize = 14;
const ENDPOINT: &str = "SIGKILL_TEST_ENDPOINT";
const TUNNEL: &str = "SIGKILL_TEST_TUNNEL";
const FILE: &str = "SIGKILL_TEST_FILE";

/// The consumer. Without its environment variables, it returns immediately.
#[test]
fn child_process() {
    let variables = [ENDPOINT, TUNNEL, FILE].map(|name| std::env::var(name).ok());
    let [Some(endpoint), Some(tunnel), Some(path)] = variables else {
        return;
    };
    let options = OpenOptions::new().append(true).open(path);
    let file = std::sync::Arc::new(options.expect("the file exists"));
    let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        for record in records {
            note(&file, ctx.channel_id(), record);
        }
        Ok(())
    });
    let config = TunnelWorkerConfig::builder(factory.checkpoint_interval(Duration::ZERO))
        .heartbeat_interval_for_tests(Duration::from_millis(50))
        .pool_threads(2)
        .build()
        .expect("config");
    let client = TunnelClient::new(&endpoint, "emulator", "emulator-key", "emulator-secret");
    let client = client.expect("client");
    // Runs until the process is killed.
    let _ = TunnelWorkerDaemon::new(client, tunnel, config).run();
}

/// Writes a line with a single call, so that a kill leaves no partial line.
fn note(mut file: &File, channel: &str, record: &Record) {
    let id = match record.sequence_info() {
        Some(sequence) => format!("{}/{sequence}", partition(channel)),
        None => {
            let key = record.primary_key().next().expect("a key");
            key.value().as_str().expect("a string").to_owned()
        }
    };
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
    let line = format!("{channel} {id} {now}\n");
    file.write_all(line.as_bytes()).expect("a line");
}

fn partition(channel: &str) -> &str {
    channel.split('_').next().unwrap_or_default()
}

/// A running consumer. Killed when dropped.
struct Consumer(Child);

impl Consumer {
    fn start(emulator: &Emulator, tunnel: &str, file: &Path) -> Consumer {
        let this = std::env::current_exe().expect("this binary");
        let child = Command::new(this)
            .args(["child_process", "--exact", "--nocapture"])
            .env(ENDPOINT, emulator.endpoint())
            .env(TUNNEL, tunnel)
            .env(FILE, file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Consumer(child.expect("a process"))
    }

    fn kill(mut self) {
        let ended = self.0.try_wait().expect("a child");
        assert_eq!(ended, None, "the consumer ended by itself");
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The file of the records that the consumers have finished: channel, record id
/// and time.
struct Finished(PathBuf);

impl Finished {
    fn lines(&self) -> Vec<(String, String, i128)> {
        let text = std::fs::read_to_string(&self.0).expect("the file");
        let line = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let (channel, id) = (words.next()?, words.next()?);
            Some((channel, id, words.next()?.parse().ok()?))
        };
        text.lines()
            .map(|text| line(text).expect("a complete line"))
            .collect()
    }

    fn has_all(&self, expected: &HashSet<String>) -> bool {
        let lines = self.lines();
        let seen: HashSet<_> = lines.iter().map(|(_, id, _)| id).collect();
        expected.iter().all(|id| seen.contains(id))
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn put(table: &Table, rows: std::ops::Range<usize>) -> Vec<Written> {
    let row = |n| ([format!("row-{n}")], [("name", format!("name {n}"))]);
    table.put_all(rows.map(row)).expect("rows")
}

fn id_of(written: &Written) -> String {
    format!("{}/{}", written.partition, written.sequence_info)
}

fn pause(duration: Duration) {
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

#[test]
fn promise_01_a_consumer_killed_at_any_moment_loses_nothing() {
    let builder = Emulator::builder().warm_up(Duration::ZERO).batch_rows(5);
    // After this time, the channels of a killed consumer are reassigned.
    let builder = builder.client_timeout(Duration::from_millis(500));
    let emulator = builder.start().expect("emulator");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::String);
    let table = emulator.create_table(spec.partitions(3)).expect("table");
    put(&table, 0..3000);
    let mut expected: HashSet<String> = (0..3000).map(|n| format!("row-{n}")).collect();
    let client = TunnelClient::new(
        emulator.endpoint(),
        emulator.instance(),
        emulator.access_key_id(),
        emulator.access_key_secret(),
    );
    let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::BaseAndStream);
    let tunnel = client.expect("client").create_tunnel(&request);
    let tunnel = tunnel.expect("tunnel").tunnel_id;
    let path = std::env::temp_dir().join(format!("sigkill-{}.txt", std::process::id()));
    File::create(&path).expect("a file");
    let finished = Finished(path.clone());

    let mut rounds_with_work = 0;
    for round in 0..KILLS {
        let before = finished.lines().len();
        let consumer = Consumer::start(&emulator, &tunnel, &path);
        let written = put(&table, round * 300..(round + 1) * 300);
        expected.extend(written.iter().map(id_of));
        pause(Duration::from_millis(fastrand::u64(400..1200)));
        consumer.kill();
        rounds_with_work += usize::from(finished.lines().len() > before);
    }
    assert!(
        rounds_with_work >= 3,
        "most consumers were killed before they processed a record"
    );
    let consumer = Consumer::start(&emulator, &tunnel, &path);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !finished.has_all(&expected) {
        assert!(Instant::now() < deadline, "records were lost");
        pause(Duration::from_millis(20));
    }
    consumer.kill();
    assert_saved_records_are_finished(&emulator.ledger(), &finished.lines());
}

/// Fails unless all records before a saved position were finished before it was
/// saved.
fn assert_saved_records_are_finished(ledger: &Ledger, lines: &[(String, String, i128)]) {
    let mut done: HashMap<&str, Vec<(&str, i128)>> = HashMap::new();
    for (channel, id, time) in lines {
        done.entry(channel).or_default().push((id, *time));
    }
    let (mut first, mut last, mut saves) = (HashMap::new(), HashMap::new(), 0);
    for event in ledger.events() {
        match &event.kind {
            EventKind::Read {
                channel, from, to, ..
            } => {
                let first = first.entry(channel.clone()).or_insert(*from);
                *first = (*first).min(*from);
                let last = last.entry(channel.clone()).or_insert(*to);
                *last = (*last).max(*to);
            }
            EventKind::Saved {
                channel, position, ..
            } => {
                let needed = position.unwrap_or_else(|| last[channel]) - first[channel];
                let saved_at = event.time.unix_timestamp_nanos();
                let of_channel = done.get(&**channel).map_or(&[][..], Vec::as_slice);
                let ids = of_channel.iter().filter(|(_, time)| *time <= saved_at);
                let finished = ids.map(|(id, _)| *id).collect::<HashSet<_>>().len() as u64;
                assert!(
                    finished >= needed,
                    "{channel}: {position:?} was saved when {finished} of {needed} records were finished"
                );
                saves += 1;
            }
            _ => {}
        }
    }
    assert!(saves > KILLS, "{saves} saves");
}
