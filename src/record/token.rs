//! Tokens: where in a channel to read on.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prost::Message;

use crate::error::{ErrorCode, TunnelError};
use crate::protocol;

/// The token of a channel that has no more records, ever.
///
/// It is what the last answer of a channel tells to read next, and what the
/// checkpoint of a finished channel holds. Go: `FinishTag`.
pub const FINISH_TAG: &str = "finished";

/// What the id of every channel of base data begins with.
const BASE_DATA_PREFIX: &str = "BaseData_";

/// A token, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// 1 or 2.
    pub version: i64,
    /// PlainBuffer row of the next key of base data; empty in a stream.
    pub primary_key: Bytes,
    /// Position in a stream; empty in base data.
    pub iterator: String,
    /// Microseconds of the last record read; 0 in base data.
    pub timestamp: i64,
    /// Records so far; version 1 does not carry it.
    pub total_count: i64,
}

impl Token {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// `OTSMalformedData` for what is no token of version 1 or 2, which
    /// [`FINISH_TAG`] is not either.
    pub fn parse(text: &str) -> Result<Token, TunnelError> {
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|e| refuse("not base64").with_source(e))?;
        let token = protocol::Token::decode(Bytes::from(bytes))
            .map_err(|e| refuse("not a token message").with_source(e))?;
        // What version 2 adds is optional, so that it reads version 1 as well.
        let content = protocol::TokenContentV2::decode(token.content)
            .map_err(|e| refuse("contents do not parse").with_source(e))?;
        if !matches!(token.version, 1 | 2) {
            return Err(refuse("version is neither 1 nor 2"));
        }
        Ok(Token {
            version: token.version,
            primary_key: content.primary_key.unwrap_or_default(),
            iterator: content.iterator.unwrap_or_default(),
            timestamp: content.timestamp.unwrap_or_default(),
            total_count: content.total_count.unwrap_or_default(),
        })
    }

    /// The token as the service writes it: empty parts are left out, and the
    /// timestamp is a stream's.
    pub fn encode(&self) -> String {
        let is_stream = !self.iterator.is_empty();
        let content = protocol::TokenContentV2 {
            primary_key: Some(self.primary_key.clone()).filter(|key| !key.is_empty()),
            iterator: is_stream.then(|| self.iterator.clone()),
            timestamp: (is_stream || self.timestamp != 0).then_some(self.timestamp),
            total_count: (self.version != 1).then_some(self.total_count),
        };
        let token = protocol::Token {
            version: self.version,
            content: content.encode_to_vec().into(),
        };
        BASE64_STANDARD.encode(token.encode_to_vec())
    }
}

fn refuse(problem: &str) -> TunnelError {
    TunnelError::new(
        ErrorCode::Malformed,
        format!("token: {problem}; use tokens as the service gave them"),
    )
}

/// Whether to read a channel as a stream, to be polled with pauses, or as base
/// data, to be read on at once.
///
/// A token that parses decides by its iterator. For one that does not, such as
/// [`FINISH_TAG`], the name of the channel decides.
pub(crate) fn is_stream(channel_id: &str, token: &str) -> bool {
    match Token::parse(token) {
        Ok(token) => !token.iterator.is_empty(),
        Err(_) => !channel_id.starts_with(BASE_DATA_PREFIX),
    }
}
