//! One row: checked once, from its header to its last byte.

use std::ops::Range;

use super::cell::Cell;
use super::crc8;
use super::cursor::{Cursor, Fault, Problem};
use super::heads::{Heads, Progress};
use super::sequence::SequenceInfo;
use super::tag;

/// Where the parts of a checked row lie.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) primary_key: Range<usize>,
    pub(super) columns: Range<usize>,
    pub(super) delete_marker: bool,
    pub(super) sequence_info: Option<SequenceInfo>,
}

impl Row {
    /// Checks a PlainBuffer that has to be exactly one row.
    pub(super) fn check<'a>(mut cursor: Cursor<'a>, heads: &mut Heads<'a>) -> Result<Row, Fault> {
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
            primary_key,
            columns,
            delete_marker,
            sequence_info,
        })
    }
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
            self.skip_known(cursor);
            while self.check_next(cursor)? {
                self.skip_known(cursor);
            }
        }
        Ok(start..cursor.at())
    }

    #[inline]
    fn skip_known(&mut self, cursor: &mut Cursor<'a>) {
        let progress = self.heads.skip_known(Progress {
            place: self.count,
            crc: self.crc,
            rest: cursor.rest(),
        });
        (self.count, self.crc) = (progress.place, progress.crc);
        cursor.go_to(progress.rest);
    }

    /// Checks one cell; false where something else follows.
    fn check_next(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, Fault> {
        let bytes = cursor.rest();
        let Some(cell) = Cell::next(cursor)? else {
            return Ok(false);
        };
        cell.check(cursor)?;
        self.heads.learn(self.count, &cell, bytes);
        self.crc = crc8::update_byte(self.crc, cell.checksum);
        self.count += 1;
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

/// The sequence info among what the service adds to a row. It may add what we
/// do not know; all of it tells its length.
fn extension(mut cursor: Cursor<'_>) -> Result<Option<SequenceInfo>, Fault> {
    let mut found = None;
    while !cursor.is_empty() {
        let tag = cursor.u8("extension tag")?;
        let body = cursor.sized("extension")?;
        if tag == tag::SEQ_INFO {
            found = Some(sequence_info(body)?);
        }
    }
    Ok(found)
}

fn sequence_info(mut cursor: Cursor<'_>) -> Result<SequenceInfo, Fault> {
    cursor.expect(tag::SEQ_INFO_EPOCH, "sequence epoch")?;
    let epoch = cursor.i32("sequence epoch")?;
    cursor.expect(tag::SEQ_INFO_TS, "sequence timestamp")?;
    let timestamp = cursor.i64("sequence timestamp")?;
    cursor.expect(tag::SEQ_INFO_ROW_INDEX, "sequence row index")?;
    let row_index = cursor.i32("sequence row index")?;
    cursor.finish("sequence info")?;
    Ok(SequenceInfo {
        epoch,
        timestamp,
        row_index,
    })
}
