//! `/tunnel/getcheckpoint`.

use super::{Request, owned};
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::failure::Failure;
use crate::emulator::ledger::EventKind;
use crate::emulator::scope::Scope;

impl Request for p::GetCheckpointRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

pub(in crate::emulator) fn run(
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
