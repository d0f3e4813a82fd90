//! Encodes rows as PlainBuffer, as the service does: for the emulator, and for records
//! that are built by hand.

use super::{crc8, tag};
use crate::record::kind::ColumnKind;
use crate::record::owned_column::OwnedColumn;
use crate::record::sequence::SequenceInfo;
use crate::record::value::Value;

/// Length of the body of SEQ_INFO in bytes: three tags, two `u32`, one `i64`.
const SEQ_INFO_LEN: u32 = 3 + 4 + 8 + 4;
/// Length of SEQ_INFO in bytes, with its tag and length.
const EXTENSION_LEN: u32 = 1 + 4 + SEQ_INFO_LEN;

/// Encodes one row as a whole PlainBuffer, header included.
///
/// A name or value of 4 GiB or more yields a row that no decoder accepts. The service
/// limits a cell to 2 MiB.
pub fn encode_row(
    primary_key: &[(String, Value)],
    columns: &[OwnedColumn],
    delete_marker: bool,
    sequence_info: Option<SequenceInfo>,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(tag::HEADER.to_le_bytes());
    let mut row_crc = 0;
    // Written even without cells, because Go requires the tag in origin rows.
    out.push(tag::ROW_PK);
    for (name, value) in primary_key {
        let cell = Cell {
            name,
            value: Some(value),
            kind: ColumnKind::Put,
            timestamp: None,
        };
        row_crc = crc8::update(row_crc, &[cell.write(&mut out)]);
    }
    if !columns.is_empty() {
        out.push(tag::ROW_DATA);
    }
    for column in columns {
        row_crc = crc8::update(row_crc, &[Cell::from(column).write(&mut out)]);
    }
    if delete_marker {
        out.push(tag::DELETE_ROW_MARKER);
    }
    if let Some(sequence_info) = sequence_info {
        write_extension(sequence_info, &mut out);
    }
    row_crc = crc8::update(row_crc, &[u8::from(delete_marker)]);
    out.extend([tag::ROW_CHECKSUM, row_crc]);
    out
}

struct Cell<'a> {
    name: &'a str,
    value: Option<&'a Value>,
    kind: ColumnKind,
    timestamp: Option<i64>,
}

impl<'a> From<&'a OwnedColumn> for Cell<'a> {
    fn from(column: &'a OwnedColumn) -> Cell<'a> {
        Cell {
            name: &column.name,
            value: column.value.as_ref(),
            kind: column.kind,
            timestamp: column.timestamp,
        }
    }
}

impl Cell<'_> {
    /// Appends the cell, and returns its checksum. The checksum of the row is computed
    /// from the checksums of its cells.
    fn write(&self, out: &mut Vec<u8>) -> u8 {
        out.extend([tag::CELL, tag::CELL_NAME]);
        out.extend(length(self.name.len()));
        out.extend(self.name.as_bytes());
        let mut crc = crc8::update(0, self.name.as_bytes());
        if let Some(value) = self.value {
            let typed = typed_bytes(value);
            out.push(tag::CELL_VALUE);
            out.extend(length(typed.len()));
            out.extend(&typed);
            crc = crc8::update(crc, &typed);
        }
        let kind = self.kind.to_wire();
        if let Some(kind) = kind {
            out.extend([tag::CELL_TYPE, kind]);
        }
        if let Some(timestamp) = self.timestamp {
            out.push(tag::CELL_TIMESTAMP);
            out.extend(timestamp.to_le_bytes());
            crc = crc8::update(crc, &timestamp.to_le_bytes());
        }
        // The checksum covers the type after the timestamp, although the type is
        // written first.
        crc = crc8::update(crc, kind.as_slice());
        out.extend([tag::CELL_CHECKSUM, crc]);
        crc
    }
}

/// Type byte and payload of a value, as they are written and as they are summed.
fn typed_bytes(value: &Value) -> Vec<u8> {
    let with_length = |kind: u8, bytes: &[u8]| [&[kind], &length(bytes.len())[..], bytes].concat();
    match value {
        Value::Integer(value) => [&[tag::VT_INTEGER], &value.to_le_bytes()[..]].concat(),
        Value::Double(value) => [&[tag::VT_DOUBLE], &value.to_bits().to_le_bytes()[..]].concat(),
        Value::Boolean(value) => vec![tag::VT_BOOLEAN, u8::from(*value)],
        Value::String(value) => with_length(tag::VT_STRING, value.as_bytes()),
        Value::Binary(value) => with_length(tag::VT_BLOB, value),
        Value::InfMin => vec![tag::VT_INF_MIN],
        Value::InfMax => vec![tag::VT_INF_MAX],
        Value::AutoIncrement => vec![tag::VT_AUTO_INCREMENT],
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn write_extension(sequence_info: SequenceInfo, out: &mut Vec<u8>) {
    out.push(tag::EXTENSION);
    out.extend(EXTENSION_LEN.to_le_bytes());
    out.push(tag::SEQ_INFO);
    out.extend(SEQ_INFO_LEN.to_le_bytes());
    out.push(tag::SEQ_INFO_EPOCH);
    out.extend(sequence_info.epoch.to_le_bytes());
    out.push(tag::SEQ_INFO_TS);
    out.extend(sequence_info.timestamp.to_le_bytes());
    out.push(tag::SEQ_INFO_ROW_INDEX);
    out.extend(sequence_info.row_index.to_le_bytes());
}
