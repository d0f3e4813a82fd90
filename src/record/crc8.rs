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
    reason = "no u8 leaves a table of 256, and there is a table for each byte of a u32"
)]

/// Bytes that are summed at once.
const BLOCK: usize = 16;

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
#[inline]
pub(super) fn sum(crc: u8, bytes: &[u8]) -> Sum {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return match bytes.len() {
            8..=BLOCK => sum_overlapping(crc, *first, *last, bytes.len()),
            _ => sum_long(crc, bytes),
        };
    }
    let high = bytes.iter().fold(0, |high, byte| high | byte);
    Sum {
        crc: bytes.iter().copied().fold(crc, update_byte),
        is_ascii: high < 0x80,
    }
}

/// Of 8 to 16 bytes the first and the last 8.
#[inline]
fn sum_overlapping(crc: u8, first: [u8; 8], last: [u8; 8], len: usize) -> Sum {
    let (first, last) = (u64::from_be_bytes(first), u64::from_be_bytes(last));
    let after_first = 8 * (len - 8);
    let whole = u128::from(first ^ u64::from(crc) << 56) << after_first
        // Where they overlap, the first have it all.
        | u128::from(last) & !(u128::MAX << after_first);
    Sum {
        crc: reduce(whole),
        is_ascii: (first | last) & HIGH_BITS as u64 == 0,
    }
}

/// More than 16 bytes: every 16th byte is summed by itself.
fn sum_long(crc: u8, bytes: &[u8]) -> Sum {
    // What does not fill a block comes first: zeros before it change nothing.
    let (first, blocks) = bytes.as_rchunks::<BLOCK>();
    let begin = first
        .iter()
        .fold(0, |all, byte| all << 8 | u128::from(*byte));
    let mut high = begin;
    let state = match first.len().checked_sub(1) {
        Some(last) => begin ^ u128::from(crc) << (8 * last),
        None => 0,
    };
    let mut lanes = state.to_be_bytes();
    let mut crc = if first.is_empty() { crc } else { 0 };
    for block in blocks {
        high |= u128::from_ne_bytes(*block);
        lanes = shift_lanes(lanes);
        for (lane, byte) in lanes.iter_mut().zip(block) {
            *lane ^= byte;
        }
        lanes[0] ^= std::mem::take(&mut crc);
    }
    Sum {
        crc: reduce(u128::from_be_bytes(lanes)),
        is_ascii: high & HIGH_BITS == 0,
    }
}

const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; BLOCK]);

/// All lanes on by a block: 128 bits, which is the same as one bit.
#[inline]
fn shift_lanes(lanes: [u8; BLOCK]) -> [u8; BLOCK] {
    lanes.map(|lane| lane << 1 ^ if lane & 0x80 == 0 { 0 } else { 0x07 })
}

/// The checksum of 16 bytes.
#[inline]
fn reduce(block: u128) -> u8 {
    let (high, low) = ((block >> 64) as u64, block as u64);
    // What the shifts to the left push out comes in again on the right.
    let out = high >> 48 ^ high >> 56;
    reduce_word(low ^ high ^ high << 8 ^ high << 16 ^ out ^ out << 8 ^ out << 16)
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
