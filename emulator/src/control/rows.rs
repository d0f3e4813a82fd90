//! Calls to write and read rows, one JSON object for each row.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Map, Value as Json, json};

use super::{Answer, Call, Refusal, tables, value};
use crate::service::Service;
use crate::state::{KeyType, Row, SnapshotRow, StateError, key_values};
use crate::table::{RowUpdate, RowWrite, Written};
use tablestore_tunnel::{ActionType, OwnedColumn};

/// A change in the format of records, see `docs/emulator.md`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeJson {
    #[serde(default)]
    action: ActionJson,
    key: Vec<Json>,
    #[serde(default)]
    columns: Vec<ColumnJson>,
    /// Other fields of records. A write gets new values for them.
    #[serde(default, rename = "channel")]
    _channel: IgnoredAny,
    #[serde(default, rename = "timestamp")]
    _timestamp: IgnoredAny,
    #[serde(default, rename = "row_index")]
    _row_index: IgnoredAny,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum ActionJson {
    #[default]
    #[serde(rename = "PutRow")]
    Put,
    #[serde(rename = "UpdateRow")]
    Update,
    #[serde(rename = "DeleteRow")]
    Delete,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnJson {
    name: String,
    value: Option<Json>,
    /// The version, in milliseconds since 1970.
    timestamp: Option<i64>,
    /// `"all"`, or the version to delete.
    deleted: Option<Json>,
}

/// Writes all rows of the body in one bulk, or none of them.
pub(super) fn write(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table = tables::open(service, call)?;
    let keys = service.read(|state| {
        let table = state.table(table.name())?;
        Ok::<_, StateError>(table.schema.primary_key.clone())
    })?;
    let rows = objects(call.text()?)?.into_iter().enumerate();
    let writes = rows.map(|(number, row)| {
        let wrong = |why: String| Refusal::bad(format!("row {}: {why}", number + 1));
        write_of(row, &keys).map_err(wrong)
    });
    let writes: Vec<RowWrite> = writes.collect::<Result<_, _>>()?;
    let written = table.write_rows(writes);
    let written = written.map_err(|error| Refusal::bad(error.message()))?;
    let written: Vec<Json> = written.iter().map(log_entry).collect();
    Ok(Answer::json(&json!({"written": written}))?.created())
}

/// The objects of a body: one object, one object in each line, or an array.
fn objects(text: &str) -> Result<Vec<Json>, Refusal> {
    let mut objects = Vec::new();
    for json in Deserializer::from_str(text).into_iter() {
        match json.map_err(|error| Refusal::bad(format!("the body is not JSON: {error}")))? {
            Json::Array(rows) => objects.extend(rows),
            row => objects.push(row),
        }
    }
    if objects.is_empty() {
        return Err(Refusal::bad(
            "the body has no row; give one JSON object a row",
        ));
    }
    Ok(objects)
}

fn write_of(row: Json, keys: &[(String, KeyType)]) -> Result<RowWrite, String> {
    match row {
        // Columns cannot hold arrays, so this is a change and not a plain row.
        Json::Object(row) if row.get("key").is_some_and(Json::is_array) => change(row),
        Json::Object(row) => plain(row, keys),
        other => Err(format!("a row is a JSON object, not {other}")),
    }
}

/// A row whose members are its columns, with those of the primary key.
fn plain(mut row: Map<String, Json>, keys: &[(String, KeyType)]) -> Result<RowWrite, String> {
    let take = |(name, _): &(String, KeyType)| match row.remove(name) {
        Some(json) => value::parse(&json).map_err(|why| format!("{name}: {why}")),
        None => Err(format!("member {name:?} of the primary key is missing")),
    };
    let key = keys.iter().map(take).collect::<Result<_, String>>()?;
    let mut update = RowUpdate::new();
    for (name, json) in row {
        let value = value::parse(&json).map_err(|why| format!("{name}: {why}"))?;
        update = update.put(name, value);
    }
    Ok((ActionType::PutRow, key, update))
}

fn change(row: Map<String, Json>) -> Result<RowWrite, String> {
    let change: ChangeJson =
        serde_json::from_value(Json::Object(row)).map_err(|error| error.to_string())?;
    let action = match change.action {
        ActionJson::Put => ActionType::PutRow,
        ActionJson::Update => ActionType::UpdateRow,
        ActionJson::Delete => ActionType::DeleteRow,
    };
    if !change.columns.is_empty() && action == ActionType::DeleteRow {
        return Err("a deletion has no columns".to_owned());
    }
    let key = change
        .key
        .iter()
        .map(value::parse)
        .collect::<Result<_, _>>()?;
    let columns = change.columns.into_iter();
    let update = columns.into_iter().try_fold(RowUpdate::new(), add)?;
    Ok((action, key, update))
}

fn add(update: RowUpdate, column: ColumnJson) -> Result<RowUpdate, String> {
    let ColumnJson {
        name,
        value,
        timestamp,
        deleted,
    } = column;
    let version = deleted.as_ref().and_then(Json::as_i64);
    match (value, timestamp, deleted, version) {
        (Some(json), timestamp, None, _) => {
            let value = value::parse(&json).map_err(|why| format!("{name}: {why}"))?;
            Ok(match timestamp {
                Some(version) => update.put_version(name, value, version),
                None => update.put(name, value),
            })
        }
        (None, None, Some(deleted), _) if deleted == "all" => Ok(update.delete(name)),
        (None, None, Some(_), Some(version)) => Ok(update.delete_version(name, version)),
        _ => Err(format!(
            "column {name:?} needs a value (with or without a timestamp), or deleted (\"all\", or the version's milliseconds)"
        )),
    }
}

fn log_entry(written: &Written) -> Json {
    json!({
        "partition": *written.partition,
        "position": written.position,
        "epoch": written.sequence_info.epoch,
        "timestamp": written.sequence_info.timestamp,
        "row_index": written.sequence_info.row_index,
    })
}

/// The rows as they are now, up to `limit`.
pub(super) fn read(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table = tables::open(service, call)?;
    let limit = call.number("limit")?.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let rows = service.command(|state, now| {
        let table = state.table(table.name())?;
        Ok::<_, StateError>(table.rows(limit, now))
    })?;
    Answer::lines(rows.iter().map(|(partition, row)| shown(partition, row)))
}

fn shown(partition: &str, (route, row): &SnapshotRow) -> Json {
    let key: Vec<Json> = key_values(&route.key).iter().map(value::to_json).collect();
    json!({"partition": partition, "key": key, "columns": columns(row)})
}

fn columns(row: &Row) -> Vec<Json> {
    let cell = |cell: OwnedColumn| {
        let value = cell.value.as_ref().map(value::to_json);
        json!({"name": cell.name, "value": value, "timestamp": cell.timestamp})
    };
    row.cells().into_iter().map(cell).collect()
}
