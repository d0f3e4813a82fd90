//! `/tunnel/getrpo`: how far consumers lag behind, as JSON.
//!
//! The documentation does not explain the keys. In the emulator the outer key is
//! the id of the tunnel, counts are numbers of records, and times are
//! nanoseconds since 1970: the time of the request, and the time up to which
//! the records are consumed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Request;
use super::describe::consumed;
use crate::protocol::{Failure, Scope};
use crate::state::{State, TunnelView};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::GetRpoRequest {
    fn scope(&self) -> Scope {
        Scope::tunnel(self.tunnel_id())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChannelLatency {
    // The name on the wire has no `e`.
    channel_typ: &'static str,
    status: &'static str,
    total_count: i64,
    access_time: i64,
    rpo_time: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TunnelLatency {
    status: &'static str,
    total_count: i64,
    access_time: i64,
    rpo_time: i64,
}

pub(crate) fn run(
    state: &mut State,
    request: &p::GetRpoRequest,
    now: Timestamp,
) -> Result<p::GetRpoResponse, Failure> {
    let view = state.tunnel(request.tunnel_id(), now)?;
    let id = view.tunnel.id.to_string();
    let channels = channel_latencies(&view, request.limit(), now);
    let tunnel = TunnelLatency {
        status: view.tunnel.stage(),
        // Each may be huge: it comes from the position in a client's token.
        total_count: channels
            .values()
            .map(|channel| channel.total_count)
            .fold(0, i64::saturating_add),
        access_time: now.nanos(),
        rpo_time: consumed(&view, now).nanos(),
    };
    Ok(p::GetRpoResponse {
        rpo_infos: Some(json(&BTreeMap::from([(&id, channels)]))?.into()),
        tunnel_rpo_infos: Some(json(&BTreeMap::from([(&id, tunnel)]))?.into()),
        // The Go SDK needs it in one of the two calls.
        tunnel_id: Some(id),
    })
}

fn channel_latencies(
    view: &TunnelView<'_>,
    limit: i32,
    now: Timestamp,
) -> BTreeMap<String, ChannelLatency> {
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
    let channels = view.tunnel.channels().take(limit.unwrap_or(usize::MAX));
    channels
        .map(|(index, channel)| {
            let latency = ChannelLatency {
                channel_typ: channel.type_name(),
                status: view.tunnel.assignment.slot(index).status().as_str(),
                total_count: channel.consumed_count(view.table),
                access_time: now.nanos(),
                rpo_time: channel.consumed(view.table, now).nanos(),
            };
            (channel.id.to_string(), latency)
        })
        .collect()
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value)
        .map_err(|error| Failure::new(500, "OTSInternalServerError", error.to_string()))
}
