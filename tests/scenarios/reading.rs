//! Tests how far channels read ahead, and how reads are joined into batches.

use std::sync::{Arc, Mutex};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    ChannelContext, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfigBuilder,
    parse_binary_records,
};

use crate::checks::assert_exactly_once;
use crate::harness::{Gate, GateKeeper, Processed, Scene, config, wait_until};

/// A tunnel with 100 records in one channel. Each read returns 10 records.
fn hundred_rows() -> (Scene, String) {
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(100);
    (scene, tunnel)
}

fn count(scene: &Scene, is_counted: impl Fn(&EventKind) -> bool) -> usize {
    let ledger = scene.emulator.ledger();
    let events = ledger.events().iter();
    events.filter(|event| is_counted(&event.kind)).count()
}

fn reads(scene: &Scene) -> usize {
    count(scene, |kind| matches!(kind, EventKind::Read { .. }))
}

#[test]
fn channels_read_ahead_as_configured() {
    for (sync, pipe, expected) in [
        (false, 0, 2),
        (false, 1, 3),
        (false, 3, 5),
        (true, 1, 1),
        (true, 3, 1),
    ] {
        let (scene, tunnel) = hundred_rows();
        let (processed, gate) = (Processed::default(), Gate::default());
        let keeper = GateKeeper(gate.clone());
        let factory = SimpleProcessFactory::new({
            let processed = processed.clone();
            move |ctx: &ChannelContext, records: &[Record]| {
                gate.pass();
                processed.add(ctx, records)
            }
        });
        let config = config(factory.record_pipe_per_channel(pipe)).sync_read_records(sync);
        let running = scene.start(&tunnel, config);
        keeper.0.wait_for_arrivals(1);
        wait_until("the channel has read ahead", || reads(&scene) >= expected);
        let heartbeats = || count(&scene, |kind| matches!(kind, EventKind::Heartbeat { .. }));
        let before = heartbeats();
        wait_until("three more heartbeats have been sent", || {
            heartbeats() >= before + 3
        });
        assert_eq!(reads(&scene), expected, "sync {sync}, pipe {pipe}");
        drop(keeper);
        processed.wait_for_all(&scene);
        assert!(running.close().is_clean());
        assert_exactly_once(&scene, &processed);
    }
}

/// Consumes a hundred rows, and returns the sizes of the batches.
fn batch_sizes(
    configure: impl FnOnce(TunnelWorkerConfigBuilder) -> TunnelWorkerConfigBuilder,
) -> Vec<usize> {
    let (scene, tunnel) = hundred_rows();
    let (processed, sizes) = (Processed::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (processed, sizes) = (processed.clone(), sizes.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            assert_eq!(records.len(), ctx.record_count());
            sizes.lock().expect("sizes").push(records.len());
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, configure(config(factory)));
    processed.wait_for_all(&scene);
    wait_until("the snapshot counts every record as done", || {
        let snapshot = running.daemon.snapshot();
        snapshot.done.records == 100 && snapshot.channels.iter().all(|c| c.is_caught_up)
    });
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
    let sizes = sizes.lock().expect("sizes");
    sizes.clone()
}

#[test]
fn full_reads_are_joined_into_one_batch() {
    assert_eq!(batch_sizes(|config| config), [10; 10]);
    assert_eq!(
        batch_sizes(|config| config.read_max_times_per_round(3)),
        [30, 30, 30, 10]
    );
    assert_eq!(
        batch_sizes(|config| config.read_max_times_per_round(50)),
        [100],
        "reads are joined until the channel has caught up"
    );
    let small = |config: TunnelWorkerConfigBuilder| {
        config
            .read_max_times_per_round(50)
            .read_max_bytes_per_round(1)
    };
    assert_eq!(
        batch_sizes(small),
        [10; 10],
        "the first read reaches the limit"
    );
    // The budget allows only one read, and a batch does not wait for more memory.
    let small_budget =
        |config: TunnelWorkerConfigBuilder| config.read_max_times_per_round(50).memory_budget(1000);
    assert_eq!(batch_sizes(small_budget), [10; 10]);
}

#[test]
fn joined_base_data_ends_with_its_last_read() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    scene.base_rows(100);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let processed = Processed::default();
    let config = config(processed.factory()).read_max_times_per_round(4);
    let running = scene.start(&tunnel, config);
    processed.wait_for_all(&scene);
    scene.wait_for_ledger("both channels are saved as finished", |events| {
        let finished = |e: &&EventKind| matches!(e, EventKind::Saved { position: None, .. });
        events.iter().filter(finished).count() == 2
    });
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

#[test]
fn joined_reads_are_delivered_as_one_binary_batch() {
    let (scene, tunnel) = hundred_rows();
    let (processed, sizes) = (Processed::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (processed, sizes) = (processed.clone(), sizes.clone());
        move |ctx: &ChannelContext, none: &[Record]| {
            assert!(none.is_empty());
            let bytes = ctx.binary_records().expect("binary records");
            let records = parse_binary_records(bytes)?;
            assert_eq!(records.len(), ctx.record_count());
            sizes.lock().expect("sizes").push(records.len());
            processed.add(ctx, &records)
        }
    })
    .need_binary_record(true);
    let running = scene.start(&tunnel, config(factory).read_max_times_per_round(4));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(*sizes.lock().expect("sizes"), [40, 40, 20]);
    assert_exactly_once(&scene, &processed);
}

#[test]
fn records_read_before_a_failure_are_delivered() {
    let (scene, tunnel) = hundred_rows();
    scene.emulator.fault(
        Fault::on(Action::ReadRecords)
            .nth(3)
            .fail(400, "OTSSomething", "bad"),
    );
    let (processed, sizes) = (Processed::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (processed, sizes) = (processed.clone(), sizes.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            sizes.lock().expect("sizes").push(records.len());
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory).read_max_times_per_round(50));
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(*sizes.lock().expect("sizes"), [20, 80]);
    assert_exactly_once(&scene, &processed);
}
