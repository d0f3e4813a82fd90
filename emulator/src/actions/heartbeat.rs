//! `/tunnel/heartbeat`.

use super::Request;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::core::ids::Id;
use crate::core::tunnel::Tunnel;
use crate::failure::Failure;
use crate::ledger::{ChannelState, ChannelStatus, EventKind};
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::HeartbeatRequest {
    fn scope(&self) -> Scope {
        Scope::client(&self.tunnel_id, &self.client_id)
    }
}

pub(crate) fn run(
    core: &mut Core,
    request: p::HeartbeatRequest,
    now: Timestamp,
) -> Result<p::HeartbeatResponse, Failure> {
    let mut scene = core.consuming(&request.tunnel_id, now)?;
    let channels = scene
        .tunnel
        .beat(&request.client_id, &request.channels, now)?;
    let event = EventKind::Heartbeat {
        tunnel: scene.tunnel.id.clone(),
        client: request.client_id.into(),
        reported: states(scene.tunnel, &request.channels),
        answered: states(scene.tunnel, &channels),
    };
    scene.note_changes(now);
    scene.ledger.record(now, event);
    Ok(p::HeartbeatResponse { channels })
}

fn states(tunnel: &Tunnel, channels: &[p::Channel]) -> Vec<ChannelState> {
    let state = |channel: &p::Channel| ChannelState {
        channel: shared_id(tunnel, &channel.channel_id),
        version: channel.version,
        status: match channel.status() {
            p::ChannelStatus::Open => ChannelStatus::Open,
            p::ChannelStatus::Closing => ChannelStatus::Closing,
            p::ChannelStatus::Close => ChannelStatus::Close,
            p::ChannelStatus::Terminated => ChannelStatus::Terminated,
        },
    };
    channels.iter().map(state).collect()
}

/// The tunnel's own copy, of which the ledger can have many at little cost.
fn shared_id(tunnel: &Tunnel, id: &str) -> Id {
    match tunnel.channel_index(id) {
        Ok(index) => tunnel.channel(index).id.clone(),
        Err(_) => id.into(),
    }
}
