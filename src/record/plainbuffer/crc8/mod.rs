//! The checksum of PlainBuffer: CRC-8/SMBUS.
//!
//! Polynomial 0x07, initial value 0, not reflected, no final xor.
//!
//! Bytes are taken as one polynomial, the first byte highest. Sixteen are summed
//! side by side ([`U8x16`]); what is left is folded until eight lookups are left,
//! or compared together with others ([`Sums`](crate::record::plainbuffer::fast::sums::Sums)).
//!
//! - [`simd`]: sixteen bytes at a time; [`long`]: long texts.

#![expect(
    clippy::indexing_slicing,
    reason = "no u8 leaves a table of 256, and no place in a block the block"
)]

mod long;
pub(crate) mod simd;

use self::simd::{Block, LANES, U8x16};

/// `TABLES[k][b]` is the checksum of `b` followed by `k` zero bytes.
static TABLES: [[u8; 256]; 8] = tables();

/// The byte that has a checksum.
static BYTES: [u8; 256] = bytes();

static MASKS: Masks = masks();

/// Ones in some lanes, for each number of last lanes, less one.
struct Masks {
    /// In the last ones.
    last: [U8x16; LANES],
    /// In the first of these.
    first: [U8x16; LANES],
    /// In these behind the first four.
    behind_length: [U8x16; LANES],
}

/// The checksum of what gave `crc` so far, followed by `bytes`.
#[inline]
pub(crate) fn update(crc: u8, bytes: &[u8]) -> u8 {
    checksum(sum(crc, bytes).0)
}

/// The checksum of what gave `crc` so far, followed by one byte.
#[inline]
pub(crate) fn update_byte(crc: u8, byte: u8) -> u8 {
    TABLES[0][usize::from(crc ^ byte)]
}

/// What one look at some bytes tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Sixteen bytes that have the same checksum.
    pub(crate) sum: U8x16,
    /// Whether none of the bytes is 0x80 or more: then they are UTF-8.
    pub(crate) is_ascii: bool,
}

/// A length of four bytes and what it is the length of, behind what gave `crc`:
/// the sum of all, and whether the latter is ASCII. They are the last bytes of
/// `first`, as many as are odd, and the blocks.
#[inline(always)]
pub(crate) fn look(crc: U8x16, odd: Odd, first: Block, blocks: &[Block]) -> Seen {
    let first = U8x16::new(first).and(MASKS.last[odd.less_one]);
    let text = first.and(MASKS.behind_length[odd.less_one]);
    let begin = first.plus(crc.and(MASKS.first[odd.less_one]));
    let (sum, seen) = sum_blocks(begin, blocks);
    // Of a length below 256 only the first byte may be 0x80 or more.
    let is_ascii = seen.or(text).high_bits() == 0;
    Seen { sum, is_ascii }
}

/// What is left of some bytes at the start, one at least, when blocks are cut off from
/// the end.
///
/// It is looked at with what lies before it, which is masked: zeros before a
/// polynomial change nothing.
#[derive(Clone, Copy)]
pub(crate) struct Odd {
    /// How many bytes are left, less one.
    less_one: usize,
    /// How many blocks are cut off.
    pub(crate) blocks: usize,
}

impl Odd {
    /// Of so many bytes, of which there is one at least.
    #[inline(always)]
    pub(crate) fn of(len: usize) -> Odd {
        let less_one = len.wrapping_sub(1);
        Odd {
            less_one: less_one % LANES,
            blocks: less_one / LANES,
        }
    }

    #[inline(always)]
    pub(crate) fn count(self) -> usize {
        self.less_one + 1
    }
}

/// The sum of what gave `crc` so far, followed by `bytes`, and all bits of these
/// together.
#[inline]
pub(crate) fn sum(crc: u8, bytes: &[u8]) -> (U8x16, U8x16) {
    let (odd, blocks) = bytes.as_rchunks();
    let (begin, odd_seen) = begin(crc, odd);
    let (sum, seen) = match blocks.len() < LONG {
        true => sum_blocks(begin, blocks),
        false => sum_long(begin, blocks.as_flattened()),
    };
    (sum, seen.or(odd_seen))
}

/// The same of less bytes than a block has.
#[inline]
fn begin(crc: u8, odd: &[u8]) -> (U8x16, U8x16) {
    // The last byte is the last of the block.
    let lanes = |word: u128| U8x16::new(word.to_be_bytes());
    let word = odd
        .iter()
        .fold(0, |word, byte| word << 8 | u128::from(*byte));
    let begin = match odd.len() {
        0 => u128::from(BYTES[usize::from(crc)]),
        len => word ^ u128::from(crc) << (8 * (len - 1)),
    };
    (lanes(begin), lanes(word))
}

/// The sum so far, followed by these blocks, and all bits of these together.
#[inline(always)]
fn sum_blocks(mut sum: U8x16, blocks: &[Block]) -> (U8x16, U8x16) {
    let mut seen = U8x16::ZERO;
    for block in blocks {
        sum = sum.then(*block);
        seen = seen.or(U8x16::new(*block));
    }
    (sum, seen)
}

/// So many blocks are long: it pays to lay them over each other.
const LONG: usize = 32;

/// As [`sum_blocks`], for many of them.
#[inline(never)]
fn sum_long(begin: U8x16, bytes: &[u8]) -> (U8x16, U8x16) {
    let before = long::before(bytes.len());
    let (overlaid, seen) = long::overlaid(&bytes[before - 1..]);
    let (sum, _) = sum_blocks(U8x16::ZERO, &overlaid);
    // What comes before whole periods counts as if these were not there.
    let (first_sum, first_seen) = self::sum(checksum(begin), &bytes[..before]);
    (first_sum.plus(sum), first_seen.or(seen))
}

/// The checksum of sixteen bytes.
#[inline(always)]
fn checksum(bytes: U8x16) -> u8 {
    let (high, low) = bytes.words();
    let bytes = (fold(high) ^ low).to_le_bytes();
    let lookup = |place: usize| TABLES[7 - place][usize::from(bytes[place])];
    lookup(0) ^ lookup(1) ^ lookup(2) ^ lookup(3) ^ lookup(4) ^ lookup(5) ^ lookup(6) ^ lookup(7)
}

/// What has the same checksum as `word`, little-endian, with eight bytes behind
/// it: x^64 = x^16 + x^8 + 1. To move on by x^8 is a shift to the right.
#[inline]
fn fold(word: u64) -> u64 {
    // What the shifts push out at the beginning comes in again at the end.
    let out = word << 48 ^ word << 56;
    word ^ word >> 8 ^ word >> 16 ^ out ^ out >> 8 ^ out >> 16
}

const fn masks() -> Masks {
    let mut masks = Masks {
        last: [U8x16::ZERO; LANES],
        first: [U8x16::ZERO; LANES],
        behind_length: [U8x16::ZERO; LANES],
    };
    let mut place = 0;
    while place < LANES {
        let first = LANES - 1 - place;
        masks.last[place] = mask(first, LANES);
        masks.first[place] = mask(first, first + 1);
        masks.behind_length[place] = mask(first + 4, LANES);
        place += 1;
    }
    masks
}

const fn mask(mut from: usize, to: usize) -> U8x16 {
    let mut mask = [0; LANES];
    while from < to {
        mask[from] = 0xFF;
        from += 1;
    }
    U8x16::new(mask)
}

const fn tables() -> [[u8; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = shift(byte as u8);
        let mut zeros = 0;
        while zeros < 8 {
            tables[zeros][byte] = crc;
            crc = shift(crc);
            zeros += 1;
        }
        byte += 1;
    }
    tables
}

const fn bytes() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bytes[shift(byte as u8) as usize] = byte as u8;
        byte += 1;
    }
    bytes
}

/// One byte through the shift register.
const fn shift(mut crc: u8) -> u8 {
    let mut bit = 0;
    while bit < 8 {
        crc = (crc << 1) ^ if crc & 0x80 == 0 { 0 } else { 0x07 };
        bit += 1;
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(crc: u8, bytes: &[u8]) -> u8 {
        bytes.iter().fold(crc, |crc, byte| shift(crc ^ byte))
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i as u8).wrapping_mul(37)).collect()
    }

    #[test]
    fn gives_the_check_value_of_the_catalogue() {
        assert_eq!(update(0, b"123456789"), 0xF4);
    }

    #[test]
    fn does_not_depend_on_how_the_bytes_are_cut() {
        let bytes = bytes(300);
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            for cut in 0..=len {
                let (head, tail) = bytes.split_at(cut);
                let crc = update(update(0, head), tail);
                assert_eq!(crc, plain(0, bytes), "{len} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn long_ones_are_summed_as_others() {
        for len in (500..1_200).chain([40_000, 100_001]) {
            let bytes = bytes(len);
            assert_eq!(update(0x5A, &bytes), plain(0x5A, &bytes), "{len} bytes");
        }
    }

    #[test]
    fn goes_on_from_every_checksum() {
        for crc in 0..=255 {
            for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 511, 512, 700] {
                let bytes = bytes(len);
                assert_eq!(update(crc, &bytes), plain(crc, &bytes), "{len} from {crc}");
            }
            assert_eq!(update_byte(crc, 0xA5), plain(crc, &[0xA5]));
        }
    }

    /// A length and as many bytes of 0x7F, between others.
    fn sized(len: usize, around: u8) -> (Vec<u8>, usize, usize) {
        let length = u32::try_from(len).expect("not so long").to_le_bytes();
        let (before, behind) = (vec![around; LANES], vec![around; 20]);
        let bytes = [&before[..], &length, &vec![0x7F; len], &behind].concat();
        (bytes, LANES, LANES + 4 + len)
    }

    fn look_at(crc: u8, bytes: &[u8], start: usize, end: usize) -> Seen {
        let odd = Odd::of(end - start);
        let from = start + odd.count();
        let first = bytes[from - LANES..from].first_chunk().expect("a block");
        let (blocks, _) = bytes[from..end].as_chunks();
        look(U8x16::all(crc), odd, *first, blocks)
    }

    #[test]
    fn what_lies_around_changes_nothing() {
        for len in (0..200).chain([255, 256, 511, 512, 513, 639, 1000, 40_000]) {
            for around in [0, 0xFF] {
                let (bytes, start, end) = sized(len, around);
                let seen = look_at(0x5A, &bytes, start, end);
                assert_eq!(checksum(seen.sum), plain(0x5A, &bytes[start..end]), "{len}");
                assert!(seen.is_ascii || len >= 256, "{len}");
            }
        }
    }

    #[test]
    fn sees_every_byte_that_is_not_ascii() {
        for len in (0..300).chain([511, 512, 513, 700, 1000]) {
            let (mut bytes, start, end) = sized(len, 0);
            for place in start + 4..end {
                bytes[place] = 0x80;
                let seen = look_at(0xFF, &bytes, start, end);
                assert!(!seen.is_ascii, "{len} bytes, at {place}");
                bytes[place] = 0x7F;
            }
        }
    }
}
