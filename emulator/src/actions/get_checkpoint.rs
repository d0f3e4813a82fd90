//! `/tunnel/getcheckpoint`.

use super::{Request, owned};
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::ledger::EventKind;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::GetCheckpointRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

pub(crate) fn run(
    core: &mut Core,
    request: p::GetCheckpointRequest,
    now: Timestamp,
) -> Result<p::GetCheckpointResponse, Failure> {
    let scene = core.consuming(&request.tunnel_id, now)?;
    let index = scene.tunnel.channel_index(&request.channel_id)?;
    let owned = owned(&scene, &request.client_id, index)?;
    let channel = scene.tunnel.channel(index);
    let checkpoint = channel.checkpoint.clone();
    let event = EventKind::CheckpointGiven {
        channel: channel.id.clone(),
        position: checkpoint.place.map(|place| place.position),
        tunnel: scene.tunnel.id.clone(),
        client: request.client_id.into(),
        sequence_number: checkpoint.sequence_number,
        owned,
    };
    scene.ledger.record(now, event);
    Ok(p::GetCheckpointResponse {
        checkpoint: Some(checkpoint.token),
        sequence_number: Some(checkpoint.sequence_number),
    })
}
