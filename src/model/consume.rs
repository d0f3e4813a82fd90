//! Single reads and checkpoints, for consumers without a worker.
//!
//! `Debug` shows a fingerprint of each token, which is where in a table a
//! consumer is.

use std::fmt;

use super::redact::Fingerprint;
use crate::record::Record;

/// What [`TunnelClient::get_checkpoint`](crate::TunnelClient::get_checkpoint) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetCheckpointRequest {
    /// The tunnel.
    pub tunnel_id: String,
    /// The client that asks; the service takes any, even one that has never
    /// connected.
    pub client_id: String,
    /// The channel.
    pub channel_id: String,
}

impl GetCheckpointRequest {
    /// The checkpoint of a channel.
    pub fn new(
        tunnel_id: impl Into<String>,
        client_id: impl Into<String>,
        channel_id: impl Into<String>,
    ) -> GetCheckpointRequest {
        GetCheckpointRequest {
            tunnel_id: tunnel_id.into(),
            client_id: client_id.into(),
            channel_id: channel_id.into(),
        }
    }
}

/// The answer to [`TunnelClient::get_checkpoint`](crate::TunnelClient::get_checkpoint).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetCheckpointResponse {
    /// The token to read on with; `finished` at the end of the channel.
    pub checkpoint: String,
    /// The number of the checkpoint; the next one is saved with this plus 1.
    pub sequence_number: i64,
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

impl fmt::Debug for GetCheckpointResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetCheckpointResponse")
            .field("checkpoint", &Fingerprint(&self.checkpoint))
            .field("sequence_number", &self.sequence_number)
            .field("request_id", &self.request_id)
            .finish()
    }
}

/// What [`TunnelClient::checkpoint`](crate::TunnelClient::checkpoint) asks for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointRequest {
    /// The tunnel.
    pub tunnel_id: String,
    /// The client that saves.
    pub client_id: String,
    /// The channel.
    pub channel_id: String,
    /// The token that the next consumer shall read on with.
    pub checkpoint: String,
    /// The number of the last checkpoint plus 1.
    pub sequence_number: i64,
}

impl fmt::Debug for CheckpointRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointRequest")
            .field("tunnel_id", &self.tunnel_id)
            .field("client_id", &self.client_id)
            .field("channel_id", &self.channel_id)
            .field("checkpoint", &Fingerprint(&self.checkpoint))
            .field("sequence_number", &self.sequence_number)
            .finish()
    }
}

impl CheckpointRequest {
    /// A checkpoint for a channel.
    pub fn new(
        tunnel_id: impl Into<String>,
        client_id: impl Into<String>,
        channel_id: impl Into<String>,
        checkpoint: impl Into<String>,
        sequence_number: i64,
    ) -> CheckpointRequest {
        CheckpointRequest {
            tunnel_id: tunnel_id.into(),
            client_id: client_id.into(),
            channel_id: channel_id.into(),
            checkpoint: checkpoint.into(),
            sequence_number,
        }
    }
}

/// The answer to [`TunnelClient::checkpoint`](crate::TunnelClient::checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointResponse {
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

/// What [`TunnelClient::read_records`](crate::TunnelClient::read_records) asks for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRecordsRequest {
    /// The tunnel.
    pub tunnel_id: String,
    /// The client that reads; the service takes any, even one that has never
    /// connected.
    pub client_id: String,
    /// The channel.
    pub channel_id: String,
    /// Where to read on: a checkpoint, or the last answer's next token.
    pub token: String,
}

impl fmt::Debug for ReadRecordsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRecordsRequest")
            .field("tunnel_id", &self.tunnel_id)
            .field("client_id", &self.client_id)
            .field("channel_id", &self.channel_id)
            .field("token", &Fingerprint(&self.token))
            .finish()
    }
}

impl ReadRecordsRequest {
    /// The records of a channel from a token on.
    pub fn new(
        tunnel_id: impl Into<String>,
        client_id: impl Into<String>,
        channel_id: impl Into<String>,
        token: impl Into<String>,
    ) -> ReadRecordsRequest {
        ReadRecordsRequest {
            tunnel_id: tunnel_id.into(),
            client_id: client_id.into(),
            channel_id: channel_id.into(),
            token: token.into(),
        }
    }
}

/// The answer to [`TunnelClient::read_records`](crate::TunnelClient::read_records).
#[derive(Clone)]
#[non_exhaustive]
pub struct ReadRecordsResponse {
    /// The records in order; windows into the answer's body, which stays in
    /// memory while one of them does.
    pub records: Vec<Record<'static>>,
    /// Where to read on; [`FINISH_TAG`](crate::FINISH_TAG) at the end of the channel.
    pub next_token: String,
    /// Whether there is more to read at once; none if the service does not say.
    pub may_more_record: Option<bool>,
    /// The length of the answer's body in bytes.
    pub size: usize,
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

impl fmt::Debug for ReadRecordsResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRecordsResponse")
            .field("records", &self.records)
            .field("next_token", &Fingerprint(&self.next_token))
            .field("may_more_record", &self.may_more_record)
            .field("size", &self.size)
            .field("request_id", &self.request_id)
            .finish()
    }
}
