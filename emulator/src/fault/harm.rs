//! What faults do to tables, clients and the clock.

use std::time::Duration;

use super::Effect;
use crate::clock::{EmulatorClock, Timestamp};
use crate::core::Core;
use crate::core::ids::Id;
use crate::failure::Failure;
use crate::ledger::{Departure, EventKind};
use crate::scope::Scope;

/// Lets an effect happen to what the request is about. Effects on answers are
/// not the core's and do nothing here.
pub(crate) fn inflict(core: &mut Core, clock: &EmulatorClock, scope: &Scope, effect: &Effect) {
    match effect {
        Effect::Take { channel, notice } => core.take_at_beat(scope, Some(channel), *notice),
        Effect::TakeAll(notice) => core.take_at_beat(scope, None, *notice),
        Effect::Expire => expire_client_of(core, scope, clock.now()),
        Effect::Split => split_channel_of(core, scope, clock.now()),
        Effect::Jump(by) => jump(core, clock, *by),
        _ => (),
    }
}

/// Counts a write, by the partitions its records went to, and lets happen what
/// it meets.
pub(crate) fn after_write<'a>(
    core: &mut Core,
    clock: &EmulatorClock,
    table: &str,
    partitions: impl Iterator<Item = &'a Id>,
) {
    let mut counts: Vec<(Id, usize)> = Vec::new();
    for id in partitions {
        match counts.iter_mut().find(|(other, _)| other == id) {
            Some((_, count)) => *count += 1,
            None => counts.push((id.clone(), 1)),
        }
    }
    for (partition, effect) in core.faults.written(table, &counts) {
        match effect {
            Effect::Split => split(core, table, &partition, clock.now()),
            Effect::Jump(by) => jump(core, clock, by),
            _ => (),
        }
    }
}

/// Moves the clock; told at once, as more may happen under the same lock.
fn jump(core: &mut Core, clock: &EmulatorClock, by: Duration) {
    clock.advance(by);
    core.ledger.clock_moved(clock.now(), clock.moved());
}

/// Forgets a client as if it had been silent for too long.
pub(crate) fn expire(
    core: &mut Core,
    tunnel: &str,
    client: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut scene = core.scene(tunnel, now)?;
    scene.tunnel.shut_down(client)?;
    let event = EventKind::Gone {
        tunnel: scene.tunnel.id.clone(),
        client: client.into(),
        why: Departure::Expired,
    };
    scene.ledger.record(now, event);
    scene.note_changes(now);
    Ok(())
}

fn expire_client_of(core: &mut Core, scope: &Scope, now: Timestamp) {
    if let (Some(tunnel), Some(client)) = (&scope.tunnel, &scope.client) {
        // An error means that it is not known anyway.
        let _ = expire(core, tunnel, client, now);
    }
}

fn split_channel_of(core: &mut Core, scope: &Scope, now: Timestamp) {
    let (Some(tunnel), Some(channel)) = (&scope.tunnel, &scope.channel) else {
        return;
    };
    if let Ok(scene) = core.scene(tunnel, now) {
        let table = scene.tunnel.table.clone();
        // A stream channel's id begins with its partition's; a base channel's
        // with what no partition is called.
        let partition = channel.split('_').next().unwrap_or_default();
        split(core, &table, partition, now);
    }
}

/// Splits a partition at its middle row, if it is there and can be split.
fn split(core: &mut Core, table: &str, partition: &str, now: Timestamp) {
    let index = core.table(table).ok().and_then(|of| of.by_id(partition));
    if let Some(index) = index {
        // An error means that it is split already, or has no middle.
        let _ = core.split(table, index, None, now);
    }
}
