//! `/tunnel/schedule`: suspends, resumes and ends channels by hand.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{ChannelSwitch, State};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ScheduleRequest {
    fn scope(&self) -> Scope {
        Scope::tunnel(&self.tunnel_id)
    }
}

/// Switches all channels, or none if one of them is unknown. The versions in
/// the request have no meaning.
pub(crate) fn run(
    state: &mut State,
    request: &p::ScheduleRequest,
    now: Timestamp,
) -> Result<p::ScheduleResponse, Failure> {
    let switches: Vec<_> = request.channels.iter().map(switch).collect();
    state.schedule(&request.tunnel_id, &switches, now)?;
    Ok(p::ScheduleResponse {})
}

fn switch(channel: &p::Channel) -> (&str, ChannelSwitch) {
    let switch = match channel.status() {
        p::ChannelStatus::Open => ChannelSwitch::Resume,
        p::ChannelStatus::Closing | p::ChannelStatus::Close => ChannelSwitch::Suspend,
        p::ChannelStatus::Terminated => ChannelSwitch::Terminate,
    };
    (&channel.channel_id, switch)
}
