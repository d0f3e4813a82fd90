//! [`Channel`]: what one channel gives.

use std::ops::Range;
use std::sync::Arc;

use super::change_log::{ChangeLog, Page, PageLimits};
use super::checkpoint::{Checkpoint, Place};
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
    /// Where it ends, once a read has answered that there is nothing more,
    /// ever.
    pub(crate) end: Option<u64>,
    /// Channels to be read to their end before this one; their number.
    pub(crate) parents_left: usize,
    /// Channels that wait for this one.
    pub(crate) children: Vec<usize>,
}

/// Where a channel's records come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Rows as they were when the tunnel was created.
    Base(Arc<[SnapshotRow]>),
    /// The log of a partition from a position on, by index.
    Stream { partition: usize, start: u64 },
}

/// What a read needs to know beside the channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) table: &'a Table,
    pub(crate) limits: PageLimits,
    /// When a backfill ends.
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
    /// How many records the read went past because they were trimmed.
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
        let place = Place {
            position,
            timestamp: 0,
        };
        Channel {
            id,
            source,
            checkpoint: Checkpoint::new(token, place),
            end: None,
            parents_left: 0,
            children: Vec::new(),
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream { .. })
    }

    /// The partition whose log it gives; nothing for base data.
    pub(crate) fn partition<'a>(&self, table: &'a Table) -> Option<&'a Partition> {
        match self.source {
            Source::Base(_) => None,
            Source::Stream { partition, .. } => table.partitions.get(partition),
        }
    }

    /// The positions of its records so far, also of those that are trimmed.
    pub(crate) fn positions(&self, table: &Table) -> Range<u64> {
        match &self.source {
            Source::Base(rows) => 0..rows.len() as u64,
            Source::Stream { partition, start } => *start..table.partitions[*partition].log.end(),
        }
    }

    /// As the meta API names it.
    pub(crate) fn type_name(&self) -> &'static str {
        if self.is_stream() {
            "Stream"
        } else {
            "BaseData"
        }
    }

    /// Saves a checkpoint.
    pub(crate) fn save(&mut self, token: &str, number: i64) -> Result<(), StateError> {
        let place = self.place(token)?;
        self.checkpoint.save(token, place, number)
    }

    /// Where a token of this channel stands; `None` at the end.
    pub(crate) fn place(&self, token: &str) -> Result<Option<Place>, StateError> {
        let foreign = || StateError::Invalid(format!("not a token of channel {}", self.id));
        match (token::parse(token).ok_or_else(foreign)?, &self.source) {
            (Position::Finished, _) => Ok(None),
            (Position::Base(row), Source::Base(rows)) if row <= rows.len() as u64 => {
                Ok(Some(Place {
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
            ) if *shard == *self.id => Ok(Some(Place {
                position,
                timestamp,
            })),
            _ => Err(foreign()),
        }
    }

    /// Whether what lies at a place is no longer in the log.
    pub(crate) fn is_trimmed(&self, place: Option<Place>, table: &Table) -> bool {
        let log = self.log(table);
        log.zip(place)
            .is_some_and(|(log, place)| place.position < log.first())
    }

    fn log<'a>(&self, table: &'a Table) -> Option<&'a ChangeLog> {
        match self.source {
            Source::Base(_) => None,
            Source::Stream { partition, .. } => Some(&table.partitions[partition].log),
        }
    }

    /// Reads from a token on.
    pub(crate) fn read(&mut self, token: &str, how: Reading<'_>) -> Result<Read, StateError> {
        let Some(place) = self.place(token)? else {
            return Ok(finished(Page::default(), 0));
        };
        let (page, next_token) = match &self.source {
            Source::Base(rows) => base_read(rows, place.position, how),
            Source::Stream { partition, start } => {
                let log = &how.table.partitions[*partition].log;
                let (page, over) = stream_page(log, place.position, how)?;
                let token = || stream_token(&self.id, log, &page, place, *start, how.table);
                let next_token = (!over).then(token);
                (page, next_token)
            }
        };
        let from = place.position;
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

    /// The point in time up to which the channel is consumed by its saved
    /// token; a stream without anything left is consumed up to now. Base
    /// channels, and streams of which nothing is consumed, are at 0.
    pub(crate) fn consumed(&self, table: &Table, now: Timestamp) -> Timestamp {
        let Some(log) = self.log(table) else {
            return Timestamp::default();
        };
        match self.checkpoint.place {
            Some(place) if place.position < log.end() => {
                Timestamp::from_micros(place.timestamp.unsigned_abs())
            }
            _ => now,
        }
    }

    /// How many records lie behind the saved token.
    pub(crate) fn consumed_count(&self, table: &Table) -> i64 {
        let start = match self.source {
            Source::Base(_) => 0,
            Source::Stream { start, .. } => start,
        };
        let position = match self.checkpoint.place {
            Some(place) => place.position,
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

/// A page of a split, and the token to go on with if there is more.
fn base_read(rows: &[SnapshotRow], from: u64, how: Reading<'_>) -> (Page, Option<String>) {
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let rest = rows.iter().skip(skip);
    let columns = &how.table.schema.primary_key;
    let frames = rest.map(|(route, row)| row.base_frame(&key::named(&route.key, columns)));
    let page = Page::fill(from, frames, how.limits);
    let more = page.next < rows.len() as u64;
    let token = more.then(|| base_token(rows, page.next, how.table));
    (page, token)
}

/// A page of a log, and whether nothing will ever follow it: all is read, and
/// nothing is written any more, or what is written lies after the backfill's
/// end.
fn stream_page(log: &ChangeLog, from: u64, how: Reading<'_>) -> Result<(Page, bool), StateError> {
    let until = how.end.map_or(u64::MAX, |end| log.position_at(end));
    let from = match (from < log.first(), how.trimmed) {
        (false, _) => from,
        (true, TrimmedRead::Oldest) => log.first(),
        (true, TrimmedRead::Newest) => log.end(),
        (true, TrimmedRead::Fail | TrimmedRead::Expire) => return Err(StateError::Trimmed),
    };
    let page = log.read(from, until, how.limits);
    let page = page
        .ok_or_else(|| StateError::Invalid("the token lies after the end of the log".to_owned()))?;
    let all_read = page.next >= until.min(log.end());
    let over = how.end.is_some_and(|end| end <= how.now);
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

/// The token after a page; an empty one keeps the time of the record before,
/// which may be trimmed by now.
fn stream_token(
    id: &str,
    log: &ChangeLog,
    page: &Page,
    before: Place,
    start: u64,
    table: &Table,
) -> String {
    let read = !page.frames.is_empty();
    let last = read.then(|| log.sequence_at(page.next - 1)).flatten();
    let timestamp = last.map_or(before.timestamp, |sequence| sequence.timestamp);
    let count = page.next.saturating_sub(start);
    token::stream(&table.stream_id, id, page.next, timestamp, count)
}
