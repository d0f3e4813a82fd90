//! `/tunnel/shutdown`.

use super::Request;
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::failure::Failure;
use crate::emulator::ledger::{Departure, EventKind};
use crate::emulator::scope::Scope;

impl Request for p::ShutdownRequest {
    fn scope(&self) -> Scope {
        Scope::client(&self.tunnel_id, &self.client_id)
    }
}

/// Undocumented for a client that is not known; here it is 410, as for the
/// heartbeat.
pub(in crate::emulator) fn run(
    core: &mut Core,
    request: p::ShutdownRequest,
    now: Timestamp,
) -> Result<p::ShutdownResponse, Failure> {
    let mut scene = core.scene(&request.tunnel_id, now)?;
    scene.tunnel.shut_down(&request.client_id)?;
    let event = EventKind::Gone {
        tunnel: scene.tunnel.id.clone(),
        client: request.client_id.into(),
        why: Departure::ShutDown,
    };
    scene.ledger.record(now, event);
    scene.note_changes(now);
    Ok(p::ShutdownResponse {})
}
