//! [`Heads`]: what the cells of a batch begin with.
//!
//! The rows of a batch mostly have the same columns in the same order. A cell
//! that begins with the very bytes that the cell at its place in the row before
//! began with has been looked at so far: its name is UTF-8 and summed. What
//! comes after the name is of a few usual forms; a cell of any other form, and
//! every fault, is left to [`Cell`](super::cell::Cell).

use super::cell::{self, Cell};
use super::{crc8, tag};

/// More columns than this are read without help.
const PLACES: usize = 256;

/// Tags and length of a name, and the tag of the value.
const BEFORE_VALUE: usize = 1 + 1 + 4 + 1;
/// Length and type of a value.
const BEFORE_NUMBER: usize = 4 + 1;
/// Type of a value and length of a text.
const BEFORE_TEXT: usize = 1 + 4;
/// The tag of a timestamp, the timestamp.
const TIMESTAMP: usize = 1 + 8;
/// The tag of a checksum, the checksum.
const CHECKSUM: usize = 1 + 1;

/// One for each place of a cell in a row, as far as they are known.
#[derive(Debug)]
pub(super) struct Heads<'a>([Head<'a>; PLACES]);

/// The beginning of a cell.
#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    /// As far as the tag of the value; of a number, as far as its type. Empty:
    /// not known.
    bytes: &'a [u8],
    is_number: bool,
    /// The checksum of the name, and of a number's type.
    crc: u8,
}

/// The cells of a row, as far as they are checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress<'a> {
    /// How many there were.
    pub(super) place: usize,
    /// The checksum of their checksums.
    pub(super) crc: u8,
    /// What follows them.
    pub(super) rest: &'a [u8],
}

impl<'a> Heads<'a> {
    pub(super) fn new() -> Heads<'a> {
        let unknown = Head {
            bytes: &[],
            is_number: false,
            crc: 0,
        };
        Heads([unknown; PLACES])
    }

    /// Goes on over all cells that are of a usual form, in order, and begin
    /// like the cell that was at their place before.
    #[inline]
    pub(super) fn skip_known(&self, mut progress: Progress<'a>) -> Progress<'a> {
        for head in self.0.iter().skip(progress.place) {
            let Some((checksum, rest)) = head.cell(progress.rest) else {
                break;
            };
            progress.crc = crc8::update_byte(progress.crc, checksum);
            progress.rest = rest;
            progress.place += 1;
        }
        progress
    }

    /// Keeps the beginning of a cell that was found in order at this place;
    /// `bytes` begin with it.
    pub(super) fn learn(&mut self, place: usize, cell: &Cell<'a>, bytes: &'a [u8]) {
        if let Some(place) = self.0.get_mut(place)
            && let Some(head) = Head::of(cell, bytes)
        {
            *place = head;
        }
    }
}

impl<'a> Head<'a> {
    fn of(cell: &Cell<'a>, bytes: &'a [u8]) -> Option<Head<'a>> {
        let (kind, len) = (cell.value_type()?, BEFORE_VALUE + cell.name.len());
        let crc = crc8::update(0, cell.name);
        Some(match kind {
            tag::VT_INTEGER | tag::VT_DOUBLE => Head {
                bytes: bytes.get(..len + BEFORE_NUMBER)?,
                is_number: true,
                crc: crc8::update_byte(crc, kind),
            },
            _ => Head {
                bytes: bytes.get(..len)?,
                is_number: false,
                crc,
            },
        })
    }

    /// The checksum of a cell that has this head, and what follows it.
    #[inline]
    fn cell(&self, bytes: &'a [u8]) -> Option<(u8, &'a [u8])> {
        let (begin, rest) = bytes.split_at_checked(self.bytes.len())?;
        // None that is not known: that would be no cell.
        if begin.is_empty() || !is_same(begin, self.bytes) {
            return None;
        }
        let (crc, rest) = match self.is_number {
            true => number(self.crc, rest)?,
            false => text(self.crc, rest)?,
        };
        let ([tag, checksum], rest) = rest.split_first_chunk::<CHECKSUM>()?;
        (*tag == tag::CELL_CHECKSUM && *checksum == crc).then_some((crc, rest))
    }
}

/// A number and perhaps a timestamp: the checksum, and what follows.
#[inline]
fn number(crc: u8, bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (value, rest) = bytes.split_first_chunk::<8>()?;
    match rest.split_first_chunk::<TIMESTAMP>() {
        Some(([tag::CELL_TIMESTAMP, time @ ..], rest)) => {
            Some((crc8::update_words(crc, *value, *time), rest))
        }
        _ => Some((crc8::update_word(crc, *value), rest)),
    }
}

/// A text and perhaps a timestamp: the checksum, and what follows.
#[inline]
fn text(crc: u8, bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (typed, rest) = rest.split_at_checked(length)?;
    let ([tag::VT_STRING, length @ ..], text) = typed.split_first_chunk::<BEFORE_TEXT>()? else {
        return None;
    };
    if usize::try_from(u32::from_le_bytes(*length)) != Ok(text.len()) {
        return None;
    }
    let sum = crc8::sum(crc, typed);
    if !sum.is_ascii && !is_utf8(text) {
        return None;
    }
    match rest.split_first_chunk::<TIMESTAMP>() {
        Some(([tag::CELL_TIMESTAMP, time @ ..], rest)) => {
            Some((crc8::update_word(sum.crc, *time), rest))
        }
        _ => Some((sum.crc, rest)),
    }
}

/// For a text of which the length or a letter is not ASCII.
#[inline(never)]
fn is_utf8(text: &[u8]) -> bool {
    cell::text(text).is_some()
}

/// Two words that overlap are compared faster than memory of any length.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        8..=16 => ends::<8>(a) == ends::<8>(b),
        17..=32 => ends::<16>(a) == ends::<16>(b),
        _ => a == b,
    }
}

#[inline]
fn ends<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    Some((bytes.first_chunk()?, bytes.last_chunk()?))
}
