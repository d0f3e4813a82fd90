//! `/tunnel/checkpoint`.

use super::{Request, owned};
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::ledger::EventKind;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::CheckpointRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

pub(crate) fn run(
    core: &mut Core,
    request: p::CheckpointRequest,
    now: Timestamp,
) -> Result<p::CheckpointResponse, Failure> {
    let mut scene = core.consuming(&request.tunnel_id, now)?;
    let index = scene.tunnel.channel_index(&request.channel_id)?;
    let owned = owned(&scene, &request.client_id, index)?;
    let (token, sequence_number) = (&request.checkpoint, request.sequence_number);
    scene.tunnel.save(index, token, sequence_number, now)?;
    let channel = scene.tunnel.channel(index);
    let event = EventKind::Saved {
        channel: channel.id.clone(),
        position: channel.checkpoint.place.map(|place| place.position),
        tunnel: scene.tunnel.id.clone(),
        client: request.client_id.into(),
        sequence_number,
        owned,
    };
    scene.ledger.record(now, event);
    scene.note_changes(now);
    Ok(p::CheckpointResponse {})
}
