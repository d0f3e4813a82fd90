//! The contract between a worker and the code that processes its records.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::context::ChannelContext;
use super::outcome::{ProcessError, ProcessResult};
use crate::record::Record;

/// Makes a [`ChannelProcessor`] for every channel that this worker opens.
///
/// Go: `ChannelProcessorFactory`. Most programs use
/// [`SimpleProcessFactory`](crate::processor::factory::SimpleProcessFactory) or
/// [`AsyncProcessFactory`](crate::processor::factory::AsyncProcessFactory) and never implement it.
///
/// The methods run on the channel's own thread, which has a stack of 512 KiB,
/// for many channels at once; they may block without holding up heartbeats or
/// other channels. [`options`](Self::options) alone is asked when the
/// configuration is built.
pub trait ChannelProcessorFactory: Send + Sync {
    /// Makes the processor of one channel, each time the channel is opened.
    ///
    /// # Errors
    ///
    /// An error (or a panic) gives the channel back to the service, which
    /// hands it out again, here or elsewhere.
    fn new_processor(
        &self,
        channel: &ChannelContext,
    ) -> Result<Box<dyn ChannelProcessor>, ProcessError>;

    /// How the processors of this factory are to be served. Asked once, when the
    /// configuration is built. Defaults to [`ProcessorOptions::default`].
    fn options(&self) -> ProcessorOptions {
        ProcessorOptions::default()
    }

    /// What every callback finds in [`ChannelContext::custom_value`]. Asked
    /// once for every channel that is opened. Defaults to none.
    fn custom_value(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// Processes the records of one channel.
///
/// Go: `ChannelProcessor`. A worker calls [`open`](Self::open) once, then
/// [`process`](Self::process) for one batch after the other in the order of
/// the channel, then [`shutdown`](Self::shutdown) once: never two calls at the
/// same time, but not always on the same thread. A panic in any of them is
/// caught, counts as an error and touches this channel only.
pub trait ChannelProcessor: Send {
    /// The channel is about to be read. Runs on the channel's own thread.
    ///
    /// # Errors
    ///
    /// An error gives the channel back; [`shutdown`](Self::shutdown) is not
    /// called then.
    fn open(&mut self, channel: &ChannelContext) -> ProcessResult {
        let _ = channel;
        Ok(())
    }

    /// Deals with one batch. Runs on the shared pool, and may take as long as
    /// it needs: heartbeats go on meanwhile.
    ///
    /// `Ok` means that the batch is done and need not come again. With
    /// [`ProcessorOptions::need_binary_record`] the slice is empty and
    /// [`ChannelContext::binary_records`] holds the batch.
    ///
    /// # Errors
    ///
    /// See [`ProcessError`] for what an error asks for; until the batch is
    /// done its token is not saved.
    fn process(&mut self, channel: &ChannelContext, records: &[Record]) -> ProcessResult;

    /// The channel has been closed: nothing of it comes after this call.
    ///
    /// Called exactly once for every processor whose `open` returned `Ok`,
    /// after its last `process` has returned and, where that is still allowed,
    /// after the last checkpoint has been saved. Runs on a thread of its own.
    fn shutdown(&mut self, channel: &ChannelContext) {
        let _ = channel;
    }
}

/// Who saves the checkpoints of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointMode {
    /// The worker: the token of the last finished batch, at this interval
    /// while there is something new, and when the channel closes.
    Every(Duration),
    /// The processor, with
    /// [`commit_token`](crate::processor::context::ProcessorHandle::commit_token). A channel that
    /// has come to its end stays open until `finished` has been committed.
    ByProcessor,
}

/// How a worker serves the processors of a factory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessorOptions {
    /// Who saves checkpoints. Defaults to the worker, every 10 s
    /// (Go: `CpInterval`, `DefaultCheckpointInterval`).
    pub checkpoint: CheckpointMode,
    /// Hand over the batch as bytes, nothing decoded
    /// (Go: `NeedBinaryRecord`). Defaults to false.
    pub need_binary_record: bool,
    /// Call [`ChannelProcessor::process`] for reads without records too
    /// (Go: `AlwaysCallBack`). Defaults to false.
    pub always_call_back: bool,
    /// How many batches may lie ready behind the one in the callback, beside
    /// one that is being read (Go: `RecordPipePerChannel`). At most 1000.
    /// Defaults to 1.
    pub record_pipe_per_channel: usize,
}

impl Default for ProcessorOptions {
    fn default() -> Self {
        ProcessorOptions {
            checkpoint: CheckpointMode::Every(Duration::from_secs(10)),
            need_binary_record: false,
            always_call_back: false,
            record_pipe_per_channel: 1,
        }
    }
}
