//! Where a callback is: [`ChannelContext`], and the handle to commit with.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::TunnelError;
use crate::limits::parallel::ParallelPermit;
use crate::sync::lease::Ownership;
use crate::sync::stop::Stop;

/// Saves the checkpoints of one channel.
///
/// Go: `Checkpointer`. The worker's own talks to the service, in one request
/// at a time, and repairs a sequence number that no longer matches.
pub trait Checkpointer: fmt::Debug + Send + Sync {
    /// Saves `token` as the place where the channel goes on. Blocks until the
    /// service has answered, retries included; may be called on any thread.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ChannelLost`](crate::ErrorCode::ChannelLost), and nothing
    /// is sent, once the channel is no longer ours. Otherwise the failure of
    /// the last attempt; the token is not saved then.
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError>;
}

/// Who and where: what stays the same while a channel is open.
#[derive(Debug)]
pub(crate) struct ChannelIdentity {
    pub(crate) tunnel_id: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) channel_id: Arc<str>,
    pub(crate) is_stream: bool,
    /// No further batch is taken once it is fired.
    pub(crate) closing: Stop,
    pub(crate) handle: ProcessorHandle,
}

/// What belongs to one batch.
#[derive(Debug, Default)]
pub(crate) struct BatchContext {
    pub(crate) trace_id: String,
    pub(crate) next_token: Arc<str>,
    pub(crate) record_count: usize,
    pub(crate) binary_records: Option<Vec<u8>>,
    pub(crate) attempt: u32,
    pub(crate) parallel_release: ParallelReleaseManager,
}

/// Tells a callback which channel and which batch it is called for.
///
/// Go: `ChannelContext`, with accessors for its fields.
pub struct ChannelContext {
    identity: Arc<ChannelIdentity>,
    custom_value: Option<Arc<dyn Any + Send + Sync>>,
    batch: BatchContext,
}

impl ChannelContext {
    pub(crate) fn new(
        identity: Arc<ChannelIdentity>,
        custom_value: Option<Arc<dyn Any + Send + Sync>>,
    ) -> ChannelContext {
        ChannelContext {
            identity,
            custom_value,
            batch: BatchContext::default(),
        }
    }

    /// The same channel, outside of any batch.
    pub(crate) fn same_channel(&self) -> ChannelContext {
        ChannelContext::new(self.identity.clone(), self.custom_value.clone())
    }

    pub(crate) fn set_batch(&mut self, batch: BatchContext) {
        self.batch = batch;
    }

    pub(crate) fn next_attempt(&mut self) {
        self.batch.attempt += 1;
    }

    /// The tunnel.
    pub fn tunnel_id(&self) -> &str {
        &self.identity.tunnel_id
    }

    /// The id that the service gave to this worker's session.
    pub fn client_id(&self) -> &str {
        &self.identity.client_id
    }

    /// The channel.
    pub fn channel_id(&self) -> &str {
        &self.identity.channel_id
    }

    /// Whether the channel carries changes (true) or base data (false).
    pub fn is_stream_channel(&self) -> bool {
        self.identity.is_stream
    }

    /// The request id of the read that brought this batch, to name to the
    /// service's support; empty outside [`process`](crate::processor::traits::ChannelProcessor::process).
    pub fn trace_id(&self) -> &str {
        &self.batch.trace_id
    }

    /// The token that leads behind this batch:
    /// [`FINISH_TAG`](crate::FINISH_TAG) when nothing follows. What to commit
    /// when all records up to and including this batch are dealt with. Empty
    /// outside [`process`](crate::processor::traits::ChannelProcessor::process).
    pub fn next_token(&self) -> &str {
        &self.batch.next_token
    }

    /// How many records the batch has.
    pub fn record_count(&self) -> usize {
        self.batch.record_count
    }

    /// The batch as bytes, where the factory asked for binary records.
    pub fn binary_records(&self) -> Option<&[u8]> {
        self.batch.binary_records.as_deref()
    }

    /// How many times this batch has been given to the callback before this
    /// call: 0 the first time.
    pub fn attempt(&self) -> u32 {
        self.batch.attempt
    }

    /// The factory's custom value, if it has one of this type.
    pub fn custom_value<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.custom_value.as_deref()?.downcast_ref()
    }

    /// The handle to commit tokens with; clone it to commit from elsewhere.
    pub fn processor(&self) -> &ProcessorHandle {
        &self.identity.handle
    }

    /// The handle to give the channel's place back with, where
    /// [`need_manual_release`](crate::TunnelWorkerConfigBuilder::need_manual_release)
    /// was asked for; clone it to release from elsewhere. Go:
    /// `ParallelReleaseManager`, which is nil where there is nothing to release.
    pub fn parallel_release(&self) -> &ParallelReleaseManager {
        &self.batch.parallel_release
    }

    /// Whether the channel is being given back or was lost: a long callback
    /// may use this to end early with an error, the batch comes again.
    pub fn is_closing(&self) -> bool {
        self.identity.closing.is_triggered()
    }

    /// Whether a checkpoint may still be saved, as
    /// [`commit_token`](ProcessorHandle::commit_token) sees it: false once the
    /// channel is lost, and while no heartbeat has been answered for so long
    /// that the service may have given the channel away.
    pub fn may_checkpoint(&self) -> bool {
        self.identity.handle.may_checkpoint()
    }
}

impl fmt::Debug for ChannelContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelContext")
            .field("identity", &self.identity)
            .field("trace_id", &self.batch.trace_id)
            .field("record_count", &self.batch.record_count)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ChannelContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TunnelId {}, ClientId {}, ChannelId {}",
            self.tunnel_id(),
            self.client_id(),
            self.channel_id()
        )
    }
}

/// Commits tokens of one channel. Clones are cheap and may outlive the channel.
///
/// Go: the `ChannelProcessor` in `ChannelContext.Processor`.
#[derive(Clone, Debug)]
pub struct ProcessorHandle {
    checkpointer: Arc<dyn Checkpointer>,
    ownership: Ownership,
}

impl ProcessorHandle {
    pub(crate) fn new(checkpointer: Arc<dyn Checkpointer>, ownership: Ownership) -> Self {
        ProcessorHandle {
            checkpointer,
            ownership,
        }
    }

    /// Saves `token` (a [`ChannelContext::next_token`], `finished` included)
    /// as the place where the channel goes on. Blocks until the service has
    /// answered; may be called on any thread, also late.
    ///
    /// Go: `CommitToken`.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ChannelLost`](crate::ErrorCode::ChannelLost), and nothing
    /// is sent, once the channel is no longer ours: another worker goes on
    /// from the last token that was saved. Otherwise the failure of the last
    /// attempt; the token can be committed again.
    pub fn commit_token(&self, token: &str) -> Result<(), TunnelError> {
        self.checkpointer.checkpoint(token)
    }

    fn may_checkpoint(&self) -> bool {
        self.ownership.holds()
    }
}

/// Gives back the place that a channel takes up among those that read and
/// process at once. Clones are cheap and may outlive the channel.
///
/// Go: `ParallelReleaseManager`. Belongs to the place that the batch was read
/// with: a handle that is used late does nothing to a place that the channel
/// has taken since.
#[derive(Clone, Debug, Default)]
pub struct ParallelReleaseManager {
    /// Weak: a handle that is kept must not keep the place.
    place: Weak<ParallelPermit>,
}

impl ParallelReleaseManager {
    pub(crate) fn new(place: Option<&Arc<ParallelPermit>>) -> ParallelReleaseManager {
        ParallelReleaseManager {
            place: place.map(Arc::downgrade).unwrap_or_default(),
        }
    }

    /// Lets another channel in, while the callback goes on; the channel itself
    /// reads again when the callback has returned and it has got another
    /// place. May be called on any thread; never blocks.
    ///
    /// False if there was nothing to give back: it has been done before, the
    /// channel is closed, or places are not released by hand. Go: `Release`.
    pub fn release(&self) -> bool {
        self.place.upgrade().is_some_and(|place| place.release())
    }
}
