//! The emulator as a program, for clients in any language.
//!
//! ```text
//! cargo run --example emulator -- --port 8087 --table orders:id:int --rows 1000 --changes 100
//! ```
//!
//! Prints where it serves and its keys as lines that a shell can `eval`, puts
//! rows into the table and goes on changing them until Ctrl-C.
//!
//! | option | |
//! |---|---|
//! | `--port N` | the port on 127.0.0.1; any free one by default |
//! | `--table name:pk:type[:pk:type...]` | a table; types are `int`, `string`, `binary`; `orders:id:int` by default |
//! | `--partitions N` | how many partitions the table begins with; 4 |
//! | `--rows N` | how many rows are put at the start; 1000 |
//! | `--changes N` | how many changes are made per second; 0 |
//! | `--split-after N` | a partition is split after every so many changes; never by default |
//!
//! When it ends it says which rules the clients broke, if any.

use std::error::Error;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tablestore_tunnel::emulator::{Emulator, KeyType, RowUpdate, Table, TableSpec};
use tablestore_tunnel::{TunnelError, Value};

struct Options {
    port: u16,
    table: String,
    partitions: u32,
    rows: i64,
    changes: u32,
    split_after: Option<i64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let (name, keys) = parse_table(&options.table)?;
    let emulator = Emulator::builder().port(options.port).start()?;
    let spec = TableSpec::new(name).partitions(options.partitions);
    let spec = keys
        .iter()
        .fold(spec, |spec, (key, kind)| spec.primary_key(key, *kind));
    let table = emulator.create_table(spec)?;
    for row in 0..options.rows {
        table.put(key(row, &keys), [("value", row)])?;
    }
    println!("OTS_ENDPOINT={}", emulator.endpoint());
    println!("OTS_INSTANCE={}", emulator.instance());
    println!("OTS_ACCESS_KEY_ID={}", emulator.access_key_id());
    println!("OTS_ACCESS_KEY_SECRET={}", emulator.access_key_secret());
    change_until_stopped(&table, &keys, &options)?;
    emulator.stop();
    let ledger = emulator.ledger();
    eprintln!("stopped after {} events", ledger.events().len());
    for broken in ledger.violations() {
        eprintln!(
            "event {}: {:?} by {}",
            broken.order, broken.rule, broken.client
        );
    }
    Ok(())
}

impl Options {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            port: 0,
            table: "orders:id:int".to_owned(),
            partitions: 4,
            rows: 1000,
            changes: 0,
            split_after: None,
        };
        while let Some(option) = args.next() {
            let value = args.next().ok_or(format!("{option} needs a value"))?;
            match option.as_str() {
                "--port" => options.port = value.parse()?,
                "--table" => options.table = value,
                "--partitions" => options.partitions = value.parse()?,
                "--rows" => options.rows = value.parse()?,
                "--changes" => options.changes = value.parse()?,
                "--split-after" => options.split_after = Some(value.parse()?),
                _ => return Err(format!("no such option: {option}").into()),
            }
        }
        Ok(options)
    }
}

type Keys = Vec<(String, KeyType)>;

fn parse_table(text: &str) -> Result<(String, Keys), String> {
    let mut parts = text.split(':').map(str::to_owned);
    let name = parts.next().unwrap_or_default();
    let mut keys = Vec::new();
    while let Some(key) = parts.next() {
        let kind = match parts.next().as_deref() {
            Some("int") => KeyType::Integer,
            Some("string") => KeyType::String,
            Some("binary") => KeyType::Binary,
            other => return Err(format!("key {key} has no type, but {other:?}")),
        };
        keys.push((key, kind));
    }
    Ok((name, keys))
}

/// The key of a row: its number, in the types of the key.
fn key(row: i64, keys: &[(String, KeyType)]) -> Vec<Value> {
    let value = |(_, kind): &(String, KeyType)| match kind {
        KeyType::Integer => Value::Integer(row),
        KeyType::String => Value::String(format!("{row:08}")),
        KeyType::Binary => Value::Binary(row.to_be_bytes().to_vec()),
    };
    keys.iter().map(value).collect()
}

/// Puts, updates and deletes rows in turn, until Ctrl-C or SIGTERM.
fn change_until_stopped(
    table: &Table,
    keys: &[(String, KeyType)],
    options: &Options,
) -> Result<(), Box<dyn Error>> {
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Fails when the program has stopped already.
        let _ = stop.send(());
    })?;
    let pause = match options.changes {
        0 => Duration::from_secs(3600),
        changes => Duration::from_secs(1) / changes,
    };
    let rows = options.rows.max(1);
    let mut number = 0;
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        if options.changes == 0 {
            continue;
        }
        change(table, number, key(number % rows, keys))?;
        number += 1;
        if options.split_after.is_some_and(|after| number % after == 0) {
            split_largest(table)?;
        }
    }
    Ok(())
}

fn split_largest(table: &Table) -> Result<(), TunnelError> {
    let partitions = table.partitions();
    let active = partitions.iter().filter(|partition| partition.active);
    match active.max_by_key(|partition| partition.rows) {
        Some(largest) if largest.rows > 1 => table.split(&largest.id).map(|_| ()),
        _ => Ok(()),
    }
}

fn change(table: &Table, number: i64, key: Vec<Value>) -> Result<(), TunnelError> {
    match number % 4 {
        0 => table.put(key, [("value", number)])?,
        1 => table.delete(key)?,
        _ => table.update(key, RowUpdate::new().put("changed", number).delete("old"))?,
    };
    Ok(())
}
