//! [`Heads`]: what the cells of a batch begin with.
//!
//! The rows of a batch mostly have the same columns in the same order. A cell
//! that begins with the very bytes that the cell at its place in the row before
//! began with has been looked at so far: its name is UTF-8 and summed. What
//! comes after the name is of a few usual forms; a cell of any other form, and
//! every fault, is left to [`Cell`](super::cell::Cell).

use super::cell::Cell;
use super::{crc8, tag};

/// More columns than this are read without help.
const PLACES: usize = 256;

/// Tags and length of the name, and the tag of the value.
const FRAMING: usize = 1 + 1 + 4 + 1;

/// One for each place of a cell in a row, as far as they are known.
#[derive(Debug)]
pub(super) struct Heads<'a>([Head<'a>; PLACES]);

/// A cell as far as the tag of its value.
#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    /// Empty: not known.
    bytes: &'a [u8],
    /// The checksum of the name.
    crc: u8,
}

/// A cell that is in order.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) checksum: u8,
    /// What follows the cell.
    pub(super) rest: &'a [u8],
}

impl<'a> Heads<'a> {
    pub(super) fn new() -> Heads<'a> {
        Heads([Head { bytes: &[], crc: 0 }; PLACES])
    }

    /// The cell that `rest` begins with, if it is of a usual form, in order,
    /// and begins like the cell that was at this place before.
    #[inline]
    pub(super) fn find(&self, place: usize, rest: &'a [u8]) -> Option<Known<'a>> {
        let head = self.0.get(place)?;
        head.bytes.first()?;
        let rest = after(rest, head.bytes)?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (typed, rest) = rest.split_at_checked(length)?;
        let crc = typed_crc(head.crc, typed)?;
        let (crc, rest) = match rest.split_first()? {
            (&tag::CELL_TIMESTAMP, rest) => {
                let (timestamp, rest) = rest.split_first_chunk()?;
                (crc8::update_word(crc, *timestamp), rest)
            }
            _ => (crc, rest),
        };
        let ([sum_tag, checksum], rest) = rest.split_first_chunk()?;
        let checksum = *checksum;
        let is_good = *sum_tag == tag::CELL_CHECKSUM && checksum == crc;
        is_good.then_some(Known { checksum, rest })
    }

    /// Keeps the beginning of a cell that was found in order at this place;
    /// `bytes` begin with it.
    pub(super) fn learn(&mut self, place: usize, cell: &Cell<'a>, bytes: &'a [u8]) {
        let len = FRAMING + cell.name.len();
        if let Some(head) = self.0.get_mut(place)
            && let Some(bytes) = bytes.get(..len)
            // A cell without a value has no such head.
            && bytes.last() == Some(&tag::CELL_VALUE)
        {
            *head = Head {
                bytes,
                crc: crc8::update(0, cell.name),
            };
        }
    }
}

/// What comes after `head`, if `bytes` begin with it.
#[inline]
fn after<'a>(bytes: &'a [u8], head: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = bytes.split_at_checked(head.len())?;
    is_same(begin, head).then_some(rest)
}

/// Two words that overlap are compared faster than memory of any length.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() <= 16
        && let (Some(a_first), Some(b_first)) = (a.first_chunk::<8>(), b.first_chunk::<8>())
        && let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>())
    {
        return a_first == b_first && a_last == b_last;
    }
    a == b
}

/// The checksum of a name and a value, if the value is a number or a text.
#[inline]
fn typed_crc(crc: u8, typed: &[u8]) -> Option<u8> {
    match typed {
        [kind @ (tag::VT_INTEGER | tag::VT_DOUBLE), value @ ..] => {
            let value = value.try_into().ok()?;
            Some(crc8::update_word(crc8::update_byte(crc, *kind), value))
        }
        [tag::VT_STRING, text @ ..] => {
            let (length, text) = text.split_first_chunk()?;
            let sum = crc8::sum(crc, typed);
            let is_whole = usize::try_from(u32::from_le_bytes(*length)) == Ok(text.len());
            // A length of 128 or more is not ASCII either, but no text.
            let is_utf8 = sum.is_ascii || str::from_utf8(text).is_ok();
            (is_whole && is_utf8).then_some(sum.crc)
        }
        _ => None,
    }
}
