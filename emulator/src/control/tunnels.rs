//! Tunnels with their channels and clients.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Answer, Call, Refusal};
use crate::clock::Timestamp;
use crate::core::Scene;
use crate::core::channel::Channel;
use crate::core::ids::Id;
use crate::core::tunnel::status_name;
use crate::fault::harm;
use crate::handle::Shared;

pub(super) fn list(shared: &Arc<Shared>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&all(shared)?)
}

pub(super) fn describe(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&of(shared, call.argument(0))?)
}

/// Makes a tunnel expired, as if its log had not been read in time.
pub(super) fn expire(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.argument(0);
    let (mut core, now) = shared.enter();
    core.expire_tunnel(id, now).map_err(|_| no_tunnel(id))?;
    Answer::done()
}

/// Forgets a client, as if it had been silent for too long.
pub(super) fn forget(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let (tunnel, client) = (call.argument(0), call.argument(1));
    let (mut core, now) = shared.enter();
    core.scene(tunnel, now).map_err(|_| no_tunnel(tunnel))?;
    harm::expire(&mut core, tunnel, client, now).map_err(|_| {
        Refusal::not_found(format!(
            "no client {client:?} is connected to that tunnel; GET /_emulator/tunnels lists them"
        ))
    })?;
    drop(core);
    Answer::done()
}

/// All tunnels, by the names of table and tunnel.
pub(super) fn all(shared: &Shared) -> Result<Vec<Json>, Refusal> {
    let ids = shared.core.lock().tunnel_ids(None);
    ids.iter().map(|id| of(shared, id)).collect()
}

fn of(shared: &Shared, id: &str) -> Result<Json, Refusal> {
    let (mut core, now) = shared.enter();
    let scene = core.scene(id, now).map_err(|_| no_tunnel(id))?;
    let tunnel = &scene.tunnel;
    let channels = tunnel.channels();
    let channels = channels.map(|(index, of)| channel(&scene, index, of));
    Ok(json!({
        "id": *tunnel.id,
        "name": *tunnel.plan.name,
        "table": *tunnel.table,
        "type": format!("{:?}", tunnel.plan.kind),
        "stage": tunnel.stage(),
        "expired": tunnel.is_expired(),
        "created": tunnel.created.to_rfc3339(),
        "channels": channels.collect::<Vec<_>>(),
        "clients": clients(&scene, now),
    }))
}

fn channel(scene: &Scene<'_>, index: usize, channel: &Channel) -> Json {
    let slot = scene.tunnel.assignment.slot(index);
    let client = scene.tunnel.holder(slot).map(|id| &**id);
    let checkpoint = &channel.checkpoint;
    // None for `finished`, behind which there is no place.
    let position = checkpoint.place.map(|place| place.position);
    json!({
        "id": *channel.id,
        "type": channel.type_name(),
        "status": status_name(slot),
        "version": slot.version,
        "client": client,
        "checkpoint": {
            "token": checkpoint.token,
            "sequence_number": checkpoint.sequence_number,
            "position": position,
        },
        "consumed_count": channel.consumed_count(scene.table),
    })
}

fn clients(scene: &Scene<'_>, now: Timestamp) -> Vec<Json> {
    let sessions = scene.tunnel.sessions.all();
    let client = |(id, number, heard, timeout): (&Id, _, _, Duration)| {
        let silent = now.since(heard);
        json!({
            "id": **id,
            "silent_ms": silent.as_millis(),
            "timeout_ms": timeout.as_millis(),
            "channels": scene.tunnel.assignment.held(number).count(),
        })
    };
    sessions.into_iter().map(client).collect()
}

fn no_tunnel(id: &str) -> Refusal {
    Refusal::not_found(format!(
        "there is no tunnel {id:?}; GET /_emulator/tunnels lists them with their ids"
    ))
}
