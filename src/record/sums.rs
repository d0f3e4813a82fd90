//! [`Sums`]: many sums that are compared with their checksums at once.
//!
//! To bring one sum down to its checksum takes as long as to bring sixteen of
//! them down side by side. So they are put aside until there are some; a wrong
//! one is then noticed later than it came, but before the batch is given to
//! anybody.

use super::lanes::{LANES, Lanes};

/// As many as a row may have, and more than [`ENOUGH`] beside them.
const ROOM: usize = 512;
/// So many that it pays to compare them: long after they were written, when no
/// load has to wait for a store.
const ENOUGH: usize = 64;

/// Sums of pieces of which each has a checksum.
#[derive(Debug)]
pub(super) struct Sums {
    sums: [Lanes; ROOM],
    checksums: [u8; ROOM],
    /// How many wait to be compared.
    count: usize,
    all_right: bool,
}

impl Sums {
    pub(super) fn new() -> Sums {
        Sums {
            sums: [Lanes::ZERO; ROOM],
            checksums: [0; ROOM],
            count: 0,
            all_right: true,
        }
    }

    /// Makes room for the sums of one more row; the place of the first.
    #[inline(always)]
    pub(super) fn begin_row(&mut self) -> usize {
        if self.count >= ENOUGH {
            self.compare();
        }
        self.count
    }

    /// Puts one at its place. It counts when its row has ended.
    #[inline(always)]
    pub(super) fn set(&mut self, place: usize, sum: Lanes, checksum: u8) {
        match (self.sums.get_mut(place), self.checksums.get_mut(place)) {
            (Some(a), Some(b)) => (*a, *b) = (sum, checksum),
            // Then somebody else has to check the batch.
            _ => self.all_right = false,
        }
    }

    /// Ends a row of which the sums up to `place` are there.
    #[inline(always)]
    pub(super) fn end_row(&mut self, place: usize) {
        self.count = place;
    }

    /// Whether all of them had the checksums that came with them.
    pub(super) fn are_right(&mut self) -> bool {
        self.compare();
        self.all_right
    }

    #[inline(never)]
    fn compare(&mut self) {
        // Of a block that is not full, the rest may hold earlier ones.
        let rest = self.count..self.count.next_multiple_of(LANES);
        for place in rest.clone() {
            self.set(place, Lanes::ZERO, 0);
        }
        let (sums, _) = self.sums.as_chunks();
        let (known, _) = self.checksums.as_chunks();
        for (sums, known) in sums.iter().zip(known).take(rest.end / LANES) {
            self.all_right &= checksums(sums) == Lanes::new(*known);
        }
        self.count = 0;
    }
}

/// The checksums of sixteen sums, each in the lane of its place.
#[inline(always)]
fn checksums(sums: &[Lanes; LANES]) -> Lanes {
    // Now lane by lane: the bytes of the highest power of all sums first.
    let [
        mut a,
        mut b,
        mut c,
        mut d,
        mut e,
        mut f,
        mut g,
        mut h,
        rest @ ..,
    ] = transposed(*sums);
    let [mut i, mut j, mut k, mut l, mut m, mut n, mut o, mut p] = rest;
    // x^64 = x^16 + x^8 + 1: a byte counts as well eight, seven and six further on.
    let fold = |from: &mut Lanes, to: [&mut Lanes; 3]| {
        for to in to {
            *to = to.plus(*from);
        }
    };
    fold(&mut a, [&mut g, &mut h, &mut i]);
    fold(&mut b, [&mut h, &mut i, &mut j]);
    fold(&mut c, [&mut i, &mut j, &mut k]);
    fold(&mut d, [&mut j, &mut k, &mut l]);
    fold(&mut e, [&mut k, &mut l, &mut m]);
    fold(&mut f, [&mut l, &mut m, &mut n]);
    fold(&mut g, [&mut m, &mut n, &mut o]);
    fold(&mut h, [&mut n, &mut o, &mut p]);
    // What is left times x^64 to x^8, each of which is a sum of powers of x.
    let columns = [i, j, k, l, m, n, o, p];
    (0..8).rev().fold(Lanes::ZERO, |sum, bit| {
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

/// The first lanes of all, then the second ones, and so on.
#[inline(always)]
fn transposed(mut rows: [Lanes; LANES]) -> [Lanes; LANES] {
    // Each step interleaves the first half with the second: as shuffling cards
    // does, which sorts two to the power of four of them in four steps.
    for _ in 0..4 {
        let [a, b, c, d, e, f, g, h, rest @ ..] = rows;
        let [i, j, k, l, m, n, o, p] = rest;
        let pairs = [
            (a, i),
            (b, j),
            (c, k),
            (d, l),
            (e, m),
            (f, n),
            (g, o),
            (h, p),
        ];
        let [a, b, c, d, e, f, g, h] = pairs.map(|(first, second)| first.interleave(second));
        rows = [
            a.0, a.1, b.0, b.1, c.0, c.1, d.0, d.1, e.0, e.1, f.0, f.1, g.0, g.1, h.0, h.1,
        ];
    }
    rows
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::crc8;
    use super::super::lanes::Block;
    use super::*;

    fn block(seed: u8) -> Block {
        std::array::from_fn(|lane| {
            seed.wrapping_mul(37)
                .wrapping_add((lane as u8).wrapping_mul(89))
        })
    }

    /// A row for each.
    fn push(sums: &mut Sums, bytes: Block, checksum: u8) {
        let place = sums.begin_row();
        sums.set(place, Lanes::new(bytes), checksum);
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
        sums.set(place, Lanes::all(1), 0);
        assert!(sums.are_right());
    }

    #[test]
    fn what_there_is_no_room_for_is_not_right() {
        let mut sums = Sums::new();
        for place in 0..=ROOM {
            sums.set(place, Lanes::ZERO, 0);
        }
        sums.end_row(ROOM + 1);
        assert!(!sums.are_right());
    }

    #[test]
    fn rows_become_columns() {
        let rows: [Block; LANES] =
            std::array::from_fn(|row| std::array::from_fn(|lane| (row * LANES + lane) as u8));
        let columns = std::array::from_fn(|lane| rows.map(|row| row[lane]));
        assert_eq!(transposed(rows.map(Lanes::new)), columns.map(Lanes::new));
    }
}
