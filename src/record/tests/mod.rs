//! Tests of the codec as a whole.
//!
//! - [`reading`]: the accessors of a record, and how it prints.
//! - [`rejections`]: invalid input, and the texts of the errors.
//! - [`vectors`]: bytes written by other software.
//! - [`properties`]: properties of all records and of arbitrary bytes.
//! - [`fast_path`]: invalid records that the fast path reads first.
//! - [`allocations`]: allocations of decoding.

mod allocations;
mod fast_path;
mod properties;
mod reading;
mod rejections;
mod vectors;

use bytes::Bytes;
use prost::Message;

use crate::error::TunnelError;
use crate::protocol;
use crate::record::batch::RawBatch;
use crate::record::owned::OwnedRecord;
use crate::record::plainbuffer::fast::decode_cache::{self, DecodeCache};
use crate::record::record::Record;

/// A response with these records, as the service encodes it.
fn response(records: impl IntoIterator<Item = protocol::Record>) -> Bytes {
    let response = protocol::ReadRecordsResponse {
        records: records.into_iter().collect(),
        next_token: "next".to_owned(),
        may_more_record: Some(true),
    };
    response.encode_to_vec().into()
}

fn batch(records: &[OwnedRecord]) -> RawBatch {
    parse(response(records.iter().map(OwnedRecord::to_message))).expect("a batch")
}

fn parse(body: impl Into<Bytes>) -> Result<RawBatch, TunnelError> {
    RawBatch::parse(body.into(), "request-1".to_owned())
}

fn decode(message: protocol::Record) -> Result<Record<'static>, TunnelError> {
    let mut records = decode_all([message])?;
    assert_eq!(records.len(), 1);
    Ok(records.remove(0))
}

fn decode_all(
    messages: impl IntoIterator<Item = protocol::Record>,
) -> Result<Vec<Record<'static>>, TunnelError> {
    let batch = parse(response(messages))?;
    Ok(batch.records()?.iter().map(Record::share).collect())
}

fn decode_row(row: impl Into<Bytes>) -> Result<Record<'static>, TunnelError> {
    let action_type = protocol::ActionType::PutRow.into();
    decode(protocol::Record {
        action_type,
        record: row.into(),
        origin_record: None,
    })
}

/// Checks a batch with and without a cache, and asserts that the records or the errors
/// are the same. Returns whether the batch is valid.
#[track_caller]
fn checks_agree(batch: &RawBatch) -> bool {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let error = check(batch, &mut None, &mut without).err();
    let error_with = decode_cache::with(|cache| check(batch, cache, &mut with)).err();
    let text = |error: &TunnelError| error.to_string();
    assert_eq!(error.as_ref().map(text), error_with.as_ref().map(text));
    assert_eq!(without, with);
    error.is_none()
}

fn check<'a>(
    batch: &'a RawBatch,
    cache: &mut Option<DecodeCache<'a>>,
    found: &mut Vec<String>,
) -> Result<(), TunnelError> {
    found.clear();
    batch.check_records(cache, |window, parts| {
        found.push(format!("{window:?} {parts:?}"));
    })
}
