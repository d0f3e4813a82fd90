//! One failure while records are delivered, with default settings. The figure is the
//! longest time without records.
//!
//! The probes use base data. A stream is only polled from time to time, which would
//! hide short gaps.

use std::time::Duration;

use tablestore_emulator::{Action, Emulator, Fault};

use super::{Figure, Probe, Result, seconds};
use crate::client::{Client, Consumer, Programs};
use crate::output;
use crate::world::World;

/// The time after which delivery counts as stopped for good: five heartbeats.
const FOR_GOOD: Duration = Duration::from_secs(150);

/// How long to observe deliveries after they have resumed.
const AFTERWARDS: Duration = Duration::from_secs(10);

const SETTINGS: &str =
    "base data, 1 channel, 10 records a read, a callback of 50 ms; heartbeat at its default";
const OPTIONS: [&str; 2] = ["-type=BaseData", "-callback-ms=50"];

/// More rows than are delivered in any of these scenarios.
const ROWS: i64 = 30_000;

/// The limit in seconds for retries after a transient fault, on a machine under load.
const PROMISE: Option<f64> = Some(10.0);

pub(super) const RESET: Probe = Probe {
    name: "reset",
    what: "longest time without records after one TCP reset of a read",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).reset()),
};

pub(super) const UNAVAILABLE: Probe = Probe {
    name: "unavailable",
    what: "the same after one 503",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| {
        let fails = Fault::on(Action::ReadRecords);
        let fault_503 = fails.fail(503, "OTSTunnelServerUnavailable", "try again");
        fault(client, programs, fault_503)
    },
};

pub(super) const CUT: Probe = Probe {
    name: "cut",
    what: "the same after one answer that is cut in the middle",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).cut()),
};

pub(super) const GARBAGE: Probe = Probe {
    name: "garbage",
    what: "the same after one answer 200 that is no message",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).garbage()),
};

fn world(client: Client, programs: &Programs) -> Result<World<'_>> {
    let builder = Emulator::builder().batch_rows(10);
    let mut world = World::start(client, programs, 1, builder)?;
    world.put(ROWS)?;
    Ok(world)
}

pub(super) const EMPTY: Probe = Probe {
    name: "empty",
    what: "the same after one answer 200 with an empty body",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).empty()),
};

/// Makes one request fail while records are delivered.
fn fault(client: Client, programs: &Programs, fault: Fault) -> Result<Figure> {
    let mut world = world(client, programs)?;
    let mut consumer = world.consumer(&OPTIONS)?;
    world.wait_for_records(100)?;
    let start = output::now();
    world.emulator.fault(fault);
    let occurred = world.wait(FOR_GOOD, |world| Ok(world.is_over()))?;
    if !occurred {
        return Err("the fault did not occur".into());
    }
    let before = world.output.records();
    longest_gap(&mut world, &mut consumer, start, before)
}

/// Delivery has resumed after this number of records. It is more than the number of
/// records that were read ahead.
const FLOW: usize = 100;

/// Waits until delivery has resumed, observes it for some time, and returns the
/// longest gap.
fn longest_gap(
    world: &mut World<'_>,
    consumer: &mut Consumer,
    start: u64,
    before: usize,
) -> Result<Figure> {
    world.wait(FOR_GOOD, |world| {
        Ok(world.output.records() > before + FLOW || consumer.has_ended()?)
    })?;
    if consumer.has_ended()? {
        return Ok(Figure::new("the process ends", f64::INFINITY));
    }
    if world.output.records() <= before + FLOW {
        let text = format!("more than {}", seconds(FOR_GOOD));
        return Ok(Figure::new(text, f64::INFINITY));
    }
    world.sleep(AFTERWARDS)?;
    Ok(Figure::seconds(world.output.longest_gap(start)))
}

pub(super) const REFUSED: Probe = Probe {
    name: "refused",
    what: "the same after 1 s in which connections are refused",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| {
        let mut world = world(client, programs)?.with_proxy()?;
        let mut consumer = world.consumer(&OPTIONS)?;
        world.wait_for_records(100)?;
        let start = output::now();
        world.proxy()?.refuse(Duration::from_secs(1))?;
        world.output.refresh()?;
        let before = world.output.records();
        longest_gap(&mut world, &mut consumer, start, before)
    },
};

pub(super) const CALLBACK_ERROR: Probe = Probe {
    name: "callback_error",
    what: "the same after one error (Java: exception) of a callback",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| callback(client, programs, "-fail=error"),
};

pub(super) const PANIC: Probe = Probe {
    name: "panic",
    what: "the same after one panic (Java: `Error`) of a callback",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| callback(client, programs, "-fail=panic"),
};

/// Makes the fifth callback fail.
fn callback(client: Client, programs: &Programs, failure: &str) -> Result<Figure> {
    let mut world = world(client, programs)?;
    let options = [&OPTIONS[..], &[failure, "-fail-at=5"]].concat();
    let mut consumer = world.consumer(&options)?;
    let noted = world.wait(FOR_GOOD, |world| Ok(!world.output.notes.is_empty()))?;
    if !noted {
        return Err("no callback failed".into());
    }
    let start = world.output.notes[0].at;
    let earlier = world.output.deliveries.iter().filter(|one| one.at <= start);
    let before = earlier.count();
    longest_gap(&mut world, &mut consumer, start, before)
}
