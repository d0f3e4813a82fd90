//! The contract between a worker and the code that processes its records.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::context::ChannelContext;
use super::outcome::{ProcessError, ProcessResult};
use crate::record::Record;

/// Creates a [`ChannelProcessor`] for every channel that this worker opens.
///
/// Go: `ChannelProcessorFactory`. Most programs use
/// [`SimpleProcessFactory`](crate::processor::factory::SimpleProcessFactory) or
/// [`AsyncProcessFactory`](crate::processor::factory::AsyncProcessFactory) and never implement it.
///
/// The methods run on the channel's own thread, which has a stack of 256 KiB. Many
/// channels may call them at the same time. They may block without delaying heartbeats
/// or other channels. Only [`options`](Self::options) is called elsewhere: on the thread
/// that builds the configuration.
pub trait ChannelProcessorFactory: Send + Sync {
    /// Creates the processor of a channel, each time the channel is opened.
    ///
    /// # Errors
    ///
    /// After an error or a panic, the worker releases the channel to the service. The
    /// service assigns it again, to this worker or another one.
    fn new_processor(
        &self,
        channel: &ChannelContext,
    ) -> Result<Box<dyn ChannelProcessor>, ProcessError>;

    /// The options for the processors of this factory. Called once, when the
    /// configuration is built. Defaults to [`ProcessorOptions::default`].
    fn options(&self) -> ProcessorOptions {
        ProcessorOptions::default()
    }

    /// The value that callbacks get from [`ChannelContext::custom_value`]. Called once
    /// for every channel that is opened. Defaults to `None`.
    fn custom_value(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// Processes the records of one channel.
///
/// Go: `ChannelProcessor`. A worker calls [`open`](Self::open) once, then
/// [`process`](Self::process) for each batch in the order of the channel, then
/// [`shutdown`](Self::shutdown) once. Calls never overlap, but may run on different
/// threads. A panic in a method is caught, counts as an error, and affects this channel
/// only.
pub trait ChannelProcessor: Send {
    /// Called before the first read of the channel, on the channel's own thread.
    ///
    /// # Errors
    ///
    /// After an error, the worker releases the channel, and does not call
    /// [`shutdown`](Self::shutdown).
    fn open(&mut self, channel: &ChannelContext) -> ProcessResult {
        let _ = channel;
        Ok(())
    }

    /// Processes one batch. Runs on the shared pool, and may take any time: heartbeats
    /// continue meanwhile.
    ///
    /// `Ok` means that the batch is processed and must not be delivered again. With
    /// [`ProcessorOptions::need_binary_record`], the slice is empty, and
    /// [`ChannelContext::binary_records`] returns the batch.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] describes how the worker reacts to an error. The token of a batch
    /// is not saved before the batch is processed.
    fn process(&mut self, channel: &ChannelContext, records: &[Record]) -> ProcessResult;

    /// Called when the channel is closed. It is the last call to the processor.
    ///
    /// Called exactly once for every processor whose `open` returned `Ok`, after its last
    /// `process` has returned. If the worker may still save a checkpoint, it does so
    /// before this call. Runs on a separate thread.
    fn shutdown(&mut self, channel: &ChannelContext) {
        let _ = channel;
    }
}

/// Who saves the checkpoints of a channel: the worker or the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointMode {
    /// The worker saves the token of the last processed batch: at this interval if there
    /// is a new token, and when the channel closes.
    Every(Duration),
    /// The processor saves tokens with
    /// [`commit_token`](crate::processor::context::ProcessorHandle::commit_token). A
    /// channel at its end stays open until `finished` has been committed.
    ByProcessor,
}

/// Options for the processors of a factory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessorOptions {
    /// Who saves checkpoints (Go: `CpInterval`, `DefaultCheckpointInterval`). Defaults to
    /// the worker, every 10 s.
    pub checkpoint: CheckpointMode,
    /// Pass batches as bytes, without decoding them (Go: `NeedBinaryRecord`). Defaults to
    /// false.
    pub need_binary_record: bool,
    /// Call [`ChannelProcessor::process`] for reads without records as well (Go:
    /// `AlwaysCallBack`). Defaults to false.
    pub always_call_back: bool,
    /// Maximum number of batches that wait for the callback, in addition to one batch
    /// being processed and one being read (Go: `RecordPipePerChannel`). At most 1000.
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
