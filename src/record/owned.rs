//! [`OwnedRecord`]: a record whose parts can be changed.

use bytes::Bytes;

use super::kind::ActionType;
use super::owned_column::OwnedColumn;
use super::plainbuffer::encode::encode_row;
use super::plainbuffer::layout::Parts;
use super::record::{Layout, Record, RecordColumn, RecordColumns};
use super::sequence::SequenceInfo;
use super::value::Value;
use crate::error::TunnelError;
use crate::protocol;

/// A record whose parts can be changed: to build records in tests, or to keep records
/// after the callback.
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
    /// The action on the row.
    pub action: ActionType,
    /// Position of the record in the log of its channel; `None` for base data.
    pub sequence_info: Option<SequenceInfo>,
    /// Names and values of the primary key columns, in the order of the table.
    pub primary_key: Vec<(String, Value)>,
    /// The changed columns, in the order of the service.
    pub columns: Vec<OwnedColumn>,
    /// The columns before the change; `None` if the table's stream does not include them.
    pub origin_columns: Option<Vec<OwnedColumn>>,
}

impl OwnedRecord {
    /// Creates a record that overwrites the row, without columns or sequence info.
    pub fn put<N: Into<String>, V: Into<Value>>(
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord::new(ActionType::PutRow, primary_key)
    }

    /// Creates a record that updates the row, without columns or sequence info.
    pub fn update<N: Into<String>, V: Into<Value>>(
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord::new(ActionType::UpdateRow, primary_key)
    }

    /// Creates a record that deletes the row, without sequence info.
    pub fn delete<N: Into<String>, V: Into<Value>>(
        primary_key: impl IntoIterator<Item = (N, V)>,
    ) -> OwnedRecord {
        OwnedRecord::new(ActionType::DeleteRow, primary_key)
    }

    /// Creates a record with this action, without columns or sequence info.
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

    /// Appends a column.
    pub fn column(mut self, column: OwnedColumn) -> OwnedRecord {
        self.columns.push(column);
        self
    }

    /// Sets the position in the log. Records of a stream have one, base data has none.
    pub fn sequence_info(mut self, sequence_info: SequenceInfo) -> OwnedRecord {
        self.sequence_info = Some(sequence_info);
        self
    }

    /// Sets the columns before the change.
    pub fn origin_columns(mut self, columns: impl IntoIterator<Item = OwnedColumn>) -> OwnedRecord {
        self.origin_columns = Some(columns.into_iter().collect());
        self
    }

    /// Builds the record as a callback receives it, for unit tests of a callback.
    ///
    /// A record that deletes its row gets the delete marker.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the service cannot send such a record: the primary key is
    /// empty, a put or an increment has no value, a deletion has a value, or a deleted
    /// version has no timestamp.
    pub fn to_record(&self) -> Result<Record<'static>, TunnelError> {
        let message = self.to_message();
        let origin = message.origin_record.unwrap_or_default();
        let row_len = message.record.len();
        let window = Bytes::from([message.record, origin].concat());
        let layout = Layout {
            window: 0..window.len(),
            action: self.action,
            row: 0..row_len,
            needs_slow_path: false,
            origin_row: self.origin_columns.as_ref().map(|_| row_len..window.len()),
        };
        let parts = Parts::check(&window, layout, &mut None).map_err(|error| {
            TunnelError::client(format!(
                "not a valid record: {error}; set the parts that each column kind needs"
            ))
        })?;
        Ok(Record::new(window, parts))
    }

    /// The message that the service sends for this record.
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

impl Record<'_> {
    /// Copies the record into parts that can be changed, independent of the batch.
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
