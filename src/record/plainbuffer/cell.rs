//! One cell: structure, checksum, value. This is the slow path, which accepts every
//! valid cell and reports the exact error of an invalid one.

use std::str;

use ascii::AsciiStr;

use super::cursor::{Cursor, DecodeError, Problem};
use super::{crc8, tag};
use crate::record::kind::ColumnKind;
use crate::record::value::ValueRef;

/// A cell whose parts are located, but not validated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) name: &'a [u8],
    /// Type byte and payload.
    typed: Option<&'a [u8]>,
    pub(crate) kind: ColumnKind,
    pub(crate) timestamp: Option<i64>,
    pub(crate) checksum: u8,
}

impl<'a> Cell<'a> {
    /// Reads the next cell; `None` if something else follows.
    #[inline]
    pub(crate) fn next(cursor: &mut Cursor<'a>) -> Result<Option<Cell<'a>>, DecodeError> {
        if !cursor.accept(tag::CELL) {
            return Ok(None);
        }
        cursor.expect(tag::CELL_NAME, "cell name")?;
        let name = cursor.sized("cell name")?.rest();
        let typed = match cursor.accept(tag::CELL_VALUE) {
            true => Some(cursor.sized("cell value")?.rest()),
            false => None,
        };
        let kind = kind(cursor)?;
        let timestamp = match cursor.accept(tag::CELL_TIMESTAMP) {
            true => Some(cursor.i64("cell timestamp")?),
            false => None,
        };
        cursor.expect(tag::CELL_CHECKSUM, "cell checksum")?;
        let checksum = cursor.u8("cell checksum")?;
        Ok(Some(Cell {
            name,
            typed,
            kind,
            timestamp,
            checksum,
        }))
    }

    /// Validates the cell. `after` is the cursor at the end of the cell, for the error.
    #[inline]
    pub(crate) fn check(&self, after: &Cursor<'_>) -> Result<(), DecodeError> {
        let (stored, computed) = (self.checksum, self.computed_checksum());
        if stored != computed {
            return Err(after.error("cell checksum", Problem::Checksum { stored, computed }));
        }
        if text(self.name).is_none() {
            return Err(after.error("cell name", Problem::NotUtf8));
        }
        if let Some(typed) = self.typed {
            check_value(Cursor::ending_at(
                after.offset() - self.len_after_value(),
                typed,
            ))?;
        }
        self.check_kind(self.typed.is_some())
            .map_err(|(part, problem)| after.error(part, problem))
    }

    /// The type of the value, if the cell has one.
    pub(crate) fn value_type(&self) -> Option<u8> {
        self.typed?.first().copied()
    }

    /// Number of bytes after the value: type and timestamp, if present, and checksum.
    fn len_after_value(&self) -> usize {
        let kind = self.kind.to_wire().map_or(0, |_| 1 + 1);
        kind + self.timestamp.map_or(0, |_| 1 + 8) + (1 + 1)
    }

    fn computed_checksum(&self) -> u8 {
        let mut crc = crc8::update(0, self.name);
        if let Some(typed) = self.typed {
            crc = crc8::update(crc, typed);
        }
        if let Some(timestamp) = self.timestamp {
            crc = crc8::update(crc, &timestamp.to_le_bytes());
        }
        // The checksum covers the type after the timestamp, although the type comes
        // first in the bytes.
        crc8::update(crc, self.kind.to_wire().as_slice())
    }

    /// Checks the parts that a cell of this kind must and must not have.
    fn check_kind(&self, has_value: bool) -> Result<(), (&'static str, Problem)> {
        match (self.kind, has_value, self.timestamp) {
            (ColumnKind::Put | ColumnKind::Increment, false, _) => {
                Err(("cell value", Problem::Missing))
            }
            (ColumnKind::DeleteOneVersion | ColumnKind::DeleteAllVersions, true, _) => {
                Err(("cell value of a deletion", Problem::NotAllowed))
            }
            (ColumnKind::DeleteOneVersion, _, None) => {
                Err(("cell timestamp of a deleted version", Problem::Missing))
            }
            _ => Ok(()),
        }
    }
}

#[inline]
fn kind(cursor: &mut Cursor<'_>) -> Result<ColumnKind, DecodeError> {
    if !cursor.accept(tag::CELL_TYPE) {
        return Ok(ColumnKind::Put);
    }
    let number = cursor.u8("cell type")?;
    ColumnKind::from_wire(number)
        .ok_or_else(|| cursor.error("cell type", Problem::Unexpected(number.into())))
}

/// Decodes a value from its type byte and payload; `None` if they are invalid.
#[inline(always)]
pub(crate) fn value(typed: &[u8]) -> Option<ValueRef<'_>> {
    let (kind, payload) = typed.split_first()?;
    Some(match (*kind, payload) {
        (tag::VT_INTEGER, bytes) => ValueRef::Integer(i64::from_le_bytes(bytes.try_into().ok()?)),
        (tag::VT_STRING, bytes) => ValueRef::String(text(sized(bytes)?)?),
        (tag::VT_DOUBLE, bytes) => ValueRef::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
        (tag::VT_BOOLEAN, [0]) => ValueRef::Boolean(false),
        (tag::VT_BOOLEAN, [1]) => ValueRef::Boolean(true),
        (tag::VT_BLOB, bytes) => ValueRef::Binary(sized(bytes)?),
        (tag::VT_INF_MIN, []) => ValueRef::InfMin,
        (tag::VT_INF_MAX, []) => ValueRef::InfMax,
        (tag::VT_AUTO_INCREMENT, []) => ValueRef::AutoIncrement,
        _ => return None,
    })
}

/// The bytes after a length, if there are exactly that many.
#[inline]
fn sized(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    (size(*length)? == rest.len()).then_some(rest)
}

#[inline]
fn size(length: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(length)).ok()
}

/// The text; `None` if it is not UTF-8.
///
/// Most texts are ASCII, and checking for ASCII first is several times faster.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    match AsciiStr::from_ascii(bytes) {
        Ok(text) => Some(text.as_str()),
        Err(_) => str::from_utf8(bytes).ok(),
    }
}

/// Validates a value, and reports what is wrong with it.
fn check_value(mut typed: Cursor<'_>) -> Result<(), DecodeError> {
    // Only an invalid value is read item by item, to find the first error.
    if value(typed.rest()).is_some() {
        return Ok(());
    }
    let kind = typed.u8("value type")?;
    match kind {
        tag::VT_INTEGER => drop(typed.i64("integer")?),
        tag::VT_DOUBLE => drop(typed.i64("double")?),
        tag::VT_BOOLEAN => boolean(&mut typed)?,
        tag::VT_STRING => string(&mut typed)?,
        tag::VT_BLOB => drop(typed.sized("binary")?),
        tag::VT_INF_MIN | tag::VT_INF_MAX | tag::VT_AUTO_INCREMENT => {}
        other => return Err(typed.error("value type", Problem::Unexpected(other.into()))),
    }
    typed.finish("cell value")
}

fn boolean(typed: &mut Cursor<'_>) -> Result<(), DecodeError> {
    match typed.u8("boolean")? {
        0 | 1 => Ok(()),
        other => Err(typed.error("boolean", Problem::Unexpected(other.into()))),
    }
}

fn string(typed: &mut Cursor<'_>) -> Result<(), DecodeError> {
    let bytes = typed.sized("string")?.rest();
    match text(bytes) {
        Some(_) => Ok(()),
        None => Err(typed.error("string", Problem::NotUtf8)),
    }
}
/// Here and not beside the type, so that the type needs not know the bytes.
impl ColumnKind {
    /// The kind with this cell type; `None` if there is none.
    pub(crate) fn from_wire(number: u8) -> Option<ColumnKind> {
        match number {
            tag::DELETE_ONE_VERSION => Some(ColumnKind::DeleteOneVersion),
            tag::DELETE_ALL_VERSION => Some(ColumnKind::DeleteAllVersions),
            tag::INCREMENT => Some(ColumnKind::Increment),
            _ => None,
        }
    }

    /// The cell type; `None` for a put.
    pub(crate) fn to_wire(self) -> Option<u8> {
        match self {
            ColumnKind::Put => None,
            ColumnKind::DeleteOneVersion => Some(tag::DELETE_ONE_VERSION),
            ColumnKind::DeleteAllVersions => Some(tag::DELETE_ALL_VERSION),
            ColumnKind::Increment => Some(tag::INCREMENT),
        }
    }
}
