//! The checksum of PlainBuffer: CRC-8/SMBUS.
//!
//! Polynomial 0x07, initial value 0, not reflected, no final xor.
//!
//! Bytes are taken as one polynomial, the first byte highest, that is folded
//! until eight lookups are left. The folds are what the powers of x are modulo
//! this polynomial: x^64 = x^16 + x^8 + 1, and x^128 = x, because the powers
//! repeat after 127. Eight bytes are read as a little-endian word: to move on by
//! x^8 is then a shift to the right, and no byte has to change its place.

#![expect(
    clippy::indexing_slicing,
    reason = "no u8 leaves a table of 256, and no place in a block the block"
)]

/// Bytes that are summed at once.
const BLOCK: usize = 16;
type Block = [u8; BLOCK];
/// Eight bytes.
pub(super) type Word = [u8; 8];

/// `TABLES[k][b]` is the checksum of `b` followed by `k` zero bytes.
static TABLES: [[u8; 256]; 8] = tables();

/// The byte that has a checksum.
static BYTES: [u8; 256] = bytes();

/// The checksum of what gave `crc` so far, followed by `bytes`.
#[inline]
pub(crate) fn update(crc: u8, bytes: &[u8]) -> u8 {
    look(crc, bytes, bytes.len()).map_or(crc, |seen| seen.sum.crc())
}

/// The checksum of what gave `crc` so far, followed by one byte.
#[inline]
pub(super) fn update_byte(crc: u8, byte: u8) -> u8 {
    TABLES[0][usize::from(crc ^ byte)]
}

/// The checksum of a byte followed by three zeros.
#[inline]
pub(super) fn update_zeros(byte: u8) -> u8 {
    TABLES[3][usize::from(byte)]
}

/// The sum of some bytes: eight bytes that have the same checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum(u64);

impl Sum {
    /// What gave `crc` so far.
    #[inline]
    pub(super) fn of(crc: u8) -> Sum {
        Sum(u64::from(BYTES[usize::from(crc)]) << 56)
    }

    /// What gave `crc` so far, followed by `byte`.
    #[inline]
    pub(super) fn of_byte(crc: u8, byte: u8) -> Sum {
        Sum(u64::from(crc ^ byte) << 56)
    }

    /// What gave `crc` so far, followed by `word`.
    #[inline]
    pub(super) fn of_word(crc: u8, word: Word) -> Sum {
        Sum(u64::from_le_bytes(word) ^ u64::from(crc))
    }

    /// The bytes summed so far, followed by `word`.
    #[inline]
    pub(super) fn then(self, word: Word) -> Sum {
        Sum(fold(self.0) ^ u64::from_le_bytes(word))
    }

    /// The checksum.
    #[inline(always)]
    pub(super) fn crc(self) -> u8 {
        let bytes = self.0.to_le_bytes();
        let lookup = |place: usize| TABLES[7 - place][usize::from(bytes[place])];
        lookup(0)
            ^ lookup(1)
            ^ lookup(2)
            ^ lookup(3)
            ^ lookup(4)
            ^ lookup(5)
            ^ lookup(6)
            ^ lookup(7)
    }
}

/// What one look at some bytes tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) sum: Sum,
    /// Whether none of the bytes is 0x80 or more: then they are UTF-8.
    pub(super) is_ascii: bool,
}

/// What gave `crc` so far, followed by the first `len` of `bytes`; none if there
/// are fewer. Bytes behind these may be read, but change nothing.
///
/// Of what does not fill a word the first bytes are moved to its end: zeros
/// before a polynomial change nothing.
#[inline(always)]
pub(super) fn look(crc: u8, bytes: &[u8], len: usize) -> Option<Seen> {
    let Some(first) = bytes.first_chunk() else {
        return bytes.get(..len).map(|bytes| look_at_few(crc, bytes));
    };
    if len == 0 {
        let (sum, is_ascii) = (Sum::of(crc), true);
        return Some(Seen { sum, is_ascii });
    }
    // From 1 to 8: there is something to begin with.
    let odd = (len - 1) % size_of::<Word>() + 1;
    let shift = 64 - 8 * odd;
    let first = u64::from_le_bytes(*first);
    let begin = (first ^ u64::from(crc)) << shift;
    let words = bytes.get(odd..len)?;
    Some(match words {
        [] => Seen {
            sum: Sum(begin),
            is_ascii: (first << shift) & HIGH_BITS == 0,
        },
        _ => look_on(begin, first << shift, words),
    })
}

/// Goes on from a first word, and what was seen in it, over whole words.
#[inline(always)]
fn look_on(begin: u64, mut seen: u64, bytes: &[u8]) -> Seen {
    let (words, _) = bytes.as_chunks();
    let (single, pairs) = words.as_rchunks::<2>();
    let (mut high, mut low) = (0, begin);
    if let [word] = single {
        (high, low) = (begin, u64::from_le_bytes(*word));
        seen |= low;
    }
    if pairs.len() > FEW_PAIRS {
        let many;
        (high, low, many) = sum_many(high, low, pairs);
        seen |= many;
    } else {
        for pair in pairs {
            let [first, second] = pair.map(u64::from_le_bytes);
            // On by 128 bits, which is the same as by one.
            (high, low) = (times_x(high) ^ first, times_x(low) ^ second);
            seen |= first | second;
        }
    }
    Seen {
        sum: Sum(fold(high) ^ low),
        is_ascii: seen & HIGH_BITS == 0,
    }
}

/// Less than eight bytes, with nothing behind them.
#[cold]
fn look_at_few(crc: u8, bytes: &[u8]) -> Seen {
    Seen {
        sum: Sum::of(bytes.iter().copied().fold(crc, update_byte)),
        is_ascii: bytes.is_ascii(),
    }
}

/// Pairs of words that are summed one by one before it pays to move to vectors.
const FEW_PAIRS: usize = 8;

const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Each byte times x.
#[inline]
fn times_x(bytes: u64) -> u64 {
    let carries = (bytes & HIGH_BITS) >> 7;
    ((bytes & !HIGH_BITS) << 1) ^ (carries * 0x07)
}

/// What two words are after these pairs, and all words of these together.
fn sum_many(high: u64, low: u64, pairs: &[[Word; 2]]) -> (u64, u64, u64) {
    let mut lanes = [0; BLOCK];
    let (first, second) = lanes.split_at_mut(8);
    first.copy_from_slice(&high.to_le_bytes());
    second.copy_from_slice(&low.to_le_bytes());
    let (blocks, _) = pairs.as_flattened().as_flattened().as_chunks();
    let (lanes, seen) = sum_blocks(lanes, blocks);
    let words = |block| {
        let both = u128::from_le_bytes(block);
        (both as u64, (both >> 64) as u64)
    };
    let ((high, low), (first, second)) = (words(lanes), words(seen));
    (high, low, first | second)
}

/// What `lanes` are after these blocks, and all bytes of these together: every
/// 16th byte is summed by itself. Written so that it becomes vector
/// instructions.
#[inline(never)]
fn sum_blocks(mut lanes: Block, blocks: &[Block]) -> (Block, Block) {
    let mut seen = [0; BLOCK];
    for block in blocks {
        for lane in 0..BLOCK {
            let byte = lanes[lane];
            let carry = if byte & 0x80 == 0 { 0 } else { 0x07 };
            lanes[lane] = byte << 1 ^ carry ^ block[lane];
            seen[lane] |= block[lane];
        }
    }
    (lanes, seen)
}

/// What has the same checksum as `word` with eight bytes behind it.
#[inline]
fn fold(word: u64) -> u64 {
    // What the shifts push out at the beginning comes in again at the end.
    let out = word << 48 ^ word << 56;
    word ^ word >> 8 ^ word >> 16 ^ out ^ out >> 8 ^ out >> 16
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
    fn goes_on_from_every_checksum() {
        for crc in 0..=255 {
            for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48] {
                let bytes = bytes(len);
                assert_eq!(update(crc, &bytes), plain(crc, &bytes), "{len} from {crc}");
            }
            let word = [1, 2, 0xFF, 4, 5, 0x80, 7, 8];
            assert_eq!(Sum::of(crc).crc(), crc);
            assert_eq!(Sum::of_byte(crc, 9).crc(), plain(crc, &[9]));
            assert_eq!(Sum::of_word(crc, word).crc(), plain(crc, &word));
            let twice = [word, [9; 8]].concat();
            assert_eq!(
                Sum::of_word(crc, word).then([9; 8]).crc(),
                plain(crc, &twice)
            );
            assert_eq!(update_byte(crc, 0xA5), plain(crc, &[0xA5]));
        }
    }

    #[test]
    fn what_lies_behind_changes_nothing() {
        for len in 0..200 {
            let mut bytes = vec![0x7F; len];
            let crc = plain(0x5A, &bytes);
            for behind in 0..10 {
                let seen = look(0x5A, &bytes, len).expect("so many");
                assert_eq!(
                    (seen.sum.crc(), seen.is_ascii),
                    (crc, true),
                    "{len} and {behind}"
                );
                bytes.push(0xFF);
            }
            assert!(look(0, &bytes, len + 11).is_none());
        }
    }

    #[test]
    fn sees_every_byte_that_is_not_ascii() {
        for len in 0..200 {
            let mut text = vec![0x7F; len];
            let is_ascii = |text: &[u8]| look(0xFF, text, len).expect("so many").is_ascii;
            assert!(is_ascii(&text), "{len} bytes");
            for place in 0..len {
                text[place] = 0x80;
                assert!(!is_ascii(&text), "{len} bytes, at {place}");
                text[place] = 0x7F;
            }
        }
    }
}
