//! Encodes and decodes batches as bytes, in the format of Go's "binary records".
//!
//! All numbers are little-endian. A batch is tag 1 and the version 0, tag 2 and the
//! number of records, and the records. A record is tag 3 and the action, tag 4 and a
//! length, tag 5 and that many bytes of PlainBuffer.
//!
//! A record with an origin row continues with tag 6 and a length, tag 7 and the bytes of
//! the origin row. Go drops origin rows when it writes, and rejects a batch that has
//! one. Batches without origin rows are identical to Go's, byte for byte.

use bytes::Bytes;

use super::batch::{self, RawBatch, SHORTEST_RECORD};
use super::kind::ActionType;
use super::plainbuffer::cursor::{Cursor, DecodeError, Problem};
use super::plainbuffer::fast::decode_cache::{self, DecodeCache};
use super::plainbuffer::layout::Parts;
use super::record::{Layout, Record};
use crate::error::{ErrorCode, TunnelError};

const VERSION: u8 = 1;
const RECORD_COUNT: u8 = 2;
const ACTION_TYPE: u8 = 3;
const RECORD_LENGTH: u8 = 4;
const RECORD: u8 = 5;
const ORIGIN_LENGTH: u8 = 6;
const ORIGIN: u8 = 7;

/// The only version of the format.
const VERSION_0: i32 = 0;

/// Decodes the records of a binary batch. Go: `UnSerializeBatchBinaryRecordFromBytes`.
///
/// Accepts the bytes that a consumer of binary records received from this crate or from
/// Go, and checks them as thoroughly as a response of the service. Batches written by Go
/// contain no origin rows.
///
/// # Errors
///
/// `OTSMalformedData` if a record is invalid. The message names the index of the record
/// (from 0), the offset, and the item that was being read.
pub fn parse_binary_records(
    bytes: impl Into<Vec<u8>>,
) -> Result<Vec<Record<'static>>, TunnelError> {
    let bytes = Bytes::from(bytes.into());
    decode_cache::with(|cache| read_records(&bytes, cache))
}

fn read_records<'a>(
    bytes: &'a Bytes,
    cache: &mut Option<DecodeCache<'a>>,
) -> Result<Vec<Record<'static>>, TunnelError> {
    let mut cursor = Cursor::new(bytes);
    let count = read_header(&mut cursor).map_err(|error| malformed("binary records", &error))?;
    // The count is not trusted: the capacity is limited by the length of the input.
    let mut records = Vec::with_capacity(count.min(bytes.len() / SHORTEST_RECORD));
    for index in 0..count {
        let record = read_record(bytes, &mut cursor, cache)
            .map_err(|error| malformed(&format!("record {index} of binary records"), &error))?;
        records.push(record);
    }
    cursor
        .finish("binary records")
        .map_err(|error| malformed("binary records", &error))?;
    Ok(records)
}

fn malformed(what: &str, error: &DecodeError) -> TunnelError {
    let advice = "pass the bytes unchanged, as the processor received them";
    TunnelError::new(ErrorCode::Malformed, format!("{what}, {error}; {advice}"))
}

/// Encodes the batches as one binary batch, which [`parse_binary_records`] decodes. The
/// rows are copied without being checked.
///
/// # Errors
///
/// `OTSMalformedData` if the message of a record is invalid.
pub(crate) fn binary_records<'a>(
    batches: impl Iterator<Item = &'a RawBatch> + Clone,
) -> Result<Vec<u8>, TunnelError> {
    let bytes = batches.clone().map(|batch| batch.body.len()).sum();
    let records = batches.clone().map(|batch| batch.record_count).sum();
    let mut out = Vec::with_capacity(bytes);
    write_number(VERSION, VERSION_0, &mut out);
    write_number(RECORD_COUNT, signed(records), &mut out);
    for batch in batches {
        batch.append_binary(&mut out)?;
    }
    Ok(out)
}

impl RawBatch {
    #[cfg(test)]
    pub(crate) fn binary_records(&self) -> Result<Vec<u8>, TunnelError> {
        binary_records(std::iter::once(self))
    }

    fn append_binary(&self, out: &mut Vec<u8>) -> Result<(), TunnelError> {
        self.each_record(|message| {
            let bytes = &self.body;
            let layout = batch::layout(message)?;
            write_number(ACTION_TYPE, layout.action.to_wire().into(), out);
            let row = Cursor::over(bytes, layout.row).rest();
            write_row(RECORD_LENGTH, RECORD, row, out);
            if let Some(origin_row) = layout.origin_row {
                let row = Cursor::over(bytes, origin_row).rest();
                write_row(ORIGIN_LENGTH, ORIGIN, row, out);
            }
            Ok(())
        })
    }
}

fn write_row(length_tag: u8, tag: u8, row: &[u8], out: &mut Vec<u8>) {
    write_number(length_tag, signed(row.len()), out);
    out.push(tag);
    out.extend(row);
}

fn write_number(tag: u8, number: i32, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(number.to_le_bytes());
}

/// Converts a length to the signed numbers of this format. Saturation is unreachable:
/// a body of 2 GiB is rejected when it is received.
fn signed(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Reads the header, and returns the number of records.
fn read_header(cursor: &mut Cursor<'_>) -> Result<usize, DecodeError> {
    let version = read_number(cursor, VERSION, "version")?;
    if version != VERSION_0 {
        return Err(unexpected(cursor, version, "version"));
    }
    let count = read_number(cursor, RECORD_COUNT, "record count")?;
    usize::try_from(count).map_err(|_| unexpected(cursor, count, "record count"))
}

fn read_record<'a>(
    bytes: &'a Bytes,
    cursor: &mut Cursor<'a>,
    cache: &mut Option<DecodeCache<'a>>,
) -> Result<Record<'static>, DecodeError> {
    let number = read_number(cursor, ACTION_TYPE, "action type")?;
    let action =
        ActionType::from_wire(number).ok_or_else(|| unexpected(cursor, number, "action type"))?;
    let row = read_row(cursor, RECORD_LENGTH, RECORD, "record")?.span();
    let origin_row = match cursor.rest().first() {
        Some(&ORIGIN_LENGTH) => {
            Some(read_row(cursor, ORIGIN_LENGTH, ORIGIN, "origin record")?.span())
        }
        _ => None,
    };
    let window = row.start..cursor.offset();
    let layout = Layout {
        window: window.clone(),
        action,
        row,
        needs_slow_path: false,
        origin_row,
    };
    let parts = Parts::check(bytes, layout, cache)?;
    Ok(Record::new(bytes.slice(window), parts))
}

fn read_row<'a>(
    cursor: &mut Cursor<'a>,
    length_tag: u8,
    tag: u8,
    reading: &'static str,
) -> Result<Cursor<'a>, DecodeError> {
    let len = read_number(cursor, length_tag, reading)?;
    let len = u64::try_from(len).map_err(|_| unexpected(cursor, len, reading))?;
    cursor.expect(tag, reading)?;
    cursor.part(len, reading)
}

fn read_number(
    cursor: &mut Cursor<'_>,
    tag: u8,
    reading: &'static str,
) -> Result<i32, DecodeError> {
    cursor.expect(tag, reading)?;
    cursor.i32(reading)
}

fn unexpected(cursor: &Cursor<'_>, number: i32, reading: &'static str) -> DecodeError {
    cursor.error(
        reading,
        Problem::Unexpected(u64::from(number.cast_unsigned())),
    )
}
