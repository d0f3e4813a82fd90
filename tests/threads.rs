//! Which threads there are, and that none is left: promise 7.
//!
//! A binary of its own, one test at a time: it counts the threads of the
//! process by their names, which only Linux tells.
#![cfg(target_os = "linux")]

#[path = "scenarios/census.rs"]
mod census;
#[expect(dead_code, reason = "shared with the scenarios, which need all of it")]
#[path = "scenarios/harness.rs"]
mod harness;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use census::{alone, is_pool, no_thread_of_a_worker_is_left, of_workers, ours};
use harness::{Gate, GateKeeper, Scene, Seen, config, wait_until};
use tablestore_emulator::{Action, Emulator, Fault, Notice};
use tablestore_tunnel::{
    ChannelContext, ErrorCode, Record, SimpleProcessFactory, TunnelType, TunnelWorkerDaemon,
};

fn pool_threads() -> usize {
    ours().iter().filter(|name| is_pool(name)).count()
}

/// A stream tunnel on two partitions that reads 10 records at a time.
fn scene() -> (Scene, String) {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    (scene, tunnel)
}

/// A factory whose callbacks wait at the gate.
fn gated(seen: &Seen, gate: &Gate) -> SimpleProcessFactory {
    let (seen, gate) = (seen.clone(), gate.clone());
    SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
        gate.pass();
        seen.note(ctx, records)
    })
}

#[test]
fn promise_07_a_clean_shutdown_leaves_no_thread() {
    let _alone = alone();
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let config = config(seen.factory()).pool_threads(3).build();
    let config = config.expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.clone());
    let running = daemon.spawn().expect("a thread");
    scene.put_rows(200);
    seen.wait_for_all(&scene);
    assert!(of_workers().contains(&"tunnel-reader".to_owned()));
    assert!(running.close().expect("ends well").is_clean());
    no_thread_of_a_worker_is_left();
    assert_eq!(pool_threads(), 3, "the configuration is still there");
    drop(daemon);
    assert_eq!(pool_threads(), 3, "and so after the daemon");
    drop(config);
    wait_until("the pool ends with the configuration", || ours().is_empty());
}

#[test]
fn promise_07_a_stuck_callback_keeps_one_thread_of_the_pool_and_no_other() {
    let _alone = alone();
    let (scene, tunnel) = scene();
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let config = config(gated(&seen, &gate)).pool_threads(1).build();
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.expect("config"));
    let running = daemon.spawn().expect("a thread");
    scene.put_rows(40);
    keeper.0.wait_for_arrivals(1);
    let receipt = daemon.close_within(Duration::from_millis(500));
    assert_eq!(receipt.abandoned().count(), 1);
    running.join().expect("run has ended");
    no_thread_of_a_worker_is_left();
    drop(daemon);
    assert_eq!(pool_threads(), 1, "the one that is stuck");
    drop(keeper);
    wait_until("it ends as well", || ours().is_empty());
}

#[test]
fn promise_07_a_lost_session_leaves_no_thread() {
    let _alone = alone();
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let config = config(seen.factory()).build().expect("config");
    let worker = scene.client.new_tunnel_worker(&tunnel, &config);
    let worker = worker.expect("worker");
    thread::scope(|scope| {
        let working = scope.spawn(|| worker.connect_and_working());
        scene.put_rows(100);
        seen.wait_for_all(&scene);
        let gone = Fault::on(Action::Heartbeat);
        scene
            .emulator
            .fault(gone.fail(410, "OTSResourceGone", "gone"));
        let error = working.join().expect("no panic").expect_err("lost");
        assert_eq!(error.code(), &ErrorCode::ResourceGone);
    });
    no_thread_of_a_worker_is_left();
}

#[test]
fn promise_07_lost_channels_leave_no_thread() {
    let _alone = alone();
    let scene = Scene::new(8);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
    let config = config(seen.factory()).build().expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    let readers = || {
        let ours = ours();
        ours.iter().filter(|name| *name == "tunnel-reader").count()
    };
    wait_until("every channel has a reader", || readers() == 8);
    for notice in [Notice::Missing, Notice::Close, Notice::Terminated] {
        // For good: nobody is to get them back.
        let fault = Fault::on(Action::Heartbeat).times(40);
        scene.emulator.fault(fault.take_all(notice));
        wait_until("their readers are gone", || readers() == 0);
        scene.emulator.clear_faults();
        wait_until("they are back", || readers() == 8);
    }
    running.close().expect("ends well");
    no_thread_of_a_worker_is_left();
}

#[test]
fn promise_07_a_dropped_daemon_leaves_no_thread() {
    let _alone = alone();
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let config = config(seen.factory()).build().expect("config");
    let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config);
    let running = daemon.spawn().expect("a thread");
    drop(daemon);
    scene.put_rows(100);
    seen.wait_for_all(&scene);
    drop(running);
    wait_until("not even the pool is left", || ours().is_empty());
}

#[test]
fn promise_07_a_request_on_its_last_timeout_is_all_that_may_be_left() {
    let _alone = alone();
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let mut running = scene.start(&tunnel, config(seen.factory()));
    scene.put_rows(100);
    seen.wait_for_all(&scene);
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
    assert!(running.daemon.close().is_clean(), "nobody waits for them");
    running.join().expect("run has ended");
    wait_until("only the readers are left", || {
        let left = of_workers();
        left.iter().all(|name| name == "tunnel-reader")
    });
    assert_eq!(of_workers().len(), 2);
    no_thread_of_a_worker_is_left();
}

#[test]
fn promise_07_five_workers_of_one_configuration_share_one_pool() {
    let _alone = alone();
    let scene = Scene::with(5, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
    let config = config(seen.factory()).pool_threads(3).build();
    let config = config.expect("config");
    let daemon = |_| TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.clone());
    let running: Vec<_> = (0..5)
        .map(daemon)
        .map(|daemon| daemon.spawn().expect("a thread"))
        .collect();
    wait_until("each has a channel", || {
        scene.put_rows(10);
        let seen = seen.all();
        let clients: std::collections::HashSet<_> = seen.iter().map(|d| &d.client).collect();
        clients.len() == 5
    });
    assert_eq!(pool_threads(), 3);
    for running in running {
        running.close().expect("ends well");
    }
    drop(config);
    wait_until("nothing is left", || ours().is_empty());
}

/// The emulator's threads, by their names.
fn of_emulator() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks
        .filter_map(|task| name(task.ok()?))
        .filter(|name| name.starts_with("emulator-"))
        .count()
}

/// A connection that has sent that much and has not ended.
fn connection(emulator: &Emulator, sent: &str) -> TcpStream {
    let address = emulator.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(sent.as_bytes()).expect("sent");
    stream
}

#[test]
fn the_emulator_stops_with_clients_connected_and_leaves_no_thread() {
    let _alone = alone();
    let emulator = Emulator::builder().start().expect("started");
    let mut streams = [
        "",
        "POST /tunnel/li",
        "POST /tunnel/list HTTP/1.1\r\ncontent-length: 100\r\n\r\nthree",
        // Refused before its body has come, which is then read and dropped.
        "POST /tunnel/list HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n",
    ]
    .map(|sent| connection(&emulator, sent));
    // The listener, and a thread for each connection; the refused one may be over.
    wait_until("all are served", || of_emulator() >= 4);
    emulator.stop();
    wait_until("no thread of the emulator is left", || of_emulator() == 0);
    for stream in &mut streams {
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).expect("a timeout");
        // Told that it is over, by an end or by a reset, and not left waiting.
        let end = stream.read_to_end(&mut Vec::new());
        let kind = end.err().map(|error| error.kind());
        assert_ne!(kind, Some(std::io::ErrorKind::WouldBlock));
    }
}
