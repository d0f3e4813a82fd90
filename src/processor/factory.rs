//! The two factories that most programs need: a callback, and who checkpoints.

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

/// What both factories are made of.
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

/// One channel's callbacks.
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

/// Defines one of the two factories: they differ in who checkpoints.
macro_rules! factory {
    ($(#[$doc:meta])* $name:ident, $mode:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Callbacks);

        impl $name {
            /// A factory that gives every channel its own clone of `process`
            /// (Go: `ProcessFunc`). See [`ChannelProcessor::process`] for the
            /// contract of the callback.
            pub fn new<F>(process: F) -> Self
            where
                F: FnMut(&ChannelContext, &[Record]) -> ProcessResult + Clone + Send + Sync + 'static,
            {
                $name(Callbacks::new(process)).with_mode()
            }

            /// A factory that asks `make` for a callback each time a channel
            /// is opened: for callbacks that own what cannot be cloned. `make`
            /// runs on the channel's own thread; its error gives the channel
            /// back.
            pub fn per_channel<M, F>(make: M) -> Self
            where
                M: Fn(&ChannelContext) -> Result<F, ProcessError> + Send + Sync + 'static,
                F: FnMut(&ChannelContext, &[Record]) -> ProcessResult + Send + 'static,
            {
                $name(Callbacks::per_channel(make)).with_mode()
            }

            /// A value that every callback finds in
            /// [`ChannelContext::custom_value`] (Go: `CustomValue`). Defaults to none.
            pub fn custom_value<T: Any + Send + Sync>(mut self, value: T) -> Self {
                self.0.custom_value = Some(Arc::new(value));
                self
            }

            /// Called before the first read of a channel (Go:
            /// `ChannelOpenFunc`); see [`ChannelProcessor::open`]. Defaults to none.
            pub fn channel_open<F>(mut self, open: F) -> Self
            where
                F: Fn(&ChannelContext) -> ProcessResult + Send + Sync + 'static,
            {
                self.0.channel_open = Some(Arc::new(open));
                self
            }

            /// Called once when a channel has been closed (Go: `ShutdownFunc`);
            /// see [`ChannelProcessor::shutdown`]. Defaults to none.
            pub fn shutdown<F>(mut self, shutdown: F) -> Self
            where
                F: Fn(&ChannelContext) + Send + Sync + 'static,
            {
                self.0.shutdown = Some(Arc::new(shutdown));
                self
            }

            /// Hand over batches as bytes (Go: `NeedBinaryRecord`), see
            /// [`ChannelContext::binary_records`]. Defaults to false.
            pub fn need_binary_record(mut self, need: bool) -> Self {
                self.0.options.need_binary_record = need;
                self
            }

            /// Call back for reads without records too (Go: `AlwaysCallBack`).
            /// Defaults to false.
            pub fn always_call_back(mut self, always: bool) -> Self {
                self.0.options.always_call_back = always;
                self
            }

            /// Batches that may lie ready behind the one in the callback, beside
            /// one that is being read; with 0 that one waits for the callback
            /// (Go: `RecordPipePerChannel`). At most 1000. Defaults to 1.
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
    /// Calls back for every batch and saves the checkpoints by itself.
    ///
    /// Go: `SimpleProcessFactory`. The token of a batch is saved only after
    /// its callback has returned `Ok`.
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
    /// How often a channel with something new saves its checkpoint (Go:
    /// `CpInterval`). It is saved when the channel closes in any case. Short
    /// intervals cost requests, long ones duplicates after a crash. Zero saves
    /// after every batch. Defaults to 10 s.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.0.options.checkpoint = CheckpointMode::Every(interval);
        self
    }
}

factory! {
    /// Calls back for every batch and leaves the checkpoints to the program.
    ///
    /// Go: `AsyncProcessFactory`. Commit
    /// [`ctx.next_token()`](ChannelContext::next_token) with
    /// [`ctx.processor().commit_token(..)`](crate::processor::context::ProcessorHandle::commit_token)
    /// when everything up to it is done, from any thread, `finished` included:
    /// a channel that has come to its end stays open until that is committed.
    AsyncProcessFactory,
    CheckpointMode::ByProcessor
}
