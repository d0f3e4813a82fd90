//! What stands between a channel and the service, for who wants to change it.

use bytes::Bytes;
use prost::Message;

use super::context::ChannelContext;
use super::outcome::ProcessError;
use crate::error::TunnelError;
use crate::protocol;
use crate::record::{OwnedRecord, RawBatch, Record};

/// Makes the connection that each opened channel is read through.
///
/// Go: `ChannelDialer`. The worker's own connection sends the reads to the
/// service; a dialer wraps it (to measure, to slow down, to record), or puts
/// another in its place (a test's). Set by
/// [`channel_dialer`](crate::TunnelWorkerConfigBuilder::channel_dialer). Unlike
/// in Go, a connection only reads: what the service says of a channel, closing
/// and reporting stay with the worker, whose promises hold with any dialer.
pub trait ChannelDialer: Send + Sync {
    /// Makes the connection of one channel, each time it is opened, after its
    /// processor. Runs on the channel's own thread and may block.
    ///
    /// # Errors
    ///
    /// An error (or a panic) closes the channel, which comes back from its
    /// last checkpoint.
    fn dial(
        &self,
        channel: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError>;
}

/// Reads one channel.
///
/// Go: `ChannelConn`. All calls come from the channel's own thread, one at a
/// time, in the order of the channel; the connection is dropped there when
/// nothing more is to be read.
pub trait ChannelConn: Send {
    /// Reads the records behind `token`. May block; nobody waits for it when
    /// the channel closes meanwhile, and its answer is thrown away then.
    ///
    /// An answer without records means that there are none now; a stream
    /// channel is then read again after a pause. The token
    /// [`FINISH_TAG`](crate::FINISH_TAG) ends the channel.
    ///
    /// # Errors
    ///
    /// Any error closes the channel, which comes back from its last
    /// checkpoint: what passes is retried here. The worker's own connection
    /// retries for [`max_retry_elapsed_time`](crate::TunnelConfig::max_retry_elapsed_time).
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError>;
}

/// What one read has brought. Cheap to clone; `Debug` shows no contents.
#[derive(Clone, Debug)]
pub struct ChannelBatch(RawBatch);

impl ChannelBatch {
    /// A batch of records that were made here, and the token behind them.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) if a record
    /// cannot be one: without a primary key, say.
    pub fn new(
        records: &[OwnedRecord],
        next_token: impl Into<String>,
    ) -> Result<ChannelBatch, TunnelError> {
        let answer = protocol::ReadRecordsResponse {
            records: records.iter().map(OwnedRecord::to_message).collect(),
            next_token: next_token.into(),
            may_more_record: None,
        };
        let batch = RawBatch::parse(Bytes::from(answer.encode_to_vec()), String::new())?;
        // Refused here and not when the callback is due.
        match batch.records() {
            Ok(_) => Ok(ChannelBatch(batch)),
            Err(error) => Err(TunnelError::other(error)),
        }
    }

    /// Where the channel goes on.
    pub fn next_token(&self) -> &str {
        &self.0.next_token
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        self.0.record_count
    }

    /// Bytes of the answer.
    pub fn size(&self) -> usize {
        self.0.body.len()
    }

    /// The records, decoded.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Malformed`](crate::ErrorCode::Malformed) for a record that
    /// does not parse or whose checksum is wrong.
    pub fn records(&self) -> Result<Vec<Record<'_>>, TunnelError> {
        self.0.records()
    }

    pub(crate) fn from_service(batch: RawBatch) -> ChannelBatch {
        ChannelBatch(batch)
    }

    pub(crate) fn into_raw(self) -> RawBatch {
        self.0
    }
}
