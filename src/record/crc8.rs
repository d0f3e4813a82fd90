//! The checksum of PlainBuffer: CRC-8/SMBUS.
//!
//! Polynomial 0x07, initial value 0, not reflected, no final xor.
//!
//! Bytes are taken as one polynomial, the first byte highest, that is folded
//! until a few lookups are left. The folds are what the powers of x are modulo
//! this polynomial: x^32 = x^8 + x^4 + 1, x^64 = x^16 + x^8 + 1, and x^128 = x,
//! because the powers repeat after 127.

#![expect(
    clippy::indexing_slicing,
    reason = "no u8 leaves a table of 256, and no place in a block the block"
)]

/// Bytes that are summed at once.
const BLOCK: usize = 16;
type Block = [u8; BLOCK];

/// `TABLES[k][b]` is the checksum of `b` followed by `k` zero bytes.
static TABLES: [[u8; 256]; 4] = tables();

/// The checksum of what gave `crc` so far, followed by `bytes`.
#[inline]
pub(crate) fn update(crc: u8, bytes: &[u8]) -> u8 {
    sum(crc, bytes).crc
}

/// The checksum of what gave `crc` so far, followed by eight bytes.
#[inline]
pub(super) fn update_word(crc: u8, bytes: [u8; 8]) -> u8 {
    reduce_word(u64::from_be_bytes(bytes) ^ u64::from(crc) << 56)
}

/// The checksum of what gave `crc` so far, followed by twice eight bytes.
#[inline]
pub(super) fn update_words(crc: u8, first: [u8; 8], second: [u8; 8]) -> u8 {
    let first = u64::from_be_bytes(first) ^ u64::from(crc) << 56;
    reduce_words(first, u64::from_be_bytes(second))
}

/// The checksum of what gave `crc` so far, followed by one byte.
#[inline]
pub(super) fn update_byte(crc: u8, byte: u8) -> u8 {
    TABLES[0][usize::from(crc ^ byte)]
}

/// What one look at some bytes tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    /// As [`update`].
    pub(super) crc: u8,
    /// Whether none of the bytes is 0x80 or more: then they are UTF-8.
    pub(super) is_ascii: bool,
}

/// As [`update`], and whether the bytes are ASCII, which comes along.
///
/// Of what does not fill a word the first bytes are cut off by a shift: zeros
/// before a polynomial change nothing.
#[inline]
pub(super) fn sum(crc: u8, bytes: &[u8]) -> Sum {
    match bytes.len() {
        17.. => sum_long(crc, bytes),
        9..=16 => sum_words(crc, bytes),
        5..=8 => sum_word(crc, bytes),
        _ => None,
    }
    .unwrap_or_else(|| sum_bytes(crc, bytes))
}

/// Nine to sixteen bytes.
#[inline]
fn sum_words(crc: u8, bytes: &[u8]) -> Option<Sum> {
    let first = u64::from_be_bytes(*bytes.first_chunk()?);
    let last = u64::from_be_bytes(*bytes.last_chunk()?);
    let state = (first ^ u64::from(crc) << 56) >> (8 * (16 - bytes.len()));
    Some(Sum {
        crc: reduce_words(state, last),
        is_ascii: (first | last) & HIGH_BITS as u64 == 0,
    })
}

/// Five to eight bytes.
#[inline]
fn sum_word(crc: u8, bytes: &[u8]) -> Option<Sum> {
    let first = u32::from_be_bytes(*bytes.first_chunk()?);
    let last = u32::from_be_bytes(*bytes.last_chunk()?);
    let state = (first ^ u32::from(crc) << 24) >> (8 * (8 - bytes.len()));
    Some(Sum {
        crc: reduce_word(u64::from(state) << 32 | u64::from(last)),
        is_ascii: (first | last) & HIGH_BITS as u32 == 0,
    })
}

fn sum_bytes(crc: u8, bytes: &[u8]) -> Sum {
    Sum {
        crc: bytes.iter().copied().fold(crc, update_byte),
        is_ascii: bytes.is_ascii(),
    }
}

/// More than sixteen bytes.
fn sum_long(crc: u8, bytes: &[u8]) -> Option<Sum> {
    // From 1 to 16: there is something to begin with.
    let odd = (bytes.len() - 1) % BLOCK + 1;
    let first = u128::from_be_bytes(*bytes.first_chunk()?);
    let state = (first ^ u128::from(crc) << 120) >> (8 * (BLOCK - odd));
    let (blocks, _) = bytes.get(odd..)?.as_chunks();
    let (crc, high) = match blocks.len() {
        ..=FEW_BLOCKS => sum_few_blocks(state, blocks),
        _ => {
            let (lanes, high) = sum_blocks(state.to_be_bytes(), blocks);
            (
                reduce(u128::from_be_bytes(lanes)),
                u128::from_ne_bytes(high),
            )
        }
    };
    Some(Sum {
        crc,
        is_ascii: (high | first) & HIGH_BITS == 0,
    })
}

/// Blocks that are folded one by one before it pays to move to vectors.
const FEW_BLOCKS: usize = 6;

/// The checksum of what `state` is, followed by these blocks, and all bytes of
/// these together.
#[inline]
fn sum_few_blocks(state: u128, blocks: &[Block]) -> (u8, u128) {
    let (mut word, mut high) = (fold(state), 0);
    for block in blocks {
        let block = u128::from_be_bytes(*block);
        high |= block;
        // On by 128 bits, which is the same as by one; x^64 is what comes out.
        let out = 0x1_01_01 & (word >> 63).wrapping_neg();
        word = fold(block) ^ word << 1 ^ out;
    }
    (reduce_word(word), high)
}

/// What `lanes` are after these blocks, and all bytes of these together: every
/// 16th byte is summed by itself.
///
/// Before a block each lane moves on by 128 bits, which is the same as by one
/// bit. Written so that it becomes vector instructions.
#[inline(never)]
fn sum_blocks(mut lanes: Block, blocks: &[Block]) -> (Block, Block) {
    let mut high = [0; BLOCK];
    for block in blocks {
        for lane in 0..BLOCK {
            let byte = lanes[lane];
            let carry = if byte & 0x80 == 0 { 0 } else { 0x07 };
            lanes[lane] = byte << 1 ^ carry ^ block[lane];
            high[lane] |= block[lane];
        }
    }
    (lanes, high)
}

const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; BLOCK]);

/// The checksum of 16 bytes.
#[inline]
fn reduce(block: u128) -> u8 {
    reduce_words((block >> 64) as u64, block as u64)
}

#[inline]
fn reduce_words(high: u64, low: u64) -> u8 {
    reduce_word(fold_words(high, low))
}

/// A word that has the same checksum.
#[inline]
fn fold(block: u128) -> u64 {
    fold_words((block >> 64) as u64, block as u64)
}

#[inline]
fn fold_words(high: u64, low: u64) -> u64 {
    // What the shifts to the left push out comes in again on the right.
    let out = high >> 48 ^ high >> 56;
    low ^ high ^ high << 8 ^ high << 16 ^ out ^ out << 8 ^ out << 16
}

/// The checksum of eight bytes.
#[inline]
fn reduce_word(word: u64) -> u8 {
    let (high, low) = (word >> 32, word & u64::from(u32::MAX));
    let folded = low ^ high ^ high << 4 ^ high << 8;
    let out = (folded >> 32) as u32;
    let folded = folded as u32 ^ out ^ out << 4 ^ out << 8;
    let [first, second, third, last] = folded.to_be_bytes().map(usize::from);
    TABLES[3][first] ^ TABLES[2][second] ^ TABLES[1][third] ^ TABLES[0][last]
}

const fn tables() -> [[u8; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = shift(byte as u8);
        let mut zeros = 0;
        while zeros < 4 {
            tables[zeros][byte] = crc;
            crc = shift(crc);
            zeros += 1;
        }
        byte += 1;
    }
    tables
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
    fn goes_on_from_every_checksum() {
        for crc in 0..=255 {
            for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48] {
                let bytes = bytes(len);
                assert_eq!(update(crc, &bytes), plain(crc, &bytes), "{len} from {crc}");
            }
            let word = [1, 2, 0xFF, 4, 5, 0x80, 7, 8];
            assert_eq!(update_word(crc, word), plain(crc, &word));
            let twice = [word, [9; 8]].concat();
            assert_eq!(update_words(crc, word, [9; 8]), plain(crc, &twice));
            assert_eq!(update_byte(crc, 0xA5), plain(crc, &[0xA5]));
        }
    }

    #[test]
    fn sees_every_byte_that_is_not_ascii() {
        for len in 0..70 {
            let mut text = vec![0x7F; len];
            assert!(sum(0xFF, &text).is_ascii, "{len} bytes");
            for place in 0..len {
                text[place] = 0x80;
                assert!(!sum(0xFF, &text).is_ascii, "{len} bytes, at {place}");
                text[place] = 0x7F;
            }
        }
    }
}
