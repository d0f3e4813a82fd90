//! [`Cells`]: the cells of a section that was checked before, read again: without
//! looking for faults, and each part only when it is asked for.

use ascii::AsciiStr;

use super::{cell, tag};
use crate::record::kind::ColumnKind;
use crate::record::value::ValueRef;

/// Tags and length of a name.
const BEFORE_NAME: usize = 1 + 1 + 4;
/// Length and type of a value, and the length in it.
const BEFORE_TEXT: usize = 4 + 1 + 4;

/// Timestamp and checksum.
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

/// A cell of which the parts are found, but not looked into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedCell<'a> {
    /// All up to the end of the name.
    head: &'a [u8],
    /// From the length of the value on; nothing if there is no value.
    value: &'a [u8],
    kind: ColumnKind,
    /// Not an option, which would be copied whole: who copies what was just written in
    /// parts waits for that.
    is_timed: bool,
    time: i64,
}

impl<'a> Iterator for Cells<'a> {
    type Item = CheckedCell<'a>;

    #[inline]
    fn next(&mut self) -> Option<CheckedCell<'a>> {
        // Two tags, which are there.
        let [_, _, length @ ..] = self.0.first_chunk::<BEFORE_NAME>()?;
        let (head, rest) = self.0.split_at_checked(BEFORE_NAME + size(*length))?;
        let (value, rest) = match rest {
            [tag::CELL_VALUE, rest @ ..] => {
                rest.split_at_checked(4 + size(*rest.first_chunk()?))?
            }
            _ => (&[][..], rest),
        };
        let (kind, timestamp, rest) = end(rest)?;
        self.0 = rest;
        Some(CheckedCell {
            head,
            value,
            kind,
            is_timed: timestamp.is_some(),
            time: timestamp.unwrap_or_default(),
        })
    }
}

/// What comes after the value: the kind of the cell, its timestamp, and what follows.
#[inline(always)]
fn end(rest: &[u8]) -> Option<(ColumnKind, Option<i64>, &[u8])> {
    match rest.split_first_chunk::<END_WITH_TIMESTAMP>() {
        Some(([tag::CELL_TIMESTAMP, time @ .., _, _], rest)) => {
            Some((ColumnKind::Put, Some(i64::from_le_bytes(*time)), rest))
        }
        _ => match rest {
            [tag::CELL_CHECKSUM, _, rest @ ..] => Some((ColumnKind::Put, None, rest)),
            _ => rare_end(rest),
        },
    }
}

/// The same of a cell that is none of a put.
#[inline(never)]
fn rare_end(rest: &[u8]) -> Option<(ColumnKind, Option<i64>, &[u8])> {
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
        self.head.get(BEFORE_NAME..) == Some(name.as_bytes())
    }

    #[inline]
    pub(crate) fn kind(&self) -> ColumnKind {
        self.kind
    }

    #[inline]
    pub(crate) fn timestamp(&self) -> Option<i64> {
        self.is_timed.then_some(self.time)
    }

    #[inline]
    pub(crate) fn has_value(&self) -> bool {
        !self.value.is_empty()
    }

    /// Never the default: it was checked with the record.
    #[inline(always)]
    pub(crate) fn name(&self) -> &'a str {
        text::<BEFORE_NAME>(self.head).unwrap_or_default()
    }

    /// The value, if the cell has one.
    #[inline(always)]
    pub(crate) fn value(&self) -> Option<ValueRef<'a>> {
        let ([.., kind], payload) = self.value.split_first_chunk::<5>()?;
        let number = || payload.first_chunk().copied();
        Some(match *kind {
            tag::VT_INTEGER => ValueRef::Integer(i64::from_le_bytes(number()?)),
            tag::VT_DOUBLE => ValueRef::Double(f64::from_le_bytes(number()?)),
            tag::VT_STRING => ValueRef::String(text::<BEFORE_TEXT>(self.value)?),
            // What it returns in memory is copied from there, so that the others are not
            // written there first: each copy would have to wait for that.
            _ => rare_value(self.value)?,
        })
    }
}

#[inline(never)]
fn rare_value(value: &[u8]) -> Option<ValueRef<'_>> {
    cell::value(value.get(4..)?)
}

/// The text of a checked cell that lies behind its first `BEFORE` bytes.
///
/// Mostly it is ASCII, and so are the bytes before it, lengths among them. With as many
/// of these as make whole words of it, that is seen in half the time.
#[inline(always)]
fn text<const BEFORE: usize>(bytes: &[u8]) -> Option<&str> {
    const WORD: usize = size_of::<u64>();
    let lacks = (BEFORE.wrapping_sub(bytes.len())) % WORD;
    let more = if lacks > BEFORE { 0 } else { lacks };
    match AsciiStr::from_ascii(bytes.get(BEFORE - more..)?) {
        Ok(words) => {
            let text: &AsciiStr = words.as_slice().get(more..)?.into();
            Some(text.as_str())
        }
        Err(_) => cell::text(bytes.get(BEFORE..)?),
    }
}

#[inline(always)]
fn size(length: [u8; 4]) -> usize {
    u32::from_le_bytes(length) as usize
}
