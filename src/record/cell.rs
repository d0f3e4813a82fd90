//! One cell: its structure, its checksum, its value.

use std::str;

use super::crc8;
use super::cursor::{Cursor, Fault, Problem};
use super::kind::ColumnKind;
use super::tag;
use super::value::ValueRef;

/// A cell whose parts are found, but not looked into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    pub(super) name: &'a [u8],
    /// Type byte and payload.
    typed: Option<Cursor<'a>>,
    pub(super) kind: ColumnKind,
    pub(super) timestamp: Option<i64>,
    pub(super) checksum: u8,
}

impl<'a> Cell<'a> {
    /// The next cell, or `None` where something else follows.
    #[inline]
    pub(super) fn next(cursor: &mut Cursor<'a>) -> Result<Option<Cell<'a>>, Fault> {
        if !cursor.accept(tag::CELL) {
            return Ok(None);
        }
        cursor.expect(tag::CELL_NAME, "cell name")?;
        let name = cursor.sized("cell name")?.rest();
        let typed = match cursor.accept(tag::CELL_VALUE) {
            true => Some(cursor.sized("cell value")?),
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

    /// Refuses a cell that is damaged or makes no sense; `after` is where it
    /// ended, for the error.
    #[inline]
    pub(super) fn check(&self, after: &Cursor<'_>) -> Result<(), Fault> {
        let (stored, computed) = (self.checksum, self.computed_checksum());
        if stored != computed {
            return Err(after.fault("cell checksum", Problem::Checksum { stored, computed }));
        }
        if str::from_utf8(self.name).is_err() {
            return Err(after.fault("cell name", Problem::NotUtf8));
        }
        let has_value = self.value()?.is_some();
        self.check_kind(has_value)
            .map_err(|(part, problem)| after.fault(part, problem))
    }

    /// The value, if the cell has one.
    #[inline]
    pub(super) fn value(&self) -> Result<Option<ValueRef<'a>>, Fault> {
        self.typed.map(value).transpose()
    }

    /// The type of the value, if the cell has one.
    pub(super) fn value_type(&self) -> Option<u8> {
        self.typed?.rest().first().copied()
    }

    fn computed_checksum(&self) -> u8 {
        let mut crc = crc8::update(0, self.name);
        if let Some(typed) = self.typed {
            crc = crc8::update(crc, typed.rest());
        }
        if let Some(timestamp) = self.timestamp {
            crc = crc8::update(crc, &timestamp.to_le_bytes());
        }
        // The type is summed after the timestamp, though it stands before it.
        crc8::update(crc, self.kind.to_wire().as_slice())
    }

    /// What each kind has to have and must not have.
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
fn kind(cursor: &mut Cursor<'_>) -> Result<ColumnKind, Fault> {
    if !cursor.accept(tag::CELL_TYPE) {
        return Ok(ColumnKind::Put);
    }
    let number = cursor.u8("cell type")?;
    ColumnKind::from_wire(number)
        .ok_or_else(|| cursor.fault("cell type", Problem::Unexpected(number.into())))
}

/// A value of which `typed` is all.
#[inline]
fn value(mut typed: Cursor<'_>) -> Result<ValueRef<'_>, Fault> {
    let kind = typed.u8("value type")?;
    let value = match kind {
        tag::VT_INTEGER => ValueRef::Integer(typed.i64("integer")?),
        tag::VT_DOUBLE => ValueRef::Double(f64::from_bits(typed.i64("double")?.cast_unsigned())),
        tag::VT_BOOLEAN => ValueRef::Boolean(boolean(&mut typed)?),
        tag::VT_STRING => ValueRef::String(string(&mut typed)?),
        tag::VT_BLOB => ValueRef::Binary(typed.sized("binary")?.rest()),
        tag::VT_INF_MIN => ValueRef::InfMin,
        tag::VT_INF_MAX => ValueRef::InfMax,
        tag::VT_AUTO_INCREMENT => ValueRef::AutoIncrement,
        other => return Err(typed.fault("value type", Problem::Unexpected(other.into()))),
    };
    typed.finish("cell value")?;
    Ok(value)
}

fn boolean(typed: &mut Cursor<'_>) -> Result<bool, Fault> {
    match typed.u8("boolean")? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(typed.fault("boolean", Problem::Unexpected(other.into()))),
    }
}

#[inline]
fn string<'a>(typed: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    let bytes = typed.sized("string")?.rest();
    str::from_utf8(bytes).map_err(|_| typed.fault("string", Problem::NotUtf8))
}
