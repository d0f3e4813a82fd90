//! [`ChangeLog`]: the changes of one partition, in order.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::timestamp::Timestamp;
use tablestore_tunnel::SequenceInfo;

/// Limits of one read. A read always returns at least one record, if there is
/// one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimits {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

/// The result of a read: frames, and the position to read on from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) next: u64,
    /// Whether a read from `next` would return records right now.
    pub(crate) more: bool,
}

impl Page {
    /// Fills a page from `from` on, as far as the limits allow.
    pub(crate) fn fill(from: u64, frames: impl Iterator<Item = Bytes>, limits: PageLimits) -> Page {
        let (mut taken, mut bytes, mut more) = (Vec::new(), 0, false);
        for frame in frames {
            let full = taken.len() >= limits.rows || bytes + frame.len() > limits.bytes;
            if full && !taken.is_empty() {
                more = true;
                break;
            }
            bytes += frame.len();
            taken.push(frame);
        }
        Page {
            next: from + taken.len() as u64,
            frames: taken,
            more,
        }
    }
}

/// The changes of one partition. Positions count from 0 and are never reused.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    entries: VecDeque<Entry>,
    /// Position of the oldest entry that is still in the log.
    first: u64,
    /// The newest sequence number that was used, also by the parents.
    last: Option<SequenceInfo>,
    /// No entry will follow: the partition was split or merged.
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    sequence: SequenceInfo,
    frame: Bytes,
}

impl ChangeLog {
    /// A log whose sequence numbers follow `last`. So the sequence numbers of a
    /// key grow also across a split.
    pub(crate) fn after(last: Option<SequenceInfo>) -> ChangeLog {
        ChangeLog {
            last,
            ..ChangeLog::default()
        }
    }

    /// Position of the oldest entry that is still in the log.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The time of the oldest entry that is still in the log, in microseconds.
    pub(crate) fn oldest(&self) -> Option<i64> {
        self.entries.front().map(|entry| entry.sequence.timestamp)
    }

    /// Drops the entries before a position.
    pub(crate) fn trim(&mut self, to: u64) {
        let to = to.clamp(self.first, self.end());
        let dropped = usize::try_from(to - self.first).unwrap_or(usize::MAX);
        self.entries.drain(..dropped.min(self.entries.len()));
        self.first = to;
    }

    pub(crate) fn last(&self) -> Option<SequenceInfo> {
        self.last
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// The sequence number of the next entry. If it `continues` the bulk of the
    /// last entry, it shares the timestamp and counts the row index up.
    pub(crate) fn next_sequence(
        &self,
        epoch: i32,
        now: Timestamp,
        continues: bool,
    ) -> SequenceInfo {
        let fresh = |timestamp| SequenceInfo {
            epoch,
            timestamp,
            row_index: 0,
        };
        match self.last {
            Some(last) if continues => SequenceInfo {
                row_index: last.row_index.saturating_add(1),
                ..last
            },
            Some(last) => fresh(now.micros_i64().max(last.timestamp.saturating_add(1))),
            None => fresh(now.micros_i64()),
        }
    }

    /// Appends an entry and returns its position.
    pub(crate) fn push(&mut self, sequence: SequenceInfo, frame: Bytes) -> u64 {
        self.last = Some(sequence);
        self.entries.push_back(Entry { sequence, frame });
        self.end() - 1
    }

    /// The position of the first entry at or after that time.
    pub(crate) fn position_at(&self, time: Timestamp) -> u64 {
        let before = |entry: &Entry| entry.sequence.timestamp < time.micros_i64();
        self.first + self.entries.partition_point(before) as u64
    }

    /// The sequence number of the entry at a position, if it is in the log.
    pub(crate) fn sequence_at(&self, position: u64) -> Option<SequenceInfo> {
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        Some(self.entries.get(index)?.sequence)
    }

    /// Reads from a position up to (not including) `until`.
    ///
    /// `None` if the position is no longer, or not yet, in the log.
    pub(crate) fn read(&self, from: u64, until: u64, limits: PageLimits) -> Option<Page> {
        let skip = usize::try_from(from.checked_sub(self.first)?).ok()?;
        if from > self.end() {
            return None;
        }
        let end = usize::try_from(until.min(self.end()).saturating_sub(self.first)).ok()?;
        let entries = self.entries.range(skip..end.max(skip));
        Some(Page::fill(
            from,
            entries.map(|entry| entry.frame.clone()),
            limits,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(count: u64) -> ChangeLog {
        let mut log = ChangeLog::default();
        for n in 0..count {
            let sequence = log.next_sequence(0, Timestamp::from_micros(1_000), false);
            assert_eq!(
                log.push(sequence, Bytes::from(vec![n as u8; 10])),
                n,
                "positions count"
            );
        }
        log
    }

    fn page(log: &ChangeLog, from: u64, rows: usize, bytes: usize) -> (usize, u64, bool) {
        let page = log
            .read(from, u64::MAX, PageLimits { rows, bytes })
            .expect("a page");
        (page.frames.len(), page.next, page.more)
    }

    #[test]
    fn pages_obey_both_limits_and_show_whether_more_follows() {
        let log = log_of(10);
        assert_eq!(page(&log, 0, 4, 1_000), (4, 4, true));
        assert_eq!(page(&log, 4, 100, 30), (3, 7, true));
        assert_eq!(page(&log, 7, 3, 1_000), (3, 10, false));
        assert_eq!(page(&log, 10, 3, 1_000), (0, 10, false));
        // A record larger than the limit is returned alone.
        assert_eq!(page(&log, 0, 100, 1), (1, 1, true));
    }

    #[test]
    fn positions_outside_the_log_return_no_page() {
        let limits = PageLimits { rows: 1, bytes: 1 };
        assert!(log_of(2).read(3, u64::MAX, limits).is_none());
        let mut log = log_of(5);
        log.trim(3);
        assert!(log.read(2, u64::MAX, limits).is_none());
        assert!(log.read(3, u64::MAX, limits).is_some());
    }

    #[test]
    fn positions_stay_when_the_oldest_entries_are_dropped() {
        let mut log = log_of(5);
        log.trim(3);
        assert_eq!((log.first(), log.end(), log.oldest()), (3, 5, Some(1_003)));
        assert_eq!(page(&log, 3, 9, 1_000), (2, 5, false));
        assert_eq!(log.position_at(Timestamp::from_micros(1_004)), 4);
        assert_eq!(log.position_at(Timestamp::from_micros(1)), 3);
        log.trim(1);
        assert_eq!(log.first(), 3, "dropped entries do not come back");
        log.trim(99);
        assert_eq!((log.first(), log.end(), log.oldest()), (5, 5, None));
        let next = log.next_sequence(0, Timestamp::default(), false);
        assert_eq!(next.timestamp, 1_005, "follows the trimmed entries");
        assert_eq!(log.push(next, Bytes::new()), 5);
    }

    #[test]
    fn sequence_numbers_grow_while_the_clock_stands_still() {
        let mut log = log_of(3);
        assert_eq!(log.last().map(|last| last.timestamp), Some(1_002));
        assert_eq!(log.position_at(Timestamp::from_micros(1_001)), 1);
        let in_bulk = log.next_sequence(0, Timestamp::from_micros(9_000), true);
        assert_eq!((in_bulk.timestamp, in_bulk.row_index), (1_002, 1));
        log.push(in_bulk, Bytes::new());
        let next = log.next_sequence(0, Timestamp::from_micros(9_000), false);
        assert_eq!((next.timestamp, next.row_index), (9_000, 0));
        let child = ChangeLog::after(log.last()).next_sequence(0, Timestamp::default(), false);
        assert!(child > in_bulk);
    }
}
