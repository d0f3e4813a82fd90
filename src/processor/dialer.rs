//! [`ChannelDialer`]: lets a program replace or wrap the reads of a channel.

use bytes::Bytes;
use prost::Message;

use super::context::ChannelContext;
use super::outcome::ProcessError;
use crate::error::TunnelError;
use crate::protocol;
use crate::record::{OwnedRecord, RawBatch, Record};

/// Creates the connection through which an opened channel is read.
///
/// Go: `ChannelDialer`. The worker's own connection reads from the service. A dialer can
/// wrap that connection, for example to measure, to limit the rate or to record reads, or
/// replace it, for example in a test. Set it with
/// [`channel_dialer`](crate::TunnelWorkerConfigBuilder::channel_dialer).
///
/// Unlike in Go, a connection only reads. The worker handles the status of the channel,
/// closes it and reports on it, so its guarantees hold with any dialer.
pub trait ChannelDialer: Send + Sync {
    /// Creates the connection of a channel, each time the channel is opened, after its
    /// processor was created. Runs on the channel's own thread, and may block.
    ///
    /// # Errors
    ///
    /// After an error or a panic, the worker releases the channel. The service redelivers it
    /// from its last checkpoint.
    fn dial(
        &self,
        channel: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError>;
}

/// Reads one channel.
///
/// Go: `ChannelConn`. The worker calls it on the channel's own thread, one call at a time,
/// in the order of the channel. After the last read, it drops the connection on the same
/// thread.
pub trait ChannelConn: Send {
    /// Reads the records after `token`. May block. If the channel closes meanwhile, the
    /// worker does not wait for the result, and discards it. While two such reads of one
    /// channel have not returned, the channel is not read again.
    ///
    /// A batch without records means that there are none now; the worker then reads a
    /// stream channel again after a pause. The next token
    /// [`FINISH_TAG`](crate::FINISH_TAG) ends the channel.
    ///
    /// # Errors
    ///
    /// After an error that [`is_temporary`](TunnelError::is_temporary), the worker calls
    /// this method again with the same token, after a pause of 16 ms that doubles to 3 s, for
    /// as long as the channel is its own. After `OTSResourceGone`, the channel is lost.
    /// `OTSTunnelExpired` ends [`run`](crate::TunnelWorkerDaemon::run). After any other
    /// error, such as [`TunnelError::other`], or a panic, the worker releases the channel,
    /// and the service redelivers it from its last checkpoint. The worker's own connection
    /// makes one attempt per call, and none once the channel closes.
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError>;
}

/// The result of one read. Cheap to clone; `Debug` shows no contents.
#[derive(Clone, Debug)]
pub struct ChannelBatch(RawBatch);

impl ChannelBatch {
    /// Creates a batch from records, with the token that points just past them.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) if a record is invalid,
    /// for example without a primary key.
    pub fn new(
        records: &[OwnedRecord],
        next_token: impl Into<String>,
    ) -> Result<ChannelBatch, TunnelError> {
        let response = protocol::ReadRecordsResponse {
            records: records.iter().map(OwnedRecord::to_message).collect(),
            next_token: next_token.into(),
            may_more_record: None,
        };
        let batch = RawBatch::parse(Bytes::from(response.encode_to_vec()), String::new())?;
        // Checked here, so that the error reaches the code that built the records.
        match batch.records() {
            Ok(_) => Ok(ChannelBatch(batch)),
            Err(error) => Err(TunnelError::other(error)),
        }
    }

    /// The token from which the channel continues.
    pub fn next_token(&self) -> &str {
        &self.0.next_token
    }

    /// Number of records.
    pub fn record_count(&self) -> usize {
        self.0.record_count
    }

    /// Length of the response body in bytes.
    pub fn size(&self) -> usize {
        self.0.body.len()
    }

    /// Decodes the records.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Malformed`](crate::ErrorCode::Malformed) if a record is invalid or has
    /// a wrong checksum.
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
