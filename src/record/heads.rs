//! [`Heads`]: what the cells of a batch begin with.
//!
//! The rows of a batch mostly have the same columns in the same order. A cell
//! that begins with the very bytes that a cell of a row before began with has
//! been looked at so far: its name is UTF-8 and summed. What comes after the name
//! is of a few usual forms; a cell of any other form, and every fault, is left to
//! [`Cell`](super::cell::Cell).

use std::slice;

use super::cell::{self, Cell};
use super::crc8::{self, Sum};
use super::kind::ColumnKind;
use super::tag;

/// Cells behind these are read without help, and their rows walked twice: once as
/// far as they are known, then from the start.
const PLACES: usize = 256;

/// Tags and length of a name, and the tag of the value.
const BEFORE_VALUE: usize = 1 + 1 + 4 + 1;
/// Length and type of a value.
const BEFORE_NUMBER: usize = 4 + 1;
/// Length and type of a value, and the length in it.
const BEFORE_TEXT: usize = BEFORE_NUMBER + 4;
/// A timestamp and a checksum, each with its tag.
const TIMED_END: usize = 1 + 8 + END;
/// A checksum with its tag.
const END: usize = 1 + 1;

/// One for each place of a cell in a row, as far as they are known. On the heap:
/// they would be most of what a thread touches of its stack.
#[derive(Debug)]
pub(super) struct Heads<'a>(Vec<Head<'a>>);

/// What a cell is followed by.
pub(super) struct Known<'a> {
    pub(super) checksum: u8,
    pub(super) rest: &'a [u8],
}

impl<'a> Heads<'a> {
    pub(super) fn new() -> Heads<'a> {
        Heads(Vec::new())
    }

    /// Those that are known, by their places.
    #[inline]
    pub(super) fn iter(&self) -> slice::Iter<'_, Head<'a>> {
        self.0.iter()
    }

    /// The one at a place.
    pub(super) fn get(&self, place: usize) -> Option<&Head<'a>> {
        self.0.get(place)
    }

    /// Keeps the beginning of a cell that was found in order at this place;
    /// `bytes` begin with it.
    pub(super) fn learn(&mut self, place: usize, cell: &Cell<'a>, bytes: &'a [u8]) {
        if place >= PLACES {
            return;
        }
        if let Some(head) = Head::of(cell, bytes) {
            let heads = &mut self.0;
            // Once, however many there will be.
            heads.reserve_exact(PLACES - heads.len());
            heads.resize(heads.len().max(place + 1), Head::UNKNOWN);
            if let Some(known) = heads.get_mut(place) {
                *known = head;
            }
        }
    }
}

/// As much of a cell's beginning as is compared at once.
const BEGIN: usize = 32;

/// The beginning of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// Its first bytes, and a one for each bit of them that counts.
    begin: [u64; BEGIN / 8],
    mask: [u64; BEGIN / 8],
    /// As far as the tag of the value; of numbers, as far as its type.
    bytes: &'a [u8],
    /// The type of the value.
    kind: u8,
    /// The checksum of the name and the type of the value.
    crc: u8,
}

impl<'a> Head<'a> {
    /// No cell begins like this one: the tag of a cell is not 0.
    const UNKNOWN: Head<'static> = Head {
        begin: [0; BEGIN / 8],
        mask: [u64::MAX; BEGIN / 8],
        bytes: &[],
        kind: 0,
        crc: 0,
    };

    /// None of a cell that is not of a usual form.
    fn of(cell: &Cell<'a>, bytes: &'a [u8]) -> Option<Head<'a>> {
        let kind = cell.value_type()?;
        let after_name = match kind {
            tag::VT_INTEGER | tag::VT_DOUBLE | tag::VT_BOOLEAN => BEFORE_NUMBER,
            tag::VT_STRING | tag::VT_BLOB => 0,
            _ => return None,
        };
        if cell.kind != ColumnKind::Put {
            return None;
        }
        let bytes = bytes.get(..BEFORE_VALUE + cell.name.len() + after_name)?;
        let (mut begin, mut mask) = ([0; BEGIN], [0; BEGIN]);
        for ((begin, mask), byte) in begin.iter_mut().zip(&mut mask).zip(bytes) {
            (*begin, *mask) = (*byte, u8::MAX);
        }
        Some(Head {
            begin: words(&begin),
            mask: words(&mask),
            bytes,
            kind,
            crc: crc8::update_byte(crc8::update(0, cell.name), kind),
        })
    }

    /// The end of a cell that begins like this one, if `bytes` are one in order.
    #[inline(always)]
    pub(super) fn cell(&self, bytes: &'a [u8]) -> Option<Known<'a>> {
        if !self.begins(bytes) {
            return None;
        }
        let rest = bytes.get(self.bytes.len()..)?;
        let (sum, rest) = match self.kind {
            tag::VT_INTEGER | tag::VT_DOUBLE => {
                let (value, rest) = rest.split_first_chunk()?;
                (Sum::of_word(self.crc, *value), rest)
            }
            tag::VT_BOOLEAN => {
                let (value @ (0 | 1), rest) = rest.split_first()? else {
                    return None;
                };
                (Sum::of_byte(self.crc, *value), rest)
            }
            _ => self.text(rest)?,
        };
        end(sum, rest)
    }

    /// A text or a binary, from the length of the value on: the sum as far as
    /// its end, and what follows it.
    #[inline(always)]
    fn text(&self, bytes: &'a [u8]) -> Option<(Sum, &'a [u8])> {
        let (before, rest) = bytes.split_first_chunk::<BEFORE_TEXT>()?;
        let [v0, v1, v2, v3, kind, length @ ..] = *before;
        let len = u32::from_le_bytes(length);
        let with_type = u32::from_le_bytes([v0, v1, v2, v3]);
        if kind != self.kind || len.checked_add(BEFORE_NUMBER as u32) != Some(with_type) {
            return None;
        }
        let crc = match u8::try_from(len) {
            Ok(len) => crc8::update_zeros(self.crc ^ len),
            Err(_) => crc8::update(self.crc, &length),
        };
        let len = usize::try_from(len).ok()?;
        let seen = crc8::look(crc, rest, len)?;
        let (text, rest) = rest.split_at_checked(len)?;
        if !seen.is_ascii && kind == tag::VT_STRING && !is_utf8(text) {
            return None;
        }
        Some((seen.sum, rest))
    }

    #[inline(always)]
    fn begins(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk() {
            Some(begin) => {
                let ([a, b, c, d], known, mask) = (words(begin), &self.begin, &self.mask);
                let differ = (a ^ known[0]) & mask[0]
                    | (b ^ known[1]) & mask[1]
                    | (c ^ known[2]) & mask[2]
                    | (d ^ known[3]) & mask[3];
                differ == 0 && (self.bytes.len() <= BEGIN || bytes.starts_with(self.bytes))
            }
            None => !self.bytes.is_empty() && bytes.starts_with(self.bytes),
        }
    }
}

/// What comes after a value: perhaps a timestamp, and the checksum.
#[inline(always)]
fn end(sum: Sum, bytes: &[u8]) -> Option<Known<'_>> {
    if let Some((end, rest)) = bytes.split_first_chunk::<TIMED_END>()
        && let [tag::CELL_TIMESTAMP, time @ .., tag::CELL_CHECKSUM, checksum] = end
    {
        return known(sum.then(*time), *checksum, rest);
    }
    match bytes {
        [tag::CELL_CHECKSUM, checksum, rest @ ..] => known(sum, *checksum, rest),
        _ => None,
    }
}

#[inline(always)]
fn known(sum: Sum, checksum: u8, rest: &[u8]) -> Option<Known<'_>> {
    (sum.crc() == checksum).then_some(Known { checksum, rest })
}

#[inline(always)]
fn words(bytes: &[u8; BEGIN]) -> [u64; BEGIN / 8] {
    let (words, _) = bytes.as_chunks();
    let word = |place| words.get(place).copied().unwrap_or_default();
    [word(0), word(1), word(2), word(3)].map(u64::from_ne_bytes)
}

/// For a text of which a letter is not ASCII.
#[inline(never)]
fn is_utf8(text: &[u8]) -> bool {
    cell::text(text).is_some()
}
