//! [`RecordId`]: identifies a record within its channel.

use tablestore_tunnel::{Record, SequenceInfo, Value};

/// Identifies a record among all records of its channel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RecordId {
    /// The values of its primary key, for records of base data.
    Key(Vec<Value>),
    /// Its sequence number, for records of a stream.
    Sequence(SequenceInfo),
}

impl RecordId {
    /// The id of a record.
    pub fn of(record: &Record) -> RecordId {
        match record.sequence_info() {
            Some(sequence) => RecordId::Sequence(sequence),
            None => {
                let values = record.primary_key().map(|column| column.value().to_value());
                RecordId::Key(values.collect())
            }
        }
    }
}
