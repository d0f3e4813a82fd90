//! One row: checked once, from its header to its last byte.

use std::num::NonZeroU32;
use std::ops::Range;
use std::slice;

use super::cell::Cell;
use super::crc8;
use super::cursor::{Cursor, Fault, Problem};
use super::heads::{Head, Heads};
use super::sequence::SequenceInfo;
use super::tag;

/// Cells inside a window. Windows are less than 4 GiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    start: u32,
    /// Behind the header of a row.
    end: NonZeroU32,
}

impl Section {
    #[inline]
    fn new(span: Range<usize>) -> Section {
        Section {
            start: offset(span.start).get(),
            end: offset(span.end),
        }
    }

    #[inline]
    pub(super) fn span(self) -> Range<usize> {
        self.start as usize..self.end.get() as usize
    }
}

/// An offset that lies behind the header of a row, in a window that is not
/// larger than what a `u32` counts.
#[inline]
fn offset(at: usize) -> NonZeroU32 {
    NonZeroU32::new(at as u32).unwrap_or(NonZeroU32::MIN)
}

/// Where the parts of a checked row lie.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) primary_key: Section,
    pub(super) columns: Section,
    pub(super) delete_marker: bool,
    /// Offset of the three numbers, each with its tag.
    pub(super) sequence_info: Option<NonZeroU32>,
}

impl Row {
    /// Checks the PlainBuffer at `span`, which has to be exactly one row. What
    /// lies behind it in `bytes` may be read, but changes nothing.
    #[inline(always)]
    pub(super) fn check<'a>(
        bytes: &'a [u8],
        span: Range<usize>,
        heads: &mut Heads<'a>,
    ) -> Result<Row, Fault> {
        match usual(bytes, &span, heads) {
            Some(row) => Ok(row),
            None => Row::check_unusual(Cursor::over(bytes, span), heads),
        }
    }

    /// Checks a row of any form, and tells what is wrong with it.
    #[inline(never)]
    fn check_unusual<'a>(mut cursor: Cursor<'a>, heads: &mut Heads<'a>) -> Result<Row, Fault> {
        let header = cursor.u32("row header")?;
        if header != tag::HEADER {
            return Err(cursor.fault("row header", Problem::Unexpected(header.into())));
        }
        let mut cells = Cells {
            heads,
            count: 0,
            crc: 0,
        };
        let primary_key = cells.check(&mut cursor, tag::ROW_PK)?;
        let columns = cells.check(&mut cursor, tag::ROW_DATA)?;
        let crc = cells.crc;
        let delete_marker = cursor.accept(tag::DELETE_ROW_MARKER);
        let sequence_info = match cursor.accept(tag::EXTENSION) {
            true => extension(cursor.sized("extension")?)?,
            false => None,
        };
        let computed = crc8::update_byte(crc, u8::from(delete_marker));
        check_sum(&mut cursor, computed)?;
        cursor.finish("row")?;
        Ok(Row {
            primary_key: Section::new(primary_key),
            columns: Section::new(columns),
            delete_marker,
            sequence_info,
        })
    }
}

/// A row of which all cells are known, with or without sequence info, if the
/// bytes at `span` are one in order.
#[inline(always)]
fn usual<'a>(bytes: &'a [u8], span: &Range<usize>, heads: &Heads<'a>) -> Option<Row> {
    const BEGIN: [u8; 5] = [tag::HEADER as u8, 0, 0, 0, tag::ROW_PK];
    let rest = bytes.get(span.start..)?.strip_prefix(&BEGIN)?;
    let at = |rest: &[u8]| bytes.len() - rest.len();
    let mut heads = heads.iter();
    let start = at(rest);
    let (crc, rest) = known_cells(&mut heads, 0, rest);
    let primary_key = Section::new(start..at(rest));
    let rest = rest.strip_prefix(&[tag::ROW_DATA])?;
    let start = at(rest);
    let (crc, rest) = known_cells(&mut heads, crc, rest);
    let columns = Section::new(start..at(rest));
    let (sequence_info, rest) = match known_extension(rest) {
        Some(rest) => (Some(offset(at(rest) - SEQUENCE_INFO)), rest),
        None => (None, rest),
    };
    let (end, rest) = rest.split_first_chunk()?;
    let computed = [tag::ROW_CHECKSUM, crc8::update_byte(crc, 0)];
    (*end == computed && at(rest) == span.end).then_some(Row {
        primary_key,
        columns,
        delete_marker: false,
        sequence_info,
    })
}

/// Goes on over all cells that begin like one of `heads`, in their order: the
/// checksum of their checksums, and what follows them.
#[inline(never)]
fn known_cells<'a>(
    heads: &mut slice::Iter<'_, Head<'a>>,
    mut crc: u8,
    mut rest: &'a [u8],
) -> (u8, &'a [u8]) {
    while let [tag::CELL, ..] = rest
        && let Some(head) = heads.next()
    {
        // If not: a row need not have all columns that others have.
        if let Some(known) = head.cell(rest) {
            crc = crc8::update_byte(crc, known.checksum);
            rest = known.rest;
        }
    }
    (crc, rest)
}

/// The numbers of a sequence info with their tags.
const SEQUENCE_INFO: usize = (1 + 4) + (1 + 8) + (1 + 4);

/// What follows the sequence info, if there is one and nothing beside it.
#[inline(always)]
fn known_extension(bytes: &[u8]) -> Option<&[u8]> {
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
    let (info, rest) = bytes.strip_prefix(&LENGTHS)?.split_first_chunk()?;
    parse_sequence_info(info).map(|_| rest)
}

/// The three numbers, which are always in this order.
#[inline]
pub(super) fn parse_sequence_info(info: &[u8; SEQUENCE_INFO]) -> Option<SequenceInfo> {
    let [tag::SEQ_INFO_EPOCH, e0, e1, e2, e3, info @ ..] = *info else {
        return None;
    };
    let [tag::SEQ_INFO_TS, t0, t1, t2, t3, t4, t5, t6, t7, info @ ..] = info else {
        return None;
    };
    let [tag::SEQ_INFO_ROW_INDEX, i0, i1, i2, i3] = info else {
        return None;
    };
    Some(SequenceInfo {
        epoch: i32::from_le_bytes([e0, e1, e2, e3]),
        timestamp: i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
        row_index: i32::from_le_bytes([i0, i1, i2, i3]),
    })
}

/// The cells of a row, as far as they are checked.
struct Cells<'h, 'a> {
    heads: &'h mut Heads<'a>,
    count: usize,
    /// The checksum of their checksums.
    crc: u8,
}

impl<'a> Cells<'_, 'a> {
    /// The cells after `tag`, if it is there.
    fn check(&mut self, cursor: &mut Cursor<'a>, tag: u8) -> Result<Range<usize>, Fault> {
        let tagged = cursor.accept(tag);
        let start = cursor.at();
        if tagged {
            while self.check_next(cursor)? {}
        }
        Ok(start..cursor.at())
    }

    /// Checks one cell; false where something else follows.
    fn check_next(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, Fault> {
        let bytes = cursor.rest();
        let place = self.heads.get(self.count);
        if let Some(known) = place.and_then(|head| head.cell(bytes)) {
            cursor.go_to(known.rest);
            self.passed(known.checksum);
            return Ok(true);
        }
        let Some(cell) = Cell::next(cursor)? else {
            return Ok(false);
        };
        cell.check(cursor)?;
        self.heads.learn(self.count, &cell, bytes);
        self.passed(cell.checksum);
        Ok(true)
    }

    fn passed(&mut self, checksum: u8) {
        self.crc = crc8::update_byte(self.crc, checksum);
        self.count += 1;
    }
}

fn check_sum(cursor: &mut Cursor<'_>, computed: u8) -> Result<(), Fault> {
    cursor.expect(tag::ROW_CHECKSUM, "row checksum")?;
    let stored = cursor.u8("row checksum")?;
    if stored != computed {
        return Err(cursor.fault("row checksum", Problem::Checksum { stored, computed }));
    }
    Ok(())
}

/// Where the sequence info is among what the service adds to a row. It may add
/// what we do not know; all of it tells its length.
fn extension(mut cursor: Cursor<'_>) -> Result<Option<NonZeroU32>, Fault> {
    let mut found = None;
    while !cursor.is_empty() {
        let tag = cursor.u8("extension tag")?;
        let body = cursor.sized("extension")?;
        if tag == tag::SEQ_INFO {
            found = Some(offset(body.at()));
            check_sequence_info(body)?;
        }
    }
    Ok(found)
}

/// Refuses what is not read by [`parse_sequence_info`].
fn check_sequence_info(mut cursor: Cursor<'_>) -> Result<(), Fault> {
    cursor.expect(tag::SEQ_INFO_EPOCH, "sequence epoch")?;
    cursor.i32("sequence epoch")?;
    cursor.expect(tag::SEQ_INFO_TS, "sequence timestamp")?;
    cursor.i64("sequence timestamp")?;
    cursor.expect(tag::SEQ_INFO_ROW_INDEX, "sequence row index")?;
    cursor.i32("sequence row index")?;
    cursor.finish("sequence info")
}
