//! What a channel is at, as snapshots and the stall detector show it (pure).

use std::time::Instant;

use super::state::{ChannelState, Phase};
use crate::observer::ChannelStage;
use crate::worker::status::channel::StageSince;

/// What the reader of a channel is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What the parts of a channel are at, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    pub(crate) phase_since: Instant,
    pub(crate) reader: (ReaderStage, Instant),
    /// Since when checkpoints are being saved, and by how many threads.
    pub(crate) saving: Option<(Instant, usize)>,
}

impl Stages {
    pub(crate) fn new(now: Instant) -> Stages {
        Stages {
            phase_since: now,
            reader: (ReaderStage::Opening, now),
            saving: None,
        }
    }

    /// A thread saves a checkpoint, or waits until it may.
    pub(crate) fn save_begins(&mut self, now: Instant) {
        let (since, threads) = self.saving.unwrap_or((now, 0));
        self.saving = Some((since, threads + 1));
    }

    /// The thread is done with it.
    pub(crate) fn save_ends(&mut self) {
        self.saving = match self.saving {
            Some((since, threads)) if threads > 1 => Some((since, threads - 1)),
            _ => None,
        };
    }

    /// What the whole channel is at. The callback's side counts before the reader's,
    /// which goes on meanwhile, and a save only where nothing else moves.
    pub(crate) fn of(&self, state: ChannelState) -> StageSince {
        use ChannelStage as S;
        let (reader, reader_since) = self.reader;
        let later = reader_since.max(self.phase_since);
        let (stage, since) = match (state.phase(), reader, self.saving.map(|(since, _)| since)) {
            (Phase::Opening | Phase::Making, reader, _) => (opening(reader), reader_since),
            (Phase::Queued, ..) => (S::Queued, self.phase_since),
            (Phase::Running, ..) => (S::InCallback, self.phase_since),
            (Phase::Paused, ..) => (S::WaitingToRetry, self.phase_since),
            (Phase::Closing | Phase::Ended, _, Some(since)) => (S::Saving, since),
            (Phase::Closing | Phase::Ended, ..) => (S::Closing, self.phase_since),
            (Phase::Idle, ReaderStage::Reading, _) => (S::Reading, reader_since),
            (Phase::Idle, ReaderStage::WaitingForPermit, _) => (S::WaitingForPermit, reader_since),
            (Phase::Idle, ReaderStage::WaitingForMemory, _) => (S::WaitingForMemory, reader_since),
            // The dialer makes the connection.
            (Phase::Idle, ReaderStage::Opening, _) => (S::Opening, later),
            (Phase::Idle, _, Some(since)) => (S::Saving, since),
            (Phase::Idle, ReaderStage::Done, None) => (S::WaitingForCommit, reader_since),
            (Phase::Idle, ..) => (S::Idle, later),
        };
        StageSince { stage, since }
    }
}

fn opening(reader: ReaderStage) -> ChannelStage {
    match reader {
        ReaderStage::WaitingForPredecessor => ChannelStage::WaitingForPredecessor,
        ReaderStage::WaitingToReopen => ChannelStage::WaitingToReopen,
        _ => ChannelStage::Opening,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::state::ChannelEvent as E;
    use super::*;

    #[test]
    fn stages() {
        use ChannelStage as S;
        use ReaderStage as R;
        let idle = vec![E::Make, E::Opened];
        let queued = [&idle[..], &[E::Arrived]].concat();
        let running = [&queued[..], &[E::Start]].concat();
        let paused = [&running[..], &[E::Pause]].concat();
        let closing = [&idle[..], &[E::Close]].concat();
        let table = [
            (&[][..], R::Opening, false, S::Opening),
            (&[E::Make], R::Opening, true, S::Opening),
            (
                &[],
                R::WaitingForPredecessor,
                false,
                S::WaitingForPredecessor,
            ),
            (&[], R::WaitingToReopen, false, S::WaitingToReopen),
            (&idle, R::Opening, false, S::Opening),
            (&idle, R::Reading, false, S::Reading),
            (&idle, R::Reading, true, S::Reading),
            (&idle, R::Waiting, true, S::Saving),
            (&idle, R::Waiting, false, S::Idle),
            (&idle, R::WaitingForPermit, false, S::WaitingForPermit),
            (&idle, R::WaitingForMemory, true, S::WaitingForMemory),
            (&idle, R::Done, false, S::WaitingForCommit),
            (&queued, R::Reading, true, S::Queued),
            (&running, R::WaitingForMemory, true, S::InCallback),
            (&paused, R::Reading, true, S::WaitingToRetry),
            (&closing, R::Reading, true, S::Saving),
            (&closing, R::Done, false, S::Closing),
        ];
        let now = crate::clock::now();
        for (events, reader, is_saving, expected) in table {
            let mut state = ChannelState::new();
            for event in events {
                state.handle(*event);
            }
            let stages = Stages {
                phase_since: now,
                reader: (reader, now),
                saving: is_saving.then_some((now, 1)),
            };
            assert_eq!(stages.of(state).stage, expected, "{events:?} {reader:?}");
        }
    }

    #[test]
    fn an_idle_channel_is_idle_since_both_its_sides_are() {
        let mut state = ChannelState::new();
        state.handle(E::Make);
        state.handle(E::Opened);
        let now = crate::clock::now();
        let later = now + Duration::from_secs(1);
        for (phase_since, reader_since) in [(now, later), (later, now)] {
            let stages = Stages {
                phase_since,
                reader: (ReaderStage::Waiting, reader_since),
                saving: None,
            };
            assert_eq!(stages.of(state).since, later);
        }
    }
}
