//! The two factories that are sufficient for most programs. They take a callback, and
//! differ in who saves the checkpoints.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::context::ChannelContext;
use super::outcome::{ProcessError, ProcessResult};
use super::traits::{ChannelProcessor, ChannelProcessorFactory, CheckpointMode, ProcessorOptions};
use crate::record::Record;

type Process = Box<dyn FnMut(&ChannelContext, &[Record]) -> ProcessResult + Send>;
type MakeProcess = Arc<dyn Fn(&ChannelContext) -> Result<Process, ProcessError> + Send + Sync>;
type Open = Arc<dyn Fn(&ChannelContext) -> ProcessResult + Send + Sync>;
type Shutdown = Arc<dyn Fn(&ChannelContext) + Send + Sync>;

/// The contents of both factories.
#[derive(Clone)]
struct Callbacks {
    make_process: MakeProcess,
    channel_open: Option<Open>,
    shutdown: Option<Shutdown>,
    custom_value: Option<Arc<dyn Any + Send + Sync>>,
    options: ProcessorOptions,
}

impl Callbacks {
    fn new<F>(process: F) -> Callbacks
    where
        F: FnMut(&ChannelContext, &[Record]) -> ProcessResult + Clone + Send + Sync + 'static,
    {
        Callbacks::per_channel(move |_| Ok(process.clone()))
    }

    fn per_channel<M, F>(make: M) -> Callbacks
    where
        M: Fn(&ChannelContext) -> Result<F, ProcessError> + Send + Sync + 'static,
        F: FnMut(&ChannelContext, &[Record]) -> ProcessResult + Send + 'static,
    {
        Callbacks {
            make_process: Arc::new(move |channel| Ok(Box::new(make(channel)?))),
            channel_open: None,
            shutdown: None,
            custom_value: None,
            options: ProcessorOptions::default(),
        }
    }

    fn processor(
        &self,
        channel: &ChannelContext,
    ) -> Result<Box<dyn ChannelProcessor>, ProcessError> {
        Ok(Box::new(CallbackProcessor {
            process: (self.make_process)(channel)?,
            channel_open: self.channel_open.clone(),
            shutdown: self.shutdown.clone(),
        }))
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The callbacks of one channel.
struct CallbackProcessor {
    process: Process,
    channel_open: Option<Open>,
    shutdown: Option<Shutdown>,
}

impl ChannelProcessor for CallbackProcessor {
    fn open(&mut self, channel: &ChannelContext) -> ProcessResult {
        self.channel_open
            .as_ref()
            .map_or(Ok(()), |open| open(channel))
    }

    fn process(&mut self, channel: &ChannelContext, records: &[Record]) -> ProcessResult {
        (self.process)(channel, records)
    }

    fn shutdown(&mut self, channel: &ChannelContext) {
        if let Some(shutdown) = &self.shutdown {
            shutdown(channel);
        }
    }
}

/// Defines one of the two factories. A macro, because they have the same methods and must
/// be different public types.
macro_rules! factory {
    ($(#[$doc:meta])* $name:ident, $mode:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Callbacks);

        impl $name {
            /// Creates a factory that calls `process` for every batch (Go:
            /// `ProcessFunc`). Every channel has its own clone of `process`. See
            /// [`ChannelProcessor::process`] for the contract of the callback.
            pub fn new<F>(process: F) -> Self
            where
                F: FnMut(&ChannelContext, &[Record]) -> ProcessResult + Clone + Send + Sync + 'static,
            {
                $name(Callbacks::new(process)).with_mode()
            }

            /// Creates a factory that calls `make` for a new callback each time a
            /// channel is opened: for callbacks that cannot be cloned.
            ///
            /// `make` runs on the channel's own thread. If it returns an error, the
            /// worker releases the channel.
            pub fn per_channel<M, F>(make: M) -> Self
            where
                M: Fn(&ChannelContext) -> Result<F, ProcessError> + Send + Sync + 'static,
                F: FnMut(&ChannelContext, &[Record]) -> ProcessResult + Send + 'static,
            {
                $name(Callbacks::per_channel(make)).with_mode()
            }

            /// Sets the value that callbacks get from
            /// [`ChannelContext::custom_value`] (Go: `CustomValue`). Defaults to `None`.
            pub fn custom_value<T: Any + Send + Sync>(mut self, value: T) -> Self {
                self.0.custom_value = Some(Arc::new(value));
                self
            }

            /// Sets a callback that runs before the first read of a channel (Go:
            /// `ChannelOpenFunc`). See [`ChannelProcessor::open`]. Defaults to none.
            pub fn channel_open<F>(mut self, open: F) -> Self
            where
                F: Fn(&ChannelContext) -> ProcessResult + Send + Sync + 'static,
            {
                self.0.channel_open = Some(Arc::new(open));
                self
            }

            /// Sets a callback that runs once when a channel has been closed (Go:
            /// `ShutdownFunc`). See [`ChannelProcessor::shutdown`]. Defaults to none.
            pub fn shutdown<F>(mut self, shutdown: F) -> Self
            where
                F: Fn(&ChannelContext) + Send + Sync + 'static,
            {
                self.0.shutdown = Some(Arc::new(shutdown));
                self
            }

            /// Sets whether batches are passed as bytes (Go: `NeedBinaryRecord`). See
            /// [`ChannelContext::binary_records`]. Defaults to false.
            pub fn need_binary_record(mut self, need: bool) -> Self {
                self.0.options.need_binary_record = need;
                self
            }

            /// Sets whether the callback also runs for reads without records (Go:
            /// `AlwaysCallBack`). Defaults to false.
            pub fn always_call_back(mut self, always: bool) -> Self {
                self.0.options.always_call_back = always;
                self
            }

            /// Sets the maximum number of batches that wait for the callback, in
            /// addition to one batch being processed and one being read (Go:
            /// `RecordPipePerChannel`). With 0, the batch that was read waits for the
            /// callback to return. At most 1000. Defaults to 1.
            pub fn record_pipe_per_channel(mut self, batches: usize) -> Self {
                self.0.options.record_pipe_per_channel = batches;
                self
            }

            fn with_mode(mut self) -> Self {
                self.0.options.checkpoint = $mode;
                self
            }
        }

        impl ChannelProcessorFactory for $name {
            fn new_processor(
                &self,
                channel: &ChannelContext,
            ) -> Result<Box<dyn ChannelProcessor>, ProcessError> {
                self.0.processor(channel)
            }

            fn options(&self) -> ProcessorOptions {
                self.0.options.clone()
            }

            fn custom_value(&self) -> Option<Arc<dyn Any + Send + Sync>> {
                self.0.custom_value.clone()
            }
        }
    };
}

const DEFAULT_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

factory! {
    /// Runs a callback for every batch; the worker saves the checkpoints.
    ///
    /// Go: `SimpleProcessFactory`. The token of a batch is saved only after the callback
    /// has returned `Ok`.
    ///
    /// ```
    /// use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory};
    ///
    /// let factory = SimpleProcessFactory::new(|ctx: &ChannelContext, records: &[Record]| {
    ///     for record in records {
    ///         println!("{} {record}", ctx.channel_id());
    ///     }
    ///     Ok(())
    /// });
    /// ```
    SimpleProcessFactory,
    CheckpointMode::Every(DEFAULT_CHECKPOINT_INTERVAL)
}

impl SimpleProcessFactory {
    /// Sets the interval at which a channel with a new token saves its checkpoint (Go:
    /// `CpInterval`). Defaults to 10 s.
    ///
    /// The worker also saves the checkpoint when the channel closes. A short interval
    /// costs requests; a long one means more duplicates after a crash. Zero saves after
    /// every batch, [`Duration::MAX`] only when the channel closes.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.0.options.checkpoint = CheckpointMode::Every(interval);
        self
    }
}

factory! {
    /// Runs a callback for every batch; the program saves the checkpoints.
    ///
    /// Go: `AsyncProcessFactory`. When all records up to and including a batch are
    /// processed, commit [`ctx.next_token()`](ChannelContext::next_token) with
    /// [`ctx.processor().commit_token(..)`](crate::processor::context::ProcessorHandle::commit_token),
    /// from any thread. Commit the token `finished` as well: a channel at its end stays
    /// open until then.
    AsyncProcessFactory,
    CheckpointMode::ByProcessor
}
