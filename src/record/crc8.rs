//! The checksum of PlainBuffer: CRC-8/SMBUS.
//!
//! Polynomial 0x07, initial value 0, not reflected, no final xor.

#![expect(
    clippy::indexing_slicing,
    reason = "a u8 cannot leave a table of 256; the other indices are checked by the compiler"
)]

/// How many bytes are looked up at once.
///
/// Byte by byte, every lookup waits for the one before it; the bytes of one
/// step do not.
const LANES: usize = 8;

/// `TABLES[k][b]` is the checksum of `b` followed by `k` zero bytes.
static TABLES: [[u8; 256]; LANES] = tables();

/// The checksum of what gave `crc` so far, followed by `bytes`.
#[inline]
pub(super) fn update(mut crc: u8, bytes: &[u8]) -> u8 {
    let (steps, rest) = bytes.as_chunks::<LANES>();
    for &[a, b, c, d, e, f, g, h] in steps {
        crc = TABLES[7][usize::from(a ^ crc)]
            ^ TABLES[6][usize::from(b)]
            ^ TABLES[5][usize::from(c)]
            ^ TABLES[4][usize::from(d)]
            ^ TABLES[3][usize::from(e)]
            ^ TABLES[2][usize::from(f)]
            ^ TABLES[1][usize::from(g)]
            ^ TABLES[0][usize::from(h)];
    }
    for byte in rest {
        crc = TABLES[0][usize::from(crc ^ byte)];
    }
    crc
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
        let bytes: Vec<u8> = (0..100_u8).map(|i| i.wrapping_mul(37)).collect();
        let plain = bytes.iter().fold(0, |crc, byte| shift(crc ^ byte));
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(update(update(0, head), tail), plain, "cut at {cut}");
        }
    }
}
