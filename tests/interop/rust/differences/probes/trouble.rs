//! One thing goes wrong while records flow, all at default settings: how long
//! nothing is delivered then.

use std::time::Duration;

use tablestore_tunnel::emulator::{Action, Emulator, Fault};

use super::{Figure, Probe, Result, seconds};
use crate::client::{Client, Programs};
use crate::seen;
use crate::world::World;

/// Longer than that is taken as for good: five heartbeats.
const FOR_GOOD: Duration = Duration::from_secs(150);

/// Looked at for so long when records flow again.
const AFTERWARDS: Duration = Duration::from_secs(10);

const SETTINGS: &str = "a stream, 1 channel, 20 records a second; all at defaults";
const PAUSE: Duration = Duration::from_millis(50);

/// Without trouble a client polls every 5 s at most; the same again for a slow
/// machine.
const PROMISE: Option<f64> = Some(10.0);

pub(super) const RESET: Probe = Probe {
    name: "reset",
    what: "longest time without records after one TCP reset of a read",
    settings: SETTINGS,
    promise: PROMISE,
    quick: false,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).reset()),
};

pub(super) const UNAVAILABLE: Probe = Probe {
    name: "unavailable",
    what: "the same after one 503",
    settings: SETTINGS,
    promise: PROMISE,
    quick: false,
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
    quick: false,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).cut()),
};

pub(super) const GARBAGE: Probe = Probe {
    name: "garbage",
    what: "the same after one answer 200 that is no message",
    settings: SETTINGS,
    promise: PROMISE,
    quick: false,
    run: |client, programs| fault(client, programs, Fault::on(Action::ReadRecords).garbage()),
};

/// Lets records flow and one request go wrong.
fn fault(client: Client, programs: &Programs, fault: Fault) -> Result<Figure> {
    let mut world = World::start(client, programs, 1, Emulator::builder())?;
    let mut consumer = world.consumer(&["-type=Stream"])?;
    let _writer = world.write(PAUSE);
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

/// Waits until there are more records than before, and some time.
fn rest(
    world: &mut World<'_>,
    consumer: &mut crate::client::Consumer,
    start: u64,
    before: usize,
) -> Result<Figure> {
    world.wait(FOR_GOOD, |world| {
        Ok(world.seen.records() > before || consumer.has_ended()?)
    })?;
    if consumer.has_ended()? {
        return Ok(Figure::new("the process ends", f64::INFINITY));
    }
    if world.seen.records() == before {
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
    quick: false,
    run: |client, programs| {
        let world = World::start(client, programs, 1, Emulator::builder())?;
        let mut world = world.with_proxy()?;
        let mut consumer = world.consumer(&["-type=Stream"])?;
        let _writer = world.write(PAUSE);
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
    quick: false,
    run: |client, programs| callback(client, programs, "-trouble=error"),
};

pub(super) const PANIC: Probe = Probe {
    name: "panic",
    what: "the same after one panic (Java: `Error`) of a callback",
    settings: SETTINGS,
    promise: PROMISE,
    quick: false,
    run: |client, programs| callback(client, programs, "-trouble=panic"),
};

/// Lets the tenth callback fail.
fn callback(client: Client, programs: &Programs, trouble: &str) -> Result<Figure> {
    let mut world = World::start(client, programs, 1, Emulator::builder())?;
    let mut consumer = world.consumer(&["-type=Stream", trouble, "-trouble-at=10"])?;
    let _writer = world.write(PAUSE);
    let begun = world.wait(FOR_GOOD, |world| Ok(world.seen.records() > 0))?;
    if !begun {
        return Err("nothing was delivered".into());
    }
    let start = seen::now();
    // Nine callbacks have passed when nothing comes any more, or much has come.
    world.wait(FOR_GOOD, |world| {
        let since = Duration::from_micros(seen::now() - last(world).max(start));
        let much = world.seen.deliveries.len() > 400;
        Ok(much || since > Duration::from_secs(15) || consumer.has_ended()?)
    })?;
    let before = world.seen.records();
    rest(&mut world, &mut consumer, start, before)
}

/// When the last record was delivered.
fn last(world: &World<'_>) -> u64 {
    let times = world.seen.deliveries.iter().map(|one| one.at);
    times.max().unwrap_or_default()
}
