//! The answer to a read: looked through at once, decoded where it is needed.

use std::ops::Range;
use std::{fmt, str};

use bytes::Bytes;

use super::kind::ActionType;
use super::plainbuffer::cursor::{Cursor, DecodeError, Problem};
use super::plainbuffer::fast;
use super::plainbuffer::fast::decode_cache::{self, DecodeCache};
use super::protobuf::Field;
use super::record::{Checked, Layout, Parts, Record};
use crate::error::{ErrorCode, TunnelError};

/// Fields of ReadRecordsResponse.
mod answer {
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

/// No record that can be decoded is shorter: six bytes of framing with the
/// action, and one row of one key that has no name and no payload. Keeps a body
/// of empty records from sizing a large `Vec`.
pub(super) const SHORTEST_RECORD: usize = 6 + 21;

/// One answer to ReadRecords: what reading on needs, and the body for the rest.
#[derive(Clone)]
pub(crate) struct RawBatch {
    /// The whole body of the answer.
    pub(crate) body: Bytes,
    pub(crate) request_id: String,
    pub(crate) next_token: String,
    pub(crate) may_more_record: Option<bool>,
    pub(crate) record_count: usize,
}

impl RawBatch {
    /// Looks through the body for what reading on needs; the records are
    /// counted, not touched.
    ///
    /// # Errors
    ///
    /// `OTSMalformedData` if the body is not framed as the message, or has no
    /// next token.
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
                Err(malformed("answer to ReadRecords", &error).with_request_id(request_id))
            }
        }
    }

    /// Decodes and checks all records: structure, both checksums, UTF-8.
    ///
    /// Allocates the `Vec`, and one for what it learns of them; the records are
    /// windows into the body.
    ///
    /// # Errors
    ///
    /// `OTSMalformedData` that tells which record, counted from 0, which byte
    /// of the body, and what was being read.
    pub(crate) fn records(&self) -> Result<Vec<Record<'_>>, TunnelError> {
        let mut records = Vec::new();
        self.append_records(&mut records)?;
        Ok(records)
    }

    /// As [`records`](Self::records), behind those of the batches before.
    pub(crate) fn append_records<'a>(
        &'a self,
        records: &mut Vec<Record<'a>>,
    ) -> Result<(), TunnelError> {
        self.append(records, |window, parts| {
            Record::lent(&self.body, window, parts)
        })
    }

    /// As [`append_records`](Self::append_records), but without the body; see
    /// [`lend`](Self::lend).
    pub(crate) fn append_checked(&self, checked: &mut Vec<Checked>) -> Result<(), TunnelError> {
        self.append(checked, Checked::new)
    }

    /// A record that was checked before.
    #[inline]
    pub(crate) fn lend(&self, checked: &Checked) -> Record<'_> {
        checked.of(&self.body)
    }

    #[inline(always)]
    fn append<T>(
        &self,
        all: &mut Vec<T>,
        make: impl Fn(Range<usize>, Parts) -> T,
    ) -> Result<(), TunnelError> {
        let most = self.body.len() / SHORTEST_RECORD;
        all.reserve(self.record_count.min(most));
        let before = all.len();
        decode_cache::with(|help| {
            all.truncate(before);
            self.check_records(help, |window, parts| all.push(make(window, parts)))
        })
    }

    /// Calls `take` with the window of each record, in order, and what is in it.
    #[inline(always)]
    pub(super) fn check_records<'a>(
        &'a self,
        help: &mut Option<DecodeCache<'a>>,
        mut take: impl FnMut(Range<usize>, Parts),
    ) -> Result<(), TunnelError> {
        let mut index = 0;
        let mut answer = Cursor::new(&self.body);
        let mut walk = || {
            loop {
                let mut is_unusual = false;
                if let Some(help) = help {
                    let stopped = fast::records(&self.body, answer.at(), help, |window, parts| {
                        take(window, parts);
                        index += 1;
                    });
                    answer.bytes(stopped.at - answer.at(), "records")?;
                    is_unusual = stopped.by_row;
                }
                let Some(message) = next_record(&mut answer)? else {
                    return Ok(());
                };
                let layout = Layout {
                    is_unusual,
                    ..layout(message)?
                };
                take(message.span(), Parts::check(&self.body, layout, help)?);
                index += 1;
            }
        };
        walk().map_err(|error| self.malformed_record(index, &error))
    }

    /// Calls `take` with the message of each record, in order.
    pub(super) fn each_record<'a>(
        &'a self,
        mut take: impl FnMut(Cursor<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), TunnelError> {
        let mut index = 0;
        let mut answer = Cursor::new(&self.body);
        let mut walk = || {
            while let Some(message) = next_record(&mut answer)? {
                take(message)?;
                index += 1;
            }
            Ok(())
        };
        walk().map_err(|error| self.malformed_record(index, &error))
    }

    fn malformed_record(&self, index: usize, error: &DecodeError) -> TunnelError {
        let place = format!("record {index} of the answer to ReadRecords");
        malformed(&place, error).with_request_id(self.request_id.as_str())
    }
}

/// The message of the next record of an answer.
fn next_record<'a>(answer: &mut Cursor<'a>) -> Result<Option<Cursor<'a>>, DecodeError> {
    while let Some(field) = Field::next(answer)? {
        if field.number == answer::RECORDS {
            return field.bytes(answer, "record").map(Some);
        }
    }
    Ok(None)
}

/// Neither token nor data: this may end up in a log.
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

fn malformed(place: &str, error: &DecodeError) -> TunnelError {
    let advice = "read on from the last checkpoint, and report it if it comes again";
    TunnelError::new(ErrorCode::Malformed, format!("{place}, {error}; {advice}"))
}

/// What the top level of an answer tells.
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
            let (passed, len) = fast::pass(cursor.rest());
            record_count += passed;
            cursor.bytes(len, "records")?;
            let Some(field) = Field::next(&mut cursor)? else {
                break;
            };
            match field.number {
                answer::RECORDS => record_count += 1,
                answer::NEXT_TOKEN => next_token = Some(field.bytes(&cursor, "next token")?),
                answer::MAY_MORE_RECORD => {
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

/// Where the parts of a record lie in its message.
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
        is_unusual: false,
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
