//! Internal functions that the benchmarks measure.
//!
//! Not a public API. Only the benchmarks of this package enable the feature `_bench`.

use crate::http::request::sign;
use crate::record::{self, OwnedRecord};

pub use crate::_wire::{Answer, crc8};

/// Encodes the row of a record as PlainBuffer.
pub fn encode(record: &OwnedRecord) -> Vec<u8> {
    record.to_message().record.into()
}

/// Computes the signature of a request.
pub fn sign(secret: &str, uri: &str, headers: &[(&str, &str)]) -> String {
    sign::signature(secret, uri, headers.iter().copied())
}

/// Whether a token belongs to a stream channel.
pub fn is_stream(token: &str) -> bool {
    record::is_stream("channel", token)
}
