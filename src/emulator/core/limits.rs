//! What the service refuses to store, so that no test passes on data that a
//! real table could not hold.
//!
//! From the page *General limits* of Tablestore: keys, values and rows. Its
//! limits per request (200 rows, 4 MB) are not those of a bulk here.

use super::key::KeyPart;
use super::table::{Change, Schema};
use crate::emulator::clock::Timestamp;
use crate::record::{OwnedColumn, Value};

const MAX_NAME: usize = 255;
const MAX_KEY_COLUMNS: usize = 4;
const MAX_KEY_BYTES: usize = 1 << 10;
const MAX_VALUE_BYTES: usize = 2 << 20;
const MAX_ROW_BYTES: usize = 4 << 20;
const MAX_COLUMNS: usize = 1_024;

/// Whether a table can be made so.
pub(super) fn check_schema(schema: &Schema) -> Result<(), String> {
    let name = &*schema.name;
    check_name("table", name)?;
    match schema.primary_key.len() {
        0 => return Err("a table needs a primary key".to_owned()),
        1..=MAX_KEY_COLUMNS => {}
        many => return Err(format!("a primary key has 1 to 4 columns, not {many}")),
    }
    let names = schema.primary_key.iter().map(|(name, _)| name);
    names.enumerate().try_for_each(|(index, name)| {
        match schema.primary_key[..index]
            .iter()
            .any(|(other, _)| other == name)
        {
            true => Err(format!("primary key column {name} is there twice")),
            false => check_name("primary key column", name),
        }
    })
}

/// Letters, digits and underscores, no digit first.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if begins && plain && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(format!(
        "{what} name {name:?} is not 1 to {MAX_NAME} letters, digits and underscores, no digit first"
    ))
}

/// Whether a tunnel can be named so. The service documents no rule; this is
/// that of its Terraform provider, and hyphens.
pub(in crate::emulator) fn check_tunnel_name(name: &str) -> Result<(), String> {
    check_name("tunnel", &name.replace('-', "_"))
}

/// Whether a row can be changed so.
pub(super) fn check_change(change: &Change, schema: &Schema, now: Timestamp) -> Result<(), String> {
    if change
        .key
        .iter()
        .any(|part| key_bytes(part) > MAX_KEY_BYTES)
    {
        return Err(format!(
            "a primary key value has more than {MAX_KEY_BYTES} bytes"
        ));
    }
    let columns = change.columns.len();
    if columns > MAX_COLUMNS {
        return Err(format!(
            "{columns} columns in one change; {MAX_COLUMNS} are allowed"
        ));
    }
    let mut row = 0;
    for column in &change.columns {
        let bytes = column.value.as_ref().map_or(0, value_bytes);
        if bytes > MAX_VALUE_BYTES {
            let name = &column.name;
            return Err(format!(
                "column {name} has {bytes} bytes; {MAX_VALUE_BYTES} are allowed"
            ));
        }
        row += bytes + column.name.len();
        check_version(column, schema, now)?;
    }
    match row {
        0..=MAX_ROW_BYTES => Ok(()),
        _ => Err(format!(
            "{row} bytes in one change; {MAX_ROW_BYTES} are allowed"
        )),
    }
}

fn check_version(column: &OwnedColumn, schema: &Schema, now: Timestamp) -> Result<(), String> {
    let (Some(version), Some(offset)) = (column.timestamp, schema.max_version_offset) else {
        return Ok(());
    };
    let allowed = now.minus(offset).millis()..=now.plus(offset).millis();
    if column.value.is_none() || allowed.contains(&version) {
        return Ok(());
    }
    let name = &column.name;
    Err(format!(
        "version {version} of column {name} is further than {offset:?} from the time of writing"
    ))
}

fn key_bytes(part: &KeyPart) -> usize {
    match part {
        KeyPart::Integer(_) => 8,
        KeyPart::String(text) => text.len(),
        KeyPart::Binary(bytes) => bytes.len(),
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::emulator::core::key::KeyType;
    use crate::emulator::core::table::tests::{at, put, table};

    fn schema() -> Schema {
        table(1, false).0.schema
    }

    #[test]
    fn tables_are_as_the_service_allows() {
        let with_key = |count: usize| Schema {
            primary_key: (0..count)
                .map(|n| (format!("k{n}"), KeyType::Binary))
                .collect(),
            ..schema()
        };
        let named = |name: &str| Schema {
            name: name.into(),
            ..schema()
        };
        let twice = Schema {
            primary_key: vec![("a".into(), KeyType::Integer); 2],
            ..schema()
        };
        for (schema, fine) in [
            (with_key(1), true),
            (with_key(4), true),
            (with_key(0), false),
            (with_key(5), false),
            (twice, false),
            (named("_a9"), true),
            (named(&"x".repeat(255)), true),
            (named(&"x".repeat(256)), false),
            (named("9a"), false),
            (named(""), false),
            (named("a b"), false),
        ] {
            assert_eq!(check_schema(&schema).is_ok(), fine, "{schema:?}");
        }
    }

    #[test]
    fn changes_are_as_large_as_the_service_allows() {
        let with = |columns| Change { columns, ..put(1) };
        let text = |bytes| OwnedColumn::put("v", "x".repeat(bytes), 1);
        let key = |bytes| Change {
            key: vec![KeyPart::String("x".repeat(bytes))],
            ..put(1)
        };
        for (change, fine) in [
            (key(1 << 10), true),
            (key((1 << 10) + 1), false),
            (with(vec![text(2 << 20)]), true),
            (with(vec![text((2 << 20) + 1)]), false),
            (with(vec![text((2 << 20) - 1), text((2 << 20) - 1)]), true),
            (with(vec![text(2 << 20), text(2 << 20)]), false),
            (with(vec![text(1); 1_024]), true),
            (with(vec![text(1); 1_025]), false),
        ] {
            let checked = check_change(&change, &schema(), at(1));
            assert_eq!(checked.is_ok(), fine, "{checked:?}");
        }
    }

    #[test]
    fn versions_keep_near_the_time_of_writing_where_told() {
        let strict = Schema {
            max_version_offset: Some(Duration::from_secs(10)),
            ..schema()
        };
        let now = at(100_000_000);
        for (version, fine) in [
            (90_000, true),
            (89_999, false),
            (110_000, true),
            (110_001, false),
        ] {
            let change = Change {
                columns: vec![OwnedColumn::put("v", 1, version)],
                ..put(1)
            };
            assert_eq!(
                check_change(&change, &strict, now).is_ok(),
                fine,
                "{version}"
            );
            assert!(check_change(&change, &schema(), now).is_ok());
        }
    }
}
