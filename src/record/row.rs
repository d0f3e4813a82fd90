//! One row: checked once, from its header to its last byte.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;

use super::cell::Cell;
use super::crc8;
use super::cursor::{Cursor, Fault, Problem};
use super::heads::{self, Heads};
use super::help::Help;
use super::lanes::LANES;
use super::sequence::SequenceInfo;
use super::sums::Sums;
use super::tag;

/// Cells inside a window. Windows are less than 4 GiB.
///
/// Start and end in one word: two that are written by themselves and then read
/// together would have to wait for each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section(NonZeroU64);

impl Section {
    /// Of a window that begins at `base`.
    #[inline]
    fn new(base: usize, span: Range<usize>) -> Section {
        // The end lies behind the header of a row.
        let (start, end) = (offset(base, span.start), offset(base, span.end));
        let both = u64::from(end.get()) << 32 | u64::from(start.get());
        Section(NonZeroU64::new(both).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    pub(super) fn span(self) -> Range<usize> {
        let both = self.0.get();
        (both as u32) as usize..(both >> 32) as usize
    }
}

/// From `base`, where a window begins that is not larger than what a `u32` counts,
/// to what lies behind the header of a row in it.
#[inline]
fn offset(base: usize, at: usize) -> NonZeroU32 {
    NonZeroU32::new((at - base) as u32).unwrap_or(NonZeroU32::MIN)
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
    /// Checks the PlainBuffer at `span`, which has to be exactly one row, in a
    /// window that begins at `base`. What lies around it in `bytes` may be read, but
    /// changes nothing. With help, a checksum that is wrong may be noticed later.
    #[inline(always)]
    pub(super) fn check<'a>(
        bytes: &'a [u8],
        base: usize,
        span: Range<usize>,
        help: &mut Option<Help<'a>>,
    ) -> Result<Row, Fault> {
        if let Some(help) = help
            && let Some(row) = usual(bytes, base, &span, help)
        {
            return Ok(row);
        }
        Row::check_unusual(bytes, base, span, help)
    }

    /// Checks a row of any form, and tells what is wrong with it.
    #[inline(never)]
    fn check_unusual<'a>(
        bytes: &'a [u8],
        base: usize,
        span: Range<usize>,
        help: &mut Option<Help<'a>>,
    ) -> Result<Row, Fault> {
        let mut cursor = Cursor::over(bytes, span);
        let header = cursor.u32("row header")?;
        if header != tag::HEADER {
            return Err(cursor.fault("row header", Problem::Unexpected(header.into())));
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
            true => extension(cursor.sized("extension")?)?.map(|at| offset(base, at)),
            false => None,
        };
        let computed = crc8::update_byte(crc, u8::from(delete_marker));
        check_sum(&mut cursor, computed)?;
        cursor.finish("row")?;
        Ok(Row {
            primary_key: Section::new(base, primary_key),
            columns: Section::new(base, columns),
            delete_marker,
            sequence_info,
        })
    }
}

/// A row of which all cells are known, with or without a delete marker and sequence
/// info, if the bytes at `span` are one in order.
#[inline(always)]
fn usual(bytes: &[u8], base: usize, span: &Range<usize>, help: &mut Help<'_>) -> Option<Row> {
    const BEGIN: [u8; 5] = [tag::HEADER as u8, 0, 0, 0, tag::ROW_PK];
    if !bytes.get(span.start..)?.starts_with(&BEGIN) {
        return None;
    }
    let start = span.start + BEGIN.len();
    let cells = known_cells(bytes, start, &help.heads, &mut help.sums)?;
    let delete_marker = bytes.get(cells.end) == Some(&tag::DELETE_ROW_MARKER);
    let at = cells.end + usize::from(delete_marker);
    let (sequence_info, at) = match known_extension(bytes, at) {
        Some(info) => (Some(offset(base, info)), info + SEQUENCE_INFO),
        None => (None, at),
    };
    let end = bytes.get(at..)?.first_chunk()?;
    let computed = crc8::update_byte(cells.crc, u8::from(delete_marker));
    if *end != [tag::ROW_CHECKSUM, computed] || at + end.len() != span.end {
        return None;
    }
    help.sums.end_row(cells.place);
    Some(Row {
        primary_key: Section::new(base, start..cells.tag),
        columns: Section::new(base, cells.columns..cells.end),
        delete_marker,
        sequence_info,
    })
}

/// Where the cells of a row lie, and how far their sums go.
struct KnownCells {
    /// The end of those of the primary key, where a tag follows if there are others.
    tag: usize,
    columns: usize,
    end: usize,
    place: usize,
    /// The checksum of their checksums.
    crc: u8,
}

/// Goes from `start` on over all cells that begin like one of `heads`, in their
/// order. A function of its own, for the registers that it needs.
#[inline(never)]
fn known_cells(
    bytes: &[u8],
    start: usize,
    heads: &Heads<'_>,
    sums: &mut Sums,
) -> Option<KnownCells> {
    let at = |rest: &[u8]| bytes.len() - rest.len() + LANES;
    let mut rest = bytes.get(start.checked_sub(LANES)?..)?;
    let mut heads = heads.iter();
    let (mut place, mut crc) = (sums.begin_row(), 0);
    let mut tag = None;
    loop {
        match heads::first_byte(rest)? {
            tag::CELL => {
                // If not: a row need not have all columns that others have.
                if let Some(known) = heads.next()?.cell(rest, place, sums) {
                    rest = known.rest;
                    crc = crc8::update_byte(crc, known.checksum);
                    place += 1;
                }
            }
            tag::ROW_DATA if tag.is_none() => {
                tag = Some(at(rest));
                rest = rest.get(1..)?;
            }
            _ => {
                let end = at(rest);
                let (tag, columns) = tag.map_or((end, end), |tag| (tag, tag + 1));
                return Some(KnownCells {
                    tag,
                    columns,
                    end,
                    place,
                    crc,
                });
            }
        }
    }
}

/// The numbers of a sequence info with their tags.
const SEQUENCE_INFO: usize = (1 + 4) + (1 + 8) + (1 + 4);

/// Where the sequence info begins, if there is one at `at` and nothing beside it.
#[inline(always)]
fn known_extension(bytes: &[u8], at: usize) -> Option<usize> {
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
    let info = bytes.get(at..)?.strip_prefix(&LENGTHS)?;
    parse_sequence_info(info.first_chunk()?)?;
    Some(at + LENGTHS.len())
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
    help: &'h mut Option<Help<'a>>,
    /// Behind the heads of those before.
    place: usize,
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
fn extension(mut cursor: Cursor<'_>) -> Result<Option<usize>, Fault> {
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
fn check_sequence_info(mut cursor: Cursor<'_>) -> Result<(), Fault> {
    cursor.expect(tag::SEQ_INFO_EPOCH, "sequence epoch")?;
    cursor.i32("sequence epoch")?;
    cursor.expect(tag::SEQ_INFO_TS, "sequence timestamp")?;
    cursor.i64("sequence timestamp")?;
    cursor.expect(tag::SEQ_INFO_ROW_INDEX, "sequence row index")?;
    cursor.i32("sequence row index")?;
    cursor.finish("sequence info")
}
