//! Formats a record as one line of JSON.
//!
//! ```text
//! {"channel":"...","key":[7],"columns":[{"name":"item","value":"tea"}]}
//! {"channel":"...","action":"UpdateRow","timestamp":1700000000000000,"row_index":0,
//!  "key":[7],"columns":[{"name":"paid","value":true},{"name":"note","deleted":"all"}]}
//! ```
//!
//! Base rows have no action, no timestamp and no row index. Binary values are
//! objects, `{"base64":"..."}`, which distinguishes them from text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use tablestore_tunnel::{ColumnKind, Record, RecordColumn, ValueRef};

/// Returns the JSON object of a record. `channel` is the channel or partition
/// that delivered it.
pub(crate) fn object(channel: &str, record: &Record) -> Map<String, Json> {
    let mut line = Map::new();
    line.insert("channel".to_owned(), channel.into());
    if let Some(sequence) = record.sequence_info() {
        line.insert("action".to_owned(), record.action().to_string().into());
        line.insert("timestamp".to_owned(), sequence.timestamp.into());
        line.insert("row_index".to_owned(), sequence.row_index.into());
    }
    let key = record.primary_key().map(|column| value(column.value()));
    line.insert("key".to_owned(), key.collect());
    line.insert("columns".to_owned(), record.columns().map(column).collect());
    line
}

fn column(column: RecordColumn<'_>) -> Json {
    match column.kind() {
        ColumnKind::DeleteAllVersions => json!({"name": column.name(), "deleted": "all"}),
        ColumnKind::DeleteOneVersion => {
            json!({"name": column.name(), "deleted": column.timestamp()})
        }
        _ => json!({"name": column.name(), "value": column.value().map(value)}),
    }
}

fn value(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Integer(value) => value.into(),
        ValueRef::Double(value) => value.into(),
        ValueRef::Boolean(value) => value.into(),
        ValueRef::String(value) => value.into(),
        ValueRef::Binary(value) => json!({"base64": STANDARD.encode(value)}),
        other => other.to_string().into(),
    }
}
