//! `/tunnel/getcheckpoint`.

use super::{Request, owned};
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::failure::Failure;
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
    let channel = scene.tunnel.channel_index(&request.channel_id)?;
    owned(&scene, &request.client_id, channel)?;
    let checkpoint = scene.tunnel.channel(channel).checkpoint.clone();
    Ok(p::GetCheckpointResponse {
        checkpoint: Some(checkpoint.token),
        sequence_number: Some(checkpoint.sequence_number),
    })
}
