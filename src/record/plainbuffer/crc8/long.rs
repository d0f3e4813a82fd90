//! The sum of long texts, many times a short one, in one walk without a product.
//!
//! The powers of x repeat after 127, and x^8 is one of them: 127 bytes further on a
//! byte counts as it does here. So pieces of 127 bytes can be laid over each other.

use super::simd::{Block, LANES, U8x16};

/// After so many bytes all powers come again.
const PERIOD: usize = 127;
/// Whole blocks for it, and a byte more, at the start.
const WINDOW: usize = 8 * LANES;

/// The sum of pieces laid over each other, and all bits of them together. They
/// begin behind the first of `bytes`, and are a multiple of [`PERIOD`].
pub(crate) fn overlaid(bytes: &[u8]) -> ([Block; 8], U8x16) {
    let (mut sums, mut seen) = ([U8x16::ZERO; 8], U8x16::ZERO);
    let mut rest = bytes;
    while let Some(window) = rest.first_chunk::<WINDOW>() {
        let (blocks, _) = window.as_chunks();
        for (sum, block) in sums.iter_mut().zip(blocks) {
            let block = U8x16::new(*block);
            *sum = sum.plus(block);
            seen = seen.or(block);
        }
        rest = rest.get(PERIOD..).unwrap_or_default();
    }
    let mut blocks = sums.map(U8x16::bytes);
    // It belongs to the piece before.
    let [[first, ..], ..] = &mut blocks;
    *first = 0;
    (blocks, seen)
}

/// How many of so many bytes come before what is a multiple of [`PERIOD`]: one at
/// least.
pub(crate) fn before(len: usize) -> usize {
    (len - 1) % PERIOD + 1
}
