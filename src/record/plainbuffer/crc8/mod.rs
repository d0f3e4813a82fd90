//! The checksum of PlainBuffer: CRC-8/SMBUS.
//!
//! Polynomial 0x07, initial value 0, not reflected, no final xor.
//!
//! The input is treated as one polynomial, with the first byte as the highest
//! coefficient. Sixteen bytes are accumulated in parallel ([`U8x16`]). The accumulator
//! is then either folded to eight bytes and finished with eight table lookups, or
//! compared in bulk ([`Sums`](crate::record::plainbuffer::fast::sums::Sums)).
//!
//! In reading order:
//!
//! - [`simd`]: sixteen bytes at a time.
//! - [`long`]: long inputs.

#![expect(
    clippy::indexing_slicing,
    reason = "a u8 cannot exceed a table of 256, nor a lane index its block"
)]

mod long;
pub(crate) mod simd;

use self::simd::{Block, LANES, U8x16};

/// `TABLES[k][b]` is the checksum of `b` followed by `k` zero bytes.
static TABLES: [[u8; 256]; 8] = tables();

/// The inverse of `TABLES[0]`: the byte that has a given checksum.
static BYTES: [u8; 256] = bytes();

static MASKS: Masks = masks();

/// Lane masks for a block of which only the last `n` bytes count. Index: `n - 1`.
struct Masks {
    /// Selects the last `n` lanes.
    last: [U8x16; LANES],
    /// Selects the first of the last `n` lanes.
    first: [U8x16; LANES],
    /// Selects the last `n` lanes without the first four of them, which hold a length.
    after_length: [U8x16; LANES],
}

/// Continues the checksum `crc` with `bytes`.
#[inline]
pub(crate) fn update(crc: u8, bytes: &[u8]) -> u8 {
    checksum(sum(crc, bytes).0)
}

/// Continues the checksum `crc` with one byte.
#[inline]
pub(crate) fn update_byte(crc: u8, byte: u8) -> u8 {
    TABLES[0][usize::from(crc ^ byte)]
}

/// The result of [`sum_sized`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizedSum {
    /// Sixteen bytes with the same checksum as the input.
    pub(crate) sum: U8x16,
    /// Whether the text has no byte of 0x80 or more, and is therefore valid UTF-8.
    pub(crate) is_ascii: bool,
}

/// Continues the checksum `crc` with a four-byte length and the text of that length,
/// and checks in the same pass whether the text is ASCII.
///
/// The input is the last `partial.byte_count()` bytes of `first`, then `blocks`.
#[inline(always)]
pub(crate) fn sum_sized(
    crc: U8x16,
    partial: PartialBlock,
    first: Block,
    blocks: &[Block],
) -> SizedSum {
    let first = U8x16::new(first).and(MASKS.last[partial.len_minus_1]);
    let text = first.and(MASKS.after_length[partial.len_minus_1]);
    let begin = first.plus(crc.and(MASKS.first[partial.len_minus_1]));
    let (sum, all_bits) = sum_blocks(begin, blocks);
    // The mask removes the length only if it lies within `first`. If it continues into
    // the blocks, these bytes are zero for any text shorter than 256 bytes.
    let is_ascii = all_bits.or(text).high_bits() == 0;
    SizedSum { sum, is_ascii }
}

/// How an input splits into one partial block at its start and whole blocks after it.
///
/// The partial block has at least one byte. It is loaded together with the bytes before
/// it, which are then masked out: leading zeros do not change a polynomial.
#[derive(Clone, Copy)]
pub(crate) struct PartialBlock {
    /// Length of the partial block, minus one.
    len_minus_1: usize,
    /// Number of whole blocks.
    pub(crate) blocks: usize,
}

impl PartialBlock {
    /// Splits `len` bytes; `len` must not be 0.
    #[inline(always)]
    pub(crate) fn of(len: usize) -> PartialBlock {
        let len_minus_1 = len.wrapping_sub(1);
        PartialBlock {
            len_minus_1: len_minus_1 % LANES,
            blocks: len_minus_1 / LANES,
        }
    }

    #[inline(always)]
    pub(crate) fn byte_count(self) -> usize {
        self.len_minus_1 + 1
    }
}

/// Continues the checksum `crc` with `bytes`. Returns sixteen bytes with the resulting
/// checksum, and the bitwise OR of all blocks of the input.
#[inline]
pub(crate) fn sum(crc: u8, bytes: &[u8]) -> (U8x16, U8x16) {
    let (partial, blocks) = bytes.as_rchunks();
    let (begin, partial_bits) = begin(crc, partial);
    let (sum, all_bits) = match blocks.len() < LONG {
        true => sum_blocks(begin, blocks),
        false => sum_long(begin, blocks.as_flattened()),
    };
    (sum, all_bits.or(partial_bits))
}

/// Like [`sum`], for less than a block.
#[inline]
fn begin(crc: u8, partial: &[u8]) -> (U8x16, U8x16) {
    // Big-endian, so that the last byte of the input is the last byte of the block.
    let lanes = |word: u128| U8x16::new(word.to_be_bytes());
    let word = partial
        .iter()
        .fold(0, |word, byte| word << 8 | u128::from(*byte));
    // A checksum is xored into the first byte after it. Without such a byte, the byte
    // that has this checksum stands for everything so far.
    let begin = match partial.len() {
        0 => u128::from(BYTES[usize::from(crc)]),
        len => word ^ u128::from(crc) << (8 * (len - 1)),
    };
    (lanes(begin), lanes(word))
}

/// Continues `sum` with `blocks`, and returns the bitwise OR of these blocks as well.
#[inline(always)]
fn sum_blocks(mut sum: U8x16, blocks: &[Block]) -> (U8x16, U8x16) {
    let mut all_bits = U8x16::ZERO;
    for block in blocks {
        sum = sum.then(*block);
        all_bits = all_bits.or(U8x16::new(*block));
    }
    (sum, all_bits)
}

/// From this number of blocks on, [`sum_long`] is faster than [`sum_blocks`].
const LONG: usize = 32;

/// Like [`sum_blocks`], for many blocks.
#[inline(never)]
fn sum_long(begin: U8x16, bytes: &[u8]) -> (U8x16, U8x16) {
    let prefix_len = long::prefix_len(bytes.len());
    let (overlaid, all_bits) = long::overlay(&bytes[prefix_len - 1..]);
    let (sum, _) = sum_blocks(U8x16::ZERO, &overlaid);
    // A whole number of periods does not change the weight of the bytes before it, so
    // the prefix is summed as if the rest were not there.
    let (first_sum, first_bits) = self::sum(checksum(begin), &bytes[..prefix_len]);
    (first_sum.plus(sum), first_bits.or(all_bits))
}

/// The checksum of sixteen bytes.
#[inline(always)]
fn checksum(bytes: U8x16) -> u8 {
    let (high, low) = bytes.words();
    let bytes = (fold(high) ^ low).to_le_bytes();
    // Eight independent lookups: unlike a byte-wise loop, none waits for the one before.
    let lookup = |index: usize| TABLES[7 - index][usize::from(bytes[index])];
    lookup(0) ^ lookup(1) ^ lookup(2) ^ lookup(3) ^ lookup(4) ^ lookup(5) ^ lookup(6) ^ lookup(7)
}

/// Multiplies `word` by x^64, that is, returns the eight bytes with the same checksum as
/// `word` followed by eight zero bytes.
///
/// x^64 = x^16 + x^8 + 1. In a little-endian word, a right shift by one byte multiplies
/// by x^8.
#[inline]
fn fold(word: u64) -> u64 {
    // The bytes that the shifts push out at the start are x^64 and more: they are
    // reduced by the same equation and re-enter at the end.
    let out = word << 48 ^ word << 56;
    word ^ word >> 8 ^ word >> 16 ^ out ^ out >> 8 ^ out >> 16
}

const fn masks() -> Masks {
    let mut masks = Masks {
        last: [U8x16::ZERO; LANES],
        first: [U8x16::ZERO; LANES],
        after_length: [U8x16::ZERO; LANES],
    };
    let mut place = 0;
    while place < LANES {
        let first = LANES - 1 - place;
        masks.last[place] = mask(first, LANES);
        masks.first[place] = mask(first, first + 1);
        masks.after_length[place] = mask(first + 4, LANES);
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

/// Moves one byte through the shift register.
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
    fn matches_the_check_value_of_the_catalogue() {
        assert_eq!(update(0, b"123456789"), 0xF4);
    }

    #[test]
    fn the_result_does_not_depend_on_chunking() {
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
    fn long_inputs_match_the_bytewise_checksum() {
        for len in (500..1_200).chain([40_000, 100_001]) {
            let bytes = bytes(len);
            assert_eq!(update(0x5A, &bytes), plain(0x5A, &bytes), "{len} bytes");
        }
    }

    #[test]
    fn continues_from_every_checksum() {
        for crc in 0..=255 {
            for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 511, 512, 700] {
                let bytes = bytes(len);
                assert_eq!(update(crc, &bytes), plain(crc, &bytes), "{len} from {crc}");
            }
            assert_eq!(update_byte(crc, 0xA5), plain(crc, &[0xA5]));
        }
    }

    /// A length and that many bytes of 0x7F, surrounded by other bytes.
    fn sized(len: usize, around: u8) -> (Vec<u8>, usize, usize) {
        let length = u32::try_from(len).expect("not so long").to_le_bytes();
        let (before, after) = (vec![around; LANES], vec![around; 20]);
        let bytes = [&before[..], &length, &vec![0x7F; len], &after].concat();
        (bytes, LANES, LANES + 4 + len)
    }

    fn sum_part(crc: u8, bytes: &[u8], start: usize, end: usize) -> SizedSum {
        let partial = PartialBlock::of(end - start);
        let from = start + partial.byte_count();
        let first = bytes[from - LANES..from].first_chunk().expect("a block");
        let (blocks, _) = bytes[from..end].as_chunks();
        sum_sized(U8x16::all(crc), partial, *first, blocks)
    }

    #[test]
    fn surrounding_bytes_do_not_matter() {
        for len in (0..200).chain([255, 256, 511, 512, 513, 639, 1000, 40_000]) {
            for around in [0, 0xFF] {
                let (bytes, start, end) = sized(len, around);
                let found = sum_part(0x5A, &bytes, start, end);
                assert_eq!(
                    checksum(found.sum),
                    plain(0x5A, &bytes[start..end]),
                    "{len}"
                );
                assert!(found.is_ascii || len >= 256, "{len}");
            }
        }
    }

    #[test]
    fn every_non_ascii_byte_is_detected() {
        for len in (0..300).chain([511, 512, 513, 700, 1000]) {
            let (mut bytes, start, end) = sized(len, 0);
            for index in start + 4..end {
                bytes[index] = 0x80;
                let found = sum_part(0xFF, &bytes, start, end);
                assert!(!found.is_ascii, "{len} bytes, at {index}");
                bytes[index] = 0x7F;
            }
        }
    }
}
