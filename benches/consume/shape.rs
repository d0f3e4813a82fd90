//! The shapes of the measured records, and responses filled with them.
//!
//! The records are written by a separate encoder, so that the client is not
//! measured with bytes that it wrote itself.

use super::wire::{self, Row, Value};

/// The limits of a batch, as in the service.
const MAX_RECORDS: usize = 5000;
const MAX_BYTES: usize = 4 << 20;

/// Bytes of the sequence info that a stream adds to a row.
const SEQUENCE_BYTES: usize = 29;

/// The shape of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// The number of columns besides the primary key.
    pub(crate) columns: usize,
    /// The size of a record's message in bytes, including its framing.
    pub(crate) bytes: usize,
    pub(crate) is_stream: bool,
}

/// Typical records: small rows, documents, wide rows, and changes.
pub(crate) const SHAPES: [Shape; 4] = [
    shape("4", 4, 253, false),
    shape("10", 10, 1220, false),
    shape("100", 100, 3940, false),
    shape("4s", 4, 253 + SEQUENCE_BYTES, true),
];

const fn shape(name: &'static str, columns: usize, bytes: usize, is_stream: bool) -> Shape {
    Shape {
        name,
        columns,
        bytes,
        is_stream,
    }
}

impl Shape {
    pub(crate) fn of_name(name: &str) -> Option<Shape> {
        SHAPES.into_iter().find(|shape| shape.name == name)
    }

    /// The title in tables.
    pub(crate) fn title(&self) -> String {
        let stream = if self.is_stream { ", stream" } else { "" };
        format!("{} columns, {} B{stream}", self.columns, self.bytes)
    }

    /// The number of records in a response.
    pub(crate) fn batch(&self) -> usize {
        MAX_RECORDS.min(MAX_BYTES / self.bytes)
    }

    /// A full response to a read. Its next token makes the client read the same
    /// records again.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let mut answer = Vec::new();
        for index in 0..self.batch() {
            wire::field(&mut answer, 1, &self.record(index));
        }
        wire::field(&mut answer, 2, self.token().as_bytes());
        answer.extend([3 << 3, 1]);
        answer
    }

    /// The response of a channel without new records.
    pub(crate) fn empty_answer(&self) -> Vec<u8> {
        let mut answer = Vec::new();
        wire::field(&mut answer, 2, self.token().as_bytes());
        answer.extend([3 << 3, 0]);
        answer
    }

    /// A token of the channel's type, base data or stream.
    pub(crate) fn token(&self) -> String {
        match self.is_stream {
            true => wire::stream_token("00000000_iterator_00000000"),
            false => wire::base_token(&self.row(0, 0, None)),
        }
    }

    /// The message of a record. Its strings are padded until it has the right size.
    fn record(&self, index: usize) -> Vec<u8> {
        let sequence = self.is_stream.then_some(index);
        let framed = |filler| {
            let message = wire::record(&self.row(index, filler, sequence));
            (wire::framed_len(message.len()), message)
        };
        let (bare, _) = framed(0);
        // The framing may grow by a byte or two with the length of the message.
        let filler = self.bytes.saturating_sub(bare);
        let (len, message) = framed(filler);
        match len.saturating_sub(self.bytes) {
            0 => message,
            excess => framed(filler - excess).1,
        }
    }

    /// A row with `filler` bytes in its strings.
    fn row(&self, index: usize, filler: usize, sequence: Option<usize>) -> Vec<u8> {
        let mut row = Row::new();
        row.key("user_id", &Value::Text(format!("user-{index:012}")));
        row.begin_columns();
        let texts = self.columns / 2;
        let (each, remainder) = (filler / texts, filler % texts);
        for column in 0..self.columns {
            let name = format!("column_{column}");
            row.column(&name, &value(index, column, each, remainder));
        }
        row.end(sequence)
    }
}

/// The value of a column. Every other column is a string; the first string also
/// takes the remainder.
fn value(index: usize, column: usize, each: usize, remainder: usize) -> Value {
    let number = (index * 7919 + column * 104_729) as i64;
    match column % 4 {
        0 => Value::Integer(number),
        1 | 3 => {
            let len = each + if column == 1 { remainder } else { 0 };
            Value::Text(text(number as usize, len))
        }
        _ => Value::Double(number as f64 / 8.0),
    }
}

/// Text that differs from record to record.
fn text(seed: usize, len: usize) -> String {
    let letter = |position: usize| match (seed / (position + 1) + position) % 27 {
        26 => ' ',
        letter => char::from(b'a' + letter as u8),
    };
    (0..len).map(letter).collect()
}
