//! Tokens: the position of a read, in the service's format (version 2).
//!
//! Tokens are opaque to clients, except that clients treat a token with an inner
//! iterator as a token of a stream. The position is in the token itself, so a
//! saved token is all that a restart needs.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use tablestore_tunnel::_wire::{Token, crc8};
use tablestore_tunnel::FINISH_TAG;

/// The token at the end of a channel.
pub(crate) const FINISHED: &str = FINISH_TAG;

const VERSION: i64 = 2;

/// Length of a position in an iterator, and the bytes of its number.
const POSITION_LEN: usize = 28;
const POSITION: Range<usize> = 8..16;

/// The position of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// How many rows of base data lie before it.
    Base(u64),
    /// A position in the log of a shard, and the time of the record before it, in
    /// microseconds.
    Stream {
        shard: String,
        position: u64,
        timestamp: i64,
    },
    /// The end of the channel.
    Finished,
}

/// A token of base data: the key of the next row, and the number of rows before
/// it.
pub(crate) fn base(next_key: Bytes, rows: u64) -> String {
    let token = Token {
        version: VERSION,
        primary_key: next_key,
        iterator: String::new(),
        timestamp: 0,
        total_count: i64::try_from(rows).unwrap_or(i64::MAX),
    };
    token.encode()
}

/// A token of a stream. `timestamp` is the time of the last record that was read,
/// in microseconds.
pub(crate) fn stream(
    stream_id: &str,
    shard: &str,
    position: u64,
    timestamp: i64,
    count: u64,
) -> String {
    let token = Token {
        version: VERSION,
        primary_key: Bytes::new(),
        iterator: iterator(stream_id, shard, position),
        timestamp,
        total_count: i64::try_from(count).unwrap_or(i64::MAX),
    };
    token.encode()
}

/// The position of a token that this emulator made; `None` for any other text.
pub(crate) fn parse(token: &str) -> Option<Position> {
    if token == FINISHED {
        return Some(Position::Finished);
    }
    let content = content(token)?;
    match content.iterator.as_str() {
        "" => Some(Position::Base(u64::try_from(content.total_count).ok()?)),
        iterator => parse_iterator(iterator, content.timestamp),
    }
}

fn content(token: &str) -> Option<Token> {
    let token = Token::parse(token).ok()?;
    (token.version == VERSION).then_some(token)
}

/// An iterator as in the service's tokens: stream id, shard id and position, each
/// after its length in one byte, and a checksum of all of them.
fn iterator(stream_id: &str, shard: &str, position: u64) -> String {
    let mut bytes = Vec::new();
    let position = position_bytes(position);
    for part in [stream_id.as_bytes(), shard.as_bytes(), &position] {
        bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        bytes.extend(part.iter().take(u8::MAX.into()));
    }
    bytes.push(crc8(&bytes));
    STANDARD.encode(bytes)
}

/// Four numbers. The second is the position; the others are as at the start of
/// the service's tokens.
fn position_bytes(position: u64) -> [u8; POSITION_LEN] {
    let mut bytes = [0; POSITION_LEN];
    bytes[0] = 1;
    bytes[POSITION].copy_from_slice(&position.to_le_bytes());
    bytes[20..].copy_from_slice(&i64::MAX.to_le_bytes());
    bytes
}

fn parse_iterator(iterator: &str, timestamp: i64) -> Option<Position> {
    let bytes = STANDARD.decode(iterator).ok()?;
    let (checksum, rest) = bytes.split_last()?;
    let (_, parts) = take_part(rest)?;
    let (shard, parts) = take_part(parts)?;
    let (position, parts) = take_part(parts)?;
    let whole = parts.is_empty() && position.len() == POSITION_LEN;
    if !whole || *checksum != crc8(rest) {
        return None;
    }
    Some(Position::Stream {
        shard: String::from_utf8(shard.to_vec()).ok()?,
        position: u64::from_le_bytes(position.get(POSITION)?.try_into().ok()?),
        timestamp,
    })
}

fn take_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked((*len).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_their_position() {
        let token = stream("t_1", "shard_1", 77, 5, 3);
        let shard = "shard_1".to_owned();
        let expected = Position::Stream {
            shard,
            position: 77,
            timestamp: 5,
        };
        assert_eq!(parse(&token), Some(expected));
        let token = base(Bytes::from_static(b"key"), 12);
        assert_eq!(parse(&token), Some(Position::Base(12)));
        assert_eq!(parse(FINISHED), Some(Position::Finished));
    }

    /// Tokens of the service and texts that are no tokens, see the README beside
    /// the file.
    const VECTORS: &str = include_str!("../../../tests/vectors/tokens.jsonl");

    fn vectors() -> Vec<serde_json::Value> {
        VECTORS
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The fields of a token that do not depend on its position, the lengths of the
    /// parts of its iterator, and the unused bytes of its position.
    fn shape(token: &str) -> (i64, bool, i64, i64, Vec<usize>, Vec<u8>) {
        let content = Token::parse(token).expect("a token");
        let iterator = STANDARD.decode(&content.iterator).expect("base64");
        let (mut parts, mut rest) = (Vec::new(), &iterator[..]);
        while rest.len() > 1 {
            let (part, after) = take_part(rest).expect("a part");
            parts.push(part.to_vec());
            rest = after;
        }
        assert!(rest.is_empty() || rest[0] == crc8(&iterator[..iterator.len() - 1]));
        let position = parts.last().cloned().unwrap_or_default();
        let fixed = position
            .iter()
            .enumerate()
            .filter(|(index, _)| !POSITION.contains(index))
            .map(|(_, byte)| *byte)
            .collect();
        (
            content.version,
            content.primary_key.is_empty(),
            content.timestamp,
            content.total_count,
            // The length of the stream's id depends on the table's name.
            parts.iter().skip(1).map(Vec::len).collect(),
            fixed,
        )
    }

    #[test]
    fn tokens_have_the_format_of_the_service() {
        let (mut streams, mut bases) = (0, 0);
        for vector in vectors() {
            let token = vector["token"].as_str().expect("text");
            match vector["stream"].as_bool() {
                Some(true) => {
                    let Some(Position::Stream { shard, .. }) = parse(token) else {
                        panic!("{token}");
                    };
                    assert_eq!(shape(token), shape(&stream("t_1", &shard, 3, 0, 0)));
                    streams += 1;
                }
                Some(false) => {
                    let next_key = Token::parse(token).expect("a token").primary_key;
                    let key = [("key".to_owned(), tablestore_tunnel::Value::from("5"))];
                    let ours = tablestore_tunnel::_wire::encode_row(&key, &[], false, None);
                    assert_eq!(next_key, ours, "a complete row with its checksums");
                    assert_eq!(token, base(next_key, 0), "byte by byte");
                    bases += 1;
                }
                None if token == FINISHED => assert_eq!(parse(token), Some(Position::Finished)),
                None => assert_eq!(parse(token), None, "{token}"),
            }
        }
        assert_eq!((streams, bases), (1, 1));
    }

    #[test]
    fn other_texts_are_not_tokens() {
        let token = stream("t_1", "shard_1", 77, 5, 3);
        for text in ["", "AAAA", &token[..40]] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
