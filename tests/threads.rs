//! Tests promise 7: which threads a worker has, and that no thread is left.
//!
//! This is a separate binary whose tests run one at a time, because they count the
//! threads of the process by name. Only Linux provides the names.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "shared with the scenarios, which need all of it")]
#[path = "scenarios/harness.rs"]
mod harness;
#[path = "scenarios/thread_names.rs"]
mod thread_names;

use std::collections::HashSet;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use harness::{Gate, GateKeeper, HEARTBEAT, Processed, Scene, config, wait_until};
use tablestore_emulator::{Action, Emulator, Fault, Notice, Rule};
use tablestore_tunnel::{
    ChannelBatch, ChannelConn, ChannelContext, ChannelDialer, Checkpointer, Credentials, ErrorCode,
    ProcessError, Record, RunningDaemon, SimpleProcessFactory, TunnelClient, TunnelConfig,
    TunnelError, TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon, WorkerEvent,
};
use thread_names::{
    assert_no_worker_threads, crate_threads, is_pool_thread, run_alone, worker_threads,
};

fn pool_threads() -> usize {
    let names = crate_threads();
    names.iter().filter(|name| is_pool_thread(name)).count()
}

/// A stream tunnel on a table of two partitions. Each read returns 10 records.
fn scene() -> (Scene, String) {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

/// A factory whose callbacks wait at the gate.
fn gated(processed: &Processed, gate: &Gate) -> SimpleProcessFactory {
    let (processed, gate) = (processed.clone(), gate.clone());
    SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        gate.pass();
        processed.add(ctx, records)
    })
}

#[test]
fn promise_07_a_clean_shutdown_leaves_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let config = config(processed.factory()).pool_threads(3).build();
    let config = config.expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.clone());
    let running = daemon.spawn().expect("a thread");
    scene.put_rows(200);
    processed.wait_for_all(&scene);
    assert!(worker_threads().contains(&"tunnel-reader".to_owned()));
    assert!(running.close().expect("ends well").is_clean());
    assert_no_worker_threads();
    assert_eq!(pool_threads(), 3, "the configuration keeps its pool");
    drop(daemon);
    assert_eq!(
        pool_threads(),
        3,
        "the configuration keeps its pool after the daemon"
    );
    drop(config);
    wait_until("the pool has ended with its configuration", || {
        crate_threads().is_empty()
    });
}

#[test]
fn promise_07_a_stuck_callback_keeps_only_its_pool_thread() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = config(gated(&processed, &gate)).pool_threads(1).build();
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.expect("config"));
    let running = daemon.spawn().expect("a thread");
    scene.put_rows(40);
    keeper.0.wait_for_arrivals(1);
    let report = daemon.close_within(Duration::from_millis(500));
    assert_eq!(report.abandoned().count(), 1);
    running.join().expect("run has ended");
    assert_no_worker_threads();
    drop(daemon);
    assert_eq!(pool_threads(), 1, "only the stuck thread is left");
    drop(keeper);
    wait_until("the stuck thread has ended", || crate_threads().is_empty());
}

#[test]
fn promise_07_a_lost_session_leaves_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let config = config(processed.factory()).build().expect("config");
    let worker = scene.client.new_tunnel_worker(&tunnel, &config);
    let worker = worker.expect("worker");
    thread::scope(|scope| {
        let working = scope.spawn(|| worker.connect_and_working());
        scene.put_rows(100);
        processed.wait_for_all(&scene);
        let gone = Fault::on(Action::Heartbeat);
        scene
            .emulator
            .fault(gone.fail(410, "OTSResourceGone", "gone"));
        let error = working.join().expect("no panic").expect_err("lost");
        assert_eq!(error.code(), &ErrorCode::ResourceGone);
    });
    assert_no_worker_threads();
}

#[test]
fn promise_07_lost_channels_leave_no_threads() {
    let _alone = run_alone();
    let scene = Scene::new(8);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let config = config(processed.factory()).build().expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    let readers = || {
        let names = crate_threads();
        names.iter().filter(|name| *name == "tunnel-reader").count()
    };
    wait_until("every channel has a reader", || readers() == 8);
    for notice in [Notice::Missing, Notice::Close, Notice::Terminated] {
        // The fault lasts for 40 heartbeats, so that the channels stay lost.
        let fault = Fault::on(Action::Heartbeat).times(40);
        scene.emulator.fault(fault.take_all(notice));
        wait_until("the readers have ended", || readers() == 0);
        scene.emulator.clear_faults();
        wait_until("every channel has a reader again", || readers() == 8);
    }
    running.close().expect("ends well");
    assert_no_worker_threads();
}

#[test]
fn promise_07_a_dropped_daemon_leaves_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let config = config(processed.factory()).build().expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    drop(daemon);
    scene.put_rows(100);
    processed.wait_for_all(&scene);
    drop(running);
    wait_until("all threads have ended, including the pool", || {
        crate_threads().is_empty()
    });
}

#[test]
fn promise_07_only_readers_waiting_for_a_response_may_outlive_a_shutdown() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let mut running = scene.start(&tunnel, config(processed.factory()));
    scene.put_rows(100);
    processed.wait_for_all(&scene);
    let slow = Fault::on(Action::ReadRecords).times(2);
    scene.emulator.fault(slow.delay(Duration::from_secs(5)));
    let slow_reads = |ledger: tablestore_emulator::Ledger| {
        let events = ledger.events().iter();
        events
            .filter(|event| matches!(event.kind, tablestore_emulator::EventKind::Faulted { .. }))
            .count()
    };
    wait_until("both reads are slow", || {
        slow_reads(scene.emulator.ledger()) == 2
    });
    assert!(
        running.daemon.close().is_clean(),
        "close waited for the slow reads"
    );
    running.join().expect("run has ended");
    wait_until("only the readers are left", || {
        let left = worker_threads();
        left.iter().all(|name| name == "tunnel-reader")
    });
    assert_eq!(worker_threads().len(), 2);
    assert_no_worker_threads();
}

#[test]
fn promise_07_five_workers_of_one_configuration_share_one_pool() {
    let _alone = run_alone();
    let scene = Scene::with(5, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let config = config(processed.factory()).pool_threads(3).build();
    let config = config.expect("config");
    let daemon = |_| TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.clone());
    let running: Vec<_> = (0..5)
        .map(daemon)
        .map(|daemon| daemon.spawn().expect("a thread"))
        .collect();
    wait_until("each worker has a channel", || {
        scene.put_rows(10);
        let processed = processed.all();
        let clients: std::collections::HashSet<_> = processed.iter().map(|d| &d.client).collect();
        clients.len() == 5
    });
    assert_eq!(pool_threads(), 3);
    for running in running {
        running.close().expect("ends well");
    }
    drop(config);
    wait_until("all threads have ended", || crate_threads().is_empty());
}

/// A checkpointer that hangs at the gate.
#[derive(Debug)]
struct Gated(GateOf);

struct GateOf(Gate);

impl std::fmt::Debug for GateOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a gate")
    }
}

impl Checkpointer for Gated {
    fn checkpoint(&self, _: &str) -> Result<(), TunnelError> {
        self.0.0.pass();
        Err(TunnelError::other("saves nothing"))
    }
}

/// A worker with two busy channels that would save every 10 ms, and whose checkpointer
/// hangs.
fn with_hanging_saves(
    scene: &Scene,
    tunnel: &str,
    processed: &Processed,
    gate: &Gate,
) -> RunningDaemon {
    let gate = gate.clone();
    let factory = processed.factory();
    let factory = factory.checkpoint_interval(Duration::from_millis(10));
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .closing_channel_detect(false)
        .pool_threads(2)
        .checkpointer(move |_, _| Arc::new(Gated(GateOf(gate.clone()))))
        .build();
    let config = config.expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), tunnel, config);
    daemon.spawn().expect("a thread")
}

/// How many threads save checkpoints or close channels.
fn saving_threads() -> usize {
    let names = crate_threads();
    names.iter().filter(|name| *name == "tunnel-io").count()
}

#[test]
fn promise_16_a_checkpointer_that_hangs_keeps_one_thread_for_each_channel() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running = with_hanging_saves(&scene, &tunnel, &processed, &gate);
    scene.put_rows(20);
    keeper.0.wait_for_arrivals(2);
    // Long enough for dozens of intervals.
    for _ in 0..50 {
        scene.put_rows(20);
        processed.wait_for_all(&scene);
        assert_eq!(saving_threads(), 2);
    }
    let report = running.daemon().close_within(Duration::from_millis(300));
    assert_eq!(report.abandoned().count(), 2);
    running.join().expect("run has ended");
    drop(keeper);
    wait_until("all threads have ended", || worker_threads().is_empty());
}

/// Has the service take both channels away, and give them back.
fn lose_channels(scene: &Scene, daemon: &TunnelWorkerDaemon) {
    let has_channels = || daemon.snapshot().without_channels_for.is_none();
    let take = Fault::on(Action::Heartbeat);
    scene.emulator.fault(take.take_all(Notice::Missing));
    wait_until("the channels are lost", || !has_channels());
    scene.emulator.clear_faults();
    wait_until("the channels are back", has_channels);
}

#[test]
fn promise_16_channels_that_are_lost_again_and_again_add_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let running = with_hanging_saves(&scene, &tunnel, &processed, &gate);
    scene.put_rows(20);
    keeper.0.wait_for_arrivals(2);
    for _ in 0..20 {
        lose_channels(&scene, running.daemon());
        scene.put_rows(20);
        // One that saves and one that closes, for each channel.
        assert!(saving_threads() <= 4, "{:?}", crate_threads());
    }
    // The new connections wait for what hangs.
    let readers = crate_threads();
    let readers = readers.iter().filter(|name| *name == "tunnel-reader");
    assert!(readers.count() <= 4);
    keeper.0.open();
    processed.wait_for_all(&scene);
    running.close().expect("ends well");
    wait_until("all threads have ended", || worker_threads().is_empty());
}

/// The number of the emulator's threads.
fn emulator_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks
        .filter_map(|task| name(task.ok()?))
        .filter(|name| name.starts_with("emulator-"))
        .count()
}

/// An open connection that has sent this text.
fn connection(emulator: &Emulator, sent: &str) -> TcpStream {
    let address = emulator.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(sent.as_bytes()).expect("sent");
    stream
}

#[test]
fn stopping_the_emulator_disconnects_clients_and_leaves_no_threads() {
    let _alone = run_alone();
    let emulator = Emulator::builder().start().expect("started");
    let mut streams = [
        "",
        "POST /tunnel/li",
        "POST /tunnel/list HTTP/1.1\r\ncontent-length: 100\r\n\r\nthree",
        // Rejected before its body arrives. The body is then read and dropped.
        "POST /tunnel/list HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n",
    ]
    .map(|sent| connection(&emulator, sent));
    // The listener and a thread for each connection. The rejected connection may
    // have ended.
    wait_until("every connection has a thread", || emulator_threads() >= 4);
    emulator.stop();
    wait_until("no thread of the emulator is left", || {
        emulator_threads() == 0
    });
    for stream in &mut streams {
        let timeout = Some(Duration::from_secs(10));
        stream.set_read_timeout(timeout).expect("a timeout");
        // The connection must end or be reset. The client must not wait for a timeout.
        let end = stream.read_to_end(&mut Vec::new());
        let kind = end.err().map(|error| error.kind());
        assert_ne!(kind, Some(std::io::ErrorKind::WouldBlock));
    }
}

/// Dials connections whose reads hang at the gate.
struct HangingReads(Gate);

impl ChannelDialer for HangingReads {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        Ok(Box::new(HangingRead(self.0.clone(), service)))
    }
}

struct HangingRead(Gate, Box<dyn ChannelConn>);

impl ChannelConn for HangingRead {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        self.0.pass();
        self.1.read(token)
    }
}

#[test]
fn promise_16_reads_that_hang_in_dialed_connections_add_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = config(processed.factory()).channel_dialer(HangingReads(gate));
    let config = config.build().expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    scene.put_rows(20);
    keeper.0.wait_for_arrivals(2);
    let readers = || {
        let names = crate_threads();
        names.iter().filter(|name| *name == "tunnel-reader").count()
    };
    for _ in 0..10 {
        lose_channels(&scene, running.daemon());
        // For each channel two that hang, one that waits for them, and one that ends.
        assert!(readers() <= 8, "{:?}", crate_threads());
    }
    wait_until("one waits for each channel", || readers() <= 6);
    keeper.0.open();
    processed.wait_for_all(&scene);
    running.close().expect("ends well");
    wait_until("all threads have ended", || worker_threads().is_empty());
}

#[test]
fn promise_16_an_observer_that_hangs_in_every_event_adds_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = config(processed.factory()).observer(move |event: &WorkerEvent<'_>| {
        if event.kind.channel_id().is_some() {
            gate.pass();
        }
    });
    let config = config.build().expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    keeper.0.wait_for_arrivals(2);
    for _ in 0..15 {
        lose_channels(&scene, running.daemon());
    }
    // Besides the four threads of the worker: for each channel one that hangs, one that
    // waits for it, and one that ends.
    assert!(worker_threads().len() <= 4 + 6, "{:?}", worker_threads());
    keeper.0.open();
    scene.put_rows(20);
    processed.wait_for_all(&scene);
    running.close().expect("ends well");
    drop(daemon);
    wait_until("all threads have ended", || worker_threads().is_empty());
}

#[test]
fn promise_16_requests_that_hang_in_the_provider_add_no_threads() {
    let _alone = run_alone();
    let (scene, tunnel) = scene();
    // A heartbeat that hung goes out when its session is over.
    scene.breaks(Rule::HeartbeatGap);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let emulator = &scene.emulator;
    let key = Credentials::new(emulator.access_key_id(), emulator.access_key_secret());
    let threads = Mutex::new(HashSet::new());
    // The first request of each thread is the connect.
    let provider = move || -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        let thread = thread::current();
        let is_connect = thread.name() == Some("tunnel-requests")
            && threads.lock().expect("threads").insert(thread.id());
        if !is_connect {
            gate.pass();
        }
        Ok(key.clone())
    };
    let (endpoint, instance) = (emulator.endpoint(), emulator.instance());
    let client = TunnelClient::with_config(endpoint, instance, provider, TunnelConfig::new());
    let config = config(processed.factory())
        .heartbeat_timeout(Duration::from_secs(1))
        .build()
        .expect("config");
    let daemon = TunnelWorkerDaemon::new(client.expect("a client"), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    // Long enough for six sessions.
    for _ in 0..80 {
        thread::sleep(Duration::from_millis(100));
        assert!(worker_threads().len() <= 8, "{:?}", worker_threads());
    }
    keeper.0.open();
    running.close().expect("ends well");
    wait_until("all threads have ended", || worker_threads().is_empty());
}
