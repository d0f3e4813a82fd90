//! Single reads and checkpoints, for consumers without a worker.
//!
//! A token reveals the position of a consumer in a table, so `Debug` shows only a
//! fingerprint of it.

use std::fmt;

use super::redact::Fingerprint;
use crate::record::Record;

/// The request of [`TunnelClient::get_checkpoint`](crate::TunnelClient::get_checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetCheckpointRequest {
    /// Id of the tunnel.
    pub tunnel_id: String,
    /// Id of the client. The service accepts any id, even of a client that has never
    /// connected.
    pub client_id: String,
    /// Id of the channel.
    pub channel_id: String,
}

impl GetCheckpointRequest {
    /// Creates a request for the checkpoint of a channel.
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

/// The response of [`TunnelClient::get_checkpoint`](crate::TunnelClient::get_checkpoint).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetCheckpointResponse {
    /// The token from which to continue; `finished` at the end of the channel.
    pub checkpoint: String,
    /// Sequence number of the checkpoint. The next checkpoint needs this number plus 1.
    pub sequence_number: i64,
    /// Id of the request; quote it when you contact the service's support.
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

/// The request of [`TunnelClient::checkpoint`](crate::TunnelClient::checkpoint).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointRequest {
    /// Id of the tunnel.
    pub tunnel_id: String,
    /// Id of the client that saves the checkpoint.
    pub client_id: String,
    /// Id of the channel.
    pub channel_id: String,
    /// The token from which the next consumer continues.
    pub checkpoint: String,
    /// Sequence number of the last checkpoint plus 1.
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
    /// Creates a request to save a checkpoint of a channel.
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

/// The response of [`TunnelClient::checkpoint`](crate::TunnelClient::checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointResponse {
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}

/// The request of [`TunnelClient::read_records`](crate::TunnelClient::read_records).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRecordsRequest {
    /// Id of the tunnel.
    pub tunnel_id: String,
    /// Id of the client. The service accepts any id, even of a client that has never
    /// connected.
    pub client_id: String,
    /// Id of the channel.
    pub channel_id: String,
    /// The token from which to read: a checkpoint, or the next token of the last response.
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
    /// Creates a request to read a channel from a token.
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

/// The response of [`TunnelClient::read_records`](crate::TunnelClient::read_records).
#[derive(Clone)]
#[non_exhaustive]
pub struct ReadRecordsResponse {
    /// The records, in order. They share the body of the response, which stays in memory
    /// as long as one of them.
    pub records: Vec<Record<'static>>,
    /// The token from which to continue; [`FINISH_TAG`](crate::FINISH_TAG) at the end of
    /// the channel.
    pub next_token: String,
    /// Whether more records can be read immediately; `None` if the service does not
    /// report it.
    pub may_more_record: Option<bool>,
    /// Length of the response body in bytes.
    pub size: usize,
    /// Id of the request; quote it when you contact the service's support.
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
