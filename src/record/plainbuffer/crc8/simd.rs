//! [`U8x16`]: sixteen bytes that are accumulated in parallel.
//!
//! The input is one polynomial, with the first byte as the highest coefficient, modulo
//! the polynomial of the checksum, p = x^8 + x^2 + x + 1. The powers of x repeat with
//! period 127, so x^128 = x: appending sixteen bytes multiplies each earlier byte by x,
//! which is one cheap operation on all lanes.

use wide::{u8x16, u64x2};

/// Number of lanes, and of bytes in a block.
pub(crate) const LANES: usize = 16;
pub(crate) type Block = [u8; LANES];

/// x^8 modulo the polynomial of the checksum, in each lane.
const POLYNOMIAL: u8x16 = u8x16::new([0x07; LANES]);
const HIGH_BITS: u8x16 = u8x16::new([0x80; LANES]);

/// Sixteen bytes, each a polynomial of degree 7 or less; see the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct U8x16(u8x16);

impl U8x16 {
    pub(crate) const ZERO: U8x16 = U8x16::new([0; LANES]);

    #[inline(always)]
    pub(crate) const fn new(bytes: Block) -> U8x16 {
        U8x16(u8x16::new(bytes))
    }

    /// Sets all lanes to `byte`.
    #[inline(always)]
    pub(crate) const fn all(byte: u8) -> U8x16 {
        U8x16::new([byte; LANES])
    }

    /// Joins two little-endian words; `high` holds the first eight lanes.
    #[inline(always)]
    pub(crate) fn from_words(high: u64, low: u64) -> U8x16 {
        let both = u128::from(high) | u128::from(low) << 64;
        U8x16::new(both.to_le_bytes())
    }

    /// The inverse of [`from_words`](U8x16::from_words).
    #[inline(always)]
    pub(crate) fn words(self) -> (u64, u64) {
        let both = u128::from_le_bytes(self.0.to_array());
        (both as u64, (both >> 64) as u64)
    }

    #[inline(always)]
    pub(crate) fn bytes(self) -> Block {
        self.0.to_array()
    }

    /// Adds two polynomials in each lane, which is a bitwise XOR.
    #[inline(always)]
    pub(crate) fn plus(self, other: U8x16) -> U8x16 {
        U8x16(self.0 ^ other.0)
    }

    #[inline(always)]
    pub(crate) fn and(self, other: U8x16) -> U8x16 {
        U8x16(self.0 & other.0)
    }

    #[inline(always)]
    pub(crate) fn or(self, other: U8x16) -> U8x16 {
        U8x16(self.0 | other.0)
    }

    /// Multiplies each lane by x, modulo the polynomial of the checksum.
    #[inline(always)]
    pub(crate) fn times_x(self) -> U8x16 {
        let carries = (self.0 & HIGH_BITS).cmp_eq(HIGH_BITS);
        U8x16((self.0 + self.0) ^ (carries & POLYNOMIAL))
    }

    /// Appends a block to the input.
    #[inline(always)]
    pub(crate) fn then(self, block: Block) -> U8x16 {
        self.times_x().plus(U8x16::new(block))
    }

    /// One bit for each lane, set if the lane is 0x80 or more; the first lane is the
    /// lowest bit.
    #[inline(always)]
    pub(crate) fn high_bits(self) -> u32 {
        self.0.move_mask().cast_unsigned()
    }

    /// Folds two sums of sixteen bytes each, given as their first and last words, to
    /// eight bytes each with the same checksum. See [`fold`](super::fold).
    #[inline(always)]
    pub(crate) fn folded(highs: [u64; 2], lows: [u64; 2]) -> U8x16 {
        let high = u64x2::new(highs);
        // The bytes that the shifts push out at the start re-enter at the end.
        let all = high ^ high << 48_u32 ^ high << 56_u32;
        let [first, second] = (all ^ all >> 8_u32 ^ all >> 16_u32 ^ u64x2::new(lows)).to_array();
        U8x16::from_words(first, second)
    }

    /// Interleaves the bytes of the first halves, and those of the second halves.
    #[inline(always)]
    pub(crate) fn interleave(self, other: U8x16) -> (U8x16, U8x16) {
        (
            U8x16(u8x16::unpack_low(self.0, other.0)),
            U8x16(u8x16::unpack_high(self.0, other.0)),
        )
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::record::plainbuffer::crc8;

    fn lanes() -> U8x16 {
        U8x16::new(std::array::from_fn(|lane| (lane as u8).wrapping_mul(0x1D)))
    }

    #[test]
    fn times_x_is_one_step_of_the_shift_register() {
        for byte in 0..=255_u8 {
            let shifted = byte << 1 ^ if byte & 0x80 == 0 { 0 } else { 0x07 };
            assert_eq!(U8x16::all(byte).times_x(), U8x16::all(shifted));
            let eight_times = (0..8).fold(U8x16::all(byte), |lanes, _| lanes.times_x());
            assert_eq!(eight_times, U8x16::all(crc8::update_byte(0, byte)));
        }
    }

    #[test]
    fn words_are_the_bytes_in_order() {
        let (high, low) = lanes().words();
        assert_eq!(U8x16::from_words(high, low), lanes());
        assert_eq!(high.to_le_bytes()[1], 0x1D);
        assert_eq!(low.to_le_bytes()[0], 8_u8.wrapping_mul(0x1D));
    }

    #[test]
    fn high_bits_are_reported_for_each_lane() {
        for lane in 0..LANES {
            let mut bytes = [0x7F; LANES];
            assert_eq!(U8x16::new(bytes).high_bits(), 0);
            bytes[lane] = 0x80;
            assert_eq!(U8x16::new(bytes).high_bits(), 1 << lane);
        }
    }
}
