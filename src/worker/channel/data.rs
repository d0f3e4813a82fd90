//! [`ChannelData`]: everything of a connection that changes, under one lock.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::batch::ReadBatch;
use super::runner::Runner;
use super::stage::{ReaderStage, Stages};
use super::state::{Action, ChannelEvent, ChannelState};
use super::tokens::{Place, Tokens};
use crate::error::{ErrorClass, TunnelError};
use crate::limits::memory::MemoryPermit;
use crate::limits::parallel::ParallelPermit;
use crate::processor::Checkpointer;
use crate::user_code::UserValue;
use crate::worker::report::Progress;
use crate::worker::status::channel::{ChannelStats, StageSince};
use crate::worker::status::failures::History;

/// What changes of a connection. Values of the program are taken out before they are
/// used or dropped.
pub(crate) struct ChannelData {
    pub(super) state: ChannelState,
    pub(super) stages: Stages,
    pub(super) stats: ChannelStats,
    pub(super) reading: Reading,
    /// The processor; `None` while a turn has it, before the channel is open, and after
    /// its end.
    pub(super) runner: Option<Box<Runner>>,
    pub(super) progress: ChannelProgress,
    pub(super) saves: Saves,
    pub(super) end: End,
}

/// Between the reader and the runner.
#[derive(Default)]
pub(super) struct Reading {
    /// Batches that were read and not begun. Only the runner takes them out.
    pub(super) queue: VecDeque<ReadBatch>,
    /// Why there are no more batches, for the runner once the queue is empty.
    pub(super) failure: Option<TunnelError>,
    /// The runner has a batch that it has not done.
    pub(super) has_current: bool,
    /// The reader waits for batches to be done.
    pub(super) waits: bool,
    /// Something that the reader waits for outside of the channel has changed.
    pub(super) is_woken: bool,
    /// The parallel permit that the reader has.
    pub(super) parallel_permit: Option<Arc<ParallelPermit>>,
    /// Of the read in flight: what it has of the memory budget.
    pub(super) memory: Option<MemoryPermit>,
    /// Size of the response that did not fit into the memory budget.
    pub(super) rejected: Option<usize>,
}

impl Reading {
    /// How many batches are read and not done.
    pub(super) fn unprocessed(&self) -> usize {
        self.queue.len() + usize::from(self.has_current)
    }
}

/// How far the channel has come.
#[derive(Debug, Default)]
pub(super) struct ChannelProgress {
    /// The last batch that was given to the callback.
    pub(super) delivered: Option<Progress>,
    /// The last batch that is processed.
    pub(super) processed: Option<Progress>,
    /// The same, if the worker saves it and has not yet.
    pub(super) unsaved: Option<Progress>,
    /// Everything is processed, and the program has yet to commit `finished`.
    pub(super) waits_for_commit: bool,
    /// Nothing of the channel is left.
    pub(super) is_finished: bool,
}

/// What is known of the checkpoints of the channel.
#[derive(Default)]
pub(super) struct Saves {
    /// The service's, or the program's around it.
    pub(super) checkpointer: Option<UserValue<Arc<dyn Checkpointer>>>,
    /// Whoever has set this saves; the others wait.
    pub(super) is_saving: bool,
    pub(super) delivered: Tokens,
    /// Where the newest token that was committed stands, if that is known.
    pub(super) committed: Option<Place>,
    pub(super) last: LastSaved,
    pub(super) is_finish_committed: bool,
    /// The sequence number of the next request; `None` while a request is in flight.
    pub(super) number: Option<i64>,
    /// What may be stored unless somebody else has written: the token that the channel
    /// was opened with, and those that were sent since, because responses get lost.
    pub(super) sent: Tokens,
}

/// The last token that was saved.
#[derive(Clone)]
pub(super) struct LastSaved {
    /// `None` if nothing was saved since the channel was opened.
    pub(super) token: Option<Arc<str>>,
    /// Records up to the token; `None` if this session never delivered it.
    pub(super) records: Option<u64>,
}

impl Default for LastSaved {
    /// The channel goes on from where it was opened.
    fn default() -> LastSaved {
        LastSaved {
            token: None,
            records: Some(0),
        }
    }
}

/// What is known of the end of the connection.
#[derive(Default)]
pub(super) struct End {
    pub(super) opened_at: Option<Instant>,
    /// Why the channel has to be released.
    pub(super) failure: Option<TunnelError>,
    /// The class of the first failure, which decides when the channel is opened again.
    pub(super) failed_as: Option<ErrorClass>,
}

impl ChannelData {
    pub(super) fn new(history: History, now: Instant) -> ChannelData {
        ChannelData {
            state: ChannelState::new(),
            stages: Stages::new(now),
            stats: ChannelStats::new(history),
            reading: Reading::default(),
            runner: None,
            progress: ChannelProgress::default(),
            saves: Saves::default(),
            end: End::default(),
        }
    }

    /// Changes the state by an event, and returns what has to be done.
    pub(super) fn handle(&mut self, event: ChannelEvent, now: Instant) -> Action {
        let before = self.state.phase();
        let action = self.state.handle(event);
        if self.state.phase() != before {
            self.stages.phase_since = now;
        }
        action
    }

    /// Notes what the reader is at.
    pub(super) fn reader_is(&mut self, stage: ReaderStage, now: Instant) {
        self.stages.reader = (stage, now);
    }

    /// What the channel is at, and since when.
    pub(super) fn stage(&self) -> StageSince {
        self.stages.of(self.state)
    }

    /// Whether the channel has been open.
    pub(super) fn was_opened(&self) -> bool {
        self.end.opened_at.is_some()
    }

    /// Notes a failure because of which the channel is to be released; the failure
    /// before it, for the caller to drop without the lock.
    #[must_use]
    pub(super) fn fail(
        &mut self,
        error: TunnelError,
        text: String,
        now: Instant,
    ) -> Option<TunnelError> {
        self.stats.history.work.failed(text, now);
        self.end.failed_as.get_or_insert(error.class());
        self.end.failure.replace(error)
    }

    /// What was read and will not be processed, for the caller to drop without the lock.
    #[must_use]
    pub(super) fn take_unprocessed(&mut self) -> impl Sized + use<> {
        let runner = self.runner.as_mut();
        let current = runner.map(|runner| runner.take_current());
        (mem::take(&mut self.reading.queue), current)
    }

    /// Everything that holds memory or belongs to the program, for the caller to drop
    /// without the lock.
    #[must_use]
    pub(super) fn take_values(&mut self) -> impl Sized + use<> {
        let saves = &mut self.saves;
        let tokens = (mem::take(&mut saves.delivered), mem::take(&mut saves.sent));
        let program = (self.runner.take(), saves.checkpointer.take());
        (mem::take(&mut self.reading), tokens, program)
    }
}
