//! How channels are read: how many at once, how far ahead, how much at a time.

use super::worker::TunnelWorkerConfigBuilder;
use crate::error::TunnelError;
use crate::processor::ProcessorOptions;

const DEFAULT_MEMORY_BUDGET: usize = 256 << 20;
const DEFAULT_BYTES_PER_ROUND: usize = 4 << 20;

/// How many batches may lie ready for one callback: their places are made when
/// the channel is opened.
const MOST_READY: usize = 1000;

/// What is set about reading.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) memory_budget: usize,
    /// None: unlimited.
    pub(crate) max_channel_parallel: Option<usize>,
    pub(crate) need_manual_release: bool,
    pub(crate) sync_read_records: bool,
    pub(crate) max_times_per_round: usize,
    pub(crate) max_bytes_per_round: usize,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading {
            memory_budget: DEFAULT_MEMORY_BUDGET,
            max_channel_parallel: None,
            need_manual_release: false,
            sync_read_records: false,
            max_times_per_round: 1,
            max_bytes_per_round: DEFAULT_BYTES_PER_ROUND,
        }
    }
}

impl Reading {
    /// How many batches a channel may hold, if `ready` may lie between the
    /// reader and the callback.
    pub(crate) fn batches_per_channel(&self, ready: usize) -> usize {
        // A batch that was read ahead would have to be processed without the
        // place that its predecessor's callback has released.
        if self.sync_read_records || self.need_manual_release {
            return 1;
        }
        // One in the callback, and one being read or in the reader's hand.
        ready + 2
    }

    pub(super) fn check(&self, options: &ProcessorOptions) -> Result<(), TunnelError> {
        let problems = [
            (
                options.record_pipe_per_channel > MOST_READY,
                "record_pipe_per_channel is more than 1000; read_max_times_per_round makes batches larger",
            ),
            (
                self.memory_budget == 0,
                "memory_budget is 0; nothing could be read, 4 MiB or more lets one channel read",
            ),
            (
                self.max_channel_parallel == Some(0),
                "max_channel_parallel is 0; no channel could be read, leave it unset for unlimited",
            ),
            (
                self.need_manual_release && self.max_channel_parallel.is_none(),
                "need_manual_release is set without max_channel_parallel; there is nothing to release while channels are unlimited",
            ),
            (
                self.max_times_per_round == 0,
                "read_max_times_per_round is 0; a round is one read at least",
            ),
            (
                self.max_bytes_per_round == 0,
                "read_max_bytes_per_round is 0; a round takes what its first read brings, so at least 1",
            ),
        ];
        match problems.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, problem)) => Err(TunnelError::client(problem)),
            None => Ok(()),
        }
    }
}

impl TunnelWorkerConfigBuilder {
    /// How many bytes may have been read and not yet processed, over all
    /// workers of this configuration. Defaults to 256 MiB.
    ///
    /// Channels that would need more wait, in the order in which they came,
    /// until callbacks are done. Each read sets 4 MiB aside, or as much as the
    /// largest answer of its channel so far; of a channel that had nothing the
    /// last time 64 KiB. When an answer turns out larger and
    /// there is no room for it, it is read again as soon as there is. An answer
    /// that is larger than the whole budget is still delivered, while nothing
    /// else is in memory. Counted are the bodies of answers from the read until
    /// the callback has returned `Ok` or the channel is closed, not records that
    /// the program keeps for longer. The index of 64 bytes per record that a
    /// callback's slice is counts as well, from the read on; since the head of an
    /// answer does not announce it, it can exceed the budget by one answer's index
    /// per channel. An open channel takes
    /// 64 KiB by itself, mostly for its thread: these count too, up to half of the
    /// budget.
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.reading.memory_budget = bytes;
        self
    }

    /// How many channels of one worker read and process at once, at most (Go:
    /// `MaxChannelParallel`, where 0 stands for unlimited). Defaults to
    /// unlimited.
    ///
    /// A channel takes its place before it reads and gives it back when the
    /// batch is processed, a batch that waits for its next attempt included.
    /// While nobody waits for its place a channel goes on and reads ahead. As
    /// in Go every worker counts for itself: two workers of one configuration
    /// have so many places each, and so has the worker that a daemon makes
    /// after a lost session, whose last callbacks may still run.
    pub fn max_channel_parallel(mut self, channels: usize) -> Self {
        self.reading.max_channel_parallel = Some(channels);
        self
    }

    /// Leaves it to the callback to give the channel's place back (Go:
    /// `NeedManualRelease`), with
    /// [`ctx.parallel_release().release()`](crate::ParallelReleaseManager::release).
    /// Defaults to false.
    ///
    /// Until then the channel keeps its place, over as many batches as the
    /// callback likes; a read that brings nothing to call back for, and the
    /// end of the channel, give it back as well. There is no read-ahead then,
    /// as with [`sync_read_records`](Self::sync_read_records). Needs
    /// [`max_channel_parallel`](Self::max_channel_parallel).
    pub fn need_manual_release(mut self, manual: bool) -> Self {
        self.reading.need_manual_release = manual;
        self
    }

    /// No read-ahead: a channel is read again only when its batch has been
    /// processed (Go: `SyncReadRecords`), whatever the factory's
    /// `record_pipe_per_channel` says. Defaults to false.
    pub fn sync_read_records(mut self, sync: bool) -> Self {
        self.reading.sync_read_records = sync;
        self
    }

    /// How many reads are joined into the batch of one callback, at most, as
    /// long as each brings as much as it can (Java: `readMaxTimesPerRound`).
    /// At least 1. Defaults to 1.
    ///
    /// The joined batch has the records of all reads, the token of the last
    /// and its trace id. A round ends early rather than wait for the
    /// [`memory_budget`](Self::memory_budget).
    pub fn read_max_times_per_round(mut self, reads: usize) -> Self {
        self.reading.max_times_per_round = reads;
        self
    }

    /// From how many bytes on nothing more is joined to a batch (Java:
    /// `readMaxBytesPerRound`); the last read can bring it above. At least 1.
    /// Defaults to 4 MiB.
    pub fn read_max_bytes_per_round(mut self, bytes: usize) -> Self {
        self.reading.max_bytes_per_round = bytes;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_a_channel_may_hold() {
        for (sync, manual, ready, batches) in [
            (false, false, 0, 2),
            (false, false, 1, 3),
            (false, false, 7, 9),
            (true, false, 7, 1),
            (false, true, 7, 1),
        ] {
            let reading = Reading {
                sync_read_records: sync,
                need_manual_release: manual,
                ..Reading::default()
            };
            assert_eq!(reading.batches_per_channel(ready), batches);
        }
    }
}
