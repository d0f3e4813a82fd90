//! Generated rows: each number has a key in the types of the table, and columns of
//! all types.

use crate::{KeyType, Table};
use tablestore_tunnel::Value;

use super::expect::Expect;
use super::options::Keys;

/// How many rows are written in one bulk. Reads are possible between bulks.
const BULK: u32 = 1000;

const TEXTS: [&str; 4] = ["green tea, 250 g", "绿茶", "\"quoted\"\n\ttwice", ""];

/// Puts the rows from 0 up to, but not including, `count`.
pub(super) fn fill(
    table: &Table,
    keys: &Keys,
    count: u32,
    expect: &mut Expect,
) -> Result<(), Box<dyn std::error::Error>> {
    for start in (0..count).step_by(BULK as usize) {
        let bulk = start..count.min(start + BULK);
        table.put_all(bulk.clone().map(|n| (key(n, keys), columns(n))))?;
        for n in bulk {
            expect.base(key(n, keys), columns(n))?;
        }
    }
    Ok(())
}

/// The key of a row: its number in the types of the primary key.
pub(super) fn key(row: u32, keys: &Keys) -> Vec<Value> {
    let value = |(_, kind): &(String, KeyType)| match kind {
        KeyType::Integer => Value::Integer(row.into()),
        KeyType::String => Value::String(format!("row-{row:08}")),
        KeyType::Binary => Value::Binary(row.to_be_bytes().to_vec()),
    };
    keys.iter().map(value).collect()
}

/// The columns of a row, which differ from row to row.
pub(super) fn columns(row: u32) -> Vec<(String, Value)> {
    let text = TEXTS[row as usize % TEXTS.len()];
    let columns = [
        ("amount", Value::Double(f64::from(row) + 0.25)),
        ("number", Value::Integer(-i64::from(row))),
        ("paid", Value::Boolean(row.is_multiple_of(2))),
        ("raw", Value::Binary(row.to_le_bytes().to_vec())),
        ("text", text.into()),
    ];
    columns.map(|(name, value)| (name.to_owned(), value)).into()
}
