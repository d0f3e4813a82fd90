//! Tests that the workers of one configuration share its threads.
//!
//! This is a separate binary, because it counts all threads of the process.

#![cfg(target_os = "linux")]

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, KeyType, TableSpec};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Record, SimpleProcessFactory, TunnelClient, TunnelType,
    TunnelWorkerConfig, TunnelWorkerDaemon,
};

const THREADS: usize = 3;
const WORKERS: usize = 4;

/// The number of threads of this process whose name starts with `prefix`.
fn threads_named(prefix: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("tasks");
    // A thread may end before its name is read.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out before {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Creates a table of four partitions with 100 rows, and a tunnel on its base data.
fn tunnel(emulator: &Emulator, client: &TunnelClient, name: &str) -> String {
    let spec = TableSpec::new(name)
        .primary_key("id", KeyType::String)
        .partitions(4);
    let table = emulator.create_table(spec).expect("table");
    let rows = (0..100).map(|n| ([format!("row-{n}")], [("value", "x")]));
    table.put_all(rows).expect("rows");
    let request = CreateTunnelRequest::new(name, "tunnel", TunnelType::BaseData);
    client.create_tunnel(&request).expect("tunnel").tunnel_id
}

#[test]
fn workers_of_one_configuration_share_its_threads() {
    let emulator = Emulator::builder().warm_up(Duration::ZERO);
    let emulator = emulator.start().expect("emulator");
    let (name, key, secret) = (
        emulator.instance(),
        emulator.access_key_id(),
        emulator.access_key_secret(),
    );
    let client = TunnelClient::new(emulator.endpoint(), name, key, secret).expect("client");
    let processed = Arc::new(AtomicUsize::new(0));
    // Callbacks return only when all threads of the pool are in callbacks.
    let barrier = Arc::new(Barrier::new(THREADS));
    let factory = SimpleProcessFactory::per_channel({
        let (processed, barrier) = (processed.clone(), barrier.clone());
        let channels = Arc::new(AtomicUsize::new(0));
        move |_: &ChannelContext| {
            let (processed, barrier) = (processed.clone(), barrier.clone());
            let waits = channels.fetch_add(1, Ordering::SeqCst) < THREADS;
            Ok(move |_: &ChannelContext, records: &[Record]| {
                if waits {
                    barrier.wait();
                }
                processed.fetch_add(records.len(), Ordering::SeqCst);
                Ok(())
            })
        }
    });
    assert_eq!(threads_named("tunnel-pool-"), 0);
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(Duration::from_millis(100))
        .pool_threads(THREADS)
        .build()
        .expect("config");
    // A thread sets its name after it has started.
    wait_until("the pool has started", || {
        threads_named("tunnel-pool-") == THREADS
    });
    let daemons: Vec<_> = (0..WORKERS)
        .map(|n| {
            let tunnel = tunnel(&emulator, &client, &format!("table{n}"));
            TunnelWorkerDaemon::new(client.clone(), tunnel, config.clone())
        })
        .collect();
    thread::scope(|scope| {
        for daemon in &daemons {
            scope.spawn(|| daemon.run().expect("ends well"));
        }
        wait_until("all records are processed", || {
            processed.load(Ordering::SeqCst) == WORKERS * 100
        });
        // A thread created by a pool thread has its creator's name until it starts.
        wait_until("only pool threads have the pool's name", || {
            threads_named("tunnel-pool-") == THREADS
        });
        for daemon in &daemons {
            assert!(daemon.close().is_clean());
        }
    });
    drop(daemons);
    assert_eq!(
        threads_named("tunnel-pool-"),
        THREADS,
        "the configuration keeps its pool"
    );
    drop(config);
    wait_until("the pool has ended", || threads_named("tunnel-pool-") == 0);
}
