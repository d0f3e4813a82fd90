//! [`CellPrefix`]: what a cell begins with, and how it goes on.
//!
//! A cell that begins with the very bytes that a cell of a row before began with
//! has been looked at so far: its name is UTF-8 and summed. What comes after the
//! name is of a few usual forms; a cell of any other form, and every error but a
//! wrong checksum, is left to [`Cell`].

use std::num::NonZeroUsize;

use super::sums::Sums;
use crate::record::kind::ColumnKind;
use crate::record::plainbuffer::cell::{self, Cell};
use crate::record::plainbuffer::crc8::simd::{LANES, U8x16};
use crate::record::plainbuffer::crc8::{self, Odd};
use crate::record::plainbuffer::tag;

/// Tags and length of a name.
const BEFORE_NAME: usize = 1 + 1 + 4;
/// Length and type of a value.
const BEFORE_NUMBER: usize = 4 + 1;
/// Length and type of a value, and the length in it.
const BEFORE_TEXT: usize = BEFORE_NUMBER + LENGTH;
const LENGTH: usize = 4;
/// Longer texts are rare enough for a function of their own.
const SHORT_TEXT: usize = 256;

/// What is looked at of a cell without asking for each byte whether it is there:
/// a block before the cell, and all of it but longer texts. Near the end of an
/// answer there is none.
pub(crate) const WINDOW: usize = LANES + u8::MAX as usize + BEFORE_TEXT + SHORT_TEXT + 2 * LANES;
pub(crate) type Window = [u8; WINDOW];

/// A part of a window, in which it lies wherever lengths of the usual size put it.
#[inline(always)]
pub(crate) fn part<const N: usize>(window: &Window, at: usize) -> [u8; N] {
    let part = window.get(at..).and_then(|bytes| bytes.first_chunk());
    part.copied().unwrap_or([0; N])
}

/// The beginning of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellPrefix<'a> {
    /// Its first bytes, and ones where they count.
    begin: [U8x16; 2],
    mask: [U8x16; 2],
    /// The checksum of the name, and of the type of a value, in all lanes.
    crc: U8x16,
    /// As far as the tag of the value; of numbers, as far as its type; of
    /// deletions, as far as what is deleted.
    bytes: &'a [u8],
    /// Of the same.
    len: u8,
    form: Form,
    /// The type of the value, or a kind of deletion.
    kind: u8,
    /// The last row that it was learned from.
    pub(crate) row: u32,
}

/// How a cell goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With eight bytes.
    Number,
    /// With a length and as many bytes.
    Text,
    /// In another way, or in one of these behind a long name.
    Rare,
}

/// Kinds of deletions, which no type of a value is.
const DELETE_ONE: u8 = 0x80 | tag::DELETE_ONE_VERSION;
const DELETE_ALL: u8 = 0x80 | tag::DELETE_ALL_VERSION;

impl<'a> CellPrefix<'a> {
    /// None of a cell that is not of a usual form.
    pub(crate) fn of(cell: &Cell<'a>, bytes: &'a [u8], row: u32) -> Option<CellPrefix<'a>> {
        let (kind, form, behind_name) = match (cell.kind, cell.value_type()) {
            (ColumnKind::Put, Some(kind)) => match kind {
                tag::VT_INTEGER | tag::VT_DOUBLE => (kind, Form::Number, 1 + BEFORE_NUMBER),
                tag::VT_STRING | tag::VT_BLOB => (kind, Form::Text, 1),
                tag::VT_BOOLEAN => (kind, Form::Rare, 1 + BEFORE_NUMBER),
                _ => return None,
            },
            (ColumnKind::DeleteOneVersion, None) => (DELETE_ONE, Form::Rare, 1 + 1),
            (ColumnKind::DeleteAllVersions, None) => (DELETE_ALL, Form::Rare, 1 + 1),
            _ => return None,
        };
        let len = BEFORE_NAME + cell.name.len() + behind_name;
        let bytes = bytes.get(..len)?;
        let (mut begin, mut mask) = ([[0; LANES]; 2], [[0; LANES]; 2]);
        let places = begin.as_flattened_mut().iter_mut();
        for ((begin, mask), byte) in places.zip(mask.as_flattened_mut()).zip(bytes) {
            (*begin, *mask) = (*byte, u8::MAX);
        }
        let name = crc8::update(0, cell.name);
        let crc = match cell.kind {
            ColumnKind::Put => crc8::update_byte(name, kind),
            _ => name,
        };
        Some(CellPrefix {
            begin: begin.map(U8x16::new),
            mask: mask.map(U8x16::new),
            crc: U8x16::all(crc),
            bytes,
            len: u8::try_from(len).ok()?,
            form: if len > 2 * LANES { Form::Rare } else { form },
            kind,
            row,
        })
    }

    pub(crate) fn is_same(&self, other: &CellPrefix<'_>) -> bool {
        self.kind == other.kind && self.bytes == other.bytes
    }

    /// Whether the cell behind the first block begins like this one, as far as two
    /// blocks tell.
    #[inline(always)]
    pub(crate) fn begins(&self, window: &Window) -> bool {
        let ([known, then], [mask, then_mask]) = (self.begin, self.mask);
        let first = U8x16::new(part(window, LANES)).plus(known).and(mask);
        let second = U8x16::new(part(window, 2 * LANES))
            .plus(then)
            .and(then_mask);
        first.or(second) == U8x16::ZERO
    }

    /// Reads a cell that begins like this one; `rest` and its first bytes, `window`,
    /// start a block before it. Gives its length, of which the last byte is its checksum;
    /// none unless it is in order so far. Its sum is put at its place.
    #[inline(always)]
    pub(crate) fn cell(
        &self,
        rest: &[u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<NonZeroUsize> {
        match self.form {
            Form::Number => self.number(window, place, sums),
            Form::Text => self.text(rest, window, place, sums),
            Form::Rare => self.rare(rest, window, place, sums),
        }
    }

    #[inline(always)]
    fn number(&self, window: &Window, place: usize, sums: &mut Sums) -> Option<NonZeroUsize> {
        let value = u64::from_le_bytes(self.behind(window, 0));
        let end = End::of(&self.behind(window, 8))?;
        sums.set(place, end.sum(value ^ self.crc()));
        end.behind(self.len() + 8)
    }

    /// A text or a binary that is not long.
    #[inline(always)]
    fn text(
        &self,
        rest: &[u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<NonZeroUsize> {
        let len = u32::from_le_bytes(self.behind(window, BEFORE_NUMBER)) as usize;
        if len > SHORT_TEXT {
            return self.long_text(rest, window, place, sums);
        }
        let with_type = u32::from_le_bytes(self.behind(window, 0)) as usize;
        let [kind] = self.behind(window, LENGTH);
        if with_type != BEFORE_NUMBER + len || kind != self.kind {
            return None;
        }
        // From the length in it on, which is summed as well.
        let odd = Odd::of(LENGTH + len);
        let before_blocks = self.len() + BEFORE_NUMBER + odd.count();
        let first = part(window, before_blocks);
        let (blocks, _) = window.get(LANES + before_blocks..)?.as_chunks();
        let seen = crc8::look(self.crc, odd, first, blocks.get(..odd.blocks)?);
        if !seen.is_ascii && !self.allows(rest, len) {
            return None;
        }
        let end = End::of(&self.behind(window, BEFORE_TEXT + len))?;
        sums.set(place, end.sum_behind(seen.sum));
        end.behind(self.len() + BEFORE_TEXT + len)
    }

    /// A longer one.
    #[inline(never)]
    fn long_text(
        &self,
        rest: &[u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<NonZeroUsize> {
        let [v0, v1, v2, v3, kind, length @ ..] = self.behind::<BEFORE_TEXT>(window, 0);
        let with_type = u32::from_le_bytes([v0, v1, v2, v3]);
        let len = with_type.checked_sub(BEFORE_NUMBER as u32)?;
        if kind != self.kind || len != u32::from_le_bytes(length) {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        let behind = rest.get(LANES + self.len() + BEFORE_TEXT..)?;
        let (text, behind) = behind.split_at_checked(len)?;
        let (sum, seen) = crc8::sum(crc8::update(self.crc() as u8, &length), text);
        if kind == tag::VT_STRING && seen.high_bits() != 0 && cell::text(text).is_none() {
            return None;
        }
        let end = End::of(behind.first_chunk()?)?;
        sums.set(place, end.sum_behind(sum));
        end.behind(self.len() + BEFORE_TEXT + len)
    }

    /// A cell of any form, behind a name of any length. A function of its own, which
    /// leaves the others their registers.
    #[inline(never)]
    fn rare(
        &self,
        rest: &[u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<NonZeroUsize> {
        if !window.split_at(LANES).1.starts_with(self.bytes) {
            return None;
        }
        match self.kind {
            tag::VT_INTEGER | tag::VT_DOUBLE => self.number(window, place, sums),
            tag::VT_STRING | tag::VT_BLOB => self.text(rest, window, place, sums),
            _ => self.short(window, place, sums),
        }
    }

    /// A boolean or a deletion.
    #[inline(always)]
    fn short(&self, window: &Window, place: usize, sums: &mut Sums) -> Option<NonZeroUsize> {
        let [first] = self.behind(window, 0);
        let len = usize::from(self.kind == tag::VT_BOOLEAN);
        let end = End::of(&self.behind(window, len))?;
        let sum = match (self.kind, &end, first) {
            (tag::VT_BOOLEAN, end, 0 | 1) => end.sum((self.crc() ^ u64::from(first)) << 56),
            // What is deleted is summed last.
            (DELETE_ONE | DELETE_ALL, End::Timed(time), _) => {
                let time = time ^ self.crc();
                U8x16::of_words(time << 56, time >> 8 | self.what_last())
            }
            (DELETE_ALL, End::Untimed, _) => {
                U8x16::of_words(0, self.what_last() ^ self.crc() << 56)
            }
            _ => return None,
        };
        sums.set(place, sum);
        end.behind(self.len() + len)
    }

    /// What is deleted, as the last of eight bytes.
    fn what_last(&self) -> u64 {
        u64::from(self.kind & 0x7F) << 56
    }

    /// Whether these bytes may be the value, of which not all are ASCII.
    #[inline(never)]
    fn allows(&self, rest: &[u8], len: usize) -> bool {
        if self.kind != tag::VT_STRING {
            return true;
        }
        let text = rest.get(LANES + self.len() + BEFORE_TEXT..);
        let text = text.and_then(|text| text.get(..len));
        text.is_some_and(|text| cell::text(text).is_some())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The checksum of what comes before the value.
    #[inline(always)]
    fn crc(&self) -> u64 {
        self.crc.words().0 & 0xFF
    }

    /// What lies so many bytes behind the beginning.
    #[inline(always)]
    fn behind<const N: usize>(&self, window: &Window, by: usize) -> [u8; N] {
        part(window, LANES + self.len() + by)
    }
}

/// A sum followed by eight bytes: on by half a block. The half that this pushes
/// out comes in again at the end, times x.
#[inline(always)]
fn followed_by(sum: U8x16, word: u64) -> U8x16 {
    let (_, low) = sum.words();
    let (high, _) = sum.times_x().words();
    U8x16::of_words(low, high ^ word)
}

/// What comes after a value: perhaps a timestamp, and the checksum.
enum End {
    Timed(u64),
    Untimed,
}

impl End {
    /// Their lengths, with the tags.
    const TIMED: usize = 1 + 8 + 1 + 1;
    const UNTIMED: usize = 1 + 1;

    #[inline(always)]
    fn of(bytes: &[u8; End::TIMED]) -> Option<End> {
        match bytes {
            [tag::CELL_TIMESTAMP, time @ .., tag::CELL_CHECKSUM, _] => {
                Some(End::Timed(u64::from_le_bytes(*time)))
            }
            [tag::CELL_CHECKSUM, ..] => Some(End::Untimed),
            _ => None,
        }
    }

    /// The sum of a value of eight bytes with this end.
    #[inline(always)]
    fn sum(&self, value: u64) -> U8x16 {
        match *self {
            End::Timed(time) => U8x16::of_words(value, time),
            End::Untimed => U8x16::of_words(0, value),
        }
    }

    /// A sum with this end behind it.
    #[inline(always)]
    fn sum_behind(&self, sum: U8x16) -> U8x16 {
        match *self {
            End::Timed(time) => followed_by(sum, time),
            End::Untimed => sum,
        }
    }

    /// The length of a cell that is so long up to this end.
    #[inline(always)]
    fn behind(&self, before: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(before + self.len())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        match self {
            End::Timed(..) => End::TIMED,
            End::Untimed => End::UNTIMED,
        }
    }
}
