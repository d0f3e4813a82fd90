//! Tokens: where a read goes on, in the service's structure (version 2).
//!
//! Opaque to clients, but they look whether the inner iterator is there:
//! then it is a stream's. The position is in the token itself, so that a
//! saved token is all that a restart needs.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use tablestore_tunnel::_wire::{Token, crc8};
use tablestore_tunnel::FINISH_TAG;

/// The token of a channel that has nothing more to give, ever.
pub(crate) const FINISHED: &str = FINISH_TAG;

const VERSION: i64 = 2;

/// Length of a position in an iterator, and where in it the number is.
const POSITION_LEN: usize = 28;
const POSITION: Range<usize> = 8..16;

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Rows of the split that lie before.
    Base(u64),
    /// Position in the log of the named shard, and the time of the record
    /// before it, in microseconds.
    Stream {
        shard: String,
        position: u64,
        timestamp: i64,
    },
    /// At the end.
    Finished,
}

/// A token of base data: the next row's key, and how many rows lie before.
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

/// A token of a stream. `timestamp` in microseconds, of the last record read.
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

/// Stream id, shard id and position, each behind its length in one byte, and
/// the checksum of all that; so are the real ones.
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

/// Four numbers; of those only the second means something here, the others
/// are what a real token shows at its start.
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

    /// Tokens of the real service and texts that are none, see its README.
    const VECTORS: &str = include_str!("../../../tests/vectors/tokens.jsonl");

    fn vectors() -> Vec<serde_json::Value> {
        VECTORS
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// Which of the token's fields hold anything, the lengths of an iterator's
    /// parts, and its bytes that mean nothing here.
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
            // The stream's id has the table's name in it.
            parts.iter().skip(1).map(Vec::len).collect(),
            fixed,
        )
    }

    #[test]
    fn tokens_have_the_shape_of_the_real_ones() {
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
                    assert_eq!(next_key, ours, "a whole row with its checksums");
                    assert_eq!(token, base(next_key, 0), "to the byte");
                    bases += 1;
                }
                None if token == FINISHED => assert_eq!(parse(token), Some(Position::Finished)),
                None => assert_eq!(parse(token), None, "{token}"),
            }
        }
        assert_eq!((streams, bases), (1, 1));
    }

    #[test]
    fn other_text_is_no_token() {
        let token = stream("t_1", "shard_1", 77, 5, 3);
        for text in ["", "AAAA", &token[..40]] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
