//! What the benchmarks measure of what users do not call. Not a part of the
//! interface; behind the feature `_bench`, which only this package's own
//! benchmarks enable.

use crate::http::request::sign;
use crate::record::{self, OwnedRecord};

pub use crate::_wire::{Answer, crc8};

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
