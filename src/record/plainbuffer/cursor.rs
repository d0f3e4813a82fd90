//! [`Cursor`]: the only code that slices untrusted bytes. [`DecodeError`]: what is
//! wrong with the bytes, and at which offset.

use std::fmt;
use std::ops::Range;

/// The unread part of an input, with its offset from the start of the input.
///
/// Every read takes the name of the item that it reads, for the error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// Offset of the end of `rest`. Unlike the start, it does not change on a read.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const EMPTY: Cursor<'static> = Cursor { rest: &[], end: 0 };

    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor {
            rest: bytes,
            end: bytes.len(),
        }
    }

    /// Creates a cursor over `bytes`, which end at the offset `end` of the input.
    pub(crate) fn ending_at(end: usize, bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes, end }
    }

    /// Creates a cursor over the part of `bytes` at `span`. It is empty if `span` is out
    /// of bounds.
    #[inline]
    pub(crate) fn over(bytes: &'a [u8], span: Range<usize>) -> Cursor<'a> {
        // Not a panic: the caller's next read fails with an error that names the item.
        let end = span.end;
        bytes
            .get(span)
            .map_or(Cursor::EMPTY, |rest| Cursor { rest, end })
    }

    /// Offset of the next byte.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// Offsets of the unread part.
    #[inline]
    pub(crate) fn span(&self) -> Range<usize> {
        self.offset()..self.end
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next byte if it is `tag`, and returns whether it was.
    #[inline]
    pub(crate) fn accept(&mut self, tag: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == tag => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads the next byte, which has to be `tag`.
    #[inline]
    pub(crate) fn expect(&mut self, tag: u8, reading: &'static str) -> Result<(), DecodeError> {
        if self.accept(tag) {
            return Ok(());
        }
        Err(match self.rest.first() {
            Some(found) => self.error(reading, Problem::Unexpected(u64::from(*found))),
            None => self.cut_short(reading, 1),
        })
    }

    #[inline]
    pub(crate) fn bytes(
        &mut self,
        len: usize,
        reading: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.cut_short(reading, len));
        };
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn u8(&mut self, reading: &'static str) -> Result<u8, DecodeError> {
        let [byte] = self.array(reading)?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u32(&mut self, reading: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(reading)?))
    }

    #[inline]
    pub(crate) fn i32(&mut self, reading: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_le_bytes(self.array(reading)?))
    }

    #[inline]
    pub(crate) fn i64(&mut self, reading: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.array(reading)?))
    }

    /// Reads a `u32` length, and that many bytes as a cursor of their own.
    #[inline]
    pub(crate) fn sized(&mut self, reading: &'static str) -> Result<Cursor<'a>, DecodeError> {
        let len = self.u32(reading)?;
        self.part(u64::from(len), reading)
    }

    /// Reads the next `len` bytes as a cursor of their own.
    #[inline]
    pub(crate) fn part(
        &mut self,
        len: u64,
        reading: &'static str,
    ) -> Result<Cursor<'a>, DecodeError> {
        // A length above the address space exceeds any input, so the read fails below.
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let rest = self.bytes(len, reading)?;
        Ok(Cursor {
            rest,
            end: self.offset(),
        })
    }

    /// Reads a protobuf varint: seven bits per byte, lowest first.
    #[inline(always)]
    pub(crate) fn varint(&mut self, reading: &'static str) -> Result<u64, DecodeError> {
        // Field keys have one byte and most lengths two, so only these are inlined.
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            [first, second, rest @ ..] if *second < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first & 0x7F) | u64::from(*second) << 7)
            }
            _ => self.long_varint(reading),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self, reading: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(reading)?;
            let bits = u64::from(byte & 0x7F);
            // Nine bytes carry 63 bits, which leaves one bit for the tenth.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(reading, Problem::NumberTooLong))
    }

    /// Fails if there are unread bytes.
    #[inline]
    pub(crate) fn finish(&self, reading: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(self.error(reading, Problem::Trailing(more))),
        }
    }

    /// An error at the current offset. Cold, so that its code does not displace the code of
    /// valid input.
    #[cold]
    pub(crate) fn error(&self, reading: &'static str, problem: Problem) -> DecodeError {
        DecodeError(Box::new(Details {
            at: self.offset(),
            reading,
            problem,
        }))
    }

    #[inline]
    fn array<const N: usize>(&mut self, reading: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((array, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.cut_short(reading, N));
        };
        self.rest = rest;
        Ok(*array)
    }

    #[cold]
    fn cut_short(&self, reading: &'static str, wanted: usize) -> DecodeError {
        self.error(
            reading,
            Problem::CutShort {
                wanted,
                left: self.rest.len(),
            },
        )
    }
}

/// Bytes that cannot be decoded. One word wide, so that a `Result` of a small value
/// stays small.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecodeError(Box<Details>);

#[derive(Debug, PartialEq, Eq)]
struct Details {
    /// Offset at which reading stopped.
    at: usize,
    /// What was being read.
    reading: &'static str,
    problem: Problem,
}

/// What is wrong. Contains no data of the input, because errors are logged and the data
/// may be confidential.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    CutShort { wanted: usize, left: usize },
    Unexpected(u64),
    Checksum { stored: u8, computed: u8 },
    Trailing(usize),
    NumberTooLong,
    NotUtf8,
    Missing,
    NotAllowed,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            at,
            reading,
            problem,
        } = &*self.0;
        write!(f, "byte {at}: {reading}: {problem}")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::CutShort { wanted, left } => write!(f, "{wanted} bytes wanted, {left} left"),
            Problem::Unexpected(found) => write!(f, "unexpected {found:#04x}"),
            Problem::Checksum { stored, computed } => {
                write!(f, "{stored:#04x} is stored, {computed:#04x} is computed")
            }
            Problem::Trailing(more) => write!(f, "{more} bytes follow its end"),
            Problem::NumberTooLong => f.write_str("more than 64 bits"),
            Problem::NotUtf8 => f.write_str("not UTF-8"),
            Problem::Missing => f.write_str("missing"),
            Problem::NotAllowed => f.write_str("not allowed here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_relative_to_the_whole_input() {
        let mut cursor = Cursor::new(&[1, 2, 0, 0, 0, 7, 8, 9]);
        assert!(!cursor.accept(2) && cursor.accept(1));
        let part = cursor.sized("part").expect("two bytes");
        assert_eq!((part.rest(), part.span()), (&[7, 8][..], 5..7));
        assert_eq!(cursor.offset(), 7);
        assert_eq!(
            cursor.u32("number"),
            Err(DecodeError(Box::new(Details {
                at: 7,
                reading: "number",
                problem: Problem::CutShort { wanted: 4, left: 1 }
            })))
        );
    }

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut cursor = Cursor::new(&[0xFF, 0xFF, 0xFF, 0xFF]);
        cursor.sized("part").expect_err("too long");
        cursor.i64("number").expect_err("too short");
        assert_eq!(cursor.rest().len(), 0, "only the length was read");
    }

    #[test]
    fn varints_end_at_64_bits() {
        let read = |bytes: &[u8]| Cursor::new(bytes).varint("v").ok();
        assert_eq!(read(&[0x96, 0x01]), Some(150));
        let mut most = [0xFF; 10];
        most[9] = 0x01;
        assert_eq!(read(&most), Some(u64::MAX));
        most[9] = 0x02;
        assert_eq!(read(&most), None);
        assert_eq!(read(&[0x80; 11]), None);
        assert_eq!(read(&[0x80]), None);
    }

    #[test]
    fn an_error_names_the_offset_and_the_item() {
        let error = Cursor::new(&[]).u32("row header").expect_err("empty");
        assert_eq!(
            error.to_string(),
            "byte 0: row header: 4 bytes wanted, 0 left"
        );
    }
}
