//! [`Sums`]: many sums that are compared with their checksums at once.
//!
//! To bring one sum down to its checksum takes as long as to bring sixteen of
//! them down side by side. So they are put aside until there are some; a wrong
//! one is then noticed later than it came, but before the batch is given to
//! anybody.

use crate::record::plainbuffer::crc8::simd::{LANES, U8x16};

/// As many as a row may have, and more than [`ENOUGH`] beside them.
const ROOM: usize = 512;
/// So many that it pays to compare them: long after they were written, when no
/// load has to wait for a store.
const ENOUGH: usize = 192;

/// Sums of pieces of which each has a checksum.
#[derive(Debug)]
pub(crate) struct Sums {
    /// The first and the last eight bytes of each.
    highs: [u64; ROOM],
    lows: [u64; ROOM],
    checksums: [u8; ROOM],
    /// How many wait to be compared.
    count: usize,
    all_right: bool,
}

impl Sums {
    pub(crate) fn new() -> Sums {
        Sums {
            highs: [0; ROOM],
            lows: [0; ROOM],
            checksums: [0; ROOM],
            count: 0,
            all_right: true,
        }
    }

    /// Makes room for the sums of one more row; the place of the first.
    #[inline(always)]
    pub(crate) fn begin_row(&mut self) -> usize {
        if self.count >= ENOUGH {
            self.compare();
        }
        self.count
    }

    /// Puts one at its place. It counts when its row has ended.
    #[inline(always)]
    pub(crate) fn set(&mut self, place: usize, sum: U8x16) {
        let (high, low) = sum.words();
        if let (Some(a), Some(b)) = (self.highs.get_mut(place), self.lows.get_mut(place)) {
            (*a, *b) = (high, low);
        }
    }

    /// Puts the checksum that came with it beside it.
    #[inline(always)]
    pub(crate) fn set_checksum(&mut self, place: usize, checksum: u8) {
        match self.checksums.get_mut(place) {
            Some(at_place) => *at_place = checksum,
            // Then somebody else has to check the batch.
            None => self.all_right = false,
        }
    }

    /// Ends a row of which the sums up to `place` are there.
    #[inline(always)]
    pub(crate) fn end_row(&mut self, place: usize) {
        self.count = place;
    }

    /// Whether all of them had the checksums that came with them.
    pub(crate) fn are_right(&mut self) -> bool {
        self.compare();
        self.all_right
    }

    #[inline(never)]
    fn compare(&mut self) {
        // Of a block that is not full, the rest may hold earlier ones.
        let rest = self.count..self.count.next_multiple_of(LANES);
        for place in rest.clone() {
            self.set(place, U8x16::ZERO);
            self.set_checksum(place, 0);
        }
        let (highs, _) = self.highs.as_chunks();
        let (lows, _) = self.lows.as_chunks();
        let (known, _) = self.checksums.as_chunks();
        let blocks = highs.iter().zip(lows).zip(known).take(rest.end / LANES);
        for ((highs, lows), known) in blocks {
            self.all_right &= checksums(highs, lows) == U8x16::new(*known);
        }
        self.count = 0;
    }
}

/// The checksums of sixteen sums, each in the lane of its place.
#[inline(always)]
fn checksums(highs: &[u64; LANES], lows: &[u64; LANES]) -> U8x16 {
    let mut pairs = [U8x16::ZERO; LANES / 2];
    let halves = highs.as_chunks().0.iter().zip(lows.as_chunks().0);
    for (pair, (highs, lows)) in pairs.iter_mut().zip(halves) {
        *pair = U8x16::folded(*highs, *lows);
    }
    // What is left times x^64 to x^8, each of which is a sum of powers of x.
    let columns = transposed(pairs);
    (0..8).rev().fold(U8x16::ZERO, |sum, bit| {
        let of_bit = |power: u8| power >> bit & 1 == 1;
        columns
            .iter()
            .zip(POWERS)
            .filter(|(_, power)| of_bit(*power))
            .fold(sum.times_x(), |sum, (column, _)| sum.plus(*column))
    })
}

/// What x^64, x^56, and so on to x^8 are.
const POWERS: [u8; 8] = [0x13, 0xDF, 0x29, 0x62, 0x16, 0x6B, 0x15, 0x07];

/// Of sixteen words, two in each of `rows`: their first bytes, then their second ones,
/// and so on.
#[inline(always)]
fn transposed(mut rows: [U8x16; LANES / 2]) -> [U8x16; LANES / 2] {
    // Each step interleaves the first half with the second, as shuffling cards does. In
    // the number of a byte, of seven bits, it moves each bit up by one, and the highest
    // to the end: after four steps the byte's place in its word comes first.
    for _ in 0..4 {
        let [a, b, c, d, e, f, g, h] = rows;
        let pairs = [(a, e), (b, f), (c, g), (d, h)];
        let [a, b, c, d] = pairs.map(|(first, second)| first.interleave(second));
        rows = [a.0, a.1, b.0, b.1, c.0, c.1, d.0, d.1];
    }
    rows
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::record::plainbuffer::crc8;
    use crate::record::plainbuffer::crc8::simd::Block;

    fn block(seed: u8) -> Block {
        std::array::from_fn(|lane| {
            seed.wrapping_mul(37)
                .wrapping_add((lane as u8).wrapping_mul(89))
        })
    }

    /// A row for each.
    fn push(sums: &mut Sums, bytes: Block, checksum: u8) {
        let place = sums.begin_row();
        sums.set(place, U8x16::new(bytes));
        sums.set_checksum(place, checksum);
        sums.end_row(place + 1);
    }

    fn pushed(count: u8) -> Sums {
        let mut sums = Sums::new();
        for seed in 0..count {
            push(&mut sums, block(seed), crc8::update(0, &block(seed)));
        }
        sums
    }

    #[test]
    fn any_number_of_right_sums_is_right() {
        for count in 0..200 {
            let mut sums = pushed(count);
            assert!(sums.are_right(), "{count}");
            assert!(sums.are_right(), "{count}, asked again");
        }
    }

    #[test]
    fn every_wrong_bit_is_noticed_wherever_it_comes() {
        for before in [0, 1, 15, 16, 63, 64, 80] {
            for bit in 0..128 {
                let mut wrong = block(9);
                wrong[bit / 8] ^= 1 << (bit % 8);
                for after in [0, 1, 40] {
                    let mut sums = pushed(before);
                    push(&mut sums, wrong, crc8::update(0, &block(9)));
                    for seed in 0..after {
                        push(&mut sums, block(seed), crc8::update(0, &block(seed)));
                    }
                    assert!(!sums.are_right(), "{before} {bit} {after}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_does_not_end_does_not_count() {
        let mut sums = pushed(3);
        let place = sums.begin_row();
        sums.set(place, U8x16::all(1));
        sums.set_checksum(place, 0);
        assert!(sums.are_right());
    }

    #[test]
    fn what_there_is_no_room_for_is_not_right() {
        let mut sums = Sums::new();
        for place in 0..=ROOM {
            sums.set(place, U8x16::ZERO);
            sums.set_checksum(place, 0);
        }
        sums.end_row(ROOM + 1);
        assert!(!sums.are_right());
    }

    #[test]
    fn words_become_columns() {
        let word = |word: usize| std::array::from_fn::<u8, 8, _>(|byte| (word * 8 + byte) as u8);
        let row = |row: usize| [word(2 * row), word(2 * row + 1)].concat();
        let rows =
            std::array::from_fn(|place| U8x16::new(*row(place).first_chunk().expect("two words")));
        let columns =
            std::array::from_fn(|byte| U8x16::new(std::array::from_fn(|place| word(place)[byte])));
        assert_eq!(transposed(rows), columns);
    }
}
