//! [`Channel`]: the records of one channel.

use std::ops::Range;
use std::sync::Arc;

use super::change_log::{ChangeLog, Page, PageLimits};
use super::checkpoint::{Checkpoint, TokenPosition};
use super::ids::Id;
use super::key;
use super::partition::{Partition, SnapshotRow};
use super::table::Table;
use super::token::{self, Position};
use super::{StateError, TrimmedRead};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::encode_row;

/// One channel of a tunnel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: Id,
    pub(crate) source: Source,
    pub(crate) checkpoint: Checkpoint,
    /// The position of its end, once a read has answered that nothing will ever
    /// follow.
    pub(crate) end: Option<u64>,
    /// How many channels must be read to their ends before this one.
    pub(crate) parents_left: usize,
    /// Indices of the channels that wait for this one.
    pub(crate) children: Vec<usize>,
}

/// The source of a channel's records.
#[derive(Debug)]
pub(crate) enum Source {
    /// Rows as they were when the tunnel was created.
    Base(Arc<[SnapshotRow]>),
    /// The log of a partition from a position on, by index.
    Stream { partition: usize, start: u64 },
}

/// What a read depends on beside the channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadOptions<'a> {
    pub(crate) table: &'a Table,
    pub(crate) limits: PageLimits,
    /// The end of a backfill.
    pub(crate) end: Option<Timestamp>,
    pub(crate) trimmed: TrimmedRead,
    pub(crate) now: Timestamp,
}

/// The answer to a read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) page: Page,
    /// Position that was asked for.
    pub(crate) from: u64,
    pub(crate) next_token: String,
}

impl Read {
    /// How many records the read skipped because they were trimmed.
    pub(crate) fn skipped(&self) -> u64 {
        let first = self.page.next - self.page.frames.len() as u64;
        first.saturating_sub(self.from)
    }
}

impl Channel {
    pub(crate) fn base(id: Id, rows: Arc<[SnapshotRow]>, table: &Table) -> Channel {
        let token = base_token(&rows, 0, table);
        Channel::new(id, Source::Base(rows), token, 0)
    }

    pub(crate) fn stream(id: Id, partition: usize, start: u64, table: &Table) -> Channel {
        let token = token::stream(&table.stream_id, &id, start, 0, 0);
        Channel::new(id, Source::Stream { partition, start }, token, start)
    }

    fn new(id: Id, source: Source, token: String, position: u64) -> Channel {
        let token_position = TokenPosition {
            position,
            timestamp: 0,
        };
        Channel {
            id,
            source,
            checkpoint: Checkpoint::new(token, token_position),
            end: None,
            parents_left: 0,
            children: Vec::new(),
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream { .. })
    }

    /// The partition whose log it reads; `None` for base data.
    pub(crate) fn partition<'a>(&self, table: &'a Table) -> Option<&'a Partition> {
        match self.source {
            Source::Base(_) => None,
            Source::Stream { partition, .. } => table.partitions.get(partition),
        }
    }

    /// The positions of its records so far, those of trimmed records included.
    pub(crate) fn positions(&self, table: &Table) -> Range<u64> {
        match &self.source {
            Source::Base(rows) => 0..rows.len() as u64,
            Source::Stream { partition, start } => *start..table.partitions[*partition].log.end(),
        }
    }

    /// The type's name in the meta API.
    pub(crate) fn type_name(&self) -> &'static str {
        if self.is_stream() {
            "Stream"
        } else {
            "BaseData"
        }
    }

    /// Saves a checkpoint.
    pub(crate) fn save(&mut self, token: &str, number: i64) -> Result<(), StateError> {
        let position = self.parse_token(token)?;
        self.checkpoint.save(token, position, number)
    }

    /// The position of a token of this channel; `None` at the end.
    pub(crate) fn parse_token(&self, token: &str) -> Result<Option<TokenPosition>, StateError> {
        let foreign = || StateError::Invalid(format!("not a token of channel {}", self.id));
        match (token::parse(token).ok_or_else(foreign)?, &self.source) {
            (Position::Finished, _) => Ok(None),
            (Position::Base(row), Source::Base(rows)) if row <= rows.len() as u64 => {
                Ok(Some(TokenPosition {
                    position: row,
                    timestamp: 0,
                }))
            }
            (
                Position::Stream {
                    shard,
                    position,
                    timestamp,
                },
                Source::Stream { .. },
            ) if *shard == *self.id => Ok(Some(TokenPosition {
                position,
                timestamp,
            })),
            _ => Err(foreign()),
        }
    }

    /// Whether the record at a position is no longer in the log.
    pub(crate) fn is_trimmed(&self, token_position: Option<TokenPosition>, table: &Table) -> bool {
        let log = self.log(table);
        log.zip(token_position)
            .is_some_and(|(log, token_position)| token_position.position < log.first())
    }

    fn log<'a>(&self, table: &'a Table) -> Option<&'a ChangeLog> {
        match self.source {
            Source::Base(_) => None,
            Source::Stream { partition, .. } => Some(&table.partitions[partition].log),
        }
    }

    /// Reads from a token on.
    pub(crate) fn read(
        &mut self,
        token: &str,
        options: ReadOptions<'_>,
    ) -> Result<Read, StateError> {
        let Some(token_position) = self.parse_token(token)? else {
            return Ok(finished(Page::default(), 0));
        };
        let (page, next_token) = match &self.source {
            Source::Base(rows) => base_read(rows, token_position.position, options),
            Source::Stream { partition, start } => {
                let log = &options.table.partitions[*partition].log;
                let (page, over) = stream_page(log, token_position.position, options)?;
                let token =
                    || stream_token(&self.id, log, &page, token_position, *start, options.table);
                let next_token = (!over).then(token);
                (page, next_token)
            }
        };
        let from = token_position.position;
        Ok(match next_token {
            Some(next_token) => Read {
                page,
                from,
                next_token,
            },
            None => {
                self.end = Some(page.next);
                finished(page, from)
            }
        })
    }

    /// The time up to which the channel is consumed, by its saved token. A stream
    /// without unread records is consumed up to now. The time is 0 for base
    /// channels, and for streams that nobody has consumed.
    pub(crate) fn consumed(&self, table: &Table, now: Timestamp) -> Timestamp {
        let Some(log) = self.log(table) else {
            return Timestamp::default();
        };
        match self.checkpoint.position {
            Some(token_position) if token_position.position < log.end() => {
                Timestamp::from_micros(token_position.timestamp.unsigned_abs())
            }
            _ => now,
        }
    }

    /// How many records lie before the saved token.
    pub(crate) fn consumed_count(&self, table: &Table) -> i64 {
        let start = match self.source {
            Source::Base(_) => 0,
            Source::Stream { start, .. } => start,
        };
        let position = match self.checkpoint.position {
            Some(token_position) => token_position.position,
            None => self.end.unwrap_or_else(|| self.last_position(table)),
        };
        i64::try_from(position.saturating_sub(start)).unwrap_or(i64::MAX)
    }

    fn last_position(&self, table: &Table) -> u64 {
        match &self.source {
            Source::Base(rows) => rows.len() as u64,
            Source::Stream { partition, .. } => table.partitions[*partition].log.end(),
        }
    }
}

fn finished(page: Page, from: u64) -> Read {
    Read {
        page,
        from,
        next_token: token::FINISHED.to_owned(),
    }
}

/// A page of base data, and the token to read on with if more follows.
fn base_read(rows: &[SnapshotRow], from: u64, options: ReadOptions<'_>) -> (Page, Option<String>) {
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let rest = rows.iter().skip(skip);
    let columns = &options.table.schema.primary_key;
    let frames = rest.map(|(route, row)| row.base_frame(&key::named(&route.key, columns)));
    let page = Page::fill(from, frames, options.limits);
    let more = page.next < rows.len() as u64;
    let token = more.then(|| base_token(rows, page.next, options.table));
    (page, token)
}

/// A page of a log, and whether nothing will ever follow it. This is so if all
/// changes are read and no more will be written, or if all later changes lie
/// after the end of the backfill.
fn stream_page(
    log: &ChangeLog,
    from: u64,
    options: ReadOptions<'_>,
) -> Result<(Page, bool), StateError> {
    let until = options.end.map_or(u64::MAX, |end| log.position_at(end));
    let from = match (from < log.first(), options.trimmed) {
        (false, _) => from,
        (true, TrimmedRead::Oldest) => log.first(),
        (true, TrimmedRead::Newest) => log.end(),
        (true, TrimmedRead::Fail | TrimmedRead::Expire) => return Err(StateError::Trimmed),
    };
    let page = log.read(from, until, options.limits);
    let page = page
        .ok_or_else(|| StateError::Invalid("the token lies after the end of the log".to_owned()))?;
    let all_read = page.next >= until.min(log.end());
    let over = options.end.is_some_and(|end| end <= options.now);
    let is_end = all_read && (over || log.is_closed() || until < log.end());
    Ok((page, is_end))
}

fn base_token(rows: &[SnapshotRow], at: u64, table: &Table) -> String {
    let row = usize::try_from(at).ok().and_then(|at| rows.get(at));
    let key = row.map_or_else(Vec::new, |(route, _)| {
        key::named(&route.key, &table.schema.primary_key)
    });
    token::base(encode_row(&key, &[], false, None).into(), at)
}

/// The token after a page. After an empty page it keeps the time of the previous
/// record, which may be trimmed by now.
fn stream_token(
    id: &str,
    log: &ChangeLog,
    page: &Page,
    before: TokenPosition,
    start: u64,
    table: &Table,
) -> String {
    let read = !page.frames.is_empty();
    let last = read.then(|| log.sequence_at(page.next - 1)).flatten();
    let timestamp = last.map_or(before.timestamp, |sequence| sequence.timestamp);
    let count = page.next.saturating_sub(start);
    token::stream(&table.stream_id, id, page.next, timestamp, count)
}
