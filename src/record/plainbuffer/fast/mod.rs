//! The fast path: decodes consecutive records of the common form in one loop.
//!
//! A record has the common form if it is framed as the service frames records, and if
//! each of its cells starts with the same bytes as a cell of an earlier row. The fast
//! path reports no errors: it stops at any other record, whether invalid or only
//! unusual, and leaves that record to the slow path.
//!
//! In reading order:
//!
//! - [`decode_cache`]: what a batch remembers of its rows.
//! - [`prefix_table`]: the cell prefixes seen so far.
//! - [`cell_prefix`]: one cell prefix, and the check of a cell that starts with it.
//! - [`sums`]: deferred checksums.

pub(crate) mod cell_prefix;
pub(crate) mod decode_cache;
pub(crate) mod prefix_table;
pub(crate) mod sums;

use std::num::NonZeroU32;
use std::ops::Range;
use std::slice;

use self::cell_prefix::{CellPrefix, Window, part};
use self::decode_cache::DecodeCache;
use self::prefix_table::PrefixTable;
use self::sums::Sums;
use crate::record::kind::ActionType;
use crate::record::plainbuffer::crc8::simd::LANES;
use crate::record::plainbuffer::layout::{Parts, Row, SEQUENCE_INFO, Section, parse_sequence_info};
use crate::record::plainbuffer::{crc8, tag};

// Protobuf keys: first of the records in a response, then of the action and the row in
// a record.
const RECORDS: u8 = 1 << 3 | 2;
const ACTION_TYPE: u8 = 1 << 3;
const RECORD: u8 = 2 << 3 | 2;

/// Where the fast path stopped.
pub(crate) struct FastStop {
    /// Offset of the first record that does not have the common form.
    pub(crate) at: usize,
    /// Whether that record is framed as usual, but its row needs the slow path. The
    /// caller then need not try the fast path again.
    pub(crate) at_slow_row: bool,
}

/// Decodes records from the offset `at`, as long as they have the common form.
#[inline(always)]
pub(crate) fn records(
    body: &[u8],
    mut at: usize,
    cache: &mut DecodeCache<'_>,
    mut visit: impl FnMut(Range<usize>, Parts),
) -> FastStop {
    while let Some(frame) = read_frame(body, at) {
        let Some((row, _)) =
            row(frame.rest, frame.before_row, cache).filter(|(_, end)| *end == frame.len)
        else {
            return FastStop {
                at,
                at_slow_row: true,
            };
        };
        let start = at + frame.before;
        at = start + frame.len;
        visit(start..at, Parts::of_row(frame.action, row));
    }
    FastStop {
        at,
        at_slow_row: false,
    }
}

/// A record framed as the service frames it: the action, then one row.
struct Frame<'r> {
    /// Length of the field's key and length.
    before: usize,
    /// Length of the message.
    len: usize,
    action: ActionType,
    /// Length of the part of the message before the row.
    before_row: usize,
    /// The row and everything after it, preceded by one block.
    rest: &'r [u8],
}

#[inline(always)]
fn read_frame(body: &[u8], at: usize) -> Option<Frame<'_>> {
    // One block before the record is included, because the checksum of a short text is
    // computed from a full block that ends where the text does.
    let rest = body.get(at.checked_sub(LANES)?..)?;
    let field: &Window = rest.first_chunk()?;
    let [RECORDS, length @ ..] = part::<4>(field, LANES) else {
        return None;
    };
    let (len, len_size) = varint(length)?;
    let before = 1 + len_size;
    let [ACTION_TYPE, action, RECORD, length @ ..] = part::<6>(field, LANES + before) else {
        return None;
    };
    let (row_len, row_len_size) = varint(length)?;
    let before_row = 3 + row_len_size;
    if before_row + row_len != len {
        return None;
    }
    Some(Frame {
        before,
        len,
        action: ActionType::from_wire(i32::from(action))?,
        before_row,
        rest: rest.get(before + before_row..)?,
    })
}

/// Skips whole records without decoding them. Returns their number, and their total
/// length in bytes.
pub(crate) fn skip_records(bytes: &[u8]) -> (usize, usize) {
    let (mut rest, mut count) = (bytes, 0);
    while let Some([RECORDS, length @ ..]) = rest.first_chunk::<4>()
        && let Some((len, len_size)) = varint(*length)
        && let Some(after) = rest.get(1 + len_size + len..)
    {
        rest = after;
        count += 1;
    }
    (count, bytes.len() - rest.len())
}

/// Decodes a varint of up to three bytes. Returns its value and its length in bytes.
#[inline(always)]
fn varint([a, b, c]: [u8; 3]) -> Option<(usize, usize)> {
    let bits = |byte: u8| usize::from(byte & 0x7F);
    // Most lengths have two bytes, so that case comes first.
    match (u16::from_le_bytes([a, b]) & 0x8080, c < 0x80) {
        (0x0080, _) => Some((bits(a) | bits(b) << 7, 2)),
        (0x8000 | 0, _) => Some((bits(a), 1)),
        (_, true) => Some((bits(a) | bits(b) << 7 | bits(c) << 14, 3)),
        _ => None,
    }
}

/// Checks the row after the first block of `rest`. Returns the row and the offset of its
/// end. Offsets count from `before` bytes before the row, which is where its record
/// starts.
#[inline(always)]
pub(crate) fn row(rest: &[u8], before: usize, cache: &mut DecodeCache<'_>) -> Option<(Row, usize)> {
    const BEGIN: [u8; 5] = [tag::HEADER as u8, 0, 0, 0, tag::ROW_PK];
    if part(rest.first_chunk()?, LANES) != BEGIN {
        return None;
    }
    let all = rest.len() + before;
    let mut cells = Cells::new(rest.get(BEGIN.len()..)?, &cache.prefixes, &mut cache.sums);
    let mut next = cells.check_known(&mut cache.sums)?;
    let (tag, mut columns) = (all - cells.rest.len(), all - cells.rest.len());
    if next == tag::ROW_DATA {
        columns += 1;
        cells.rest = cells.rest.get(1..)?;
        next = cells.check_known(&mut cache.sums)?;
    }
    let end = all - cells.rest.len();
    let keys = before + BEGIN.len();
    if tag == keys {
        return None;
    }
    let after = cells.rest.first_chunk()?;
    let delete_marker = next == tag::DELETE_ROW_MARKER;
    let mut at = usize::from(delete_marker);
    let mut sequence_info = None;
    if let Some(info) = extension(after, at) {
        sequence_info = NonZeroU32::new((end + info) as u32);
        at = info + SEQUENCE_INFO;
    }
    let computed = crc8::update_byte(cells.crc, u8::from(delete_marker));
    if part(after, LANES + at) != [tag::ROW_CHECKSUM, computed] {
        return None;
    }
    cache.sums.end_row(cells.place);
    let row = Row {
        primary_key: Section::new(keys..tag),
        columns: Section::new(columns..end),
        delete_marker,
        sequence_info,
    };
    Some((row, end + at + 2))
}

/// The cells of a row, during the check.
struct Cells<'r, 'h> {
    /// The unread part of the row, preceded by one block.
    rest: &'r [u8],
    /// Prefixes that the next cells may have, in the order of the columns.
    prefixes: slice::Iter<'h, CellPrefix<'h>>,
    /// Index of the next sum.
    place: usize,
    /// Checksum of the checksums of the cells so far.
    crc: u8,
}

impl<'r, 'h> Cells<'r, 'h> {
    #[inline(always)]
    fn new(rest: &'r [u8], prefixes: &'h PrefixTable<'h>, sums: &mut Sums) -> Cells<'r, 'h> {
        Cells {
            rest,
            prefixes: prefixes.iter(),
            place: sums.begin_row(),
            crc: 0,
        }
    }

    /// Checks all cells with a known prefix. Returns the tag after the last cell; `None`
    /// if there is a cell whose prefix is not known.
    #[inline(always)]
    fn check_known(&mut self, sums: &mut Sums) -> Option<u8> {
        let mut window: &Window = self.rest.first_chunk()?;
        loop {
            if let Some(prefix) = self.prefixes.as_slice().first()
                && prefix.matches_start(window)
                && let Some(len) = prefix.check(self.rest, window, self.place, sums)
            {
                self.rest = self.rest.get(len.get()..)?;
                window = self.rest.first_chunk()?;
                let [checksum] = part(window, LANES - 1);
                sums.set_checksum(self.place, checksum);
                self.crc = crc8::update_byte(self.crc, checksum);
                self.place += 1;
            } else if part(window, LANES) != [tag::CELL] {
                let [tag] = part(window, LANES);
                return Some(tag);
            }
            // This row may lack a column that earlier rows have: try the next prefix.
            self.prefixes.next()?;
        }
    }
}

/// The offset of the sequence info, if the extension at `at` holds a sequence info and
/// nothing else. Both offsets count from the end of the first block.
#[inline(always)]
fn extension(window: &Window, at: usize) -> Option<usize> {
    const LEN: u8 = SEQUENCE_INFO as u8;
    const LENGTHS: [u8; 10] = [
        tag::EXTENSION,
        LEN + 5,
        0,
        0,
        0,
        tag::SEQ_INFO,
        LEN,
        0,
        0,
        0,
    ];
    let info = at + LENGTHS.len();
    (part(window, LANES + at) == LENGTHS).then_some(())?;
    parse_sequence_info(&part(window, LANES + info))?;
    Some(info)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::record::batch::RawBatch;
    use crate::record::owned::OwnedRecord;
    use crate::record::plainbuffer::cursor::Cursor;

    #[test]
    fn short_varints_match_the_cursor() {
        let ends = [0, 1, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF];
        for bytes in ends
            .map(|a| ends.map(|b| ends.map(|c| [a, b, c])))
            .concat()
            .concat()
        {
            let mut cursor = Cursor::new(&bytes);
            let value = cursor.varint("number").ok().map(|value| value as usize);
            let expected = value.map(|value| (value, bytes.len() - cursor.rest().len()));
            assert_eq!(varint(bytes), expected, "{bytes:?}");
        }
    }

    /// A response with one record for each text length.
    fn response(texts: &[usize]) -> Vec<u8> {
        let record = |len: &usize| OwnedRecord::put([("key", "x".repeat(*len))]).to_message();
        let mut response = Vec::new();
        for message in texts.iter().map(record) {
            prost::encoding::message::encode(1, &message, &mut response);
        }
        prost::encoding::string::encode(2, &"next".to_owned(), &mut response);
        response
    }

    #[test]
    fn records_are_skipped_up_to_a_truncated_one() {
        let response = response(&[0, 200, 20_000]);
        assert_eq!(skip_records(&response), (3, response.len() - 6));
        let second = skip_records(&response).1 - 20_000;
        let (count, len) = skip_records(&response[..second]);
        assert_eq!(count, 2);
        assert_eq!(skip_records(&response[..len]), (2, len));
        assert_eq!(skip_records(&response[..len - 1]).0, 1);
        assert_eq!(skip_records(&[]), (0, 0));
        assert_eq!(skip_records(&[RECORDS, 0x80, 0x80, 0x80, 0x01, 0]), (0, 0));
    }

    #[test]
    fn records_of_every_size_are_decoded() {
        // The lengths take one to four bytes, and each follows one of another size.
        let texts = [
            10, 200, 20_000, 3_000_000, 200, 10, 600, 3_000_000, 20_000, 300,
        ];
        let batch = RawBatch::parse(response(&texts).into(), String::new()).expect("a response");
        let records = batch.records().expect("good records");
        let text =
            |record: &crate::record::record::Record<'_>| record.get("key")?.as_str().map(str::len);
        assert_eq!(records.iter().filter_map(text).collect::<Vec<_>>(), texts);
    }
}
