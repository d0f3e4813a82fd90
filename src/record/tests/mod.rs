//! Tests of the codec as a whole.
//!
//! - [`vectors`]: bytes made by software that is not ours;
//! - [`properties`]: what holds for all records and for any bytes;
//! - [`refusals`]: what errors say;
//! - [`usual`]: what is wrong in records that are usual else;
//! - [`reading`]: what a record tells;
//! - [`allocations`]: what decoding costs.

mod allocations;
mod properties;
mod reading;
mod refusals;
mod usual;
mod vectors;

use bytes::Bytes;
use prost::Message;

use crate::error::TunnelError;
use crate::protocol;
use crate::record::batch::RawBatch;
use crate::record::owned::OwnedRecord;
use crate::record::plainbuffer::fast::decode_cache::{self, DecodeCache};
use crate::record::record::Record;

/// An answer with these records, as the service sends it.
fn answer(records: impl IntoIterator<Item = protocol::Record>) -> Bytes {
    let answer = protocol::ReadRecordsResponse {
        records: records.into_iter().collect(),
        next_token: "next".to_owned(),
        may_more_record: Some(true),
    };
    answer.encode_to_vec().into()
}

fn batch(records: &[OwnedRecord]) -> RawBatch {
    parse(answer(records.iter().map(OwnedRecord::to_message))).expect("a batch")
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
    let batch = parse(answer(messages))?;
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

/// Checks an answer with help and without: the same is found, or refused, for the same
/// reason. Whether it is good.
#[track_caller]
fn same_with_help(batch: &RawBatch) -> bool {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let refused = check(batch, &mut None, &mut without).err();
    let refused_with = decode_cache::with(|help| check(batch, help, &mut with)).err();
    let reason = |error: &TunnelError| error.to_string();
    assert_eq!(
        refused.as_ref().map(reason),
        refused_with.as_ref().map(reason)
    );
    assert_eq!(without, with);
    refused.is_none()
}

fn check<'a>(
    batch: &'a RawBatch,
    help: &mut Option<DecodeCache<'a>>,
    found: &mut Vec<String>,
) -> Result<(), TunnelError> {
    found.clear();
    batch.check_records(help, |window, parts| {
        found.push(format!("{window:?} {parts:?}"));
    })
}
