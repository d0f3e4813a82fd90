//! Checks one row once, from its header to its last byte.

use std::num::NonZeroU32;
use std::ops::Range;

use super::cell::Cell;
use super::crc8::simd::LANES;
use super::cursor::{Cursor, DecodeError, Problem};
use super::fast;
use super::fast::decode_cache::DecodeCache;
use super::layout::{Row, Section};
use super::{crc8, tag};

/// Here and not beside the type, because the fast path returns rows, too.
impl Row {
    /// Checks that the PlainBuffer at `span` is exactly one valid row. Offsets in the
    /// result are relative to `base`, the start of the record.
    ///
    /// Bytes around the span may be read, but do not change the result. With a cache, a
    /// wrong checksum may be found only when the batch ends.
    pub(crate) fn check<'a>(
        bytes: &'a [u8],
        base: usize,
        span: Range<usize>,
        cache: &mut Option<DecodeCache<'a>>,
    ) -> Result<Row, DecodeError> {
        // A row that the fast path declines leaves no trace: its sums count only once the
        // row has ended. So the slow path can start over.
        if let Some(cache) = cache
            && let Some(row) = Row::check_fast(bytes, base, &span, cache)
        {
            return Ok(row);
        }
        Row::check_slow(bytes, base, span, cache)
    }

    /// Checks the row on the fast path; `None` if the row does not have the common form.
    #[inline(never)]
    fn check_fast(
        bytes: &[u8],
        base: usize,
        span: &Range<usize>,
        cache: &mut DecodeCache<'_>,
    ) -> Option<Row> {
        // The fast path reads one block before the row, so it cannot check a row at the
        // very start of the bytes.
        let rest = bytes.get(span.start.checked_sub(LANES)?..)?;
        let (row, end) = fast::row(rest, span.start - base, cache)?;
        (end == span.end - base).then_some(row)
    }

    /// Checks a row of any form, and reports what is wrong with it.
    #[inline(never)]
    pub(crate) fn check_slow<'a>(
        bytes: &'a [u8],
        base: usize,
        span: Range<usize>,
        cache: &mut Option<DecodeCache<'a>>,
    ) -> Result<Row, DecodeError> {
        let mut cursor = Cursor::over(bytes, span);
        let header = cursor.u32("row header")?;
        if header != tag::HEADER {
            return Err(cursor.error("row header", Problem::Unexpected(header.into())));
        }
        let prefix_index = cache.as_mut().map_or(0, |cache| cache.prefixes.begin_row());
        let mut cells = Cells {
            cache,
            prefix_index,
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
        // The checksum of a row covers the checksums of its cells and the delete marker,
        // but not the extension.
        let computed = crc8::update_byte(crc, u8::from(delete_marker));
        check_row_checksum(&mut cursor, computed)?;
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

/// The cells of a row, during the check.
struct Cells<'h, 'a> {
    cache: &'h mut Option<DecodeCache<'a>>,
    /// Index just past the prefixes of the previous cells.
    prefix_index: usize,
    /// Checksum of the checksums of the cells so far.
    crc: u8,
}

impl<'a> Cells<'_, 'a> {
    /// Checks the cells after `tag`, and returns their span. The span is empty if the
    /// tag is absent.
    fn check(&mut self, cursor: &mut Cursor<'a>, tag: u8) -> Result<Range<usize>, DecodeError> {
        let tagged = cursor.accept(tag);
        let start = cursor.offset();
        if tagged {
            while self.check_next(cursor)? {}
        }
        Ok(start..cursor.offset())
    }

    /// Checks one cell; returns false if something else follows.
    fn check_next(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, DecodeError> {
        let bytes = cursor.rest();
        let Some(cell) = Cell::next(cursor)? else {
            return Ok(false);
        };
        cell.check(cursor)?;
        if let Some(cache) = &mut self.cache {
            cache.prefixes.learn(&mut self.prefix_index, &cell, bytes);
        }
        self.crc = crc8::update_byte(self.crc, cell.checksum);
        Ok(true)
    }
}

fn check_row_checksum(cursor: &mut Cursor<'_>, computed: u8) -> Result<(), DecodeError> {
    cursor.expect(tag::ROW_CHECKSUM, "row checksum")?;
    let stored = cursor.u8("row checksum")?;
    if stored != computed {
        return Err(cursor.error("row checksum", Problem::Checksum { stored, computed }));
    }
    Ok(())
}

/// Returns the offset of the sequence info among the extensions of a row; `None` if
/// there is none.
///
/// Unknown extensions are skipped. Each extension starts with its length, so the service
/// can add new ones.
fn extension(mut cursor: Cursor<'_>) -> Result<Option<usize>, DecodeError> {
    let mut found = None;
    while !cursor.is_empty() {
        let tag = cursor.u8("extension tag")?;
        let body = cursor.sized("extension")?;
        if tag == tag::SEQ_INFO {
            found = Some(body.offset());
            check_sequence_info(body)?;
        }
    }
    Ok(found)
}

/// Reports the first error in the input of [`parse_sequence_info`](super::layout::parse_sequence_info).
fn check_sequence_info(mut cursor: Cursor<'_>) -> Result<(), DecodeError> {
    cursor.expect(tag::SEQ_INFO_EPOCH, "sequence epoch")?;
    cursor.i32("sequence epoch")?;
    cursor.expect(tag::SEQ_INFO_TS, "sequence timestamp")?;
    cursor.i64("sequence timestamp")?;
    cursor.expect(tag::SEQ_INFO_ROW_INDEX, "sequence row index")?;
    cursor.i32("sequence row index")?;
    cursor.finish("sequence info")
}
