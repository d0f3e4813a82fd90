//! What one connection is at and how much it has done, for who looks on.
//!
//! Written on the batch way with relaxed stores by the one thread that owns
//! each number: nothing waits, and a snapshot may see them a batch apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::failures::{History, full_text};
use crate::clock::Clock;
use crate::error::TunnelError;
use crate::observer::{BatchCounts, ChannelSnapshot, ChannelStage, CloseReason, SavedCheckpoint};
use crate::sync::stop::Stop;
use crate::sync::timed_state::{AtomicTimedState, TimedState};
use crate::worker::turn::{Turn, TurnStage};

/// What the reader of a channel is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ReaderStage {
    Opening,
    /// It failed the last time, and a pause passes before it is opened again.
    WaitingToReopen,
    WaitingForPredecessor,
    /// The limit of channels at work is reached.
    WaitingForPermit,
    /// The memory budget is used up.
    WaitingForMemory,
    Reading,
    /// Pausing, or waiting for the callback.
    Waiting,
    /// Everything is read.
    Done,
}

const READER_STAGES: [ReaderStage; 8] = [
    ReaderStage::Opening,
    ReaderStage::WaitingToReopen,
    ReaderStage::WaitingForPredecessor,
    ReaderStage::WaitingForPermit,
    ReaderStage::WaitingForMemory,
    ReaderStage::Reading,
    ReaderStage::Waiting,
    ReaderStage::Done,
];

const REASONS: [CloseReason; 6] = [
    CloseReason::Finished,
    CloseReason::TakenBack,
    CloseReason::Shutdown,
    CloseReason::Lost,
    CloseReason::Abandoned,
    CloseReason::Failed,
];
/// Stands for no reason; one behind the last.
const NO_REASON: u8 = REASONS.len() as u8;
const NO_RECORD: i64 = i64::MIN;
const SAVING: u8 = 1;

/// [`BatchCounts`] that one thread adds to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn add(&self, records: usize, bytes: usize) {
        // No read-modify-write: nobody else writes.
        let add = |counter: &AtomicU64, more: u64| {
            counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        };
        add(&self.batches, 1);
        add(&self.records, records as u64);
        add(&self.bytes, bytes as u64);
    }

    pub(crate) fn get(&self) -> BatchCounts {
        BatchCounts {
            batches: self.batches.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// The last checkpoint that was saved.
#[derive(Debug)]
struct Saved {
    token: Arc<str>,
    at: u64,
}

/// The instruments of one connection.
#[derive(Debug)]
pub(crate) struct ChannelStats {
    pub(crate) channel_id: Arc<str>,
    pub(crate) history: Arc<History>,
    turn: Arc<Turn>,
    closing: Stop,
    is_stream: AtomicBool,
    /// A [`ReaderStage`]; the reader's.
    reader: AtomicTimedState,
    /// Whether a save is on its way; that of who saves.
    saving: AtomicTimedState,
    /// The reader's.
    pub(crate) read: Counters,
    /// Whether the last read brought all there was; the reader's.
    has_read_all: AtomicBool,
    /// That of who has the turn.
    pub(crate) done: Counters,
    /// Time of the newest record that is done; that of who has the turn.
    newest: AtomicI64,
    saved: Mutex<Option<Saved>>,
    /// An index into [`REASONS`].
    reason: AtomicU8,
}

impl ChannelStats {
    pub(crate) fn new(
        channel_id: Arc<str>,
        turn: Arc<Turn>,
        closing: Stop,
        history: Arc<History>,
    ) -> ChannelStats {
        let now = |state| AtomicTimedState::new(TimedState::now(closing.clock(), state));
        let (reader, saving) = (now(ReaderStage::Opening as u8), now(0));
        ChannelStats {
            channel_id,
            history,
            turn,
            closing,
            is_stream: AtomicBool::new(false),
            reader,
            saving,
            read: Counters::default(),
            has_read_all: AtomicBool::new(false),
            done: Counters::default(),
            newest: AtomicI64::new(NO_RECORD),
            saved: Mutex::new(None),
            reason: AtomicU8::new(NO_REASON),
        }
    }

    fn clock(&self) -> &Clock {
        self.closing.clock()
    }

    // What the threads of a connection tell.

    pub(crate) fn set_stream(&self, is_stream: bool) {
        self.is_stream.store(is_stream, Ordering::Relaxed);
    }

    pub(crate) fn reader_is(&self, stage: ReaderStage) {
        self.reader.set(TimedState::now(self.clock(), stage as u8));
    }

    pub(crate) fn batch_read(&self, records: usize, bytes: usize) {
        self.read.add(records, bytes);
    }

    /// Whether the last read brought all there was.
    pub(crate) fn has_read_all(&self, all: bool) {
        self.has_read_all.store(all, Ordering::Relaxed);
    }

    /// `newest`: microseconds since 1970 of the batch's last record, where known.
    pub(crate) fn batch_done(&self, records: usize, bytes: usize, newest: Option<i64>) {
        self.done.add(records, bytes);
        if let Some(newest) = newest {
            self.newest.store(newest, Ordering::Relaxed);
        }
        self.history.work.succeeded();
    }

    /// A request has failed and will be sent again; `is_save`: it is a checkpoint.
    pub(crate) fn request_failed(&self, is_save: bool, error: &TunnelError) {
        let failures = match is_save {
            true => &self.history.saves,
            false => &self.history.requests,
        };
        failures.failed(full_text(error));
    }

    pub(crate) fn save_begins(&self) {
        self.saving.set(TimedState::now(self.clock(), SAVING));
    }

    pub(crate) fn save_ends(&self) {
        self.saving.set(TimedState::now(self.clock(), 0));
    }

    pub(crate) fn saved(&self, token: Arc<str>) {
        let at = self.clock().micros();
        let previous = self.saved.lock().replace(Saved { token, at });
        drop(previous);
        self.history.saves.succeeded();
    }

    /// Why the channel closes; the first reason counts.
    pub(crate) fn closes_for(&self, reason: CloseReason) {
        let index = REASONS.iter().position(|known| *known == reason);
        let index = index.and_then(|index| u8::try_from(index).ok());
        let _ = self.reason.compare_exchange(
            NO_REASON,
            index.unwrap_or(NO_REASON),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// Why the channel closed; failed, if nobody wanted it to.
    pub(crate) fn close_reason(&self) -> CloseReason {
        let index = usize::from(self.reason.load(Ordering::Relaxed));
        REASONS.get(index).copied().unwrap_or(CloseReason::Failed)
    }

    // What others see.

    /// What the channel is at, and since when.
    pub(crate) fn stage(&self) -> (ChannelStage, TimedState) {
        let (turn, turn_since) = self.turn.stage();
        let (reader_since, saving) = (self.reader.get(), self.saving.get());
        let is_saving = saving.state() == SAVING;
        let reader = reader_stage(reader_since);
        let is_closing = self.closing.is_triggered();
        match stage(turn, reader, is_saving, is_closing) {
            stage @ ChannelStage::Saving => (stage, saving),
            stage @ (ChannelStage::Opening
            | ChannelStage::WaitingToReopen
            | ChannelStage::WaitingForPredecessor
            | ChannelStage::WaitingForPermit
            | ChannelStage::WaitingForMemory
            | ChannelStage::Reading
            | ChannelStage::WaitingForCommit) => (stage, reader_since),
            // An idle channel has been idle since the later of the two.
            stage @ ChannelStage::Idle if reader_since.is_later_than(turn_since) => {
                (stage, reader_since)
            }
            stage => (stage, turn_since),
        }
    }

    pub(crate) fn snapshot(&self) -> ChannelSnapshot {
        let (stage, since) = self.stage();
        let mut snapshot = blank(&self.channel_id, &self.history);
        (snapshot.stage, snapshot.stage_age) = (stage, since.age(self.clock()));
        snapshot.is_stream = self.is_stream.load(Ordering::Relaxed);
        snapshot.is_closing = self.closing.is_triggered();
        // What is done was read before: loaded in this order, never more is
        // done than read.
        snapshot.done = self.done.get();
        snapshot.read = self.read.get();
        snapshot.lag = self.lag();
        snapshot.is_caught_up = self.has_read_all.load(Ordering::Relaxed)
            && snapshot.done.records == snapshot.read.records
            && snapshot.done.bytes == snapshot.read.bytes;
        snapshot.last_saved = self.last_saved();
        snapshot
    }

    fn lag(&self) -> Option<Duration> {
        let newest = self.newest.load(Ordering::Relaxed);
        let now = self.clock().utc().unix_timestamp_nanos() / 1000;
        let lag = (newest != NO_RECORD).then(|| now - i128::from(newest))?;
        // The clocks of service and client may differ.
        Some(Duration::from_micros(u64::try_from(lag).unwrap_or(0)))
    }

    fn last_saved(&self) -> Option<SavedCheckpoint> {
        let saved = self.saved.lock();
        let saved = saved.as_ref()?;
        Some(SavedCheckpoint {
            token: saved.token.to_string(),
            age: self.clock().age(saved.at),
        })
    }
}

/// The snapshot of a channel without a connection, which failed a while ago.
pub(crate) fn given_back(channel_id: &str, history: &History) -> ChannelSnapshot {
    blank(channel_id, history)
}

fn blank(channel_id: &str, history: &History) -> ChannelSnapshot {
    ChannelSnapshot {
        channel_id: channel_id.to_owned(),
        is_stream: false,
        stage: ChannelStage::Released,
        stage_age: history.last_age(),
        is_closing: false,
        read: BatchCounts::default(),
        done: BatchCounts::default(),
        failures: history.snapshot(),
        save_failures: history.saves.snapshot(),
        last_saved: None,
        lag: None,
        is_caught_up: false,
    }
}

fn reader_stage(stamp: TimedState) -> ReaderStage {
    // Only `ReaderStage as u8` is ever stored.
    let index = usize::from(stamp.state());
    READER_STAGES
        .get(index)
        .copied()
        .unwrap_or(ReaderStage::Done)
}

/// What the whole channel is at: the callback's side counts before the
/// reader's, which goes on meanwhile (pure).
fn stage(turn: TurnStage, reader: ReaderStage, is_saving: bool, is_closing: bool) -> ChannelStage {
    use ChannelStage as S;
    match (turn, reader) {
        (TurnStage::Opening, ReaderStage::WaitingForPredecessor) => S::WaitingForPredecessor,
        (TurnStage::Opening, ReaderStage::WaitingToReopen) => S::WaitingToReopen,
        (TurnStage::Opening, _) => S::Opening,
        (TurnStage::Queued, _) => S::Queued,
        (TurnStage::Running, _) => S::InCallback,
        (TurnStage::Paused, _) => S::WaitingToRetry,
        (TurnStage::Idle | TurnStage::Closing, _) if is_saving => S::Saving,
        (TurnStage::Closing, _) => S::Closing,
        (TurnStage::Idle, ReaderStage::Reading) => S::Reading,
        (TurnStage::Idle, ReaderStage::WaitingForPermit) => S::WaitingForPermit,
        (TurnStage::Idle, ReaderStage::WaitingForMemory) => S::WaitingForMemory,
        (TurnStage::Idle, ReaderStage::Done) if !is_closing => S::WaitingForCommit,
        (TurnStage::Idle, _) => S::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::turn::{TurnAction, TurnEvent};

    #[test]
    fn stages() {
        use ChannelStage as S;
        use ReaderStage as R;
        use TurnStage as T;
        let table = [
            (T::Opening, R::Opening, false, S::Opening),
            (T::Opening, R::Opening, true, S::Opening),
            (
                T::Opening,
                R::WaitingForPredecessor,
                false,
                S::WaitingForPredecessor,
            ),
            (T::Idle, R::Reading, false, S::Reading),
            (T::Idle, R::Reading, true, S::Saving),
            (T::Idle, R::Waiting, false, S::Idle),
            (T::Idle, R::WaitingForPermit, false, S::WaitingForPermit),
            (T::Idle, R::WaitingForMemory, false, S::WaitingForMemory),
            (T::Running, R::WaitingForMemory, false, S::InCallback),
            (T::Idle, R::Opening, false, S::Idle),
            (T::Idle, R::Done, false, S::WaitingForCommit),
            (T::Queued, R::Reading, true, S::Queued),
            (T::Running, R::Reading, true, S::InCallback),
            (T::Paused, R::Reading, true, S::WaitingToRetry),
            (T::Closing, R::Reading, true, S::Saving),
            (T::Closing, R::Reading, false, S::Closing),
            (T::Closing, R::Done, false, S::Closing),
        ];
        for (turn, reader, is_saving, expected) in table {
            let found = stage(turn, reader, is_saving, false);
            assert_eq!(found, expected, "{turn:?} {reader:?} {is_saving}");
        }
        assert_eq!(stage(T::Idle, R::Done, false, true), S::Idle);
    }

    fn stats() -> (ChannelStats, Arc<Turn>) {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let turn = Arc::new(Turn::new(&clock));
        let history = Arc::new(History::new(&clock));
        let stats = ChannelStats::new("x".into(), turn.clone(), Stop::on(&clock), history);
        (stats, turn)
    }

    #[test]
    fn counts_what_is_read_and_done() {
        let (stats, _) = stats();
        stats.batch_read(10, 100);
        stats.batch_read(5, 50);
        stats.has_read_all(true);
        stats.history.work.failed("no".to_owned());
        stats.batch_done(10, 100, None);
        let snapshot = stats.snapshot();
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
        stats.clock().jump(Duration::from_secs(3601));
        stats.batch_done(5, 50, Some(1_000_000));
        let snapshot = stats.snapshot();
        assert!(snapshot.is_caught_up);
        assert_eq!(snapshot.lag, Some(Duration::from_secs(3600)));
        // A clock that is behind the service's.
        stats.batch_done(0, 0, Some(i64::MAX));
        assert_eq!(stats.snapshot().lag, Some(Duration::ZERO));
    }

    #[test]
    fn the_first_reason_counts() {
        let (stats, _) = stats();
        assert_eq!(stats.close_reason(), CloseReason::Failed);
        for reason in REASONS {
            let (stats, _) = self::stats();
            stats.closes_for(reason);
            stats.closes_for(CloseReason::Lost);
            assert_eq!(stats.close_reason(), reason);
        }
    }

    #[test]
    fn a_stage_has_an_age_of_its_own() {
        let (stats, turn) = stats();
        let second = Duration::from_secs(1);
        // Ages are counted from the first microsecond.
        stats.clock().jump(second);
        turn.on(TurnEvent::Make);
        stats.reader_is(ReaderStage::Opening);
        let pass = |seconds| stats.clock().jump(seconds * second);
        let look = || {
            let (stage, since) = stats.stage();
            (stage, since.age(stats.clock()).as_secs())
        };
        pass(3);
        assert_eq!(look(), (ChannelStage::Opening, 3));
        turn.on(TurnEvent::Opened);
        stats.reader_is(ReaderStage::Reading);
        pass(1);
        assert_eq!(look(), (ChannelStage::Reading, 1));
        assert_eq!(turn.on(TurnEvent::Arrived), TurnAction::Schedule);
        assert_eq!(turn.on(TurnEvent::Start), TurnAction::Run);
        pass(2);
        // What arrives meanwhile does not make the callback younger.
        turn.on(TurnEvent::Arrived);
        turn.on(TurnEvent::Close);
        assert_eq!(look(), (ChannelStage::InCallback, 2));
    }

    #[test]
    fn a_saved_token_is_given_and_not_printed() {
        let (stats, _) = stats();
        assert_eq!(stats.snapshot().last_saved, None);
        stats.saved("secret".into());
        let snapshot = stats.snapshot();
        assert!(!format!("{snapshot:?}").contains("secret"));
        assert_eq!(snapshot.last_saved.expect("saved").token, "secret");
    }
}
