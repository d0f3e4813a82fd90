//! `/tunnel/describe`.

use super::Request;
use crate::clock::Timestamp;
use crate::core::channel::Channel;
use crate::core::tunnel::status_name;
use crate::core::{Core, Scene};
use crate::failure::Failure;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::DescribeTunnelRequest {
    fn scope(&self) -> Scope {
        self.tunnel_id
            .as_deref()
            .map(Scope::tunnel)
            .unwrap_or_default()
    }
}

pub(crate) fn run(
    core: &mut Core,
    request: p::DescribeTunnelRequest,
    now: Timestamp,
) -> Result<p::DescribeTunnelResponse, Failure> {
    let (table, name) = (&request.table_name, &request.tunnel_name);
    let id = core.tunnel_id(table, name, request.tunnel_id.as_deref(), now)?;
    let scene = core.scene(&id, now)?;
    let channels = scene.tunnel.channels();
    Ok(p::DescribeTunnelResponse {
        channels: channels
            .map(|(index, channel)| channel_info(&scene, index, channel, now))
            .collect(),
        tunnel_rpo: Some(consumed(&scene, now).nanos()),
        tunnel: tunnel_info(&scene),
    })
}

/// What Describe and List tell of a tunnel. Go takes six of the fields for
/// granted, and both SDKs want the stream config even of base data tunnels.
pub(super) fn tunnel_info(scene: &Scene<'_>) -> p::TunnelInfo {
    let tunnel = &scene.tunnel;
    let config = &tunnel.plan.config;
    p::TunnelInfo {
        tunnel_id: tunnel.id.to_string(),
        tunnel_type: format!("{:?}", tunnel.plan.kind),
        table_name: tunnel.table.to_string(),
        instance_name: scene.settings.instance.clone(),
        stream_id: scene.table.stream_id.to_string(),
        stage: tunnel.stage().to_owned(),
        expired: Some(tunnel.is_expired() || tunnel.has_lost(scene.table)),
        tunnel_name: Some(tunnel.plan.name.to_string()),
        public: Some(false),
        stream_tunnel_config: Some(p::StreamTunnelConfig {
            flag: Some(config.flag().into()),
            start_offset: Some(config.start_offset()),
            end_offset: Some(config.end_offset()),
        }),
        create_time: Some(tunnel.created.nanos()),
    }
}

/// Java takes type and status for granted.
fn channel_info(
    scene: &Scene<'_>,
    index: usize,
    channel: &Channel,
    now: Timestamp,
) -> p::ChannelInfo {
    let slot = scene.tunnel.assignment.slot(index);
    let client = scene.tunnel.holder(slot);
    p::ChannelInfo {
        channel_id: channel.id.to_string(),
        channel_type: Some(channel.type_name().to_owned()),
        channel_status: Some(status_name(slot).to_owned()),
        client_id: Some(client.map(ToString::to_string).unwrap_or_default()),
        channel_rpo: Some(channel.consumed(scene.table, now).nanos()),
        channel_count: Some(channel.consumed_count(scene.table)),
    }
}

/// The consumed point of the slowest stream channel that is not finished; now
/// where all are, and 0 before there are any.
pub(super) fn consumed(scene: &Scene<'_>, now: Timestamp) -> Timestamp {
    let streams = || {
        scene
            .tunnel
            .channels()
            .filter(|(_, channel)| channel.is_stream())
    };
    if streams().next().is_none() {
        return Timestamp::default();
    }
    streams()
        .filter(|(index, _)| !scene.tunnel.assignment.slot(*index).done)
        .map(|(_, channel)| channel.consumed(scene.table, now))
        .min()
        .unwrap_or(now)
}
