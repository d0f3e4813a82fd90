//! `/tunnel/describe`.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{Channel, State, TunnelView};
use crate::timestamp::Timestamp;
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
    state: &mut State,
    request: &p::DescribeTunnelRequest,
    now: Timestamp,
) -> Result<p::DescribeTunnelResponse, Failure> {
    let (table, name) = (&request.table_name, &request.tunnel_name);
    let id = state.tunnel_id(table, name, request.tunnel_id.as_deref(), now)?;
    let view = state.tunnel(&id, now)?;
    let channels = view.tunnel.channels();
    Ok(p::DescribeTunnelResponse {
        channels: channels
            .map(|(index, channel)| channel_info(&view, index, channel, now))
            .collect(),
        tunnel_rpo: Some(consumed(&view, now).nanos()),
        tunnel: tunnel_info(&view),
    })
}

/// A tunnel as Describe and List show it. The Go SDK crashes without six of the
/// optional fields, and both SDKs need the stream config even of base data
/// tunnels.
pub(super) fn tunnel_info(view: &TunnelView<'_>) -> p::TunnelInfo {
    let tunnel = &view.tunnel;
    let config = &tunnel.plan.config;
    p::TunnelInfo {
        tunnel_id: tunnel.id.to_string(),
        tunnel_type: format!("{:?}", tunnel.plan.kind),
        table_name: tunnel.table.to_string(),
        instance_name: view.instance.to_owned(),
        stream_id: view.table.stream_id.to_string(),
        stage: tunnel.stage().to_owned(),
        expired: Some(tunnel.is_expired() || tunnel.has_lost_changes(view.table)),
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

/// A channel as Describe shows it. The Java SDK needs type and status.
fn channel_info(
    view: &TunnelView<'_>,
    index: usize,
    channel: &Channel,
    now: Timestamp,
) -> p::ChannelInfo {
    let slot = view.tunnel.assignment.slot(index);
    let client = view.tunnel.holder(slot);
    p::ChannelInfo {
        channel_id: channel.id.to_string(),
        channel_type: Some(channel.type_name().to_owned()),
        channel_status: Some(slot.status().as_str().to_owned()),
        client_id: Some(client.map(ToString::to_string).unwrap_or_default()),
        channel_rpo: Some(channel.consumed(view.table, now).nanos()),
        channel_count: Some(channel.consumed_count(view.table)),
    }
}

/// The time up to which the slowest unfinished stream channel is consumed. It is
/// the current time if all are finished, and 0 if there are none yet.
pub(super) fn consumed(view: &TunnelView<'_>, now: Timestamp) -> Timestamp {
    let streams = || {
        view.tunnel
            .channels()
            .filter(|(_, channel)| channel.is_stream())
    };
    if streams().next().is_none() {
        return Timestamp::default();
    }
    streams()
        .filter(|(index, _)| !view.tunnel.assignment.slot(*index).done)
        .map(|(_, channel)| channel.consumed(view.table, now))
        .min()
        .unwrap_or(now)
}
