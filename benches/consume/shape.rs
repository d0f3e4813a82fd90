//! The kinds of records that are measured, and answers full of them.
//!
//! Written by an encoder of its own, so that the client is not measured with
//! bytes of its own making.

use super::wire::{self, Row, Value};

/// What a batch holds at most, as the service has it.
const MOST_RECORDS: usize = 5000;
const MOST_BYTES: usize = 4 << 20;

/// Bytes of the sequence info that a stream adds to a row.
const SEQUENCE_BYTES: usize = 29;

/// A kind of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// What the command line and the tables call it.
    pub(crate) name: &'static str,
    /// Columns beside the primary key.
    pub(crate) columns: usize,
    /// Size of a record's message, its framing included.
    pub(crate) bytes: usize,
    pub(crate) is_stream: bool,
}

/// What a consumer of the service meets: small rows, documents, wide rows, and
/// changes.
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

    /// As a row of a table tells it.
    pub(crate) fn title(&self) -> String {
        let stream = if self.is_stream { ", stream" } else { "" };
        format!("{} columns, {} B{stream}", self.columns, self.bytes)
    }

    /// Records in one answer.
    pub(crate) fn batch(&self) -> usize {
        MOST_RECORDS.min(MOST_BYTES / self.bytes)
    }

    /// One full answer to a read, which tells to read on from the same place.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let mut answer = Vec::new();
        for index in 0..self.batch() {
            wire::field(&mut answer, 1, &self.record(index));
        }
        wire::field(&mut answer, 2, self.token().as_bytes());
        answer.extend([3 << 3, 1]);
        answer
    }

    /// The answer of a channel that has nothing new.
    pub(crate) fn empty_answer(&self) -> Vec<u8> {
        let mut answer = Vec::new();
        wire::field(&mut answer, 2, self.token().as_bytes());
        answer.extend([3 << 3, 0]);
        answer
    }

    /// A token that makes clients read the channel as what it is.
    pub(crate) fn token(&self) -> String {
        match self.is_stream {
            true => wire::stream_token("00000000_iterator_00000000"),
            false => wire::base_token(&self.row(0, 0, None)),
        }
    }

    /// A record's message, filled up to its size by the strings in it.
    fn record(&self, index: usize) -> Vec<u8> {
        let sequence = self.is_stream.then_some(index);
        let framed = |filler| {
            let message = wire::record(&self.row(index, filler, sequence));
            (wire::framed_len(message.len()), message)
        };
        let (bare, _) = framed(0);
        // The framing may grow by a byte or two with what it frames.
        let filler = self.bytes.saturating_sub(bare);
        let (len, message) = framed(filler);
        match len.saturating_sub(self.bytes) {
            0 => message,
            more => framed(filler - more).1,
        }
    }

    /// A row with `filler` bytes more than the least in its strings.
    fn row(&self, index: usize, filler: usize, sequence: Option<usize>) -> Vec<u8> {
        let mut row = Row::new();
        row.key("user_id", &Value::Text(format!("user-{index:012}")));
        row.begin_columns();
        let texts = self.columns / 2;
        let (each, more) = (filler / texts, filler % texts);
        for column in 0..self.columns {
            let name = format!("column_{column}");
            row.column(&name, &value(index, column, each, more));
        }
        row.end(sequence)
    }
}

/// Every other column is a text; the second of them takes what does not divide.
fn value(index: usize, column: usize, each: usize, more: usize) -> Value {
    let number = (index * 7919 + column * 104_729) as i64;
    match column % 4 {
        0 => Value::Integer(number),
        1 | 3 => {
            let len = each + if column == 1 { more } else { 0 };
            Value::Text(text(number as usize, len))
        }
        _ => Value::Double(number as f64 / 8.0),
    }
}

/// Words that differ from record to record.
fn text(seed: usize, len: usize) -> String {
    let letter = |place: usize| match (seed / (place + 1) + place) % 27 {
        26 => ' ',
        letter => char::from(b'a' + letter as u8),
    };
    (0..len).map(letter).collect()
}
