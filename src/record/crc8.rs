//! The checksum of PlainBuffer: CRC-8/SMBUS.
//!
//! Polynomial 0x07, initial value 0, not reflected, no final xor.

#![expect(
    clippy::indexing_slicing,
    reason = "no u8 leaves a table of 256, and no piece has more bytes than there are tables"
)]

/// How many bytes are summed at once. Byte by byte, every lookup would wait for
/// the one before it.
const LANES: usize = 16;

/// `TABLES[k][b]` is the checksum of `b` followed by `k` zero bytes.
static TABLES: [[u8; 256]; LANES] = tables();

/// The checksum of what gave `crc` so far, followed by `bytes`.
#[inline]
pub(crate) fn update(crc: u8, bytes: &[u8]) -> u8 {
    let (blocks, rest) = bytes.as_chunks::<LANES>();
    match blocks.split_first() {
        Some((first, blocks)) => update_short(update_blocks(crc, first, blocks), rest),
        None => update_short(crc, rest),
    }
}

/// Sums every 16th byte by itself, and the sums at the end.
///
/// From one byte of a lane to the next the sum moves on by 128 bits. The powers
/// of x modulo this polynomial repeat after 127, so that this is the same as
/// moving on by one.
fn update_blocks(crc: u8, first: &[u8; LANES], blocks: &[[u8; LANES]]) -> u8 {
    let mut lanes = u128::from_le_bytes(*first) ^ u128::from(crc);
    for block in blocks {
        lanes = shift_lanes(lanes) ^ u128::from_le_bytes(*block);
    }
    update_short(0, &lanes.to_le_bytes())
}

/// One bit through the shift register, in each of the bytes.
fn shift_lanes(lanes: u128) -> u128 {
    const LOW_BITS: u128 = u128::from_le_bytes([1; LANES]);
    let carries = (lanes >> 7) & LOW_BITS;
    ((lanes << 1) & !LOW_BITS) ^ (carries | (carries << 1) | (carries << 2))
}

/// At most 16 bytes. The checksum of a sum is the sum of the checksums, each
/// of a byte and the zeros in place of those after it.
#[inline]
fn update_short(crc: u8, bytes: &[u8]) -> u8 {
    let Some(last) = bytes.len().checked_sub(1) else {
        return crc;
    };
    let tables = TABLES[..=last].iter().rev();
    let sums = tables
        .zip(bytes)
        .map(|(table, byte)| table[usize::from(*byte)]);
    sums.fold(TABLES[last][usize::from(crc)], |sum, byte| sum ^ byte)
}

const fn tables() -> [[u8; 256]; LANES] {
    let mut tables = [[0; 256]; LANES];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = shift(byte as u8);
        let mut lane = 0;
        while lane < LANES {
            tables[lane][byte] = crc;
            crc = shift(crc);
            lane += 1;
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

    #[test]
    fn gives_the_check_value_of_the_catalogue() {
        assert_eq!(update(0, b"123456789"), 0xF4);
    }

    #[test]
    fn does_not_depend_on_how_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..=255_u8).map(|i| i.wrapping_mul(37)).collect();
        let plain = bytes.iter().fold(0, |crc, byte| shift(crc ^ byte));
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(update(update(0, head), tail), plain, "cut at {cut}");
        }
    }
}
