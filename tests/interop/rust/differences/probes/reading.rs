//! Correctness, delay and cost of reads.

use std::time::Duration;

use tablestore_emulator::{Action, Emulator};

use super::{Figure, Probe, seconds};
use crate::proxy::ALTERED;
use crate::world::{MAX_WAIT, World};

const VALUES: usize = 10;

pub(super) const CORRUPTED: Probe = Probe {
    name: "corrupted",
    what: "of 10 values with one altered bit: delivered as good",
    settings: "a stream, 1 channel, 10 records a second; heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let world = World::start(client, programs, 1, Emulator::builder())?;
        let mut world = world.with_proxy()?;
        let _consumer = world.consumer(&["-type=Stream", "-heartbeat=5", "-timeout=20"])?;
        let _writer = world.write(Duration::from_millis(100));
        world.wait_for_records(10)?;
        world.proxy()?.alter(VALUES);
        let altered = world.wait(2 * MAX_WAIT, |world| Ok(world.proxy()?.altered() == VALUES))?;
        if !altered {
            return Err("the values were not read".into());
        }
        world.sleep(Duration::from_secs(10))?;
        let bad = world
            .output
            .deliveries
            .iter()
            .filter(|one| one.text.contains(ALTERED));
        Ok(Figure::count(bad.count()))
    },
};

pub(super) const EPOCH: Probe = Probe {
    name: "epoch",
    what: "epoch in the sequence info of a record after a split, which begins epoch 1",
    settings: "a stream, 1 channel that becomes 2; heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let builder = Emulator::builder().epoch_grows(true);
        let mut world = World::start(client, programs, 1, builder)?;
        let _consumer = world.consumer(&["-type=Stream", "-heartbeat=5", "-timeout=20"])?;
        // The tunnel exists once the consumer reads.
        let has_read = |world: &mut World<'_>| Ok(world.requests(Action::ReadRecords) > 0);
        if !world.wait(MAX_WAIT, has_read)? {
            return Err("the consumer did not read".into());
        }
        world.put(10)?;
        let whole = world.table.partitions()[0].id.to_string();
        world.table.split(&whole)?;
        world.put(10)?;
        world.wait_for_records(20)?;
        let epochs = world.output.deliveries.iter().map(|one| one.epoch);
        let epoch = epochs.max().unwrap_or_default();
        Ok(Figure::new(epoch.to_string(), (1.0 - epoch as f64).abs()))
    },
};

pub(super) const DELAY: Probe = Probe {
    name: "delay",
    what: "time from a write to the callback, median and worst of 200",
    settings: "a stream, 1 channel, 10 records a second; all at defaults",
    promise: None,
    quick: false,
    run: |client, programs| {
        let mut world = World::start(client, programs, 1, Emulator::builder())?;
        let _consumer = world.consumer(&["-type=Stream"])?;
        let pause = Duration::from_millis(100);
        let _writer = world.write(pause);
        world.wait_for_records(50)?;
        let from = world.output.records();
        world.wait_for_records(from + 200)?;
        let mut delays = world.output.delays(from, 200);
        delays.sort_unstable();
        let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        let text = format!("{}, {}", seconds(median), seconds(worst));
        Ok(Figure::new(text, worst.as_secs_f64()))
    },
};

const IDLE: Duration = Duration::from_secs(20);

pub(super) const IDLE_CHECKPOINTS: Probe = Probe {
    name: "idle_checkpoints",
    what: "checkpoint requests of 4 channels in 20 s without data",
    settings: "a stream; checkpoint interval 1 s, heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let mut world = World::start(client, programs, 4, Emulator::builder())?;
        let options = [
            "-type=Stream",
            "-heartbeat=5",
            "-timeout=20",
            "-checkpoint=1000",
        ];
        let _consumer = world.consumer(&options)?;
        let read = world.wait(
            MAX_WAIT,
            |world| Ok(world.requests(Action::ReadRecords) > 8),
        )?;
        if !read {
            return Err("the consumer did not read".into());
        }
        world.put(200)?;
        world.wait_for_records(200)?;
        // The checkpoint of the delivered records is saved meanwhile.
        world.sleep(Duration::from_secs(10))?;
        let before = world.requests(Action::Checkpoint);
        world.sleep(IDLE)?;
        Ok(Figure::count(world.requests(Action::Checkpoint) - before))
    },
};

pub(super) const CONNECTIONS: Probe = Probe {
    name: "connections",
    what: "TCP connections for the reads of 64 channels (and how many reads)",
    settings: "base data, 100 records a read; heartbeat 5 s",
    // One connection for each reading channel, and some for heartbeats and checkpoints.
    promise: Some(140.0),
    quick: true,
    run: |client, programs| {
        let builder = Emulator::builder().batch_rows(100);
        let world = World::start(client, programs, 64, builder)?;
        let mut world = world.with_proxy()?;
        world.put(64 * 400)?;
        let _consumer = world.consumer(&["-type=BaseData", "-heartbeat=5", "-timeout=60"])?;
        world.wait_for_records(64 * 400)?;
        let reads = world.requests(Action::ReadRecords);
        let connections = world.proxy()?.connections();
        let text = format!("{connections} ({reads})");
        Ok(Figure::new(text, connections as f64))
    },
};
