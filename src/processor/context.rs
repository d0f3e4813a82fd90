//! [`ChannelContext`]: the channel and batch of a callback, and the handle to commit
//! tokens.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::TunnelError;
use crate::limits::parallel::ParallelPermit;
use crate::user_code::UserValue;

/// Saves the checkpoints of one channel.
///
/// Go: `Checkpointer`. The worker's own implementation sends one request at a time to the
/// service. If the sequence number does not match although the stored token is its own, it
/// corrects the number. It never overwrites the token of another owner of the channel.
pub trait Checkpointer: fmt::Debug + Send + Sync {
    /// Saves `token` as the position from which the channel continues. Blocks until the
    /// service has responded: temporary failures are retried for up to 35 s. May be called
    /// on any thread.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ChannelLost`](crate::ErrorCode::ChannelLost), without a request, if
    /// the worker has lost the channel. Otherwise the error of the last attempt; the token
    /// is not saved then.
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError>;
}

/// The part of the context that does not change while a channel is open.
#[derive(Debug)]
pub(crate) struct ChannelIdentity {
    pub(crate) tunnel_id: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) channel_id: Arc<str>,
    pub(crate) is_stream: bool,
    pub(crate) handle: ProcessorHandle,
}

/// The part of the context that belongs to one batch.
#[derive(Debug, Default)]
pub(crate) struct BatchContext {
    pub(crate) trace_id: String,
    pub(crate) next_token: Arc<str>,
    pub(crate) record_count: usize,
    pub(crate) binary_records: Option<Vec<u8>>,
    pub(crate) attempt: u32,
    pub(crate) parallel_release: ParallelReleaseManager,
}

/// The channel and the batch for which a callback is called.
///
/// Go: `ChannelContext`; its fields are methods here.
pub struct ChannelContext {
    identity: Arc<ChannelIdentity>,
    custom_value: Option<UserValue<Arc<dyn Any + Send + Sync>>>,
    batch: BatchContext,
}

impl ChannelContext {
    pub(crate) fn new(
        identity: Arc<ChannelIdentity>,
        custom_value: Option<UserValue<Arc<dyn Any + Send + Sync>>>,
    ) -> ChannelContext {
        ChannelContext {
            identity,
            custom_value,
            batch: BatchContext::default(),
        }
    }

    /// A context for the same channel, without a batch.
    pub(crate) fn same_channel(&self) -> ChannelContext {
        ChannelContext::new(self.identity.clone(), self.custom_value.clone())
    }

    pub(crate) fn set_batch(&mut self, batch: BatchContext) {
        self.batch = batch;
    }

    pub(crate) fn next_attempt(&mut self) {
        self.batch.attempt += 1;
    }

    /// Id of the tunnel.
    pub fn tunnel_id(&self) -> &str {
        &self.identity.tunnel_id
    }

    /// Id that the service assigned to this worker's session.
    pub fn client_id(&self) -> &str {
        &self.identity.client_id
    }

    /// Id of the channel.
    pub fn channel_id(&self) -> &str {
        &self.identity.channel_id
    }

    /// Whether the channel delivers changes (true) or base data (false).
    pub fn is_stream_channel(&self) -> bool {
        self.identity.is_stream
    }

    /// Request id of the read that returned this batch; quote it when you contact the
    /// service's support. Empty outside
    /// [`process`](crate::processor::traits::ChannelProcessor::process).
    pub fn trace_id(&self) -> &str {
        &self.batch.trace_id
    }

    /// The token that points just past this batch; [`FINISH_TAG`](crate::FINISH_TAG) if
    /// nothing follows. Commit it when all records up to and including this batch are
    /// processed. Empty outside
    /// [`process`](crate::processor::traits::ChannelProcessor::process).
    pub fn next_token(&self) -> &str {
        &self.batch.next_token
    }

    /// Number of records in the batch.
    pub fn record_count(&self) -> usize {
        self.batch.record_count
    }

    /// The batch as bytes; `None` unless the factory requests binary records.
    pub fn binary_records(&self) -> Option<&[u8]> {
        self.batch.binary_records.as_deref()
    }

    /// Number of earlier calls of the callback for this batch; 0 in the first call.
    pub fn attempt(&self) -> u32 {
        self.batch.attempt
    }

    /// The custom value of the factory; `None` if it has no value of this type.
    pub fn custom_value<T: Any + Send + Sync>(&self) -> Option<&T> {
        (***self.custom_value.as_ref()?).downcast_ref()
    }

    /// The handle to commit tokens. Clone it to commit on another thread.
    pub fn processor(&self) -> &ProcessorHandle {
        &self.identity.handle
    }

    /// The handle to release the channel's parallelism permit, if
    /// [`need_manual_release`](crate::TunnelWorkerConfigBuilder::need_manual_release) is
    /// set. Clone it to release on another thread. Go: `ParallelReleaseManager`, which is
    /// nil if there is nothing to release.
    pub fn parallel_release(&self) -> &ParallelReleaseManager {
        &self.batch.parallel_release
    }

    /// Whether the worker is releasing the channel, or has lost it. A long callback can
    /// check this to return early with an error; the batch will be delivered again.
    pub fn is_closing(&self) -> bool {
        self.identity.handle.0.is_closing()
    }

    /// Whether [`commit_token`](ProcessorHandle::commit_token) may still save a
    /// checkpoint. False if the channel is lost, and while heartbeats have failed for so
    /// long that the service may have reassigned the channel.
    pub fn may_checkpoint(&self) -> bool {
        self.identity.handle.0.may_checkpoint()
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
pub struct ProcessorHandle(Arc<dyn Commit>);

/// What a handle may do with its channel.
pub(crate) trait Commit: fmt::Debug + Send + Sync {
    /// Refuses a token that is older than one that was committed before.
    fn commit(&self, token: &str) -> Result<(), TunnelError>;

    /// Saves any token.
    fn rewind_to(&self, token: &str) -> Result<(), TunnelError>;

    /// Whether the channel closes, or is closed: no further batch is processed.
    fn is_closing(&self) -> bool;

    /// Whether a token may be saved.
    fn may_checkpoint(&self) -> bool;
}

impl ProcessorHandle {
    pub(crate) fn new(channel: Arc<dyn Commit>) -> Self {
        ProcessorHandle(channel)
    }

    /// Saves `token` as the position from which the channel continues. The token is a
    /// [`ChannelContext::next_token`], and may be `finished`.
    ///
    /// Blocks until the service has responded, for up to 35 s of retries. May be called on
    /// any thread, also after the callback has returned.
    ///
    /// Commit tokens in the order in which their batches were delivered: a token that is
    /// older than one that was committed before is refused, because it would move the
    /// checkpoint back and records would be delivered again. The last token may be
    /// committed again. A token that this session never delivered (or more than 65 536
    /// batches ago) is saved as it is; the
    /// [`ChannelReport`](crate::ChannelReport) then cannot say how many records will be
    /// delivered again.
    ///
    /// Go: `CommitToken`, which saves any token.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ChannelLost`](crate::ErrorCode::ChannelLost), without a request, if
    /// the worker has lost the channel: another worker continues from the last saved
    /// token. [`ErrorCode::CheckpointOutOfOrder`](crate::ErrorCode::CheckpointOutOfOrder),
    /// without a request, if a newer token was committed before. Otherwise the error of
    /// the last attempt; the token can be committed again.
    pub fn commit_token(&self, token: &str) -> Result<(), TunnelError> {
        self.0.commit(token)
    }

    /// Saves `token` even if a newer one was committed before: whoever opens the channel
    /// next reads again from there. The channel itself reads on where it is.
    ///
    /// Meant for programs that commit by themselves
    /// ([`AsyncProcessFactory`](crate::AsyncProcessFactory)). With
    /// [`SimpleProcessFactory`](crate::SimpleProcessFactory), the worker moves the
    /// checkpoint forward again when it saves the next processed batch.
    ///
    /// # Errors
    ///
    /// As [`commit_token`](Self::commit_token), but never `CheckpointOutOfOrder`.
    pub fn rewind_to(&self, token: &str) -> Result<(), TunnelError> {
        self.0.rewind_to(token)
    }
}

/// Releases the parallelism permit of a channel, which limits how many channels read and
/// process at the same time. Clones are cheap and may outlive the channel.
///
/// Go: `ParallelReleaseManager`. A handle belongs to the permit with which its batch was
/// read. It cannot release a permit that the channel acquired later.
#[derive(Clone, Debug, Default)]
pub struct ParallelReleaseManager {
    /// Weak, because a handle that the program keeps must not hold the permit.
    permit: Weak<ParallelPermit>,
}

impl ParallelReleaseManager {
    pub(crate) fn new(permit: Option<&Arc<ParallelPermit>>) -> ParallelReleaseManager {
        ParallelReleaseManager {
            permit: permit.map(Arc::downgrade).unwrap_or_default(),
        }
    }

    /// Releases the permit, so that another channel can start while this callback
    /// continues. May be called on any thread; never blocks. Go: `Release`.
    ///
    /// The channel itself reads again when the callback has returned and the channel has
    /// acquired a new permit.
    ///
    /// Returns false if there was nothing to release: the permit was released before, the
    /// channel is closed, or manual release is not configured.
    pub fn release(&self) -> bool {
        self.permit.upgrade().is_some_and(|permit| permit.release())
    }
}
