//! `/tunnel/schedule`: channels are suspended, resumed and ended by hand.

use super::Request;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ScheduleRequest {
    fn scope(&self) -> Scope {
        Scope::tunnel(&self.tunnel_id)
    }
}

/// All channels, or none if one of them is unknown. The versions that are
/// sent mean nothing.
pub(crate) fn run(
    core: &mut Core,
    request: p::ScheduleRequest,
    now: Timestamp,
) -> Result<p::ScheduleResponse, Failure> {
    let mut scene = core.consuming(&request.tunnel_id, now)?;
    let find = |channel: &p::Channel| {
        let index = scene.tunnel.channel_index(&channel.channel_id)?;
        Ok((index, channel.status()))
    };
    let wanted: Vec<_> = request
        .channels
        .iter()
        .map(find)
        .collect::<Result<_, _>>()?;
    for (channel, status) in wanted {
        match status {
            p::ChannelStatus::Open => scene.tunnel.assignment.resume(channel),
            p::ChannelStatus::Closing | p::ChannelStatus::Close => {
                scene.tunnel.assignment.suspend(channel);
            }
            p::ChannelStatus::Terminated => scene.tunnel.terminate(channel, now),
        }
    }
    scene.note_changes(now);
    Ok(p::ScheduleResponse {})
}
