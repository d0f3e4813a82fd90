//! Changing the status of channels by hand.

use super::channel::ChannelStatus;

/// What [`TunnelClient::schedule`](crate::TunnelClient::schedule) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleRequest {
    /// The tunnel.
    pub tunnel_id: String,
    /// The channels and what they shall become, in order.
    pub channels: Vec<ScheduleChannel>,
}

impl ScheduleRequest {
    /// New statuses for channels of one tunnel.
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

/// A channel and what it shall become.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleChannel {
    /// The channel.
    pub channel_id: String,
    /// Its new status; one that a client can be told, so neither
    /// [`Wait`](ChannelStatus::Wait) nor an unknown one.
    pub channel_status: ChannelStatus,
}

impl ScheduleChannel {
    /// A channel and its new status. The functions beside this type say the
    /// usual ones by name.
    pub fn new(channel_id: impl Into<String>, channel_status: ChannelStatus) -> ScheduleChannel {
        ScheduleChannel {
            channel_id: channel_id.into(),
            channel_status,
        }
    }
}

/// Takes a channel from its client. Go: `SuspendChannel`.
pub fn suspend_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Closing)
}

/// Lets a suspended channel be consumed again. Go: `ResumeChannel`.
pub fn resume_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Open)
}

/// Lets a channel be consumed. Go: `OpenChannel`.
pub fn open_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Open)
}

/// Ends a channel for good; what it has not delivered yet, it never will.
/// Go: `TerminateChannel`.
pub fn terminate_channel(channel_id: impl Into<String>) -> ScheduleChannel {
    ScheduleChannel::new(channel_id, ChannelStatus::Terminated)
}

/// The answer to [`TunnelClient::schedule`](crate::TunnelClient::schedule).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleResponse {
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}
