//! Sums long inputs in one pass without multiplication.
//!
//! The powers of x repeat with period 127, and so do the powers of x^8. Two bytes that
//! are 127 bytes apart therefore have the same weight, and pieces of 127 bytes can be
//! xored onto each other before anything is multiplied.

use super::simd::{Block, LANES, U8x16};

/// The number of bytes after which the weights repeat.
const PERIOD: usize = 127;
/// One period, plus one byte at the start that fills up the first block.
const CHUNK: usize = 8 * LANES;

/// Xors all periods of `bytes` onto each other. Returns the result, and the bitwise OR
/// of everything read.
///
/// The first byte of `bytes` is not part of the input; the length of the rest is a
/// multiple of [`PERIOD`].
pub(crate) fn overlay(bytes: &[u8]) -> ([Block; 8], U8x16) {
    let (mut sums, mut all_bits) = ([U8x16::ZERO; 8], U8x16::ZERO);
    let mut rest = bytes;
    while let Some(chunk) = rest.first_chunk::<CHUNK>() {
        let (blocks, _) = chunk.as_chunks();
        for (sum, block) in sums.iter_mut().zip(blocks) {
            let block = U8x16::new(*block);
            *sum = sum.plus(block);
            all_bits = all_bits.or(block);
        }
        rest = rest.get(PERIOD..).unwrap_or_default();
    }
    let mut blocks = sums.map(U8x16::bytes);
    // The first lane collected the last byte of each previous period, which was
    // already counted there.
    let [[first, ..], ..] = &mut blocks;
    *first = 0;
    (blocks, all_bits)
}

/// Length of the prefix after which the rest of `len` bytes is a multiple of
/// [`PERIOD`]. At least 1.
pub(crate) fn prefix_len(len: usize) -> usize {
    (len - 1) % PERIOD + 1
}
