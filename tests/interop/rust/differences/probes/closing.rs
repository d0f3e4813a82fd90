//! A consumer is stopped.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tablestore_emulator::{Action, Emulator, EventKind, Fault};

use super::{Figure, Probe, Result, seconds};
use crate::client::{Client, Programs};
use crate::world::{MAX_WAIT, World};

const ROWS: i64 = 60_000;
/// The number of delivered records after which the first consumer is stopped.
const MIDDLE: usize = 40_000;

const SETTINGS: &str = "base data, 4 channels, 100 records a read, a callback of 50 ms, 60 000 records in all; heartbeat 5 s";
const OPTIONS: [&str; 4] = [
    "-type=BaseData",
    "-heartbeat=5",
    "-timeout=20",
    "-callback-ms=50",
];

pub(super) const CLEAN: Probe = Probe {
    name: "close",
    what: "records that come again after a clean close",
    settings: SETTINGS,
    promise: Some(0.0),
    quick: true,
    run: |client, programs| clean(middle(client, programs, false)?, &OPTIONS),
};

pub(super) const CLEAN_IN_BACKGROUND: Probe = Probe {
    name: "close_default",
    what: "the same, with Go's `SyncCloseResource` at its default, false",
    settings: SETTINGS,
    promise: Some(0.0),
    quick: false,
    run: |client, programs| {
        let option = ["-close-in-background=true"];
        let options = [&OPTIONS[..], &option].concat();
        clean(middle(client, programs, false)?, &options)
    },
};

pub(super) const CLEAN_STRICT: Probe = Probe {
    name: "close_strict",
    what: "the same, where the service takes no checkpoint of a client that has left",
    settings: SETTINGS,
    promise: Some(0.0),
    quick: true,
    run: |client, programs| clean(middle(client, programs, true)?, &OPTIONS),
};

fn clean(mut world: World<'_>, options: &[&str]) -> Result<Figure> {
    let mut first = world.consumer(options)?;
    world.wait_for_records(MIDDLE)?;
    first.end(MAX_WAIT)?;
    count_redelivered(&mut world, options)
}

fn middle(client: Client, programs: &Programs, strict: bool) -> Result<World<'_>> {
    let builder = Emulator::builder().batch_rows(100).owners_only(strict);
    let mut world = World::start(client, programs, 4, builder)?;
    world.put(ROWS)?;
    Ok(world)
}

/// Lets a second consumer finish, and counts redelivered records.
fn count_redelivered(world: &mut World<'_>, options: &[&str]) -> Result<Figure> {
    let mut second = world.consumer(options)?;
    world.wait_for_records(ROWS as usize)?;
    second.end(MAX_WAIT)?;
    world.output.refresh()?;
    Ok(Figure::count(world.output.redelivered()))
}

pub(super) const IN_OUTAGE: Probe = Probe {
    name: "close_in_outage",
    what: "records that come again after a close during 3 s in which saving checkpoints is reset",
    settings: SETTINGS,
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let mut world = middle(client, programs, false)?;
        let mut first = world.consumer(&OPTIONS)?;
        world.wait_for_records(MIDDLE)?;
        let outage = Fault::on(Action::Checkpoint).times(u64::MAX).reset();
        world.emulator.fault(outage);
        first.terminate()?;
        world.sleep(Duration::from_secs(3))?;
        world.emulator.clear_faults();
        if !first.ends_within(MAX_WAIT)? {
            return Err("the consumer did not end".into());
        }
        count_redelivered(&mut world, &OPTIONS)
    },
};

/// The number of closes. More closes make a late read more likely.
const CLOSES: usize = 5;

pub(super) const READS_AFTERWARDS: Probe = Probe {
    name: "reads_after_shutdown",
    what: "reads that reach the service later than 50 ms after the shutdown request, in 5 closes",
    settings: "a stream without data, 32 channels; heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let mut world = World::start(client, programs, 32, Emulator::builder())?;
        for _ in 0..CLOSES {
            let before = world.requests(Action::ReadRecords);
            let options = ["-type=Stream", "-heartbeat=5", "-timeout=20"];
            let mut consumer = world.consumer(&options)?;
            let has_read = world.wait(MAX_WAIT, |world| {
                Ok(world.requests(Action::ReadRecords) > before + 64)
            })?;
            if !has_read {
                return Err("the consumer did not read".into());
            }
            consumer.end(MAX_WAIT)?;
        }
        Ok(Figure::count(reads_afterwards(&world)))
    },
};

/// The tolerance for reads that were in flight together with the shutdown request.
const IN_FLIGHT: time::Duration = time::Duration::milliseconds(50);

/// The number of reads by clients that had already sent their shutdown request.
fn reads_afterwards(world: &World<'_>) -> usize {
    let mut left = HashMap::new();
    let mut reads = 0;
    for event in world.emulator.ledger().events() {
        let EventKind::Received { action, client, .. } = &event.kind else {
            continue;
        };
        if *action == Action::Shutdown {
            left.insert(client.clone(), event.time);
        }
        let late = left
            .get(client)
            .is_some_and(|time| event.time - *time > IN_FLIGHT);
        reads += usize::from(late && *action == Action::ReadRecords);
    }
    reads
}

pub(super) const CALLBACK: Probe = Probe {
    name: "close_in_callback",
    what: "a close while a callback of 3 s runs: when the shutdown callback is called, and records that come again",
    settings: "base data, 1 channel, 100 records a read; heartbeat 5 s",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let builder = Emulator::builder().batch_rows(100);
        let mut world = World::start(client, programs, 1, builder)?;
        world.put(500)?;
        let options = ["-type=BaseData", "-heartbeat=5", "-timeout=20"];
        let slow = [&options[..], &["-callback-ms=3000", "-events=true"]].concat();
        let mut first = world.consumer(&slow)?;
        let entered = world.wait(MAX_WAIT, |world| Ok(world.output.notes.len() >= 3))?;
        if !entered {
            return Err("no second callback started".into());
        }
        first.end(MAX_WAIT)?;
        let order = order(&mut world)?;
        let mut second = world.consumer(&options)?;
        world.wait_for_records(500)?;
        second.end(MAX_WAIT)?;
        world.output.refresh()?;
        let again = world.output.redelivered();
        Ok(Figure::new(format!("{order}; {again}"), again as f64))
    },
};

/// When the shutdown callback of the first consumer was called.
fn order(world: &mut World<'_>) -> Result<&'static str> {
    world.output.refresh()?;
    let mut is_running = false;
    for note in world.output.notes.iter().filter(|note| note.consumer == 0) {
        match note.event.as_str() {
            "enter" => is_running = true,
            "leave" => is_running = false,
            _ if is_running => return Ok("while it runs"),
            _ => return Ok("after it"),
        }
    }
    Ok(if is_running {
        "never, and the callback was cut off"
    } else {
        "never"
    })
}

pub(super) const UNAVAILABLE: Probe = Probe {
    name: "close_in_503",
    what: "a close while the service answers everything but shutdown with 503: time until it ends, and whether it asked for the shutdown",
    settings: "a stream, 4 channels, 20 records a second; heartbeat 5 s",
    // The shutdown has a deadline of 30 s.
    promise: Some(32.0),
    quick: false,
    run: |client, programs| {
        let mut world = World::start(client, programs, 4, Emulator::builder())?;
        let mut consumer = world.consumer(&["-type=Stream", "-heartbeat=5", "-timeout=60"])?;
        let _writer = world.write(Duration::from_millis(50));
        world.wait_for_records(100)?;
        for action in [
            Action::ReadRecords,
            Action::Checkpoint,
            Action::GetCheckpoint,
            Action::Heartbeat,
        ] {
            let all = Fault::on(action).times(u64::MAX);
            let fault = all.fail(503, "OTSTunnelServerUnavailable", "try again");
            world.emulator.fault(fault);
        }
        world.sleep(Duration::from_secs(2))?;
        let start = Instant::now();
        consumer.terminate()?;
        let ended = consumer.ends_within(MAX_WAIT)?;
        let time = start.elapsed();
        let asked = match world.requests(Action::Shutdown) {
            0 => "did not ask",
            _ => "asked",
        };
        let text = match ended {
            true => format!("{}, {asked}", seconds(time)),
            false => format!("more than {}, {asked}", seconds(MAX_WAIT)),
        };
        Ok(Figure::new(text, time.as_secs_f64()))
    },
};
