//! [`Channel`]: what one channel gives, and how far it is consumed.

use std::ops::Range;
use std::sync::Arc;

use super::ids::Id;
use super::key;
use super::log::{Limits, Page};
use super::table::{Partition, SnapshotRow, Table};
use super::token::{self, Position};
use crate::emulator::clock::Timestamp;
use crate::emulator::failure::Failure;
use crate::record::encode_row;

/// One channel of a tunnel.
#[derive(Debug)]
pub(in crate::emulator) struct Channel {
    pub(in crate::emulator) id: Id,
    pub(in crate::emulator) source: Source,
    pub(in crate::emulator) checkpoint: Checkpoint,
    /// A read has answered that there is nothing more, ever.
    pub(in crate::emulator) end_was_read: bool,
    /// Channels to be read to their end before this one; their number.
    pub(in crate::emulator) parents_left: usize,
    /// Channels that wait for this one.
    pub(in crate::emulator) children: Vec<usize>,
}

/// Where a channel's records come from.
#[derive(Debug)]
pub(in crate::emulator) enum Source {
    /// Rows as they were when the tunnel was created.
    Base(Arc<[SnapshotRow]>),
    /// The log of a partition from a position on, by index.
    Stream { partition: usize, start: u64 },
}

/// The saved state of a channel.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Checkpoint {
    pub(in crate::emulator) token: String,
    pub(in crate::emulator) sequence_number: i64,
}

/// The answer to a read.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Read {
    pub(in crate::emulator) page: Page,
    pub(in crate::emulator) from: u64,
    pub(in crate::emulator) next_token: String,
}

impl Channel {
    pub(in crate::emulator) fn base(id: Id, rows: Arc<[SnapshotRow]>, table: &Table) -> Channel {
        let token = base_token(&rows, 0, table);
        Channel::new(id, Source::Base(rows), token)
    }

    pub(in crate::emulator) fn stream(
        id: Id,
        partition: usize,
        start: u64,
        table: &Table,
    ) -> Channel {
        let token = token::stream(&table.stream_id, &id, start, 0, 0);
        Channel::new(id, Source::Stream { partition, start }, token)
    }

    fn new(id: Id, source: Source, token: String) -> Channel {
        Channel {
            id,
            source,
            checkpoint: Checkpoint {
                token,
                sequence_number: 0,
            },
            end_was_read: false,
            parents_left: 0,
            children: Vec::new(),
        }
    }

    pub(in crate::emulator) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream { .. })
    }

    /// The partition whose log it gives; nothing for base data.
    pub(in crate::emulator) fn partition<'a>(&self, table: &'a Table) -> Option<&'a Partition> {
        match self.source {
            Source::Base(_) => None,
            Source::Stream { partition, .. } => table.partitions.get(partition),
        }
    }

    /// The positions of its records so far, also of those that are trimmed.
    pub(in crate::emulator) fn places(&self, table: &Table) -> Range<u64> {
        match &self.source {
            Source::Base(rows) => 0..rows.len() as u64,
            Source::Stream { partition, start } => *start..table.partitions[*partition].log.end(),
        }
    }

    /// As the meta API names it.
    pub(in crate::emulator) fn type_name(&self) -> &'static str {
        if self.is_stream() {
            "Stream"
        } else {
            "BaseData"
        }
    }

    /// Saves a checkpoint.
    ///
    /// Number 0 passes without a check and leaves the stored number as it is:
    /// the service's Spark connector always sends 0.
    pub(in crate::emulator) fn save(&mut self, token: &str, number: i64) -> Result<(), Failure> {
        self.position(token)?;
        let stored = self.checkpoint.sequence_number;
        if number != 0 {
            if number != stored + 1 {
                return Err(Failure::sequence(stored, number));
            }
            self.checkpoint.sequence_number = number;
        }
        token.clone_into(&mut self.checkpoint.token);
        Ok(())
    }

    /// Position of a token of this channel; `None` at the end.
    pub(in crate::emulator) fn position(&self, token: &str) -> Result<Option<u64>, Failure> {
        let foreign = || Failure::invalid(format!("not a token of channel {}", self.id));
        match (token::parse(token).ok_or_else(foreign)?, &self.source) {
            (Position::Finished, _) => Ok(None),
            (Position::Base(row), Source::Base(rows)) if row <= rows.len() as u64 => Ok(Some(row)),
            (Position::Stream { shard, position }, Source::Stream { .. }) if *shard == *self.id => {
                Ok(Some(position))
            }
            _ => Err(foreign()),
        }
    }

    /// Reads from a token on; `end`: the time at which a backfill ends.
    pub(in crate::emulator) fn read(
        &mut self,
        token: &str,
        table: &Table,
        limits: Limits,
        end: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Read, Failure> {
        let Some(from) = self.position(token)? else {
            return Ok(self.finish(Page::default(), 0));
        };
        let (page, next_token) = match &self.source {
            Source::Base(rows) => base_read(rows, from, limits, table),
            Source::Stream { partition, start } => {
                let partition = &table.partitions[*partition];
                let until = end.map_or(u64::MAX, |end| partition.log.position_at(end));
                let page = stream_page(partition, from, until, limits)?;
                let over = end.is_some_and(|end| end <= now);
                let token = || stream_token(&self.id, partition, page.next, *start, table);
                let next_token = (!is_end(partition, page.next, until, over)).then(token);
                (page, next_token)
            }
        };
        Ok(match next_token {
            None => self.finish(page, from),
            Some(next_token) => Read {
                page,
                from,
                next_token,
            },
        })
    }

    fn finish(&mut self, page: Page, from: u64) -> Read {
        self.end_was_read = true;
        Read {
            page,
            from,
            next_token: token::FINISHED.to_owned(),
        }
    }

    /// The point in time up to which the channel is consumed by its saved
    /// token; a stream without anything left is consumed up to now. Base
    /// channels, and streams of which nothing is consumed, are at 0.
    pub(in crate::emulator) fn consumed(&self, table: &Table, now: Timestamp) -> Timestamp {
        let Source::Stream { partition, start } = self.source else {
            return Timestamp::default();
        };
        let log = &table.partitions[partition].log;
        match self.position(&self.checkpoint.token) {
            Ok(Some(position)) if position < log.end() => {
                let last = position.checked_sub(1).filter(|last| *last >= start);
                let time = last.and_then(|last| log.sequence_at(last));
                let micros = time.map_or(0, |sequence| sequence.timestamp);
                Timestamp::from_micros(micros.unsigned_abs())
            }
            _ => now,
        }
    }

    /// How many records lie behind the saved token.
    pub(in crate::emulator) fn consumed_count(&self, table: &Table) -> i64 {
        if self.checkpoint.token != token::FINISHED {
            return token::count(&self.checkpoint.token);
        }
        let all = match &self.source {
            Source::Base(rows) => rows.len() as u64,
            Source::Stream { partition, start } => table.partitions[*partition].log.end() - start,
        };
        i64::try_from(all).unwrap_or(i64::MAX)
    }
}

/// A page of a split, and the token to go on with if there is more.
fn base_read(
    rows: &[SnapshotRow],
    from: u64,
    limits: Limits,
    table: &Table,
) -> (Page, Option<String>) {
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let rest = rows.iter().skip(skip);
    let columns = &table.schema.primary_key;
    let frames = rest.map(|(route, row)| row.base_frame(&key::named(&route.key, columns)));
    let page = Page::fill(from, frames, limits);
    let more = page.next < rows.len() as u64;
    let token = more.then(|| base_token(rows, page.next, table));
    (page, token)
}

/// Whether nothing will ever be read at a position: all is read, and nothing
/// is written any more, or what is written lies after the backfill's end.
fn is_end(partition: &Partition, next: u64, until: u64, over: bool) -> bool {
    let log = &partition.log;
    let all_read = next >= until.min(log.end());
    all_read && (over || log.is_closed() || until < log.end())
}

fn stream_page(
    partition: &Partition,
    from: u64,
    until: u64,
    limits: Limits,
) -> Result<Page, Failure> {
    let page = partition.log.read(from, until, limits);
    page.ok_or_else(|| match from < partition.log.first() {
        true => Failure::new(
            503,
            "OTSTunnelServerUnavailable",
            "OTSTrimmedDataAccess Requested stream data is already trimmed or does not exist.",
        ),
        false => Failure::invalid("the token lies after the end of the log"),
    })
}

fn base_token(rows: &[SnapshotRow], at: u64, table: &Table) -> String {
    let row = usize::try_from(at).ok().and_then(|at| rows.get(at));
    let key = row.map_or_else(Vec::new, |(route, _)| {
        key::named(&route.key, &table.schema.primary_key)
    });
    token::base(encode_row(&key, &[], false, None).into(), at)
}

fn stream_token(id: &str, partition: &Partition, at: u64, start: u64, table: &Table) -> String {
    let last = at
        .checked_sub(1)
        .and_then(|last| partition.log.sequence_at(last));
    let timestamp = last.map_or(0, |sequence| sequence.timestamp);
    let count = at.saturating_sub(start);
    token::stream(&table.stream_id, id, at, timestamp, count)
}
