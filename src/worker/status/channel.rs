//! [`ChannelStats`]: how much one connection has done, for whoever looks on (pure).
//!
//! A part of the connection's data, under its lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::failures::History;
use crate::observer::{BatchCounts, ChannelSnapshot, ChannelStage, CloseReason, SavedCheckpoint};

/// How much one connection has done.
#[derive(Debug, Default)]
pub(crate) struct ChannelStats {
    pub(crate) history: History,
    pub(crate) is_stream: bool,
    read: BatchCounts,
    /// Whether the last read brought everything there was.
    pub(crate) has_read_all: bool,
    done: BatchCounts,
    /// When the newest record that is done was written, in microseconds since 1970.
    newest: Option<i64>,
    /// The last checkpoint that was saved.
    saved: Option<(Arc<str>, Instant)>,
    reason: Option<CloseReason>,
}

/// What a connection leaves behind when it ends.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) history: History,
    pub(crate) read: BatchCounts,
    pub(crate) done: BatchCounts,
}

/// What a channel is at, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StageSince {
    pub(crate) stage: ChannelStage,
    pub(crate) since: Instant,
}

impl ChannelStats {
    /// Those of a new connection, with the failures of the one before.
    pub(crate) fn new(history: History) -> ChannelStats {
        ChannelStats {
            history,
            ..ChannelStats::default()
        }
    }

    pub(crate) fn batch_read(&mut self, records: usize, bytes: usize) {
        self.read += counts(records, bytes);
    }

    /// `newest`: when the batch's last record was written, if that is known.
    pub(crate) fn batch_done(&mut self, records: usize, bytes: usize, newest: Option<i64>) {
        self.done += counts(records, bytes);
        self.newest = newest.or(self.newest);
        self.history.work.succeeded();
    }

    pub(crate) fn saved(&mut self, token: Arc<str>, now: Instant) {
        self.saved = Some((token, now));
        self.history.saves.succeeded();
    }

    /// Why the channel closes; the first reason counts.
    pub(crate) fn closes_for(&mut self, reason: CloseReason) {
        self.reason.get_or_insert(reason);
    }

    /// Why the channel closed; failed, if nobody wanted it to.
    pub(crate) fn close_reason(&self) -> CloseReason {
        self.reason.unwrap_or(CloseReason::Failed)
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            history: self.history.clone(),
            read: self.read,
            done: self.done,
        }
    }

    pub(crate) fn snapshot(
        &self,
        channel_id: &str,
        at: StageSince,
        now: Instant,
        utc: OffsetDateTime,
    ) -> ChannelSnapshot {
        let saved = self.saved.as_ref();
        ChannelSnapshot {
            stage: at.stage,
            stage_age: now.saturating_duration_since(at.since),
            is_stream: self.is_stream,
            read: self.read,
            done: self.done,
            lag: self.newest.map(|newest| lag(newest, utc)),
            is_caught_up: self.has_read_all
                && self.done.records == self.read.records
                && self.done.bytes == self.read.bytes,
            last_saved: saved.map(|(token, at)| SavedCheckpoint {
                token: token.to_string(),
                age: now.saturating_duration_since(*at),
            }),
            ..without_connection(channel_id, &self.history, now)
        }
    }
}

fn counts(records: usize, bytes: usize) -> BatchCounts {
    BatchCounts {
        batches: 1,
        records: records as u64,
        bytes: bytes as u64,
    }
}

/// The clocks of service and client may differ.
fn lag(newest: i64, utc: OffsetDateTime) -> Duration {
    let lag = utc.unix_timestamp_nanos() / 1000 - i128::from(newest);
    Duration::from_micros(u64::try_from(lag).unwrap_or(0))
}

/// The snapshot of a channel without a connection, which failed a while ago.
pub(crate) fn without_connection(
    channel_id: &str,
    history: &History,
    now: Instant,
) -> ChannelSnapshot {
    ChannelSnapshot {
        channel_id: channel_id.to_owned(),
        is_stream: false,
        stage: ChannelStage::Released,
        stage_age: history.last_age(now),
        is_closing: false,
        read: BatchCounts::default(),
        done: BatchCounts::default(),
        failures: history.snapshot(now),
        save_failures: history.saves.snapshot(now),
        last_saved: None,
        lag: None,
        is_caught_up: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn look(stats: &ChannelStats, seconds: i64) -> ChannelSnapshot {
        let now = clock::now();
        let at = StageSince {
            stage: ChannelStage::Idle,
            since: now,
        };
        let utc = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        stats.snapshot("x", at, now, utc)
    }

    #[test]
    fn counts_what_is_read_and_done() {
        let mut stats = ChannelStats::default();
        stats.batch_read(10, 100);
        stats.batch_read(5, 50);
        stats.has_read_all = true;
        stats.history.work.failed("no".to_owned(), clock::now());
        stats.batch_done(10, 100, None);
        let snapshot = look(&stats, 0);
        let read = (
            snapshot.read.batches,
            snapshot.read.records,
            snapshot.read.bytes,
        );
        assert_eq!(read, (2, 15, 150));
        assert_eq!(snapshot.done.records, 10);
        assert!(!snapshot.is_caught_up, "one batch is not done");
        assert_eq!(snapshot.failures.failing_for, None, "a success");
        assert_eq!(snapshot.lag, None);
        stats.batch_done(5, 50, Some(1_000_000));
        let snapshot = look(&stats, 3601);
        assert!(snapshot.is_caught_up);
        assert_eq!(snapshot.lag, Some(Duration::from_secs(3600)));
        // A clock that is behind the service's.
        stats.batch_done(0, 0, Some(i64::MAX));
        assert_eq!(look(&stats, 3601).lag, Some(Duration::ZERO));
    }

    #[test]
    fn the_first_reason_counts() {
        let mut stats = ChannelStats::default();
        assert_eq!(stats.close_reason(), CloseReason::Failed);
        stats.closes_for(CloseReason::Shutdown);
        stats.closes_for(CloseReason::Lost);
        assert_eq!(stats.close_reason(), CloseReason::Shutdown);
    }

    #[test]
    fn a_saved_token_is_given_and_not_printed() {
        let mut stats = ChannelStats::default();
        assert_eq!(look(&stats, 0).last_saved, None);
        stats.saved("secret".into(), clock::now());
        let snapshot = look(&stats, 0);
        assert!(!format!("{snapshot:?}").contains("secret"));
        assert_eq!(snapshot.last_saved.expect("saved").token, "secret");
    }
}
