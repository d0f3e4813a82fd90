//! What the benchmarks measure of what users do not call. Not a part of the
//! interface; behind the feature `_bench`, which only this package's own
//! benchmarks enable.

use bytes::Bytes;

use crate::api::sign;
use crate::error::TunnelError;
use crate::record::{self, OwnedRecord, RawBatch, Record};

/// The checksum of PlainBuffer.
pub fn crc8(bytes: &[u8]) -> u8 {
    record::crc8::update(0, bytes)
}

/// An answer to ReadRecords.
#[derive(Debug)]
pub struct Answer(RawBatch);

impl Answer {
    /// The answer that has this body.
    ///
    /// # Errors
    ///
    /// As when a worker reads it.
    pub fn parse(body: Bytes) -> Result<Answer, TunnelError> {
        RawBatch::parse(body, String::new()).map(Answer)
    }

    /// All its records.
    ///
    /// # Errors
    ///
    /// As when a worker reads it.
    pub fn records(&self) -> Result<Vec<Record<'_>>, TunnelError> {
        self.0.records()
    }
}

/// The row of a record as PlainBuffer.
pub fn encode(record: &OwnedRecord) -> Vec<u8> {
    record.to_message().record.into()
}

/// The signature of a request.
pub fn sign(secret: &str, uri: &str, headers: &[(&str, &str)]) -> String {
    sign::signature(secret, uri, headers.iter().copied())
}

/// Whether a token is one of a stream.
pub fn is_stream(token: &str) -> bool {
    record::is_stream("channel", token)
}
