//! Calls on tunnels, with their channels and clients.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Answer, Call, Refusal};
use crate::service::Service;
use crate::state::{Channel, Id, StateError, TunnelView};
use crate::timestamp::Timestamp;

pub(super) fn list(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&all(service)?)
}

pub(super) fn describe(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&of(service, call.argument(0))?)
}

/// Makes a tunnel expired, as if its log had not been read in time.
pub(super) fn expire(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.argument(0);
    let expired = service.command(|state, now| state.expire_tunnel(id, now));
    expired.map_err(|_| no_tunnel(id))?;
    Answer::done()
}

/// Removes a client, as if it had been silent for too long.
pub(super) fn forget(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let (tunnel, client) = (call.argument(0), call.argument(1));
    let found = service.command(|state, now| state.tunnel(tunnel, now).map(|_| ()));
    found.map_err(|_| no_tunnel(tunnel))?;
    service.expire_client(tunnel, client).map_err(|_| {
        Refusal::not_found(format!(
            "no client {client:?} is connected to that tunnel; GET /_emulator/tunnels lists them"
        ))
    })?;
    Answer::done()
}

/// All tunnels, ordered by the names of table and tunnel.
pub(super) fn all(service: &Service) -> Result<Vec<Json>, Refusal> {
    let ids = service.read(|state| state.tunnel_ids(None));
    ids.iter().map(|id| of(service, id)).collect()
}

fn of(service: &Service, id: &str) -> Result<Json, Refusal> {
    let described = service.command(|state, now| {
        let view = state.tunnel(id, now)?;
        Ok::<_, StateError>(tunnel(&view, now))
    });
    described.map_err(|_| no_tunnel(id))
}

fn tunnel(view: &TunnelView<'_>, now: Timestamp) -> Json {
    let tunnel = view.tunnel;
    let channels = tunnel.channels();
    let channels = channels.map(|(index, of)| channel(view, index, of));
    json!({
        "id": *tunnel.id,
        "name": *tunnel.plan.name,
        "table": *tunnel.table,
        "type": format!("{:?}", tunnel.plan.kind),
        "stage": tunnel.stage(),
        "expired": tunnel.is_expired(),
        "created": tunnel.created.to_rfc3339(),
        "channels": channels.collect::<Vec<_>>(),
        "clients": clients(view, now),
    })
}

fn channel(view: &TunnelView<'_>, index: usize, channel: &Channel) -> Json {
    let slot = view.tunnel.assignment.slot(index);
    let client = view.tunnel.holder(slot).map(|id| &**id);
    let checkpoint = &channel.checkpoint;
    // `None` for `finished`, which has no position.
    let position = checkpoint.position.map(|place| place.position);
    json!({
        "id": *channel.id,
        "type": channel.type_name(),
        "status": slot.status().as_str(),
        "version": slot.version,
        "client": client,
        "checkpoint": {
            "token": checkpoint.token,
            "sequence_number": checkpoint.sequence_number,
            "position": position,
        },
        "consumed_count": channel.consumed_count(view.table),
    })
}

fn clients(view: &TunnelView<'_>, now: Timestamp) -> Vec<Json> {
    let sessions = view.tunnel.sessions.all();
    let client = |(id, number, last_heartbeat, timeout): (&Id, _, _, Duration)| {
        let silent = now.since(last_heartbeat);
        json!({
            "id": **id,
            "silent_ms": silent.as_millis(),
            "timeout_ms": timeout.as_millis(),
            "channels": view.tunnel.assignment.held(number).count(),
        })
    };
    sessions.into_iter().map(client).collect()
}

fn no_tunnel(id: &str) -> Refusal {
    Refusal::not_found(format!(
        "there is no tunnel {id:?}; GET /_emulator/tunnels lists them with their ids"
    ))
}
