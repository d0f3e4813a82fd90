//! How far ahead channels are read, and how much at a time.

use std::sync::{Arc, Mutex};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};
use tablestore_tunnel::{
    ChannelContext, Record, SimpleProcessFactory, TunnelType, TunnelWorkerConfigBuilder,
    parse_binary_records,
};

use crate::harness::{Gate, GateKeeper, Scene, Seen, config, wait_until};
use crate::judge::judge_orderly;

/// One channel that gives 10 records a read, with 100 to be read.
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
fn reading_is_as_far_ahead_as_configured() {
    for (sync, pipe, expected) in [
        (false, 0, 2),
        (false, 1, 3),
        (false, 3, 5),
        (true, 1, 1),
        (true, 3, 1),
    ] {
        let (scene, tunnel) = hundred_rows();
        let (seen, gate) = (Seen::default(), Gate::default());
        let keeper = GateKeeper(gate.clone());
        let factory = SimpleProcessFactory::new({
            let seen = seen.clone();
            move |ctx: &ChannelContext, records: &[Record]| {
                gate.pass();
                seen.note(ctx, records)
            }
        });
        let config = config(factory.record_pipe_per_channel(pipe)).sync_read_records(sync);
        let running = scene.start(&tunnel, config);
        keeper.0.wait_for_arrivals(1);
        wait_until("it has read ahead", || reads(&scene) >= expected);
        let beats = || count(&scene, |kind| matches!(kind, EventKind::Heartbeat { .. }));
        let before = beats();
        wait_until("some heartbeats later", || beats() >= before + 3);
        assert_eq!(reads(&scene), expected, "sync {sync}, pipe {pipe}");
        drop(keeper);
        seen.wait_for_all(&scene);
        assert!(running.close().is_clean());
        judge_orderly(&scene, &seen);
    }
}

/// Consumes a hundred rows and gives the sizes of the batches.
fn batches(
    configure: impl FnOnce(TunnelWorkerConfigBuilder) -> TunnelWorkerConfigBuilder,
) -> Vec<usize> {
    let (scene, tunnel) = hundred_rows();
    let (seen, sizes) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (seen, sizes) = (seen.clone(), sizes.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            assert_eq!(records.len(), ctx.record_count());
            sizes.lock().expect("sizes").push(records.len());
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, configure(config(factory)));
    seen.wait_for_all(&scene);
    wait_until("who looks on sees as many batches done as read", || {
        let snapshot = running.daemon.snapshot();
        snapshot.done.records == 100 && snapshot.channels.iter().all(|c| c.is_caught_up)
    });
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
    let sizes = sizes.lock().expect("sizes");
    sizes.clone()
}

#[test]
fn full_reads_are_joined_into_one_batch() {
    assert_eq!(batches(|config| config), [10; 10]);
    assert_eq!(
        batches(|config| config.read_max_times_per_round(3)),
        [30, 30, 30, 10]
    );
    assert_eq!(
        batches(|config| config.read_max_times_per_round(50)),
        [100],
        "until there is no more"
    );
    let little = |config: TunnelWorkerConfigBuilder| {
        config
            .read_max_times_per_round(50)
            .read_max_bytes_per_round(1)
    };
    assert_eq!(batches(little), [10; 10], "the first read is enough");
    // Room for one answer: the next one is not waited for.
    let poor =
        |config: TunnelWorkerConfigBuilder| config.read_max_times_per_round(50).memory_budget(1000);
    assert_eq!(batches(poor), [10; 10]);
}

#[test]
fn joined_base_data_ends_with_its_last_read() {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    scene.base_rows(100);
    let tunnel = scene.tunnel(TunnelType::BaseData);
    let seen = Seen::default();
    let config = config(seen.factory()).read_max_times_per_round(4);
    let running = scene.start(&tunnel, config);
    seen.wait_for_all(&scene);
    scene.wait_for_ledger("finished is saved", |events| {
        let finished = |e: &&EventKind| matches!(e, EventKind::Saved { position: None, .. });
        events.iter().filter(finished).count() == 2
    });
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

#[test]
fn joined_reads_are_one_binary_batch() {
    let (scene, tunnel) = hundred_rows();
    let (seen, sizes) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (seen, sizes) = (seen.clone(), sizes.clone());
        move |ctx: &ChannelContext, none: &[Record]| {
            assert!(none.is_empty());
            let bytes = ctx.binary_records().expect("binary records");
            let records = parse_binary_records(bytes)?;
            assert_eq!(records.len(), ctx.record_count());
            sizes.lock().expect("sizes").push(records.len());
            seen.note(ctx, &records)
        }
    })
    .need_binary_record(true);
    let running = scene.start(&tunnel, config(factory).read_max_times_per_round(4));
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(*sizes.lock().expect("sizes"), [40, 40, 20]);
    judge_orderly(&scene, &seen);
}

#[test]
fn what_was_read_before_a_failure_is_delivered() {
    let (scene, tunnel) = hundred_rows();
    scene.emulator.fault(
        Fault::on(Action::ReadRecords)
            .nth(3)
            .fail(400, "OTSSomething", "bad"),
    );
    let (seen, sizes) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (seen, sizes) = (seen.clone(), sizes.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            sizes.lock().expect("sizes").push(records.len());
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory).read_max_times_per_round(50));
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_eq!(*sizes.lock().expect("sizes"), [20, 80]);
    judge_orderly(&scene, &seen);
}
