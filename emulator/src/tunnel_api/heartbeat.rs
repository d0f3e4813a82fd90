//! `/tunnel/heartbeat`.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{ChannelState, ChannelStatus, State};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::HeartbeatRequest {
    fn scope(&self) -> Scope {
        Scope::client(&self.tunnel_id, &self.client_id)
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::HeartbeatRequest,
    now: Timestamp,
) -> Result<p::HeartbeatResponse, Failure> {
    let reports = request.channels.iter().map(from_message).collect();
    let held = state.heartbeat(&request.tunnel_id, &request.client_id, reports, now)?;
    Ok(p::HeartbeatResponse {
        channels: held.iter().map(to_message).collect(),
    })
}

fn from_message(channel: &p::Channel) -> ChannelState {
    ChannelState {
        channel: channel.channel_id.as_str().into(),
        version: channel.version,
        status: match channel.status() {
            p::ChannelStatus::Open => ChannelStatus::Open,
            p::ChannelStatus::Closing => ChannelStatus::Closing,
            p::ChannelStatus::Close => ChannelStatus::Close,
            p::ChannelStatus::Terminated => ChannelStatus::Terminated,
        },
    }
}

fn to_message(channel: &ChannelState) -> p::Channel {
    let status = match channel.status {
        // No client holds a waiting channel, and the message has no such status.
        ChannelStatus::Wait | ChannelStatus::Open => p::ChannelStatus::Open,
        ChannelStatus::Closing => p::ChannelStatus::Closing,
        ChannelStatus::Close => p::ChannelStatus::Close,
        ChannelStatus::Terminated => p::ChannelStatus::Terminated,
    };
    p::Channel {
        channel_id: channel.channel.to_string(),
        version: channel.version,
        status: status.into(),
        detail: None,
    }
}
