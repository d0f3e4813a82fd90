//! Changes the table while clients consume it. Every run makes the same changes.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::{Emulator, EventKind, RowUpdate, Table, Written};
use tablestore_tunnel::{ActionType, OwnedColumn, TunnelError, Value};

use super::expect::{Change, Expect};
use super::options::{Keys, Options};
use super::rows;
use super::until_signal::UntilSignal;

/// How often to check whether the clients are connected.
const LOOK: Duration = Duration::from_millis(20);

/// Makes the changes of the options. Returns false if it was stopped before the
/// last change.
pub(super) fn make(
    emulator: &Emulator,
    table: &Table,
    options: &Options,
    expect: &mut Expect,
    until: &UntilSignal,
) -> Result<bool, Box<dyn Error>> {
    if options.write_changes == 0 {
        return Ok(true);
    }
    if !wait_for_clients(emulator, options, until) {
        return Ok(false);
    }
    let start = Instant::now();
    let pause = options.write_for / options.write_changes;
    // A time beyond the range of `Instant` never comes.
    let mut split_at = options
        .split_after
        .and_then(|after| start.checked_add(after));
    for number in 0..options.write_changes {
        if !until.sleep_until(start + pause * number) {
            return Ok(false);
        }
        if split_at.take_if(|at| *at <= Instant::now()).is_some() {
            split(table)?;
        }
        let change = change(number, options.rows, &options.tables[0].keys);
        let written = write(table, &change)?;
        expect.change(change, &written)?;
    }
    Ok(true)
}

/// Waits for the clients. Without this, changes would become base data if they were
/// written before a tunnel exists, and clients would miss the time of the changes.
fn wait_for_clients(emulator: &Emulator, options: &Options, until: &UntilSignal) -> bool {
    while clients(emulator) < options.wait_for_clients {
        if !until.sleep(LOOK) {
            return false;
        }
    }
    true
}

/// How many clients have connected so far.
fn clients(emulator: &Emulator) -> usize {
    let ledger = emulator.ledger();
    let connected = |kind: &EventKind| matches!(kind, EventKind::Connected { .. });
    ledger
        .events()
        .iter()
        .filter(|event| connected(&event.kind))
        .count()
}

/// Splits the first partition that takes writes.
fn split(table: &Table) -> Result<(), Box<dyn Error>> {
    let partitions = table.partitions();
    let partition = partitions.iter().find(|partition| partition.active);
    let partition = partition.ok_or("no partition takes writes")?;
    table.split(&partition.id)?;
    Ok(())
}

/// The changes, in turn: a new row, a changed old row, a changed new row, a deleted
/// old row.
fn change(number: u32, old_rows: u32, keys: &Keys) -> Change {
    let new = old_rows + number - number % 4;
    let (action, row, columns) = match number % 4 {
        0 => (ActionType::PutRow, new, puts(new)),
        1 => (ActionType::UpdateRow, number, update(number)),
        2 => (ActionType::UpdateRow, new, update(number)),
        _ => (ActionType::DeleteRow, number, Vec::new()),
    };
    Change {
        action,
        key: rows::key(row, keys),
        columns,
    }
}

fn puts(row: u32) -> Vec<OwnedColumn> {
    let put = |(name, value)| OwnedColumn::put(name, value, 0);
    rows::columns(row).into_iter().map(put).collect()
}

fn update(number: u32) -> Vec<OwnedColumn> {
    vec![
        OwnedColumn::put("paid", true, 0),
        OwnedColumn::put("change", i64::from(number), 0),
        OwnedColumn::delete_all_versions("text"),
    ]
}

fn write(table: &Table, change: &Change) -> Result<Written, TunnelError> {
    let key: Vec<Value> = change.key.clone();
    let puts = || change.columns.iter().filter_map(named_value);
    match change.action {
        ActionType::PutRow => table.put(key, puts()),
        ActionType::DeleteRow => table.delete(key),
        _ => table.update(key, change.columns.iter().fold(RowUpdate::new(), add)),
    }
}

fn named_value(column: &OwnedColumn) -> Option<(String, Value)> {
    Some((column.name.clone(), column.value.clone()?))
}

fn add(update: RowUpdate, column: &OwnedColumn) -> RowUpdate {
    match &column.value {
        Some(value) => update.put(&column.name, value.clone()),
        None => update.delete(&column.name),
    }
}
