//! Tokens: where a read goes on, in the service's structure (version 2).
//!
//! Opaque to clients, but they look whether the inner iterator is there:
//! then it is a stream's. The position is in the token itself, so that a
//! saved token is all that a restart needs.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::record::{FINISH_TAG, Token, crc8};

/// The token of a channel that has nothing more to give, ever.
pub(in crate::emulator) const FINISHED: &str = FINISH_TAG;

const VERSION: i64 = 2;

/// Length of a position in an iterator, and where in it the number is.
const POSITION_LEN: usize = 28;
const POSITION: Range<usize> = 8..16;

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Position {
    /// Rows of the split that lie before.
    Base(u64),
    /// Position in the log of the named shard.
    Stream { shard: String, position: u64 },
    /// At the end.
    Finished,
}

/// A token of base data: the next row's key, and how many rows lie before.
pub(in crate::emulator) fn base(next_key: Bytes, rows: u64) -> String {
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
pub(in crate::emulator) fn stream(
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
pub(in crate::emulator) fn parse(token: &str) -> Option<Position> {
    if token == FINISHED {
        return Some(Position::Finished);
    }
    let content = content(token)?;
    match content.iterator.as_str() {
        "" => Some(Position::Base(u64::try_from(content.total_count).ok()?)),
        iterator => parse_iterator(iterator),
    }
}

/// How many records a token has behind it.
pub(in crate::emulator) fn count(token: &str) -> i64 {
    content(token).map_or(0, |content| content.total_count)
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
    bytes.push(crc8::update(0, &bytes));
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

fn parse_iterator(iterator: &str) -> Option<Position> {
    let bytes = STANDARD.decode(iterator).ok()?;
    let (checksum, rest) = bytes.split_last()?;
    let (_, parts) = take_part(rest)?;
    let (shard, parts) = take_part(parts)?;
    let (position, parts) = take_part(parts)?;
    let whole = parts.is_empty() && position.len() == POSITION_LEN;
    if !whole || *checksum != crc8::update(0, rest) {
        return None;
    }
    Some(Position::Stream {
        shard: String::from_utf8(shard.to_vec()).ok()?,
        position: u64::from_le_bytes(position.get(POSITION)?.try_into().ok()?),
    })
}

fn take_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked((*len).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the real service made them; published in the tests of another SDK.
    const REAL_STREAM: &str = "CAISmwESlAFHWFJsYzNSZmRIaHVYekUxTlRRek5EZzJOREV6TWprME1qRTFORGczTTJGbE5UUXRNRFZrTUMwME9XSTVMV0kwTkRBdE1ESTBNamMzTWpnd09HSXhYekUxTlRRek5EZzJOREV6TWprME1qRWNBUUFBQUFBQUFBQTNsZ0FBQUFBQUFBQUFBQUQvLy8vLy8vLy9mNEU9GAAgAA==";
    const REAL_BASE: &str = "CAISIQoddQAAAAEDBAMAAABrZXkFBgAAAAMBAAAANQogCa4gAA==";

    #[test]
    fn tokens_keep_their_position() {
        let token = stream("t_1", "shard_1", 77, 5, 3);
        let shard = "shard_1".to_owned();
        assert_eq!(
            parse(&token),
            Some(Position::Stream {
                shard,
                position: 77
            })
        );
        assert_eq!(count(&token), 3);
        let token = base(Bytes::from_static(b"key"), 12);
        assert_eq!(parse(&token), Some(Position::Base(12)));
        assert_eq!(count(&token), 12);
        assert_eq!(parse(FINISHED), Some(Position::Finished));
    }

    #[test]
    fn real_tokens_have_the_same_structure() {
        let shard = "4873ae54-05d0-49b9-b440-0242772808b1_1554348641329421";
        match parse(REAL_STREAM) {
            Some(Position::Stream { shard: found, .. }) => assert_eq!(found, shard),
            other => panic!("{other:?}"),
        }
        assert_eq!(parse(REAL_BASE), Some(Position::Base(0)));
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "faketoken", "ZmFrZXRva2Vu", "AAAA", &REAL_STREAM[..40]] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
