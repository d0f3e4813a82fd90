//! One configuration for many workers: they share its threads. A process of
//! its own, because it counts all threads there are.

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

/// How many threads of this process have a name that begins so.
fn threads_named(prefix: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("tasks");
    // A thread may end between the two looks at it.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A table with a row in each of four base channels, and a tunnel on it.
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
    let seen = Arc::new(AtomicUsize::new(0));
    // All threads of the pool meet in callbacks, or no callback returns.
    let barrier = Arc::new(Barrier::new(THREADS));
    let factory = SimpleProcessFactory::per_channel({
        let (seen, barrier) = (seen.clone(), barrier.clone());
        let channels = Arc::new(AtomicUsize::new(0));
        move |_: &ChannelContext| {
            let (seen, barrier) = (seen.clone(), barrier.clone());
            let meets = channels.fetch_add(1, Ordering::SeqCst) < THREADS;
            Ok(move |_: &ChannelContext, records: &[Record]| {
                if meets {
                    barrier.wait();
                }
                seen.fetch_add(records.len(), Ordering::SeqCst);
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
    // A thread takes its name when it has begun.
    wait_until("the pool is there", || {
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
        wait_until("all is seen", || {
            seen.load(Ordering::SeqCst) == WORKERS * 100
        });
        // One that the pool has started bears its parent's name until it begins.
        wait_until("only the pool's threads have its name", || {
            threads_named("tunnel-pool-") == THREADS
        });
        for daemon in &daemons {
            assert!(daemon.close().is_clean());
        }
    });
    drop(daemons);
    assert_eq!(threads_named("tunnel-pool-"), THREADS, "while it is kept");
    drop(config);
    wait_until("the threads have ended", || {
        threads_named("tunnel-pool-") == 0
    });
}
