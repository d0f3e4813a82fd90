//! [`Cells`]: iterates over the cells of a section that was checked when the batch was
//! decoded. Does not validate again, and decodes each part only on access.

use ascii::AsciiStr;

use super::{cell, tag};
use crate::record::kind::ColumnKind;
use crate::record::value::ValueRef;

/// Number of bytes before a name: two tags and the length.
const BEFORE_NAME: usize = 1 + 1 + 4;
/// Number of bytes before a text: length and type of the value, length of the text.
const BEFORE_TEXT: usize = 4 + 1 + 4;

/// Timestamp and checksum with their tags.
const END_WITH_TIMESTAMP: usize = (1 + 8) + (1 + 1);

/// The cells of a checked section.
#[derive(Clone, Debug)]
pub(crate) struct Cells<'a>(&'a [u8]);

impl<'a> Cells<'a> {
    pub(crate) const NONE: Cells<'static> = Cells(&[]);

    pub(crate) fn new(section: &'a [u8]) -> Cells<'a> {
        Cells(section)
    }
}

/// A cell whose parts are located, but not decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedCell<'a> {
    /// From the start of the cell to the end of its name.
    name: &'a [u8],
    /// From the length of the value to its end; empty if there is no value.
    value: &'a [u8],
    kind: ColumnKind,
    /// Two fields instead of an `Option`: an `Option` is written in two parts and copied
    /// as a whole, and such a load stalls until both stores have completed.
    has_timestamp: bool,
    timestamp: i64,
}

impl<'a> Iterator for Cells<'a> {
    type Item = CheckedCell<'a>;

    #[inline]
    fn next(&mut self) -> Option<CheckedCell<'a>> {
        // The section was checked, so the two tags need not be compared.
        let [_, _, length @ ..] = self.0.first_chunk::<BEFORE_NAME>()?;
        let (name, rest) = self.0.split_at_checked(BEFORE_NAME + size(*length))?;
        let (value, rest) = match rest {
            [tag::CELL_VALUE, rest @ ..] => {
                rest.split_at_checked(4 + size(*rest.first_chunk()?))?
            }
            _ => (&[][..], rest),
        };
        let (kind, timestamp, rest) = read_end(rest)?;
        self.0 = rest;
        Some(CheckedCell {
            name,
            value,
            kind,
            has_timestamp: timestamp.is_some(),
            timestamp: timestamp.unwrap_or_default(),
        })
    }
}

/// Reads the part after the value. Returns the kind of the cell, its timestamp, and the
/// bytes after the cell.
#[inline(always)]
fn read_end(rest: &[u8]) -> Option<(ColumnKind, Option<i64>, &[u8])> {
    match rest.split_first_chunk::<END_WITH_TIMESTAMP>() {
        Some(([tag::CELL_TIMESTAMP, time @ .., _, _], rest)) => {
            Some((ColumnKind::Put, Some(i64::from_le_bytes(*time)), rest))
        }
        _ => match rest {
            [tag::CELL_CHECKSUM, _, rest @ ..] => Some((ColumnKind::Put, None, rest)),
            _ => slow_end(rest),
        },
    }
}

/// Like [`read_end`], for cells other than puts.
#[inline(never)]
fn slow_end(rest: &[u8]) -> Option<(ColumnKind, Option<i64>, &[u8])> {
    let ([_, kind], rest) = rest.split_first_chunk()?;
    let kind = ColumnKind::from_wire(*kind)?;
    let (timestamp, rest) = match rest.split_first_chunk::<9>() {
        Some(([tag::CELL_TIMESTAMP, time @ ..], rest)) => (Some(i64::from_le_bytes(*time)), rest),
        _ => (None, rest),
    };
    Some((kind, timestamp, rest.get(2..)?))
}

impl<'a> CheckedCell<'a> {
    #[inline]
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.name.get(BEFORE_NAME..) == Some(name.as_bytes())
    }

    #[inline]
    pub(crate) fn kind(&self) -> ColumnKind {
        self.kind
    }

    #[inline]
    pub(crate) fn timestamp(&self) -> Option<i64> {
        self.has_timestamp.then_some(self.timestamp)
    }

    #[inline]
    pub(crate) fn has_value(&self) -> bool {
        !self.value.is_empty()
    }

    /// The name of the column.
    #[inline(always)]
    pub(crate) fn name(&self) -> &'a str {
        // The default is unreachable: the name was checked with the record.
        text::<BEFORE_NAME>(self.name).unwrap_or_default()
    }

    /// The value; `None` if the cell has none.
    #[inline(always)]
    pub(crate) fn value(&self) -> Option<ValueRef<'a>> {
        let ([.., kind], payload) = self.value.split_first_chunk::<5>()?;
        let number = || payload.first_chunk().copied();
        Some(match *kind {
            tag::VT_INTEGER => ValueRef::Integer(i64::from_le_bytes(number()?)),
            tag::VT_DOUBLE => ValueRef::Double(f64::from_le_bytes(number()?)),
            tag::VT_STRING => ValueRef::String(text::<BEFORE_TEXT>(self.value)?),
            // Not inlined, because its result is returned in memory. Inlined, it would
            // make the common values take the same way and stall on that copy.
            _ => slow_value(self.value)?,
        })
    }
}

#[inline(never)]
fn slow_value(value: &[u8]) -> Option<ValueRef<'_>> {
    cell::value(value.get(4..)?)
}

/// The text of a checked cell, which begins after the first `BEFORE` bytes.
///
/// Most texts are ASCII, and so are the tags and short lengths before them. The ASCII
/// check starts some bytes early, so that it covers whole words only: that takes half
/// the time.
#[inline(always)]
fn text<const BEFORE: usize>(bytes: &[u8]) -> Option<&str> {
    const WORD: usize = size_of::<u64>();
    let missing = (BEFORE.wrapping_sub(bytes.len())) % WORD;
    let padding = if missing > BEFORE { 0 } else { missing };
    match AsciiStr::from_ascii(bytes.get(BEFORE - padding..)?) {
        Ok(words) => {
            let text: &AsciiStr = words.as_slice().get(padding..)?.into();
            Some(text.as_str())
        }
        // The bytes before the text may be why this failed, so check the text alone.
        Err(_) => cell::text(bytes.get(BEFORE..)?),
    }
}

#[inline(always)]
fn size(length: [u8; 4]) -> usize {
    u32::from_le_bytes(length) as usize
}
