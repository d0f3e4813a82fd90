//! Formats a record as a line of text.
//!
//! ```text
//! row                          "order-000001"  item="green tea, 250 g" paid=false
//! 12:01:02.123456  UpdateRow   "order-000001"  paid=true -note
//! 12:01:02.310022  DeleteRow   "order-000003"
//! ```

use console::{Style, style};
use tablestore_tunnel::{ActionType, ChannelContext, ColumnKind, Record, RecordColumn};
use time::OffsetDateTime;
use time::macros::format_description;

/// Formats a change with its time in UTC, its action and the row's key. Base data
/// has no time, and its action is printed as `row`.
pub(crate) fn line(_: &ChannelContext, record: &Record) -> String {
    let (word, paint) = match (record.sequence_info(), record.action()) {
        (None, _) => ("row".to_owned(), Style::new().dim()),
        (_, ActionType::PutRow) => ("PutRow".to_owned(), Style::new().green()),
        (_, ActionType::DeleteRow) => ("DeleteRow".to_owned(), Style::new().red()),
        (_, action) => (action.to_string(), Style::new().yellow()),
    };
    let key: Vec<String> = record
        .primary_key()
        .map(|column| column.value().to_string())
        .collect();
    let columns: Vec<String> = record.columns().map(column).collect();
    let line = format!(
        "{:15}  {}  {}  {}",
        style(time(record)).dim(),
        paint.apply_to(format_args!("{word:9}")),
        style(key.join(" ")).bold(),
        columns.join(" ")
    );
    line.trim_end().to_owned()
}

fn time(record: &Record) -> String {
    let Some(sequence) = record.sequence_info() else {
        return String::new();
    };
    let nanos = i128::from(sequence.timestamp) * 1000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:6]");
    time.and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

fn column(column: RecordColumn<'_>) -> String {
    let name = style(column.name()).cyan();
    match (column.kind(), column.value(), column.timestamp()) {
        (ColumnKind::DeleteOneVersion, _, Some(version)) => format!("-{name}@{version}"),
        (_, Some(value), _) => format!("{name}={value}"),
        _ => format!("-{name}"),
    }
}
