//! One thing goes wrong while records flow, all at default settings: how long
//! nothing is delivered then. Base data, as a stream is polled at times only,
//! which would hide short rests.

use std::time::Duration;

use tablestore_emulator::{Action, Emulator, Fault};

use super::{Figure, Probe, Result, seconds};
use crate::client::{Client, Consumer, Programs};
use crate::seen;
use crate::world::World;

/// Longer than that is taken as for good: five heartbeats.
const FOR_GOOD: Duration = Duration::from_secs(150);

/// Looked at for so long when records flow again.
const AFTERWARDS: Duration = Duration::from_secs(10);

const SETTINGS: &str =
    "base data, 1 channel, 10 records a read, a callback of 50 ms; heartbeat at its default";
const OPTIONS: [&str; 2] = ["-type=BaseData", "-callback-ms=50"];

/// More than are delivered in any of these scenarios.
const ROWS: i64 = 30_000;

/// Of retries after a fault that passes, on a machine that has much to do.
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

/// Lets records flow and one request go wrong.
fn fault(client: Client, programs: &Programs, fault: Fault) -> Result<Figure> {
    let mut world = world(client, programs)?;
    let mut consumer = world.consumer(&OPTIONS)?;
    world.wait_for_records(100)?;
    let start = seen::now();
    world.emulator.fault(fault);
    let struck = world.wait(FOR_GOOD, |world| Ok(world.is_over()))?;
    if !struck {
        return Err("the fault did not strike".into());
    }
    let before = world.seen.records();
    rest(&mut world, &mut consumer, start, before)
}

/// More than were read ahead and come in spite of the trouble.
const FLOW: usize = 100;

/// Waits until records flow again, and some time.
fn rest(
    world: &mut World<'_>,
    consumer: &mut Consumer,
    start: u64,
    before: usize,
) -> Result<Figure> {
    world.wait(FOR_GOOD, |world| {
        Ok(world.seen.records() > before + FLOW || consumer.has_ended()?)
    })?;
    if consumer.has_ended()? {
        return Ok(Figure::new("the process ends", f64::INFINITY));
    }
    if world.seen.records() <= before + FLOW {
        let text = format!("more than {}", seconds(FOR_GOOD));
        return Ok(Figure::new(text, f64::INFINITY));
    }
    world.pass(AFTERWARDS)?;
    Ok(Figure::seconds(world.seen.longest_rest(start)))
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
        let start = seen::now();
        world.proxy()?.refuse(Duration::from_secs(1))?;
        world.seen.refresh()?;
        let before = world.seen.records();
        rest(&mut world, &mut consumer, start, before)
    },
};

pub(super) const CALLBACK_ERROR: Probe = Probe {
    name: "callback_error",
    what: "the same after one error (Java: exception) of a callback",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| callback(client, programs, "-trouble=error"),
};

pub(super) const PANIC: Probe = Probe {
    name: "panic",
    what: "the same after one panic (Java: `Error`) of a callback",
    settings: SETTINGS,
    promise: PROMISE,
    quick: true,
    run: |client, programs| callback(client, programs, "-trouble=panic"),
};

/// Lets the fifth callback fail.
fn callback(client: Client, programs: &Programs, trouble: &str) -> Result<Figure> {
    let mut world = world(client, programs)?;
    let options = [&OPTIONS[..], &[trouble, "-trouble-at=5"]].concat();
    let mut consumer = world.consumer(&options)?;
    let noted = world.wait(FOR_GOOD, |world| Ok(!world.seen.notes.is_empty()))?;
    if !noted {
        return Err("no callback made trouble".into());
    }
    let start = world.seen.notes[0].at;
    let earlier = world.seen.deliveries.iter().filter(|one| one.at <= start);
    let before = earlier.count();
    rest(&mut world, &mut consumer, start, before)
}
