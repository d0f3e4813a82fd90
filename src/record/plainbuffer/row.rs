//! One row: checked once, from its header to its last byte.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;

use super::cell::Cell;
use super::crc8::simd::LANES;
use super::cursor::{Cursor, DecodeError, Problem};
use super::fast::decode_cache::DecodeCache;
use super::fast::{self, SEQUENCE_INFO};
use super::{crc8, tag};
use crate::record::sequence::SequenceInfo;

/// Cells inside a window. Windows are less than 4 GiB.
///
/// Start and end in one word: two that are written by themselves and then read
/// together would have to wait for each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section(NonZeroU64);

impl Section {
    /// Behind the header of a row, so that it does not end at 0.
    #[inline]
    pub(crate) fn new(span: Range<usize>) -> Section {
        let both = (span.end as u64) << 32 | u64::from(span.start as u32);
        Section(NonZeroU64::new(both).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    pub(crate) fn span(self) -> Range<usize> {
        let both = self.0.get();
        (both as u32) as usize..(both >> 32) as usize
    }
}

/// Where the parts of a checked row lie.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) primary_key: Section,
    pub(crate) columns: Section,
    pub(crate) delete_marker: bool,
    /// Offset of the three numbers, each with its tag.
    pub(crate) sequence_info: Option<NonZeroU32>,
}

impl Row {
    /// Checks the PlainBuffer at `span`, which has to be exactly one row, in a
    /// window that begins at `base`. What lies around it in `bytes` may be read, but
    /// changes nothing. With help, a checksum that is wrong may be noticed later.
    pub(crate) fn check<'a>(
        bytes: &'a [u8],
        base: usize,
        span: Range<usize>,
        help: &mut Option<DecodeCache<'a>>,
    ) -> Result<Row, DecodeError> {
        if let Some(help) = help
            && let Some(row) = Row::check_usual(bytes, base, &span, help)
        {
            return Ok(row);
        }
        Row::check_slow(bytes, base, span, help)
    }

    /// None unless the row is of the usual form.
    #[inline(never)]
    fn check_usual(
        bytes: &[u8],
        base: usize,
        span: &Range<usize>,
        help: &mut DecodeCache<'_>,
    ) -> Option<Row> {
        let rest = bytes.get(span.start.checked_sub(LANES)?..)?;
        let (row, end) = fast::row(rest, span.start - base, help)?;
        (end == span.end - base).then_some(row)
    }

    /// Checks a row of any form, and tells what is wrong with it.
    #[inline(never)]
    pub(crate) fn check_slow<'a>(
        bytes: &'a [u8],
        base: usize,
        span: Range<usize>,
        help: &mut Option<DecodeCache<'a>>,
    ) -> Result<Row, DecodeError> {
        let mut cursor = Cursor::over(bytes, span);
        let header = cursor.u32("row header")?;
        if header != tag::HEADER {
            return Err(cursor.error("row header", Problem::Unexpected(header.into())));
        }
        let place = help.as_mut().map_or(0, |help| help.heads.begin_row());
        let mut cells = Cells {
            help,
            place,
            crc: 0,
        };
        let primary_key = cells.check(&mut cursor, tag::ROW_PK)?;
        let columns = cells.check(&mut cursor, tag::ROW_DATA)?;
        let crc = cells.crc;
        let delete_marker = cursor.accept(tag::DELETE_ROW_MARKER);
        let sequence_info = match cursor.accept(tag::EXTENSION) {
            true => extension(cursor.sized("extension")?)?
                .and_then(|at| NonZeroU32::new((at - base) as u32)),
            false => None,
        };
        let computed = crc8::update_byte(crc, u8::from(delete_marker));
        check_sum(&mut cursor, computed)?;
        cursor.finish("row")?;
        let section = |span: Range<usize>| Section::new(span.start - base..span.end - base);
        Ok(Row {
            primary_key: section(primary_key),
            columns: section(columns),
            delete_marker,
            sequence_info,
        })
    }
}

/// The three numbers, which are always in this order.
#[inline]
pub(crate) fn parse_sequence_info(info: &[u8; SEQUENCE_INFO]) -> Option<SequenceInfo> {
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
    help: &'h mut Option<DecodeCache<'a>>,
    /// Behind the heads of those before.
    place: usize,
    /// The checksum of their checksums.
    crc: u8,
}

impl<'a> Cells<'_, 'a> {
    /// The cells after `tag`, if it is there.
    fn check(&mut self, cursor: &mut Cursor<'a>, tag: u8) -> Result<Range<usize>, DecodeError> {
        let tagged = cursor.accept(tag);
        let start = cursor.at();
        if tagged {
            while self.check_next(cursor)? {}
        }
        Ok(start..cursor.at())
    }

    /// Checks one cell; false where something else follows.
    fn check_next(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, DecodeError> {
        let bytes = cursor.rest();
        let Some(cell) = Cell::next(cursor)? else {
            return Ok(false);
        };
        cell.check(cursor)?;
        if let Some(help) = &mut self.help {
            help.heads.learn(&mut self.place, &cell, bytes);
        }
        self.crc = crc8::update_byte(self.crc, cell.checksum);
        Ok(true)
    }
}

fn check_sum(cursor: &mut Cursor<'_>, computed: u8) -> Result<(), DecodeError> {
    cursor.expect(tag::ROW_CHECKSUM, "row checksum")?;
    let stored = cursor.u8("row checksum")?;
    if stored != computed {
        return Err(cursor.error("row checksum", Problem::Checksum { stored, computed }));
    }
    Ok(())
}

/// Where the sequence info is among what the service adds to a row. It may add
/// what we do not know; all of it tells its length.
fn extension(mut cursor: Cursor<'_>) -> Result<Option<usize>, DecodeError> {
    let mut found = None;
    while !cursor.is_empty() {
        let tag = cursor.u8("extension tag")?;
        let body = cursor.sized("extension")?;
        if tag == tag::SEQ_INFO {
            found = Some(body.at());
            check_sequence_info(body)?;
        }
    }
    Ok(found)
}

/// Refuses what is not read by [`parse_sequence_info`].
fn check_sequence_info(mut cursor: Cursor<'_>) -> Result<(), DecodeError> {
    cursor.expect(tag::SEQ_INFO_EPOCH, "sequence epoch")?;
    cursor.i32("sequence epoch")?;
    cursor.expect(tag::SEQ_INFO_TS, "sequence timestamp")?;
    cursor.i64("sequence timestamp")?;
    cursor.expect(tag::SEQ_INFO_ROW_INDEX, "sequence row index")?;
    cursor.i32("sequence row index")?;
    cursor.finish("sequence info")
}
