//! Faults that change the state or the clock.

use std::time::Duration;

use super::Instance;
use crate::clock::EmulatorClock;
use crate::faults::{Effect, Notice};
use crate::protocol::Scope;
use crate::state::{Departure, Id, Logged};
use crate::timestamp::Timestamp;

/// Applies an effect to the tunnel, client or channel that a request names.
/// Effects on answers do nothing here.
pub(super) fn apply(
    instance: &mut Instance,
    clock: &EmulatorClock,
    scope: &Scope,
    effect: &Effect,
) {
    match effect {
        Effect::Take { channel, notice } => take(instance, scope, Some(channel), *notice),
        Effect::TakeAll(notice) => take(instance, scope, None, *notice),
        Effect::Expire => expire_client(instance, scope, clock.now()),
        Effect::Split => split_channel(instance, scope, clock.now()),
        Effect::Jump(by) => jump(instance, clock, *by),
        _ => (),
    }
}

/// Counts a write, by the partitions that got records, and applies the faults
/// that it triggers.
pub(super) fn after_write(
    instance: &mut Instance,
    clock: &EmulatorClock,
    table: &str,
    logged: &[Logged],
) {
    let mut counts: Vec<(Id, usize)> = Vec::new();
    for logged in logged {
        match counts.iter_mut().find(|(id, _)| *id == logged.partition_id) {
            Some((_, count)) => *count += 1,
            None => counts.push((logged.partition_id.clone(), 1)),
        }
    }
    for (partition, effect) in instance.faults.on_write(table, &counts) {
        match effect {
            Effect::Split => split(instance, table, &partition, clock.now()),
            Effect::Jump(by) => jump(instance, clock, by),
            _ => (),
        }
    }
}

/// Moves the clock. It is recorded here, because more effects may follow under
/// the same lock.
fn jump(instance: &mut Instance, clock: &EmulatorClock, by: Duration) {
    clock.advance(by);
    instance.ledger.clock_moved(clock.now(), clock.moved());
}

/// Takes channels from a client at the heartbeat that it is about to send. A
/// request that names a channel, or no client, is no heartbeat and is left
/// alone.
fn take(instance: &mut Instance, scope: &Scope, channel: Option<&str>, notice: Notice) {
    if let (Some(tunnel), Some(client), None) = (&scope.tunnel, &scope.client, &scope.channel) {
        let answered = notice.status();
        instance.command(|state| state.take_at_heartbeat(tunnel, client, channel, answered));
    }
}

fn expire_client(instance: &mut Instance, scope: &Scope, now: Timestamp) {
    if let (Some(tunnel), Some(client)) = (&scope.tunnel, &scope.client) {
        // An error means that the client is unknown anyway.
        let _ =
            instance.command(|state| state.remove_client(tunnel, client, Departure::Expired, now));
    }
}

fn split_channel(instance: &mut Instance, scope: &Scope, now: Timestamp) {
    let (Some(tunnel), Some(channel)) = (&scope.tunnel, &scope.channel) else {
        return;
    };
    let table = instance.command(|state| {
        let view = state.tunnel(tunnel, now);
        view.map(|view| view.tunnel.table.clone())
    });
    if let Ok(table) = table {
        // The id of a stream channel begins with the id of its partition. The
        // id of a base channel begins with a word that is no partition's id.
        let partition = channel.split('_').next().unwrap_or_default();
        split(instance, &table, partition, now);
    }
}

/// Splits a partition at its middle row, if it exists and can be split.
fn split(instance: &mut Instance, table: &str, partition: &str, now: Timestamp) {
    let found = instance.state().table(table).ok();
    if let Some(index) = found.and_then(|table| table.by_id(partition)) {
        // An error means that it is split already, or has no middle.
        let _ = instance.command(|state| state.split(table, index, None, now));
    }
}
