//! Channels are opened, moved to another worker, lost, and finished.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, ChannelStatus, Emulator, EventKind, Fault, Rule};

use super::{Figure, Probe, Result, seconds};
use crate::client::{Client, Programs};
use crate::output;
use crate::world::{MAX_WAIT, World};

pub(super) const JOIN: Probe = Probe {
    name: "join",
    what: "records that come again when a second worker joins",
    settings: "a stream, 8 channels, 200 records a second; heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let options = ["-type=Stream", "-heartbeat=5", "-timeout=20"];
        let world = join(client, programs, &options, Duration::from_secs(10))?;
        Ok(Figure::count(world.0.output.redelivered()))
    },
};

pub(super) const MOVE: Probe = Probe {
    name: "move",
    what: "longest time without records of a channel that moves to a second worker",
    settings: "a stream, 8 channels, 200 records a second; all at defaults",
    // The service needs two heartbeats for the move, which is 60 s.
    promise: Some(75.0),
    quick: false,
    run: |client, programs| {
        let (world, start) = join(client, programs, &["-type=Stream"], Duration::from_secs(10))?;
        Ok(Figure::seconds(world.output.longest_channel_gap(start)))
    },
};

/// Lets a second worker join and take over half of the channels. Also returns the
/// time at which it started.
fn join<'a>(
    client: Client,
    programs: &'a Programs,
    options: &[&str],
    afterwards: Duration,
) -> Result<(World<'a>, u64)> {
    let mut world = World::start(client, programs, 8, Emulator::builder())?;
    let mut first = world.consumer(options)?;
    let writer = world.write(Duration::from_millis(5));
    world.wait_for_records(1000)?;
    let start = output::now();
    let mut second = world.consumer(options)?;
    let moved = world.wait(2 * MAX_WAIT, |world| Ok(channels_of(world, 1) >= 4))?;
    if !moved {
        return Err("the second worker did not get half of the channels".into());
    }
    world.sleep(afterwards)?;
    drop(writer);
    world.sleep(Duration::from_secs(6))?;
    second.end(MAX_WAIT)?;
    first.end(MAX_WAIT)?;
    world.output.refresh()?;
    Ok((world, start))
}

/// The number of channels from which a consumer received records.
fn channels_of(world: &World<'_>, consumer: usize) -> usize {
    let channels: HashSet<&str> = world
        .output
        .by(consumer)
        .map(|one| one.channel.as_str())
        .collect();
    channels.len()
}

pub(super) const GONE: Probe = Probe {
    name: "gone",
    what: "records that come again after one 410 on a heartbeat, and the longest time without records",
    settings: "a stream, 4 channels, 200 records a second; heartbeat 5 s, timeout 20 s",
    promise: None,
    quick: true,
    run: |client, programs| {
        let mut world = World::start(client, programs, 4, Emulator::builder())?;
        let mut consumer = world.consumer(&["-type=Stream", "-heartbeat=5", "-timeout=20"])?;
        let writer = world.write(Duration::from_millis(5));
        world.wait_for_records(2000)?;
        let start = output::now();
        world
            .emulator
            .fault(Fault::on(Action::Heartbeat).before().expire());
        let connects = connects(&world);
        let back = world.wait(MAX_WAIT, |world| Ok(connects < self::connects(world)))?;
        if !back {
            return Ok(Figure::new("does not connect again", f64::INFINITY));
        }
        world.sleep(Duration::from_secs(15))?;
        drop(writer);
        world.sleep(Duration::from_secs(6))?;
        let rest = world.output.longest_gap(start);
        consumer.end(MAX_WAIT)?;
        world.output.refresh()?;
        let again = world.output.redelivered();
        Ok(Figure::new(
            format!("{again}; {}", seconds(rest)),
            again as f64,
        ))
    },
};

fn connects(world: &World<'_>) -> usize {
    world.count(|kind| matches!(kind, EventKind::Connected { .. }))
}

const CHANNELS: usize = 64;

pub(super) const SLOW_OPEN: Probe = Probe {
    name: "slow_open",
    what: "64 channels whose get-checkpoint takes 200 ms: time until all are read, and connects that it takes",
    settings: "a stream; heartbeat 5 s, timeout 10 s",
    promise: Some(15.0),
    quick: true,
    run: |client, programs| {
        let mut world = World::start(client, programs, CHANNELS as u32, Emulator::builder())?;
        let slow = Fault::on(Action::GetCheckpoint).times(u64::MAX);
        world.emulator.fault(slow.delay(Duration::from_millis(200)));
        let start = Instant::now();
        let _consumer = world.consumer(&["-type=Stream", "-heartbeat=5", "-timeout=10"])?;
        let all = world.wait(MAX_WAIT, |world| Ok(channels_read(world) == CHANNELS))?;
        let (time, connects) = (start.elapsed(), connects(&world));
        if !all {
            let text = format!("more than {}; {connects}", seconds(MAX_WAIT));
            return Ok(Figure::new(text, f64::INFINITY));
        }
        let text = format!("{}; {connects}", seconds(time));
        Ok(Figure::new(text, time.as_secs_f64()))
    },
};

fn channels_read(world: &World<'_>) -> usize {
    let ledger = world.emulator.ledger();
    let channel = |kind: &EventKind| match kind {
        EventKind::Read { channel, .. } => Some(channel.clone()),
        _ => None,
    };
    let channels = ledger
        .events()
        .iter()
        .filter_map(|event| channel(&event.kind));
    channels.collect::<HashSet<_>>().len()
}

pub(super) const FINISHED: Probe = Probe {
    name: "finished",
    what: "of 64 base channels: reported TERMINATED before `finished` was saved",
    settings: "base data, 100 records a read; heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let builder = Emulator::builder().batch_rows(100);
        let mut world = World::start(client, programs, CHANNELS as u32, builder)?;
        world.put(64 * 300)?;
        let _consumer = world.consumer(&["-type=BaseData", "-heartbeat=5", "-timeout=60"])?;
        world.wait_for_records(64 * 300)?;
        world.wait(
            Duration::from_secs(60),
            |world| Ok(ended(world) >= CHANNELS),
        )?;
        let broken = world.emulator.ledger().violations();
        let early = broken
            .iter()
            .filter(|broken| broken.rule == Rule::TerminatedUnsaved);
        Ok(Figure::count(early.count()))
    },
};

/// The number of terminated channels.
fn ended(world: &World<'_>) -> usize {
    world.count(|kind| {
        matches!(
            kind,
            EventKind::ChannelChanged {
                status: ChannelStatus::Terminated,
                ..
            }
        )
    })
}
