//! Tokens: read positions in a channel.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prost::Message;

use crate::error::{ErrorCode, TunnelError};
use crate::protocol;

/// The token of a channel that will never have more records. Go: `FinishTag`.
///
/// The last response of a channel has this next token, and so does the checkpoint of a
/// finished channel.
pub const FINISH_TAG: &str = "finished";

/// Prefix of the id of every base data channel.
const BASE_DATA_PREFIX: &str = "BaseData_";

/// The decoded fields of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Version of the format, 1 or 2.
    pub version: i64,
    /// The next primary key of base data, as a PlainBuffer row; empty for a stream.
    pub primary_key: Bytes,
    /// Position in a stream; empty for base data.
    pub iterator: String,
    /// Timestamp of the last record that was read, in microseconds since 1970; 0 for
    /// base data.
    pub timestamp: i64,
    /// Number of records read so far; 0 in version 1, which does not include it.
    pub total_count: i64,
}

impl Token {
    /// Decodes a token.
    ///
    /// # Errors
    ///
    /// `OTSMalformedData` if `text` is not a token of version 1 or 2. [`FINISH_TAG`] is
    /// not a token in this sense.
    pub fn parse(text: &str) -> Result<Token, TunnelError> {
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|e| invalid("not base64").with_source(e))?;
        let token = protocol::Token::decode(Bytes::from(bytes))
            .map_err(|e| invalid("not a token message").with_source(e))?;
        // Version 2 only adds optional fields, so its message type decodes both.
        let content = protocol::TokenContentV2::decode(token.content)
            .map_err(|e| invalid("contents do not parse").with_source(e))?;
        if !matches!(token.version, 1 | 2) {
            return Err(invalid("version is neither 1 nor 2"));
        }
        Ok(Token {
            version: token.version,
            primary_key: content.primary_key.unwrap_or_default(),
            iterator: content.iterator.unwrap_or_default(),
            timestamp: content.timestamp.unwrap_or_default(),
            total_count: content.total_count.unwrap_or_default(),
        })
    }

    /// Encodes the token as the service does, which omits empty fields. The timestamp is
    /// always present for a stream.
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

fn invalid(problem: &str) -> TunnelError {
    TunnelError::new(
        ErrorCode::Malformed,
        format!("token: {problem}; pass tokens exactly as the service returned them"),
    )
}

/// Whether a channel is a stream, which is polled with pauses, or base data, which is
/// read without pauses.
///
/// A valid token of a stream has an iterator. If the token does not parse, as
/// [`FINISH_TAG`] does not, the channel id decides.
pub(crate) fn is_stream(channel_id: &str, token: &str) -> bool {
    match Token::parse(token) {
        Ok(token) => !token.iterator.is_empty(),
        Err(_) => !channel_id.starts_with(BASE_DATA_PREFIX),
    }
}
