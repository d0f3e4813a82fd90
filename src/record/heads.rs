//! [`Heads`]: what the cells of a batch begin with.
//!
//! The rows of a batch mostly have the same columns in the same order. A cell
//! that begins with the very bytes that a cell of a row before began with has
//! been looked at so far: its name is UTF-8 and summed. What comes after the name
//! is of a few usual forms; a cell of any other form, and every fault but a wrong
//! checksum, is left to [`Cell`](super::cell::Cell).

use std::slice;

use super::cell::{self, Cell};
use super::crc8::{self, LONG_TEXT, Odd};
use super::kind::ColumnKind;
use super::lanes::{LANES, Lanes};
use super::sums::Sums;
use super::tag;

/// More than a table usually has columns. Cells that are not among these are read
/// without help, and their rows walked twice: once as far as they are known, then
/// from the start.
const PLACES: usize = 256;

/// Tags and length of a name.
const BEFORE_NAME: usize = 1 + 1 + 4;
/// Length and type of a value.
const BEFORE_NUMBER: usize = 4 + 1;
/// Length and type of a value, and the length in it.
const BEFORE_TEXT: usize = BEFORE_NUMBER + LENGTH;
const LENGTH: usize = 4;

/// A cell that is in order, if its sum is.
pub(super) struct Known<'r> {
    pub(super) checksum: u8,
    /// What follows it, behind a block.
    pub(super) rest: &'r [u8],
}

/// The beginnings of all cells that there were so far, in an order in which they
/// were. On the heap: they would be most of what a thread touches of its stack.
#[derive(Debug)]
pub(super) struct Heads<'a> {
    heads: Vec<Head<'a>>,
    /// Counts the rows that something is learned from.
    row: u32,
}

impl<'a> Heads<'a> {
    pub(super) fn new() -> Heads<'a> {
        Heads {
            heads: Vec::new(),
            row: 0,
        }
    }

    /// In their order.
    #[inline]
    pub(super) fn iter(&self) -> slice::Iter<'_, Head<'a>> {
        self.heads.iter()
    }

    /// The first place in a further row to learn from.
    pub(super) fn begin_row(&mut self) -> usize {
        self.row += 1;
        0
    }

    /// Keeps the beginning of a cell that was found in order; `bytes` begin with it.
    /// `place` is behind those of the cells before it in the same row, and then
    /// behind this one.
    ///
    /// A row need not have all columns that others have: what is new goes between
    /// what is known, so that they come to an order that all rows fit into. A column
    /// that has several cells in a row has several places.
    pub(super) fn learn(&mut self, place: &mut usize, cell: &Cell<'a>, bytes: &'a [u8]) {
        let (heads, row) = (&mut self.heads, self.row);
        let Some(head) = Head::of(cell, bytes, row) else {
            return;
        };
        let same = |known: &Head<'_>| known.kind == head.kind && known.bytes == head.bytes;
        let mut behind = heads.iter_mut().enumerate().skip(*place);
        if let Some((at, known)) = behind.find(|(_, known)| same(known)) {
            known.row = row;
            *place = at + 1;
            return;
        }
        if heads.len() == PLACES {
            return;
        }
        // One that this row has no cell for was at the wrong place.
        let is_wrong = |known: &Head<'_>| same(known) && known.row != row;
        if let Some(at) = heads.iter().position(is_wrong) {
            heads.remove(at);
            *place -= 1;
        }
        // Once, however many there will be.
        heads.reserve_exact(PLACES - heads.len());
        heads.insert(*place, head);
        *place += 1;
    }
}

/// What is looked at of a cell without asking for each byte whether it is there:
/// a block before the cell, and all of it but long texts. Near the end of an
/// answer there is none.
const WINDOW: usize = 320;
type Window = [u8; WINDOW];

/// The first byte behind a block, where there is a window.
#[inline(always)]
pub(super) fn first_byte(rest: &[u8]) -> Option<u8> {
    let window: &Window = rest.first_chunk()?;
    let [byte] = part(window, LANES);
    Some(byte)
}

/// The beginning of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// Its first bytes, and ones where they count.
    begin: [Lanes; 2],
    mask: [Lanes; 2],
    /// The checksum of the name, and of the type of a value, in all lanes.
    crc: Lanes,
    /// As far as the tag of the value; of numbers, as far as its type; of
    /// deletions, as far as what is deleted.
    bytes: &'a [u8],
    /// Of the same.
    len: u8,
    /// The type of the value, or a kind of deletion.
    kind: u8,
    /// The last row that it was learned from.
    row: u32,
}

/// Kinds of deletions, which no type of a value is.
const DELETE_ONE: u8 = 0x80 | tag::DELETE_ONE_VERSION;
const DELETE_ALL: u8 = 0x80 | tag::DELETE_ALL_VERSION;

impl<'a> Head<'a> {
    /// None of a cell that is not of a usual form.
    fn of(cell: &Cell<'a>, bytes: &'a [u8], row: u32) -> Option<Head<'a>> {
        let (kind, behind_name) = match (cell.kind, cell.value_type()) {
            (ColumnKind::Put, Some(kind)) => match kind {
                tag::VT_INTEGER | tag::VT_DOUBLE | tag::VT_BOOLEAN => (kind, 1 + BEFORE_NUMBER),
                tag::VT_STRING | tag::VT_BLOB => (kind, 1),
                _ => return None,
            },
            (ColumnKind::DeleteOneVersion, None) => (DELETE_ONE, 1 + 1),
            (ColumnKind::DeleteAllVersions, None) => (DELETE_ALL, 1 + 1),
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
        Some(Head {
            begin: begin.map(Lanes::new),
            mask: mask.map(Lanes::new),
            crc: Lanes::all(crc),
            bytes,
            len: u8::try_from(len).ok()?,
            kind,
            row,
        })
    }

    /// Reads a cell that lies behind a block of other bytes. None unless it begins
    /// like this one and is in order so far; its sum is put at its place.
    #[inline(always)]
    pub(super) fn cell<'r>(
        &self,
        rest: &'r [u8],
        place: usize,
        sums: &mut Sums,
    ) -> Option<Known<'r>> {
        let window = rest.first_chunk()?;
        if !self.begins(window) {
            return None;
        }
        match self.kind {
            tag::VT_INTEGER | tag::VT_DOUBLE => {
                let value = u64::from_le_bytes(self.behind(window, 0));
                let end = End::of(&self.behind(window, 8))?;
                sums.set(place, end.sum(value ^ self.crc()), end.checksum());
                end.known(rest.get(self.len() + 8 + end.len()..)?)
            }
            tag::VT_STRING | tag::VT_BLOB => self.text::<false>(rest, window, place, sums),
            _ => self.short(rest, window, place, sums),
        }
    }

    /// The same of a boolean or a deletion. A function of its own, which leaves the
    /// others their registers.
    #[inline(never)]
    fn short<'r>(
        &self,
        rest: &'r [u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<Known<'r>> {
        let [first] = self.behind(window, 0);
        let is_boolean = self.kind == tag::VT_BOOLEAN;
        let len = self.len() + usize::from(is_boolean);
        let end = End::of(&part(window, LANES + len))?;
        let sum = match (self.kind, &end, first) {
            (tag::VT_BOOLEAN, end, 0 | 1) => end.sum((self.crc() ^ u64::from(first)) << 56),
            // What is deleted is summed last.
            (DELETE_ONE | DELETE_ALL, End::Timed(time, _), _) => {
                let time = time ^ self.crc();
                Lanes::of_words(time << 56, time >> 8 | self.what_last())
            }
            (DELETE_ALL, End::Untimed(_), _) => {
                Lanes::of_words(0, self.what_last() ^ self.crc() << 56)
            }
            _ => return None,
        };
        sums.set(place, sum, end.checksum());
        end.known(rest.get(len + end.len()..)?)
    }

    /// What is deleted, as the last of eight bytes.
    fn what_last(&self) -> u64 {
        u64::from(self.kind & 0x7F) << 56
    }

    /// The same of a long text, in a function of its own again.
    #[inline(never)]
    fn long_text<'r>(
        &self,
        rest: &'r [u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<Known<'r>> {
        self.text::<true>(rest, window, place, sums)
    }

    /// The same of a text or a binary.
    #[inline(always)]
    fn text<'r, const IS_LONG: bool>(
        &self,
        rest: &'r [u8],
        window: &Window,
        place: usize,
        sums: &mut Sums,
    ) -> Option<Known<'r>> {
        let [v0, v1, v2, v3, kind, length @ ..] = self.behind::<BEFORE_TEXT>(window, 0);
        let len = u32::from_le_bytes(length);
        let with_type = u32::from_le_bytes([v0, v1, v2, v3]);
        if kind != self.kind || len.checked_add(BEFORE_NUMBER as u32) != Some(with_type) {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        if !IS_LONG && len > LONG_TEXT {
            return self.long_text(rest, window, place, sums);
        }
        // From the length in it on, which is summed as well.
        let odd = Odd::of(LENGTH + len);
        let before_blocks = self.len() + BEFORE_NUMBER + odd.count();
        let first = part(window, before_blocks);
        let after = rest.get((self.len() + BEFORE_TEXT).checked_add(len)?..)?;
        let blocks = rest.get(LANES + before_blocks..rest.len() - after.len() + LANES)?;
        let seen = crc8::look::<IS_LONG>(self.crc, odd, first, blocks.as_chunks().0);
        if !seen.is_ascii && kind == tag::VT_STRING && !self.is_utf8(rest, len) {
            return None;
        }
        let end = End::of(&part(after.first_chunk()?, LANES))?;
        let sum = match end {
            End::Timed(time, _) => followed_by(seen.sum, time),
            End::Untimed(_) => seen.sum,
        };
        sums.set(place, sum, end.checksum());
        end.known(after.get(end.len()..)?)
    }

    /// For a text of which a letter is not ASCII.
    #[inline(never)]
    fn is_utf8(&self, rest: &[u8], len: usize) -> bool {
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

    #[inline(always)]
    fn begins(&self, window: &Window) -> bool {
        let ([known, then], [mask, then_mask]) = (self.begin, self.mask);
        let first = Lanes::new(part(window, LANES)).plus(known).and(mask);
        let second = Lanes::new(part(window, 2 * LANES))
            .plus(then)
            .and(then_mask);
        first.or(second) == Lanes::ZERO && (self.len() <= 2 * LANES || self.begins_long(window))
    }

    /// For a long name.
    #[inline(never)]
    fn begins_long(&self, window: &Window) -> bool {
        window.split_at(LANES).1.starts_with(self.bytes)
    }
}

/// A part of a window, in which it lies wherever a length of one byte puts it.
#[inline(always)]
fn part<const N: usize>(window: &Window, at: usize) -> [u8; N] {
    let part = window.get(at..).and_then(|bytes| bytes.first_chunk());
    part.copied().unwrap_or([0; N])
}

/// A sum followed by eight bytes: on by half a block. The half that this pushes
/// out comes in again at the end, times x.
#[inline(always)]
fn followed_by(sum: Lanes, word: u64) -> Lanes {
    let (_, low) = sum.words();
    let (high, _) = sum.times_x().words();
    Lanes::of_words(low, high ^ word)
}

/// What comes after a value: perhaps a timestamp, and the checksum.
enum End {
    Timed(u64, u8),
    Untimed(u8),
}

impl End {
    /// Their lengths, with the tags.
    const TIMED: usize = 1 + 8 + 1 + 1;
    const UNTIMED: usize = 1 + 1;

    #[inline(always)]
    fn of(bytes: &[u8; End::TIMED]) -> Option<End> {
        match bytes {
            [tag::CELL_TIMESTAMP, time @ .., tag::CELL_CHECKSUM, checksum] => {
                Some(End::Timed(u64::from_le_bytes(*time), *checksum))
            }
            [tag::CELL_CHECKSUM, checksum, ..] => Some(End::Untimed(*checksum)),
            _ => None,
        }
    }

    /// The sum of a value of eight bytes with this end.
    #[inline(always)]
    fn sum(&self, value: u64) -> Lanes {
        match *self {
            End::Timed(time, _) => Lanes::of_words(value, time),
            End::Untimed(_) => Lanes::of_words(0, value),
        }
    }

    #[inline(always)]
    fn known<'r>(&self, rest: &'r [u8]) -> Option<Known<'r>> {
        let checksum = self.checksum();
        Some(Known { checksum, rest })
    }

    #[inline(always)]
    fn checksum(&self) -> u8 {
        match *self {
            End::Timed(_, checksum) | End::Untimed(checksum) => checksum,
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        match self {
            End::Timed(..) => End::TIMED,
            End::Untimed(_) => End::UNTIMED,
        }
    }
}
