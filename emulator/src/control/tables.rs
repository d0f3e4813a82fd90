//! Calls to create, describe and drop tables.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Answer, Call, Refusal};
use crate::duration;
use crate::service::Service;
use crate::state::{KeyType, State, StateError};
use crate::table::{PartitionInfo, Table, TableSpec};

/// A table to create.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableJson {
    name: String,
    primary_key: Vec<KeyJson>,
    #[serde(default = "one")]
    partitions: u32,
    #[serde(default = "one")]
    max_versions: u32,
    #[serde(default)]
    origin_columns: Vec<String>,
    retention: Option<TimeJson>,
    time_to_live: Option<TimeJson>,
    max_version_offset: Option<TimeJson>,
}

/// A duration, such as `7d`.
#[derive(Deserialize)]
struct TimeJson(#[serde(with = "duration::text")] Duration);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyJson {
    name: String,
    #[serde(rename = "type")]
    kind: TypeJson,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TypeJson {
    #[serde(alias = "int")]
    Integer,
    String,
    Binary,
}

fn one() -> u32 {
    1
}

impl TableJson {
    fn into_spec(self) -> TableSpec {
        let mut spec = TableSpec::new(self.name)
            .partitions(self.partitions)
            .max_versions(self.max_versions as usize)
            .origin_columns(self.origin_columns);
        if let Some(TimeJson(retention)) = self.retention {
            spec = spec.retention(retention);
        }
        if let Some(TimeJson(time_to_live)) = self.time_to_live {
            spec = spec.time_to_live(time_to_live);
        }
        if let Some(TimeJson(offset)) = self.max_version_offset {
            spec = spec.max_version_offset(offset);
        }
        let add = |spec: TableSpec, key: KeyJson| {
            let kind = match key.kind {
                TypeJson::Integer => KeyType::Integer,
                TypeJson::String => KeyType::String,
                TypeJson::Binary => KeyType::Binary,
            };
            spec.primary_key(key.name, kind)
        };
        self.primary_key.into_iter().fold(spec, add)
    }
}

pub(super) fn create(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table: TableJson = call.json()?;
    let name = table.name.clone();
    let table = Table::create(service, table.into_spec());
    let table = table.map_err(
        |error| match service.read(|state| state.table(&name).is_ok()) {
            true => Refusal::conflict(&error),
            false => Refusal::bad(error.message()),
        },
    )?;
    Ok(Answer::json(&of(service, &table)?)?.created())
}

pub(super) fn list(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&all(service)?)
}

pub(super) fn describe(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&of(service, &open(service, call)?)?)
}

/// Drops a table and its tunnels.
pub(super) fn remove(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table = open(service, call)?;
    service.command(|state, now| state.drop_table(table.name(), now))?;
    Answer::done()
}

/// All tables, ordered by name.
pub(super) fn all(service: &Arc<Service>) -> Result<Vec<Json>, Refusal> {
    let names = service.read(State::table_names);
    let tables = names
        .iter()
        .filter_map(|name| Table::open(service, name).ok());
    tables.map(|table| of(service, &table)).collect()
}

/// The table in the path of a call.
pub(super) fn open(service: &Arc<Service>, call: &Call<'_>) -> Result<Table, Refusal> {
    let name = call.argument(0);
    Table::open(service, name).map_err(|_| {
        Refusal::not_found(format!(
            "there is no table {name:?}; GET /_emulator/tables lists them, POST creates one"
        ))
    })
}

fn of(service: &Service, table: &Table) -> Result<Json, Refusal> {
    let partitions = table.partitions();
    let (schema, stream_id) = service.read(|state| {
        let table = state.table(table.name())?;
        Ok::<_, StateError>((table.schema.clone(), table.stream_id.clone()))
    })?;
    let keys = schema.primary_key.iter();
    let key = |(name, kind): &(String, KeyType)| json!({"name": name, "type": type_name(*kind)});
    Ok(json!({
        "name": table.name(),
        "primary_key": keys.map(key).collect::<Vec<_>>(),
        "max_versions": schema.max_versions,
        "origin_columns": schema.origin_columns,
        "retention": duration::format(schema.retention),
        "time_to_live": schema.time_to_live.map(duration::format),
        "max_version_offset": schema.max_version_offset.map(duration::format),
        "stream_id": *stream_id,
        "partitions": partitions.iter().map(partition).collect::<Vec<_>>(),
    }))
}

fn partition(partition: &PartitionInfo) -> Json {
    let parents: Vec<&str> = partition.parents.iter().map(|id| &**id).collect();
    json!({
        "id": *partition.id,
        "parents": parents,
        "rows": partition.rows,
        "changes": partition.changes,
        "oldest": partition.oldest,
        "active": partition.active,
    })
}

fn type_name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Integer => "integer",
        KeyType::String => "string",
        KeyType::Binary => "binary",
    }
}
