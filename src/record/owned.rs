//! [`OwnedRecord`]: a record in parts, for those who build records.

use bytes::Bytes;

use super::kind::{ActionType, ColumnKind};
use super::plainbuffer::encode::encode_row;
use super::record::{Layout, Parts, Record, RecordColumn, RecordColumns};
use super::sequence::SequenceInfo;
use super::value::Value;
use crate::error::TunnelError;
use crate::protocol;

/// A record in parts that can be changed, to build records in tests or to
/// keep some.
///
/// ```
/// use tablestore_tunnel::{OwnedColumn, OwnedRecord};
///
/// let record = OwnedRecord::update([("user", "u1")])
///     .column(OwnedColumn::put("visits", 3, 1_700_000_000_123))
///     .column(OwnedColumn::delete_all_versions("draft"));
/// assert_eq!(record.primary_key[0].0, "user");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnedRecord {
    /// What was done to the row.
    pub action: ActionType,
    /// Where the record stands in the log; `None` for base data.
    pub sequence_info: Option<SequenceInfo>,
    /// Names and values of the primary key, in the order of the table.
    pub primary_key: Vec<(String, Value)>,
    /// What was done to the columns.
    pub columns: Vec<OwnedColumn>,
    /// The row before the change, where the table's stream carries it.
    pub origin_columns: Option<Vec<OwnedColumn>>,
}

impl OwnedRecord {
    /// A record that overwrites the row, without columns or sequence info yet.
    pub fn put<N: Into<String>, V: Into<Value>>(
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord::new(ActionType::PutRow, primary_key)
    }

    /// A record that changes the row, without columns or sequence info yet.
    pub fn update<N: Into<String>, V: Into<Value>>(
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord::new(ActionType::UpdateRow, primary_key)
    }

    /// A record that deletes the row, without sequence info yet.
    pub fn delete<N: Into<String>, V: Into<Value>>(
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord::new(ActionType::DeleteRow, primary_key)
    }

    /// A record of that action, without columns or sequence info yet.
    pub fn new<N: Into<String>, V: Into<Value>>(
        action: ActionType,
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord {
            action,
            sequence_info: None,
            primary_key: primary_key
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            columns: Vec::new(),
            origin_columns: None,
        }
    }

    /// Adds a column after those there are.
    pub fn column(mut self, column: OwnedColumn) -> OwnedRecord {
        self.columns.push(column);
        self
    }

    /// Sets where the record stands in the log, which makes it one of a stream.
    pub fn sequence_info(mut self, sequence_info: SequenceInfo) -> OwnedRecord {
        self.sequence_info = Some(sequence_info);
        self
    }

    /// Sets the row before the change.
    pub fn origin_columns(mut self, columns: impl IntoIterator<Item = OwnedColumn>) -> OwnedRecord {
        self.origin_columns = Some(columns.into_iter().collect());
        self
    }

    /// The record as a consumer gets it.
    ///
    /// The way to records for tests of one's own callback. A deletion gets the
    /// delete marker.
    ///
    /// # Errors
    ///
    /// `OTSClientError` for what no service sends: an empty primary key, a
    /// put without value, a deletion with one, a deleted version without
    /// timestamp.
    pub fn to_record(&self) -> Result<Record<'static>, TunnelError> {
        let message = self.to_message();
        let origin = message.origin_record.unwrap_or_default();
        let row_len = message.record.len();
        let window = Bytes::from([message.record, origin].concat());
        let layout = Layout {
            window: 0..window.len(),
            action: self.action,
            row: 0..row_len,
            is_unusual: false,
            origin_row: self.origin_columns.as_ref().map(|_| row_len..window.len()),
        };
        let parts = Parts::check(&window, layout, &mut None).map_err(|error| {
            TunnelError::client(format!(
                "a record that no service sends: {error}; give its parts what their kinds need"
            ))
        })?;
        Ok(Record::new(window, parts))
    }

    /// The message that the service would send for this record.
    pub(crate) fn to_message(&self) -> protocol::Record {
        let deletes = self.action == ActionType::DeleteRow;
        let row = encode_row(
            &self.primary_key,
            &self.columns,
            deletes,
            self.sequence_info,
        );
        protocol::Record {
            action_type: self.action.to_wire().into(),
            record: row.into(),
            origin_record: self
                .origin_columns
                .as_deref()
                .map(|columns| Bytes::from(encode_row(&[], columns, false, None))),
        }
    }
}

/// What was done to one column, in parts that can be changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnedColumn {
    /// Name of the column.
    pub name: String,
    /// What was done to it.
    pub kind: ColumnKind,
    /// The value of a put or an increment; deletes have none.
    pub value: Option<Value>,
    /// The version in milliseconds since 1970; a deletion of all versions has
    /// none.
    pub timestamp: Option<i64>,
}

impl OwnedColumn {
    /// A version that was written; `timestamp` in milliseconds since 1970.
    pub fn put(name: impl Into<String>, value: impl Into<Value>, timestamp: i64) -> OwnedColumn {
        OwnedColumn {
            name: name.into(),
            kind: ColumnKind::Put,
            value: Some(value.into()),
            timestamp: Some(timestamp),
        }
    }

    /// A version that was deleted; `timestamp` in milliseconds since 1970.
    pub fn delete_one_version(name: impl Into<String>, timestamp: i64) -> OwnedColumn {
        OwnedColumn {
            name: name.into(),
            kind: ColumnKind::DeleteOneVersion,
            value: None,
            timestamp: Some(timestamp),
        }
    }

    /// A column that was deleted with all its versions.
    pub fn delete_all_versions(name: impl Into<String>) -> OwnedColumn {
        OwnedColumn {
            name: name.into(),
            kind: ColumnKind::DeleteAllVersions,
            value: None,
            timestamp: None,
        }
    }
}

impl Record<'_> {
    /// The record in parts that do not borrow from its batch.
    pub fn to_owned_record(&self) -> OwnedRecord {
        OwnedRecord {
            action: self.action(),
            sequence_info: self.sequence_info(),
            primary_key: self
                .primary_key()
                .map(|column| (column.name().to_owned(), column.value().into()))
                .collect(),
            columns: owned(self.columns()),
            origin_columns: self.has_origin().then(|| owned(self.origin_columns())),
        }
    }
}

fn owned(columns: RecordColumns<'_>) -> Vec<OwnedColumn> {
    columns.map(OwnedColumn::from).collect()
}

impl From<RecordColumn<'_>> for OwnedColumn {
    fn from(column: RecordColumn<'_>) -> OwnedColumn {
        OwnedColumn {
            name: column.name().to_owned(),
            kind: column.kind(),
            value: column.value().map(Value::from),
            timestamp: column.timestamp(),
        }
    }
}
