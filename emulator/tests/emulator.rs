//! The emulator's Rust API with the Rust client: tables, workers, faults, ledger.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tablestore_emulator::{
    AccessKey, Action, Checker, Emulator, EmulatorClock, EventKind, Fault, KeyType, Permission,
    RowUpdate, Table, TableSpec, TrimmedRead,
};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Credentials, DescribeTunnelRequest, ErrorCode,
    ListTunnelRequest, Record, SequenceInfo, SimpleProcessFactory, TunnelClient, TunnelError,
    TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
};

/// The longest wait. Only failing tests wait this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Identifies a record by the partition of its channel and its sequence number.
type Place = (String, SequenceInfo);

fn client(emulator: &Emulator) -> TunnelClient {
    TunnelClient::new(
        emulator.endpoint(),
        emulator.instance(),
        emulator.access_key_id(),
        emulator.access_key_secret(),
    )
    .expect("a client")
}

fn orders(emulator: &Emulator, partitions: u32) -> Table {
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let table = emulator.create_table(spec.partitions(partitions));
    table.expect("a table")
}

/// A worker in a thread of its own, and the records that it received.
struct Consumer {
    daemon: TunnelWorkerDaemon,
    thread: JoinHandle<Result<(), TunnelError>>,
    records: Receiver<Place>,
}

impl Consumer {
    fn start(client: &TunnelClient, tunnel: &str) -> Consumer {
        let (given, records) = mpsc::channel();
        let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, batch: &[Record]| {
            let partition = ctx.channel_id().split('_').next().unwrap_or_default();
            for sequence in batch.iter().filter_map(Record::sequence_info) {
                // The test may have ended already.
                let _ = given.send((partition.to_owned(), sequence));
            }
            Ok(())
        });
        let config = TunnelWorkerConfig::builder(factory)
            .heartbeat_interval_for_tests(Duration::from_millis(100))
            .heartbeat_timeout(Duration::from_secs(20))
            .build()
            .expect("a config");
        let daemon = TunnelWorkerDaemon::new(client.clone(), tunnel, config);
        let running = daemon.clone();
        Consumer {
            daemon,
            thread: thread::spawn(move || running.run()),
            records,
        }
    }

    /// Waits until the worker has received all of these records, and shuts it down.
    fn finish(self, mut wanted: BTreeSet<Place>) {
        let mut last: Vec<Place> = Vec::new();
        while !wanted.is_empty() {
            let place = self.records.recv_timeout(PATIENCE).expect("a record");
            wanted.remove(&place);
            match last.iter_mut().find(|last| last.0 == place.0) {
                Some(last) => {
                    assert!(last.1 < place.1, "in order, and none twice: {place:?}");
                    *last = place;
                }
                None => last.push(place),
            }
        }
        self.daemon.close();
        self.thread.join().expect("the worker").expect("a good end");
    }
}

#[test]
fn a_worker_follows_the_splits_and_merges_of_a_table_and_breaks_no_rule() {
    let emulator = Emulator::builder().batch_rows(7).start().expect("started");
    let table = orders(&emulator, 2);
    let client = client(&emulator);
    let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::Stream);
    let tunnel = client.create_tunnel(&request).expect("created").tunnel_id;
    let consumer = Consumer::start(&client, &tunnel);
    for action in [Action::ReadRecords, Action::Checkpoint, Action::Heartbeat] {
        emulator.fault(Fault::on(action).nth(3).reset());
        emulator.fault(
            Fault::on(action)
                .nth(5)
                .fail(503, "OTSTunnelServerUnavailable", "busy"),
        );
        emulator.fault(Fault::on(action).nth(7).cut());
    }
    let mut wanted = BTreeSet::new();
    for id in 0..300_i64 {
        let update = RowUpdate::new().put("n", id).delete("m");
        let written = match id % 3 {
            0 => table.put([id / 4], [("n", id)]),
            1 => table.update([id / 4], update),
            _ => table.delete([id / 5]),
        };
        let written = written.expect("written");
        wanted.insert((written.partition.to_string(), written.sequence_info));
        if id % 100 == 99 {
            let parts = table.split_at([id / 5]).expect("a split");
            if id > 100 {
                table.merge(&parts[0], &parts[1]).expect("a merge");
            }
        }
    }
    assert_eq!(table.partitions().len(), 2 + 3 * 2 + 2);
    consumer.finish(wanted);
    let verdict = Checker::new().complete().judge(&emulator.ledger());
    assert!(verdict.is_clean(), "{verdict}");
}

#[test]
fn a_worker_ends_when_its_tunnel_expires() {
    let emulator = Emulator::builder().start().expect("started");
    let table = orders(&emulator, 1);
    let client = client(&emulator);
    let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::Stream);
    let tunnel = client.create_tunnel(&request).expect("created").tunnel_id;
    let consumer = Consumer::start(&client, &tunnel);
    table.put([1], [("n", 1)]).expect("written");
    consumer.records.recv_timeout(PATIENCE).expect("a record");
    emulator.expire_tunnel(&tunnel).expect("expired");
    let ended = consumer.thread.join().expect("the worker");
    let error = ended.expect_err("it cannot go on");
    assert_eq!(*error.code(), ErrorCode::TunnelExpired);
    let describe = DescribeTunnelRequest::new("orders", "tunnel");
    let described = client.describe_tunnel(&describe).expect("described");
    assert!(described.tunnel.expired);
}

#[test]
fn a_worker_reads_on_after_trimmed_records_if_configured() {
    let builder = Emulator::builder().trimmed_read(TrimmedRead::Oldest);
    let emulator = builder.start().expect("started");
    let table = orders(&emulator, 1);
    let client = client(&emulator);
    let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::Stream);
    let tunnel = client.create_tunnel(&request).expect("created").tunnel_id;
    let put = |id: i64| table.put([id], [("n", id)]).expect("written");
    let written: Vec<_> = (0..10).map(put).collect();
    let partition = &written[7].partition;
    table.trim(partition, written[7].position).expect("trimmed");
    let consumer = Consumer::start(&client, &tunnel);
    let left = written[7..].iter();
    let left = left.map(|written| (written.partition.to_string(), written.sequence_info));
    consumer.finish(left.collect());
    assert_eq!(emulator.ledger().violations(), [], "the service lost it");
}

#[test]
fn a_worker_needs_no_other_permission_than_to_consume() {
    let key = Credentials::new("STS.id", "secret").security_token("token");
    let consumes = AccessKey::new(key).allow_only([Permission::ConsumeTunnel]);
    let emulator = Emulator::builder().key(consumes).start().expect("started");
    let table = orders(&emulator, 1);
    let owner = client(&emulator);
    let limited = TunnelClient::with_token(
        emulator.endpoint(),
        emulator.instance(),
        "STS.id",
        "secret",
        "token",
    );
    let limited = limited.expect("a client");
    let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::Stream);
    let denied = limited.create_tunnel(&request).expect_err("not allowed");
    assert_eq!(*denied.code(), ErrorCode::PermissionDenied);
    let tunnel = owner.create_tunnel(&request).expect("created").tunnel_id;
    let consumer = Consumer::start(&limited, &tunnel);
    let written = table.put([1], [("n", 1)]).expect("written");
    consumer.finish([(written.partition.to_string(), written.sequence_info)].into());
}

/// The lines of the ledger, which must be the same in every run.
fn history(emulator: &Emulator) -> Vec<String> {
    let ledger = emulator.ledger();
    let line = |kind: &EventKind| format!("{kind:?}");
    ledger
        .events()
        .iter()
        .map(|event| line(&event.kind))
        .collect()
}

#[test]
fn the_same_script_gives_the_same_ledger_twice() {
    let start = EmulatorClock::system().utc();
    let run = || {
        let clock = EmulatorClock::manual(start);
        let emulator = Emulator::builder().seed(42).clock(clock.clone()).start();
        let emulator = emulator.expect("started");
        let table = orders(&emulator, 3);
        let client = client(&emulator);
        emulator.fault(Fault::on(Action::Describe).nth(2).times(2).reset());
        emulator.fault(Fault::on(Action::List).after().close());
        let create = CreateTunnelRequest::new("orders", "tunnel", TunnelType::BaseAndStream);
        client.create_tunnel(&create).expect("created");
        for id in 0..10 {
            table.put([id], [("n", id)]).expect("written");
            clock.advance(Duration::from_millis(100));
            let describe = DescribeTunnelRequest::new("orders", "tunnel");
            client.describe_tunnel(&describe).expect("described");
        }
        table.split(&table.partitions()[0].id).expect("a split");
        client
            .list_tunnel(&ListTunnelRequest::new("orders"))
            .expect("listed");
        history(&emulator)
    };
    let first = run();
    assert_eq!(first, run());
    let faults = first.iter().filter(|line| line.starts_with("Faulted"));
    assert_eq!(faults.count(), 3);
}

#[test]
fn dropping_the_last_handle_stops_the_server_but_not_the_table() {
    let emulator = Emulator::builder().start().expect("started");
    let table = orders(&emulator, 1);
    let address = emulator.endpoint().trim_start_matches("http://").to_owned();
    let other = emulator.clone();
    drop(emulator);
    std::net::TcpStream::connect(&address).expect("still served");
    drop(other);
    assert!(std::net::TcpStream::connect(&address).is_err());
    table.put([1], [("n", 1)]).expect("written");
}

#[test]
fn handles_cross_threads_and_show_no_secret() {
    fn crosses<T: Clone + Send + Sync + 'static>() {}
    crosses::<Emulator>();
    crosses::<Table>();
    crosses::<EmulatorClock>();
    let builder = Emulator::builder().access_key("id", "hidden");
    assert!(!format!("{builder:?}").contains("hidden"));
    let emulator = builder.start().expect("started");
    assert!(!format!("{emulator:?}").contains("hidden"));
}
