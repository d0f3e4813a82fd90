//! The wire code that the emulator shares with the client: messages, rows,
//! tokens and signatures.
//!
//! Not a public API. It may change in every release, so `tablestore-emulator` depends on
//! exactly the same version of this crate.

use std::error::Error;

use bytes::Bytes;

use crate::credentials::Credentials;
use crate::error::TunnelError;
use crate::record::{self, OwnedRecord, RawBatch, Record};

pub use crate::http::request::sign::{self, content_md5, signature};
pub use crate::record::{Token, encode_row};

/// The messages of the service.
pub mod protocol {
    pub use crate::protocol::*;
}

/// The checksum of PlainBuffer.
pub fn crc8(bytes: &[u8]) -> u8 {
    record::plainbuffer::crc8::update(0, bytes)
}

/// A ReadRecords response.
#[derive(Debug)]
pub struct Answer(RawBatch);

impl Answer {
    /// Scans a response body.
    ///
    /// # Errors
    ///
    /// The same as in a worker that reads this body.
    pub fn parse(body: Bytes) -> Result<Answer, TunnelError> {
        RawBatch::parse(body, String::new()).map(Answer)
    }

    /// The token from which to continue.
    pub fn next_token(&self) -> &str {
        &self.0.next_token
    }

    /// Decodes all records.
    ///
    /// # Errors
    ///
    /// The same as in a worker that reads this body.
    pub fn records(&self) -> Result<Vec<Record<'_>>, TunnelError> {
        self.0.records()
    }
}

/// The message that the service sends for a record.
pub fn record_message(record: &OwnedRecord) -> protocol::Record {
    record.to_message()
}

/// The secret of an access key.
pub fn secret(credentials: &Credentials) -> &str {
    credentials.secret()
}

/// The security token of an access key; `None` if it has none.
pub fn security_token(credentials: &Credentials) -> Option<&str> {
    credentials.token()
}

/// An error for a call that is rejected before a request is sent.
pub fn client_error(message: impl Into<String>) -> TunnelError {
    TunnelError::client(message)
}

/// Like [`client_error`], with a cause.
pub fn client_error_from(
    message: impl Into<String>,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> TunnelError {
    TunnelError::client(message).with_source(source)
}
