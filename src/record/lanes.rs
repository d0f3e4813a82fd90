//! [`Lanes`]: sixteen bytes that are summed side by side.
//!
//! Bytes are one polynomial, the first byte highest, modulo that of the checksum:
//! p = x^8 + x^2 + x + 1. The powers of x repeat after 127, so x^128 = x: to move
//! on by sixteen bytes is to multiply each of them by x.

use wide::{u8x16, u64x2};

/// As many bytes as there are lanes.
pub(super) const LANES: usize = 16;
pub(super) type Block = [u8; LANES];

/// What x^8 is.
const POLYNOMIAL: u8x16 = u8x16::new([0x07; LANES]);
const HIGH_BITS: u8x16 = u8x16::new([0x80; LANES]);

/// See above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lanes(u8x16);

impl Lanes {
    pub(super) const ZERO: Lanes = Lanes::new([0; LANES]);

    #[inline(always)]
    pub(super) const fn new(bytes: Block) -> Lanes {
        Lanes(u8x16::new(bytes))
    }

    /// All lanes the same.
    #[inline(always)]
    pub(super) const fn all(byte: u8) -> Lanes {
        Lanes::new([byte; LANES])
    }

    /// Two words of eight bytes, little-endian: as they lie in memory.
    #[inline(always)]
    pub(super) fn of_words(high: u64, low: u64) -> Lanes {
        let both = u128::from(high) | u128::from(low) << 64;
        Lanes::new(both.to_le_bytes())
    }

    /// See [`of_words`](Lanes::of_words).
    #[inline(always)]
    pub(super) fn words(self) -> (u64, u64) {
        let both = u128::from_le_bytes(self.0.to_array());
        (both as u64, (both >> 64) as u64)
    }

    #[inline(always)]
    pub(super) fn bytes(self) -> Block {
        self.0.to_array()
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Lanes) -> Lanes {
        Lanes(self.0 ^ other.0)
    }

    #[inline(always)]
    pub(super) fn and(self, other: Lanes) -> Lanes {
        Lanes(self.0 & other.0)
    }

    #[inline(always)]
    pub(super) fn or(self, other: Lanes) -> Lanes {
        Lanes(self.0 | other.0)
    }

    #[inline(always)]
    pub(super) fn times_x(self) -> Lanes {
        let carries = (self.0 & HIGH_BITS).cmp_eq(HIGH_BITS);
        Lanes((self.0 + self.0) ^ (carries & POLYNOMIAL))
    }

    /// The lanes so far, followed by as many bytes.
    #[inline(always)]
    pub(super) fn then(self, block: Block) -> Lanes {
        self.times_x().plus(Lanes::new(block))
    }

    /// A bit for each lane of 0x80 or more, the first lane lowest.
    #[inline(always)]
    pub(super) fn high_bits(self) -> u32 {
        self.0.move_mask().cast_unsigned()
    }

    /// Two sums, of which each is a word of `highs` followed by one of `lows`: for each
    /// a word that has the same checksum. x^64 = x^16 + x^8 + 1, and to move on by x^8
    /// is a shift to the right.
    #[inline(always)]
    pub(super) fn folded(highs: [u64; 2], lows: [u64; 2]) -> Lanes {
        let high = u64x2::new(highs);
        // What the shifts push out at the beginning comes in again at the end.
        let all = high ^ high << 48_u32 ^ high << 56_u32;
        let [first, second] = (all ^ all >> 8_u32 ^ all >> 16_u32 ^ u64x2::new(lows)).to_array();
        Lanes::of_words(first, second)
    }

    /// The low or the high halves of two, byte by byte by turns.
    #[inline(always)]
    pub(super) fn interleave(self, other: Lanes) -> (Lanes, Lanes) {
        (
            Lanes(u8x16::unpack_low(self.0, other.0)),
            Lanes(u8x16::unpack_high(self.0, other.0)),
        )
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::crc8;
    use super::*;

    fn lanes() -> Lanes {
        Lanes::new(std::array::from_fn(|lane| (lane as u8).wrapping_mul(0x1D)))
    }

    #[test]
    fn times_x_is_a_bit_of_the_shift_register() {
        for byte in 0..=255_u8 {
            let shifted = byte << 1 ^ if byte & 0x80 == 0 { 0 } else { 0x07 };
            assert_eq!(Lanes::all(byte).times_x(), Lanes::all(shifted));
            let eight_times = (0..8).fold(Lanes::all(byte), |lanes, _| lanes.times_x());
            assert_eq!(eight_times, Lanes::all(crc8::update_byte(0, byte)));
        }
    }

    #[test]
    fn words_are_the_bytes_in_order() {
        let (high, low) = lanes().words();
        assert_eq!(Lanes::of_words(high, low), lanes());
        assert_eq!(high.to_le_bytes()[1], 0x1D);
        assert_eq!(low.to_le_bytes()[0], 8_u8.wrapping_mul(0x1D));
    }

    #[test]
    fn high_bits_are_told_by_lane() {
        for lane in 0..LANES {
            let mut bytes = [0x7F; LANES];
            assert_eq!(Lanes::new(bytes).high_bits(), 0);
            bytes[lane] = 0x80;
            assert_eq!(Lanes::new(bytes).high_bits(), 1 << lane);
        }
    }
}
