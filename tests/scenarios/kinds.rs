//! Tests the three tunnel types, splits, and several workers.

use std::collections::HashSet;

use tablestore_emulator::Emulator;
use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory, TunnelType};

use crate::checks::{assert_at_least_once, assert_exactly_once};
use crate::harness::{Gate, GateKeeper, Processed, Scene, config};

#[test]
fn base_data_is_delivered_to_its_end() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(100).base_split_rows(200));
    scene.base_rows(2000);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    processed.wait_for_all(&scene);
    scene.wait_for_ledger("every channel is terminated", |events| {
        let terminated = events.iter().filter(|event| is_status(event, "TERMINATED"));
        terminated.count() >= 10
    });
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
    assert!(
        processed
            .all()
            .iter()
            .all(|delivery| delivery.channel.starts_with("BaseData_"))
    );
}

fn is_status(event: &tablestore_emulator::EventKind, wanted: &str) -> bool {
    use tablestore_emulator::EventKind::ChannelChanged;
    matches!(event, ChannelChanged { status, .. } if status.as_str() == wanted)
}

#[test]
fn a_stream_delivers_every_change() {
    let scene = Scene::new(3);
    scene
        .table
        .put(["before"], [("name", "not in the tunnel")])
        .expect("put");
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    for n in 0..10 {
        scene.put_rows(50);
        scene.change_row(n);
    }
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn base_data_is_delivered_before_the_stream() {
    let scene = Scene::with(4, Emulator::builder().batch_rows(50));
    scene.base_rows(1000);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    scene.put_rows(300);
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    scene.put_rows(300);
    (0..100).for_each(|n| scene.change_row(n));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
    let deliveries = processed.all();
    let is_base = |channel: &str| channel.starts_with("BaseData_");
    let first_change = deliveries.iter().position(|d| !is_base(&d.channel));
    let last_row = deliveries.iter().rposition(|d| is_base(&d.channel));
    assert!(
        last_row < first_change,
        "{last_row:?} before {first_change:?}"
    );
}

#[test]
fn child_partitions_are_delivered_after_their_parent() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(40));
    scene.base_rows(200);
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.emulator.clear_faults();
    let base: HashSet<_> = scene.expected().into_iter().collect();
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    scene.put_rows(500);
    let parent = scene.table.partitions()[0].id.to_string();
    let children = scene.table.split(&parent).expect("split");
    // Existing and new keys, for both children.
    (0..200).for_each(|n| scene.change_row(n));
    scene.put_rows(500);
    // The tunnel does not deliver the rows that existed before it.
    processed.wait_for("all changes are processed", |processed| {
        processed.len() >= 1400
    });
    running.close();
    let deliveries = processed.all();
    assert!(
        deliveries
            .iter()
            .all(|delivery| !base.contains(&delivery.id))
    );
    let of = |partition: &str| {
        let positions = deliveries.iter().enumerate();
        let positions = positions
            .filter(|(_, d)| d.channel.starts_with(partition))
            .map(|(n, _)| n);
        positions.collect::<Vec<_>>()
    };
    for child in &children {
        assert!(!of(child).is_empty());
        assert!(
            of(&parent).last() < of(child).first(),
            "a child was delivered before its parent"
        );
    }
}

#[test]
fn a_split_under_load_loses_nothing() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(100));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    std::thread::scope(|scope| {
        scope.spawn(|| (0..60).for_each(|_| scene.put_rows(50)));
        scope.spawn(|| {
            for round in 1..4 {
                processed.wait_for("more records are processed", |processed| {
                    processed.len() >= round * 200
                });
                let active = scene.table.partitions().into_iter().find(|p| p.active);
                let active = active.expect("an active partition");
                scene.table.split(&active.id).expect("split");
            }
        });
    });
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn two_workers_share_a_tunnel_while_one_joins_and_leaves() {
    let scene = Scene::with(6, Emulator::builder().batch_rows(50));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let first = scene.start(&tunnel, config(processed.factory()).client_tag("first"));
    scene.put_rows(600);
    processed.wait_for_all(&scene);
    let second = scene.start(&tunnel, config(processed.factory()).client_tag("second"));
    let has_three = |processed: &[crate::harness::Delivery], tag: &str| {
        let channels = processed
            .iter()
            .filter(|d| d.client.starts_with(tag))
            .map(|d| &d.channel);
        channels.collect::<HashSet<_>>().len() >= 3
    };
    while !has_three(&processed.all(), "second") {
        scene.put_rows(60);
        processed.wait_for_all(&scene);
    }
    assert!(second.close().is_clean());
    scene.put_rows(600);
    processed.wait_for_all(&scene);
    assert!(first.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn a_new_worker_continues_from_the_checkpoint() {
    let scene = Scene::with(3, Emulator::builder().batch_rows(50));
    scene.base_rows(400);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let processed = Processed::default();
    for _ in 0..3 {
        let running = scene.start(&tunnel, config(processed.factory()));
        scene.put_rows(300);
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
    }
    assert_exactly_once(&scene, &processed);
}

#[test]
fn one_configuration_serves_two_tunnels() {
    let scene = Scene::new(2);
    scene.base_rows(300);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let other = Scene::new(2);
    other.base_rows(300);
    let other_tunnel = other.tunnel(TunnelType::BaseData);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
        }
    });
    let config = config(factory).build().expect("config");
    let daemons = [(&scene, tunnel), (&other, other_tunnel)].map(|(scene, tunnel)| {
        tablestore_tunnel::TunnelWorkerDaemon::new(scene.client.clone(), tunnel, config.clone())
    });
    std::thread::scope(|scope| {
        let threads = daemons
            .each_ref()
            .map(|daemon| scope.spawn(move || daemon.run()));
        // All four threads of the pool are in callbacks.
        keeper.0.wait_for_arrivals(4);
        drop(keeper);
        processed.wait_for("the rows of both tunnels are processed", |processed| {
            processed.len() >= 600
        });
        daemons
            .iter()
            .for_each(|daemon| assert!(daemon.close().is_clean()));
        for thread in threads {
            thread.join().expect("run").expect("ends well");
        }
    });
}

#[test]
fn a_restart_after_a_crash_loses_nothing() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(20));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(&tunnel, config(processed.factory()));
    scene.put_rows(500);
    processed.wait_for("half of the records are processed", |processed| {
        processed.len() >= 250
    });
    // Neither a shutdown request nor a last checkpoint is sent.
    running.daemon.close_within(std::time::Duration::ZERO);
    drop(running);
    let running = scene.start(&tunnel, config(processed.factory()));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_at_least_once(&scene, &processed);
}
