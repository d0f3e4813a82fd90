//! Records of the usual form, one after the other in one walk: framed as the service
//! frames them, with nothing but cells that begin like one of a row before.
//!
//! Whatever is not of this form, be it wrong or only rare, is left to those who
//! look at every byte for itself and tell what is wrong.

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
use crate::record::plainbuffer::row::{self, Row, Section};
use crate::record::plainbuffer::{crc8, tag};
use crate::record::record::Parts;

/// The keys of the fields: the records of an answer, then of these the action and
/// the row.
const RECORDS: u8 = 1 << 3 | 2;
const ACTION_TYPE: u8 = 1 << 3;
const RECORD: u8 = 2 << 3 | 2;

/// Where there is no further record of the usual form.
pub(crate) struct Stopped {
    pub(crate) at: usize,
    /// Whether a record in the usual framing is there, but its row is another.
    pub(crate) by_row: bool,
}

/// Passes on all records from `at` on, as far as they are of the usual form.
#[inline(always)]
pub(crate) fn records(
    body: &[u8],
    mut at: usize,
    help: &mut DecodeCache<'_>,
    mut take: impl FnMut(Range<usize>, Parts),
) -> Stopped {
    while let Some(frame) = frame(body, at) {
        let Some((row, _)) =
            row(frame.rest, frame.before_row, help).filter(|(_, end)| *end == frame.len)
        else {
            return Stopped { at, by_row: true };
        };
        let start = at + frame.before;
        at = start + frame.len;
        take(start..at, Parts::of_row(frame.action, row));
    }
    Stopped { at, by_row: false }
}

/// A record as the service frames it: the action and one row.
struct Frame<'r> {
    /// Key and length of the field.
    before: usize,
    /// The length of its message.
    len: usize,
    action: ActionType,
    /// What comes before the row in the message.
    before_row: usize,
    /// The row and all behind it, behind a block.
    rest: &'r [u8],
}

#[inline(always)]
fn frame(body: &[u8], at: usize) -> Option<Frame<'_>> {
    let rest = body.get(at.checked_sub(LANES)?..)?;
    let field: &Window = rest.first_chunk()?;
    let [RECORDS, length @ ..] = part::<4>(field, LANES) else {
        return None;
    };
    let (len, of_len) = varint(length)?;
    let before = 1 + of_len;
    let [ACTION_TYPE, action, RECORD, length @ ..] = part::<6>(field, LANES + before) else {
        return None;
    };
    let (row_len, of_row_len) = varint(length)?;
    let before_row = 3 + of_row_len;
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

/// Passes over records without looking into them: how many, and how many bytes they
/// are.
pub(crate) fn pass(bytes: &[u8]) -> (usize, usize) {
    let (mut rest, mut count) = (bytes, 0);
    while let Some([RECORDS, length @ ..]) = rest.first_chunk::<4>()
        && let Some((len, of_len)) = varint(*length)
        && let Some(behind) = rest.get(1 + of_len + len..)
    {
        rest = behind;
        count += 1;
    }
    (count, bytes.len() - rest.len())
}

/// A number of up to three bytes, and how many these are.
#[inline(always)]
fn varint([a, b, c]: [u8; 3]) -> Option<(usize, usize)> {
    let bits = |byte: u8| usize::from(byte & 0x7F);
    // Most have two.
    match (u16::from_le_bytes([a, b]) & 0x8080, c < 0x80) {
        (0x0080, _) => Some((bits(a) | bits(b) << 7, 2)),
        (0x8000 | 0, _) => Some((bits(a), 1)),
        (_, true) => Some((bits(a) | bits(b) << 7 | bits(c) << 14, 3)),
        _ => None,
    }
}

/// The row behind the first block of `rest`, and where it ends. Offsets are told from
/// a place that lies `before` bytes before it.
#[inline(always)]
pub(crate) fn row(rest: &[u8], before: usize, help: &mut DecodeCache<'_>) -> Option<(Row, usize)> {
    const BEGIN: [u8; 5] = [tag::HEADER as u8, 0, 0, 0, tag::ROW_PK];
    if part(rest.first_chunk()?, LANES) != BEGIN {
        return None;
    }
    let all = rest.len() + before;
    let mut cells = Cells::new(rest.get(BEGIN.len()..)?, &help.heads, &mut help.sums);
    let mut next = cells.pass(&mut help.sums)?;
    let (tag, mut columns) = (all - cells.rest.len(), all - cells.rest.len());
    if next == tag::ROW_DATA {
        columns += 1;
        cells.rest = cells.rest.get(1..)?;
        next = cells.pass(&mut help.sums)?;
    }
    let end = all - cells.rest.len();
    let keys = before + BEGIN.len();
    if tag == keys {
        return None;
    }
    let behind = cells.rest.first_chunk()?;
    let delete_marker = next == tag::DELETE_ROW_MARKER;
    let mut at = usize::from(delete_marker);
    let mut sequence_info = None;
    if let Some(info) = extension(behind, at) {
        sequence_info = NonZeroU32::new((end + info) as u32);
        at = info + SEQUENCE_INFO;
    }
    let computed = crc8::update_byte(cells.crc, u8::from(delete_marker));
    if part(behind, LANES + at) != [tag::ROW_CHECKSUM, computed] {
        return None;
    }
    help.sums.end_row(cells.place);
    let row = Row {
        primary_key: Section::new(keys..tag),
        columns: Section::new(columns..end),
        delete_marker,
        sequence_info,
    };
    Some((row, end + at + 2))
}

/// The cells of a row, passed as far as they are known.
struct Cells<'r, 'h> {
    /// What follows them, behind a block.
    rest: &'r [u8],
    /// What those that follow may begin with.
    heads: slice::Iter<'h, CellPrefix<'h>>,
    /// Behind the places of their sums.
    place: usize,
    /// The checksum of their checksums.
    crc: u8,
}

impl<'r, 'h> Cells<'r, 'h> {
    #[inline(always)]
    fn new(rest: &'r [u8], heads: &'h PrefixTable<'h>, sums: &mut Sums) -> Cells<'r, 'h> {
        Cells {
            rest,
            heads: heads.iter(),
            place: sums.begin_row(),
            crc: 0,
        }
    }

    /// Passes over all cells that begin like one of those known, in their order; the tag
    /// that follows, if it is none of a cell.
    #[inline(always)]
    fn pass(&mut self, sums: &mut Sums) -> Option<u8> {
        let mut window: &Window = self.rest.first_chunk()?;
        loop {
            if let Some(head) = self.heads.as_slice().first()
                && head.begins(window)
                && let Some(len) = head.cell(self.rest, window, self.place, sums)
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
            // A row need not have all columns that others have.
            self.heads.next()?;
        }
    }
}

/// The numbers of a sequence info with their tags.
pub(crate) const SEQUENCE_INFO: usize = (1 + 4) + (1 + 8) + (1 + 4);

/// Where the sequence info begins, counted from behind the first block, if there is one
/// at `at` and nothing beside it.
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
    row::parse_sequence_info(&part(window, LANES + info))?;
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
    fn short_numbers_are_those_of_protobuf() {
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

    /// An answer with records that have a text of so many bytes.
    fn answer(texts: &[usize]) -> Vec<u8> {
        let record = |len: &usize| OwnedRecord::put([("key", "x".repeat(*len))]).to_message();
        let mut answer = Vec::new();
        for message in texts.iter().map(record) {
            prost::encoding::message::encode(1, &message, &mut answer);
        }
        prost::encoding::string::encode(2, &"next".to_owned(), &mut answer);
        answer
    }

    #[test]
    fn all_are_passed_up_to_what_is_cut() {
        let answer = answer(&[0, 200, 20_000]);
        assert_eq!(pass(&answer), (3, answer.len() - 6));
        let second = pass(&answer).1 - 20_000;
        let (count, len) = pass(&answer[..second]);
        assert_eq!(count, 2);
        assert_eq!(pass(&answer[..len]), (2, len));
        assert_eq!(pass(&answer[..len - 1]).0, 1);
        assert_eq!(pass(&[]), (0, 0));
        assert_eq!(pass(&[RECORDS, 0x80, 0x80, 0x80, 0x01, 0]), (0, 0));
    }

    #[test]
    fn records_of_every_size_are_read() {
        // With lengths of one to four bytes, each after one of another size.
        let texts = [
            10, 200, 20_000, 3_000_000, 200, 10, 600, 3_000_000, 20_000, 300,
        ];
        let batch = RawBatch::parse(answer(&texts).into(), String::new()).expect("an answer");
        let records = batch.records().expect("good records");
        let text =
            |record: &crate::record::record::Record<'_>| record.get("key")?.as_str().map(str::len);
        assert_eq!(records.iter().filter_map(text).collect::<Vec<_>>(), texts);
    }
}
