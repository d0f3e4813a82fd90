//! Requests to change the status of channels.

use super::channel::ChannelStatus;

/// The request of [`TunnelClient::schedule`](crate::TunnelClient::schedule).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleRequest {
    /// Id of the tunnel.
    pub tunnel_id: String,
    /// The channels with their new statuses, in order.
    pub channels: Vec<ScheduleChannel>,
}

impl ScheduleRequest {
    /// Creates a request to change the status of channels of one tunnel.
    ///
    /// ```
    /// use tablestore_tunnel::{ScheduleRequest, suspend_channel};
    ///
    /// let request = ScheduleRequest::new("tunnel-id", [suspend_channel("channel-id")]);
    /// ```
    pub fn new(
        tunnel_id: impl Into<String>,
        channels: impl IntoIterator<Item = ScheduleChannel>,
    ) -> ScheduleRequest {
        ScheduleRequest {
            tunnel_id: tunnel_id.into(),
            channels: channels.into_iter().collect(),
        }
    }
}

/// A channel and its new status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleChannel {
    /// Id of the channel.
    pub channel_id: String,
    /// New status. Neither [`Wait`](ChannelStatus::Wait) nor an unknown status is
    /// allowed.
    pub channel_status: ChannelStatus,
}

impl ScheduleChannel {
    /// Creates an entry for a channel. For the common statuses, use the functions next to
    /// this type, such as [`suspend_channel`].
    pub fn new(channel_id: impl Into<String>, channel_status: ChannelStatus) -> ScheduleChannel {
        ScheduleChannel {
            channel_id: channel_id.into(),
            channel_status,
        }
    }
}

/// Suspends a channel: the service takes it from its client. Go: `SuspendChannel`.
pub fn suspend_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Closing)
}

/// Resumes a suspended channel. Go: `ResumeChannel`.
pub fn resume_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Open)
}

/// Opens a channel, so that clients can consume it. Go: `OpenChannel`.
pub fn open_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Open)
}

/// Terminates a channel for good. Records that it has not delivered yet are never
/// delivered. Go: `TerminateChannel`.
pub fn terminate_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Terminated)
}

/// The response of [`TunnelClient::schedule`](crate::TunnelClient::schedule).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleResponse {
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}
