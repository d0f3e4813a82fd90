//! The service's limits on names, keys, values and rows. Without them, tests
//! could pass with data that a real table rejects.
//!
//! The numbers come from the page *General limits* of Tablestore. Its limits per
//! request (200 rows, 4 MB) do not apply to bulk writes of the emulator.

use super::key::KeyPart;
use super::table::{Change, Schema};
use crate::timestamp::Timestamp;
use tablestore_tunnel::{ActionType, OwnedColumn, Value};

const MAX_NAME: usize = 255;
const MAX_KEY_COLUMNS: usize = 4;
/// The primary key of a time-series table begins with this hidden column, and
/// has one column more.
const TIME_SERIES_HASH: &str = "_#h";
const MAX_KEY_BYTES: usize = 1 << 10;
const MAX_VALUE_BYTES: usize = 2 << 20;
const MAX_ROW_BYTES: usize = 4 << 20;
const MAX_COLUMNS: usize = 1_024;
/// The service documents no limit. Each partition takes memory from the start.
const MAX_PARTITIONS: u64 = 100_000;

/// Checks the schema of a new table.
pub(super) fn check_schema(schema: &Schema) -> Result<(), String> {
    let name = &*schema.name;
    check_name("table", name)?;
    let partitions = schema.partitions;
    if partitions > MAX_PARTITIONS {
        return Err(format!(
            "{partitions} partitions; {MAX_PARTITIONS} are allowed"
        ));
    }
    let first = schema.primary_key.first();
    let (first, _) = first.ok_or("a table needs a primary key")?;
    let time_series = first == TIME_SERIES_HASH;
    let columns = schema.primary_key.len();
    let limit = MAX_KEY_COLUMNS + usize::from(time_series);
    if columns > limit {
        return Err(format!(
            "a primary key has 1 to {limit} columns, not {columns}"
        ));
    }
    let names = schema.primary_key.iter().map(|(name, _)| name).enumerate();
    let mut names = names.skip(usize::from(time_series));
    names.try_for_each(|(index, name)| {
        match schema.primary_key[..index]
            .iter()
            .any(|(other, _)| other == name)
        {
            true => Err(format!("primary key column {name} appears twice")),
            false => check_name("primary key column", name),
        }
    })
}

/// Whether a name has letters, digits and underscores only, and no digit first.
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    begins && plain && name.len() <= MAX_NAME
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if is_name(name) {
        return Ok(());
    }
    Err(format!(
        "{what} name {name:?} is not 1 to {MAX_NAME} letters, digits and underscores, no digit first"
    ))
}

/// Checks the name of a new tunnel. The service documents no rule. This is the
/// rule of its Terraform provider, with hyphens added.
pub(crate) fn check_tunnel_name(name: &str) -> Result<(), String> {
    if is_name(&name.replace('-', "_")) {
        return Ok(());
    }
    Err(format!(
        "tunnel name {name:?} is not 1 to {MAX_NAME} letters, digits, underscores and hyphens, no digit first"
    ))
}

/// Checks a change to a row.
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
        check_column(column, change.action)?;
        check_version(column, schema, now)?;
    }
    match row {
        0..=MAX_ROW_BYTES => Ok(()),
        _ => Err(format!(
            "{row} bytes in one change; {MAX_ROW_BYTES} are allowed"
        )),
    }
}

/// Names of attribute columns may have any characters: the columns of
/// time-series tables have colons in their names.
fn check_column(column: &OwnedColumn, action: ActionType) -> Result<(), String> {
    let name = &column.name;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("column name {name:?} is not 1 to {MAX_NAME} bytes"));
    }
    if action == ActionType::PutRow && column.value.is_none() {
        return Err(format!(
            "a PutRow replaces the whole row and cannot delete column {name}; use UpdateRow"
        ));
    }
    match column.timestamp {
        // No client can read a record with such a version.
        Some(version) if version < 0 => Err(format!(
            "version {version} of column {name} is before 1970; versions are milliseconds since then"
        )),
        _ => Ok(()),
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
    use crate::state::key::KeyType;
    use crate::state::table::tests::{at, put, table};

    fn schema() -> Schema {
        table(1, false).0.schema
    }

    #[test]
    fn schemas_obey_the_limits_of_the_service() {
        let with_key = |count: usize| Schema {
            primary_key: (0..count)
                .map(|n| (format!("k{n}"), KeyType::Binary))
                .collect(),
            ..schema()
        };
        let time_series = |count: usize| {
            let mut schema = with_key(count);
            schema.primary_key[0].0 = "_#h".to_owned();
            schema
        };
        let named = |name: &str| Schema {
            name: name.into(),
            ..schema()
        };
        let twice = Schema {
            primary_key: vec![("a".into(), KeyType::Integer); 2],
            ..schema()
        };
        let parts = |partitions| Schema {
            partitions,
            ..schema()
        };
        for (schema, fine) in [
            (parts(100_000), true),
            (parts(u32::MAX.into()), false),
            (with_key(1), true),
            (with_key(4), true),
            (with_key(0), false),
            (with_key(5), false),
            (time_series(5), true),
            (time_series(6), false),
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
    fn changes_obey_the_size_limits_of_the_service() {
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
    fn columns_that_clients_cannot_read_are_rejected() {
        let (put, update) = (ActionType::PutRow, ActionType::UpdateRow);
        let value = |name: &str, version| OwnedColumn::put(name, 1, version);
        for (action, column, fine) in [
            (put, value("usage:d", 0), true),
            (put, value("", 0), false),
            (put, value(&"x".repeat(255), 0), true),
            (put, value(&"x".repeat(256), 0), false),
            (put, value("v", -1), false),
            (put, OwnedColumn::delete_all_versions("v"), false),
            (update, OwnedColumn::delete_all_versions("v"), true),
            (put, OwnedColumn::delete_one_version("v", 1), false),
            (update, OwnedColumn::delete_one_version("v", 1), true),
            (update, OwnedColumn::delete_one_version("v", -1), false),
        ] {
            let checked = check_column(&column, action);
            assert_eq!(checked.is_ok(), fine, "{column:?}: {checked:?}");
        }
    }

    #[test]
    fn tunnel_names_may_have_hyphens() {
        assert_eq!(check_tunnel_name("orders-to_sink"), Ok(()));
        for name in ["", "9a", "a b", &"x".repeat(256)] {
            let refused = check_tunnel_name(name).expect_err(name);
            assert!(refused.contains("and hyphens"), "{refused}");
        }
    }

    #[test]
    fn versions_far_from_the_time_of_writing_are_rejected_if_configured() {
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
