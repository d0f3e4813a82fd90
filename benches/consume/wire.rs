//! A simple encoder of PlainBuffer and protobuf framing, which writes the service's
//! responses independently of the crate.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A value of a cell.
pub(crate) enum Value {
    Integer(i64),
    Double(f64),
    Text(String),
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Value::Integer(value) => [&[0], &value.to_le_bytes()[..]].concat(),
            Value::Double(value) => [&[1], &value.to_le_bytes()[..]].concat(),
            Value::Text(text) => [&[3], &length(text.len())[..], text.as_bytes()].concat(),
        }
    }
}

/// A row in PlainBuffer.
pub(crate) struct Row {
    out: Vec<u8>,
    crc: u8,
}

impl Row {
    pub(crate) fn new() -> Row {
        let out = [&0x75_u32.to_le_bytes()[..], &[0x01]].concat();
        Row { out, crc: 0 }
    }

    pub(crate) fn key(&mut self, name: &str, value: &Value) {
        self.cell(name, value, None);
    }

    pub(crate) fn begin_columns(&mut self) {
        self.out.push(0x02);
    }

    pub(crate) fn column(&mut self, name: &str, value: &Value) {
        self.cell(name, value, Some(1_700_000_000_123));
    }

    /// Ends the row, with the sequence info of a stream if there is one.
    pub(crate) fn end(mut self, sequence: Option<usize>) -> Vec<u8> {
        if let Some(index) = sequence {
            self.sequence(index);
        }
        let crc = crc8(self.crc, &[0]);
        self.out.extend([0x09, crc]);
        self.out
    }

    fn cell(&mut self, name: &str, value: &Value, timestamp: Option<i64>) {
        let typed = value.bytes();
        self.out.extend([0x03, 0x04]);
        self.out.extend(length(name.len()));
        self.out.extend(name.as_bytes());
        self.out.push(0x05);
        self.out.extend(length(typed.len()));
        self.out.extend(&typed);
        let mut crc = crc8(crc8(0, name.as_bytes()), &typed);
        if let Some(timestamp) = timestamp {
            self.out.push(0x07);
            self.out.extend(timestamp.to_le_bytes());
            crc = crc8(crc, &timestamp.to_le_bytes());
        }
        self.out.extend([0x0A, crc]);
        self.crc = crc8(self.crc, &[crc]);
    }

    fn sequence(&mut self, index: usize) {
        self.out.push(0x0B);
        self.out.extend(length(1 + 4 + 19));
        self.out.push(0x0C);
        self.out.extend(length(19));
        self.out.push(0x0D);
        self.out.extend(7_i32.to_le_bytes());
        self.out.push(0x0E);
        let timestamp = 1_700_000_000_123_456 + index as i64;
        self.out.extend(timestamp.to_le_bytes());
        self.out.push(0x0F);
        self.out.extend(0_i32.to_le_bytes());
    }
}

/// The message of a record that puts a row.
pub(crate) fn record(row: &[u8]) -> Vec<u8> {
    let mut message = vec![1 << 3, 1];
    field(&mut message, 2, row);
    message
}

/// A length-delimited field.
pub(crate) fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len());
    out.extend(bytes);
}

/// The length of a field that contains a message of `len` bytes.
pub(crate) fn framed_len(len: usize) -> usize {
    let mut out = Vec::new();
    varint(&mut out, len);
    1 + out.len() + len
}

/// A token of base data, version 1.
pub(crate) fn base_token(key: &[u8]) -> String {
    let mut content = Vec::new();
    field(&mut content, 1, key);
    token(&content)
}

/// A token of a stream, version 1.
pub(crate) fn stream_token(iterator: &str) -> String {
    let mut content = Vec::new();
    field(&mut content, 2, iterator.as_bytes());
    content.extend([3 << 3, 0]);
    token(&content)
}

fn token(content: &[u8]) -> String {
    let mut message = vec![1 << 3, 1];
    field(&mut message, 2, content);
    BASE64_STANDARD.encode(message)
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn length(len: usize) -> [u8; 4] {
    (len as u32).to_le_bytes()
}

/// Computes the checksum bit by bit. Its speed is not measured.
fn crc8(crc: u8, bytes: &[u8]) -> u8 {
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            (crc << 1) ^ if crc & 0x80 == 0 { 0 } else { 0x07 }
        })
    })
}
