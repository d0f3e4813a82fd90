//! [`RawBatch`]: one ReadRecords response. It is scanned for its token on arrival; its
//! records are decoded later, on the thread that processes them.

use std::ops::Range;
use std::{fmt, str};

use bytes::Bytes;

use super::kind::ActionType;
use super::plainbuffer::cursor::{Cursor, DecodeError, Problem};
use super::plainbuffer::fast;
use super::plainbuffer::fast::decode_cache::{self, DecodeCache};
use super::plainbuffer::layout::Parts;
use super::protobuf::Field;
use super::record::{Layout, Record};
use crate::error::{ErrorCode, TunnelError};

/// Fields of ReadRecordsResponse.
mod response {
    pub(super) const RECORDS: u64 = 1;
    pub(super) const NEXT_TOKEN: u64 = 2;
    pub(super) const MAY_MORE_RECORD: u64 = 3;
}

/// Fields of Record.
mod record {
    pub(super) const ACTION_TYPE: u64 = 1;
    pub(super) const RECORD: u64 = 2;
    pub(super) const ORIGIN_RECORD: u64 = 3;
}

/// Length of the shortest valid record in bytes: six bytes of framing with the action,
/// and a row with one key that has no name and no payload.
///
/// Limits the capacity of the `Vec` of records, because the record count alone is not
/// trusted: a body of empty records could otherwise cause a large allocation.
pub(super) const SHORTEST_RECORD: usize = 6 + 21;

/// One ReadRecords response: the fields that the next read needs, and the undecoded
/// body.
#[derive(Clone)]
pub(crate) struct RawBatch {
    /// The whole body of the response; records borrow from it.
    pub(crate) body: Bytes,
    pub(crate) request_id: String,
    pub(crate) next_token: String,
    pub(crate) may_more_record: Option<bool>,
    pub(crate) record_count: usize,
}

impl RawBatch {
    /// Scans the body for the fields that the next read needs. Counts the records, but
    /// does not decode them.
    ///
    /// # Errors
    ///
    /// `OTSMalformedData` if the body is not a valid message, or has no next token.
    pub(crate) fn parse(body: Bytes, request_id: String) -> Result<RawBatch, TunnelError> {
        match Outline::scan(&body) {
            Ok(outline) => Ok(RawBatch {
                next_token: outline.next_token.to_owned(),
                may_more_record: outline.may_more_record,
                record_count: outline.record_count,
                body,
                request_id,
            }),
            Err(error) => {
                Err(malformed("ReadRecords response", &error).with_request_id(request_id))
            }
        }
    }

    /// Decodes and checks all records: structure, both checksums, UTF-8.
    ///
    /// Allocates the `Vec` and the decode cache; the records borrow from the body.
    ///
    /// # Errors
    ///
    /// `OTSMalformedData` if a record is invalid. The message names the index of the
    /// record (from 0), the offset in the body, and the item that was being read.
    pub(crate) fn records(&self) -> Result<Vec<Record<'_>>, TunnelError> {
        let mut records = Vec::new();
        self.append_records(&mut records)?;
        Ok(records)
    }

    /// Like [`records`](Self::records), but appends the records to a `Vec`.
    pub(crate) fn append_records<'a>(
        &'a self,
        records: &mut Vec<Record<'a>>,
    ) -> Result<(), TunnelError> {
        let max_count = self.body.len() / SHORTEST_RECORD;
        records.reserve(self.record_count.min(max_count));
        let before = records.len();
        decode_cache::with(|cache| {
            // This may be the second run, after a first one that appended records.
            records.truncate(before);
            self.check_records(cache, |window, parts| {
                records.push(Record::borrowed(&self.body, window, parts));
            })
        })
    }

    /// Calls `visit` with the span and the parts of each record, in order.
    #[inline(always)]
    pub(super) fn check_records<'a>(
        &'a self,
        cache: &mut Option<DecodeCache<'a>>,
        mut visit: impl FnMut(Range<usize>, Parts),
    ) -> Result<(), TunnelError> {
        let mut index = 0;
        let mut response = Cursor::new(&self.body);
        let mut check_all = || {
            loop {
                // The fast path decodes as many records as it can. The slow path then
                // decodes one record, which adds its cells to the cache.
                let mut needs_slow_path = false;
                if let Some(cache) = cache {
                    let stopped =
                        fast::records(&self.body, response.offset(), cache, |window, parts| {
                            visit(window, parts);
                            index += 1;
                        });
                    response.bytes(stopped.at - response.offset(), "records")?;
                    needs_slow_path = stopped.at_slow_row;
                }
                let Some(message) = next_record(&mut response)? else {
                    return Ok(());
                };
                let layout = Layout {
                    needs_slow_path,
                    ..layout(message)?
                };
                visit(message.span(), Parts::check(&self.body, layout, cache)?);
                index += 1;
            }
        };
        check_all().map_err(|error| self.malformed_record(index, &error))
    }

    /// Calls `visit` with the message of each record, in order.
    pub(super) fn each_record<'a>(
        &'a self,
        mut visit: impl FnMut(Cursor<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), TunnelError> {
        let mut index = 0;
        let mut response = Cursor::new(&self.body);
        let mut visit_all = || {
            while let Some(message) = next_record(&mut response)? {
                visit(message)?;
                index += 1;
            }
            Ok(())
        };
        visit_all().map_err(|error| self.malformed_record(index, &error))
    }

    fn malformed_record(&self, index: usize, error: &DecodeError) -> TunnelError {
        let what = format!("record {index} of the ReadRecords response");
        malformed(&what, error).with_request_id(self.request_id.as_str())
    }
}

/// Reads the message of the next record; `None` if there are no more records.
fn next_record<'a>(response: &mut Cursor<'a>) -> Result<Option<Cursor<'a>>, DecodeError> {
    while let Some(field) = Field::next(response)? {
        if field.number == response::RECORDS {
            return field.bytes(response, "record").map(Some);
        }
    }
    Ok(None)
}

/// Prints neither the token nor data, because the output may be logged.
impl fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBatch")
            .field("request_id", &self.request_id)
            .field("record_count", &self.record_count)
            .field("may_more_record", &self.may_more_record)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn malformed(what: &str, error: &DecodeError) -> TunnelError {
    let advice = "read again from the last checkpoint, and report this error if it recurs";
    TunnelError::new(ErrorCode::Malformed, format!("{what}, {error}; {advice}"))
}

/// The top-level fields of a response.
struct Outline<'a> {
    next_token: &'a str,
    may_more_record: Option<bool>,
    record_count: usize,
}

impl<'a> Outline<'a> {
    fn scan(body: &'a [u8]) -> Result<Outline<'a>, DecodeError> {
        let mut cursor = Cursor::new(body);
        let (mut next_token, mut may_more_record, mut record_count) = (None, None, 0);
        loop {
            // Nearly all fields are records; the loop below handles the others.
            let (skipped, len) = fast::skip_records(cursor.rest());
            record_count += skipped;
            cursor.bytes(len, "records")?;
            let Some(field) = Field::next(&mut cursor)? else {
                break;
            };
            match field.number {
                response::RECORDS => record_count += 1,
                response::NEXT_TOKEN => next_token = Some(field.bytes(&cursor, "next token")?),
                response::MAY_MORE_RECORD => {
                    may_more_record = Some(field.varint(&cursor, "may_more_record")? != 0);
                }
                _ => {}
            }
        }
        let next_token = next_token.ok_or_else(|| cursor.error("next token", Problem::Missing))?;
        let next_token = str::from_utf8(next_token.rest())
            .map_err(|_| next_token.error("next token", Problem::NotUtf8))?;
        Ok(Outline {
            next_token,
            may_more_record,
            record_count,
        })
    }
}

/// Locates the parts of a record in its message.
pub(super) fn layout(mut message: Cursor<'_>) -> Result<Layout, DecodeError> {
    let window = message.span();
    let (mut action, mut row, mut origin_row) = (None, None, None);
    while let Some(field) = Field::next(&mut message)? {
        match field.number {
            record::ACTION_TYPE => action = Some(read_action(&field, &message)?),
            record::RECORD => row = Some(field.bytes(&message, "record")?.span()),
            record::ORIGIN_RECORD => {
                origin_row = Some(field.bytes(&message, "origin record")?.span());
            }
            _ => {}
        }
    }
    let missing = |part| message.error(part, Problem::Missing);
    Ok(Layout {
        window,
        action: action.ok_or_else(|| missing("action type"))?,
        row: row.ok_or_else(|| missing("record"))?,
        needs_slow_path: false,
        origin_row,
    })
}

fn read_action(field: &Field<'_>, message: &Cursor<'_>) -> Result<ActionType, DecodeError> {
    let number = field.varint(message, "action type")?;
    i32::try_from(number)
        .ok()
        .and_then(ActionType::from_wire)
        .ok_or_else(|| message.error("action type", Problem::Unexpected(number)))
}
