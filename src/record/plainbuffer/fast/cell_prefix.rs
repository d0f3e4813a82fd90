//! [`CellPrefix`]: the first bytes of a cell, and the check of a cell that starts with
//! them.
//!
//! If a cell starts with the same bytes as a cell of an earlier row, its name is known
//! to be UTF-8, and the checksum of the name is known as well. The rest of the cell has
//! one of a few common forms. Cells of any other form, and every error except a wrong
//! checksum, are left to [`Cell`].

use std::num::NonZeroUsize;

use super::sums::Sums;
use crate::record::kind::ColumnKind;
use crate::record::plainbuffer::cell::{self, Cell};
use crate::record::plainbuffer::crc8::simd::{LANES, U8x16};
use crate::record::plainbuffer::crc8::{self, PartialBlock};
use crate::record::plainbuffer::tag;

/// Number of bytes before a name: two tags and the length.
const BEFORE_NAME: usize = 1 + 1 + 4;
/// Number of bytes before a number: length and type of the value.
const BEFORE_NUMBER: usize = 4 + 1;
/// Number of bytes before a text: length and type of the value, length of the text.
const BEFORE_TEXT: usize = BEFORE_NUMBER + LENGTH;
const LENGTH: usize = 4;
/// Longer texts are rare, and are read by a function that is not inlined.
const SHORT_TEXT: usize = 256;

/// Length of a window: one block before a cell, and the longest cell without a long
/// text.
///
/// One bounds check for the window replaces a check for each part of the cell. The last
/// cells of a response have no window, and are left to the slow path.
pub(crate) const WINDOW: usize = LANES + u8::MAX as usize + BEFORE_TEXT + SHORT_TEXT + 2 * LANES;
pub(crate) type Window = [u8; WINDOW];

/// `N` bytes of a window from `at`. The lengths that lead to `at` are limited, so it is
/// always inside the window.
#[inline(always)]
pub(crate) fn part<const N: usize>(window: &Window, at: usize) -> [u8; N] {
    let part = window.get(at..).and_then(|bytes| bytes.first_chunk());
    part.copied().unwrap_or([0; N])
}

/// The first bytes of a cell that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellPrefix<'a> {
    /// The first 32 bytes, and a mask of the lanes that belong to the prefix.
    start: [U8x16; 2],
    mask: [U8x16; 2],
    /// Checksum of the name and of the type of the value, in all lanes.
    crc: U8x16,
    /// The whole prefix. It ends with the tag of the value; for numbers and booleans,
    /// with the type of the value; for deletions, with the kind of deletion.
    bytes: &'a [u8],
    /// Length of `bytes`.
    len: u8,
    form: Form,
    /// The type of the value, or a kind of deletion.
    kind: u8,
    /// The last row that added it to the table.
    pub(crate) row: u32,
}

/// The form of the rest of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A value of eight bytes.
    Number,
    /// A length and that many bytes.
    Text,
    /// A boolean, a deletion, or any value after a name that exceeds two blocks.
    Rare,
}

// Kinds of deletions; the high bit keeps them apart from the types of values.
const DELETE_ONE: u8 = 0x80 | tag::DELETE_ONE_VERSION;
const DELETE_ALL: u8 = 0x80 | tag::DELETE_ALL_VERSION;

impl<'a> CellPrefix<'a> {
    /// The prefix of `cell`, which starts at `bytes`; `None` if the cell does not have a
    /// common form.
    pub(crate) fn of(cell: &Cell<'a>, bytes: &'a [u8], row: u32) -> Option<CellPrefix<'a>> {
        let (kind, form, after_name) = match (cell.kind, cell.value_type()) {
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
        let len = BEFORE_NAME + cell.name.len() + after_name;
        let bytes = bytes.get(..len)?;
        let (mut start, mut mask) = ([[0; LANES]; 2], [[0; LANES]; 2]);
        let lanes = start.as_flattened_mut().iter_mut();
        for ((start, mask), byte) in lanes.zip(mask.as_flattened_mut()).zip(bytes) {
            (*start, *mask) = (*byte, u8::MAX);
        }
        let name = crc8::update(0, cell.name);
        let crc = match cell.kind {
            ColumnKind::Put => crc8::update_byte(name, kind),
            _ => name,
        };
        Some(CellPrefix {
            start: start.map(U8x16::new),
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

    /// Whether the cell after the first block of the window starts with this prefix.
    /// Compares two blocks; longer prefixes are compared in full by `rare`.
    #[inline(always)]
    pub(crate) fn matches_start(&self, window: &Window) -> bool {
        let ([known, then], [mask, then_mask]) = (self.start, self.mask);
        let first = U8x16::new(part(window, LANES)).plus(known).and(mask);
        let second = U8x16::new(part(window, 2 * LANES))
            .plus(then)
            .and(then_mask);
        first.or(second) == U8x16::ZERO
    }

    /// Checks a cell that starts with this prefix, and stores its sum at `place`.
    /// Returns its length; `None` if it needs the slow path.
    ///
    /// `rest` starts one block before the cell, and `window` is its start. The last byte
    /// of the cell is its checksum, which is compared later.
    #[inline(always)]
    pub(crate) fn check(
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
        // The checksum of the prefix is xored into the first byte after it, which continues
        // the checksum.
        let value = u64::from_le_bytes(self.after(window, 0));
        let end = End::of(&self.after(window, 8))?;
        sums.set(place, end.sum(value ^ self.crc()));
        end.after(self.len() + 8)
    }

    /// Checks a short text or binary.
    #[inline(always)]
    fn text(
        &self,
        rest: &[u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<NonZeroUsize> {
        let len = u32::from_le_bytes(self.after(window, BEFORE_NUMBER)) as usize;
        if len > SHORT_TEXT {
            return self.long_text(rest, window, place, sums);
        }
        let with_type = u32::from_le_bytes(self.after(window, 0)) as usize;
        let [kind] = self.after(window, LENGTH);
        // The length of the value must agree with the length of the text in it.
        if with_type != BEFORE_NUMBER + len || kind != self.kind {
            return None;
        }
        // The checksum covers the length of the text as well.
        let partial = PartialBlock::of(LENGTH + len);
        let before_blocks = self.len() + BEFORE_NUMBER + partial.byte_count();
        let first = part(window, before_blocks);
        let (blocks, _) = window.get(LANES + before_blocks..)?.as_chunks();
        let found = crc8::sum_sized(self.crc, partial, first, blocks.get(..partial.blocks)?);
        if !found.is_ascii && !self.is_allowed(rest, len) {
            return None;
        }
        let end = End::of(&self.after(window, BEFORE_TEXT + len))?;
        sums.set(place, end.sum_after(found.sum));
        end.after(self.len() + BEFORE_TEXT + len)
    }

    /// Checks a long text or binary.
    #[inline(never)]
    fn long_text(
        &self,
        rest: &[u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<NonZeroUsize> {
        let [v0, v1, v2, v3, kind, length @ ..] = self.after::<BEFORE_TEXT>(window, 0);
        let with_type = u32::from_le_bytes([v0, v1, v2, v3]);
        let len = with_type.checked_sub(BEFORE_NUMBER as u32)?;
        if kind != self.kind || len != u32::from_le_bytes(length) {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        let after = rest.get(LANES + self.len() + BEFORE_TEXT..)?;
        let (text, after) = after.split_at_checked(len)?;
        let (sum, found) = crc8::sum(crc8::update(self.crc() as u8, &length), text);
        if kind == tag::VT_STRING && found.high_bits() != 0 && cell::text(text).is_none() {
            return None;
        }
        let end = End::of(after.first_chunk()?)?;
        sums.set(place, end.sum_after(sum));
        end.after(self.len() + BEFORE_TEXT + len)
    }

    /// Checks a cell of any form, after a name of any length. Not inlined, so that the
    /// common forms can use all registers.
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

    /// Checks a boolean or a deletion.
    #[inline(always)]
    fn short(&self, window: &Window, place: usize, sums: &mut Sums) -> Option<NonZeroUsize> {
        let [first] = self.after(window, 0);
        let len = usize::from(self.kind == tag::VT_BOOLEAN);
        let end = End::of(&self.after(window, len))?;
        let sum = match (self.kind, &end, first) {
            (tag::VT_BOOLEAN, end, 0 | 1) => end.sum((self.crc() ^ u64::from(first)) << 56),
            // The checksum covers the kind of deletion last, after the timestamp.
            (DELETE_ONE | DELETE_ALL, End::Timed(time), _) => {
                let time = time ^ self.crc();
                U8x16::from_words(time << 56, time >> 8 | self.deletion_type_last())
            }
            (DELETE_ALL, End::Untimed, _) => {
                U8x16::from_words(0, self.deletion_type_last() ^ self.crc() << 56)
            }
            _ => return None,
        };
        sums.set(place, sum);
        end.after(self.len() + len)
    }

    /// The kind of deletion, as the last of eight bytes.
    fn deletion_type_last(&self) -> u64 {
        u64::from(self.kind & 0x7F) << 56
    }

    /// Whether a value that is not ASCII is valid: any binary is, a string if it is UTF-8.
    #[inline(never)]
    fn is_allowed(&self, rest: &[u8], len: usize) -> bool {
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

    /// Checksum of the name and of the type of the value.
    #[inline(always)]
    fn crc(&self) -> u64 {
        self.crc.words().0 & 0xFF
    }

    /// `N` bytes of the window, from `by` bytes after the prefix.
    #[inline(always)]
    fn after<const N: usize>(&self, window: &Window, by: usize) -> [u8; N] {
        part(window, LANES + self.len() + by)
    }
}

/// Appends eight bytes to a sum. The sum moves by half a block; the half that is pushed
/// out at the start re-enters at the end, multiplied by x (x^128 = x).
#[inline(always)]
fn followed_by(sum: U8x16, word: u64) -> U8x16 {
    let (_, low) = sum.words();
    let (high, _) = sum.times_x().words();
    U8x16::from_words(low, high ^ word)
}

/// The part of a cell after the value: an optional timestamp, and the checksum.
enum End {
    Timed(u64),
    Untimed,
}

impl End {
    // Lengths in bytes, with the tags.
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

    /// The sum of a value of eight bytes, followed by this end.
    #[inline(always)]
    fn sum(&self, value: u64) -> U8x16 {
        match *self {
            End::Timed(time) => U8x16::from_words(value, time),
            End::Untimed => U8x16::from_words(0, value),
        }
    }

    /// Appends this end to `sum`.
    #[inline(always)]
    fn sum_after(&self, sum: U8x16) -> U8x16 {
        match *self {
            End::Timed(time) => followed_by(sum, time),
            End::Untimed => sum,
        }
    }

    /// The length of a cell that has `before` bytes before this end.
    #[inline(always)]
    fn after(&self, before: usize) -> Option<NonZeroUsize> {
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
