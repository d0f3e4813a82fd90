//! Calls to split, merge and trim partitions.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Answer, Call, Refusal, tables, value};
use crate::service::Service;
use tablestore_tunnel::Value;

/// A partition to split in its middle, or a key at which to split its partition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitJson {
    partition: Option<String>,
    key: Option<Vec<Json>>,
}

pub(super) fn split(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table = tables::open(service, call)?;
    let children = match call.json()? {
        SplitJson {
            partition: Some(partition),
            key: None,
        } => table.split(&partition),
        SplitJson {
            partition: None,
            key: Some(key),
        } => table.split_at(values(&key)?),
        _ => {
            let what = "say what to split: {\"partition\": \"...\"} or {\"key\": [...]}";
            return Err(Refusal::bad(what));
        }
    };
    let children = children.map_err(|error| Refusal::conflict(&error))?;
    Answer::json(&json!({"children": children.map(|id| id.to_string())}))
}

/// Two neighbours to merge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeJson {
    partitions: [String; 2],
}

pub(super) fn merge(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table = tables::open(service, call)?;
    let MergeJson {
        partitions: [one, other],
    } = call.json()?;
    let child = table.merge(&one, &other);
    let child = child.map_err(|error| Refusal::conflict(&error))?;
    Answer::json(&json!({"child": *child}))
}

/// A partition whose changes before a position are dropped. Without a position all
/// its changes are dropped, and without a partition all changes of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrimJson {
    partition: Option<String>,
    position: Option<u64>,
}

pub(super) fn trim(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let table = tables::open(service, call)?;
    let dropped = match call.json()? {
        TrimJson {
            partition: None,
            position: None,
        } => table.expire(),
        TrimJson {
            partition: Some(partition),
            position,
        } => table.trim(&partition, position.unwrap_or(u64::MAX)),
        _ => return Err(Refusal::bad("a position needs the partition it is in")),
    };
    let dropped = dropped.map_err(|error| Refusal::conflict(&error))?;
    Answer::json(&json!({"dropped": dropped}))
}

/// The values of a primary key.
pub(super) fn values(key: &[Json]) -> Result<Vec<Value>, Refusal> {
    let values = key.iter().map(value::parse);
    values.collect::<Result<_, _>>().map_err(Refusal::bad)
}
