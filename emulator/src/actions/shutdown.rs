//! `/tunnel/shutdown`.

use super::Request;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::ledger::{Departure, EventKind};
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ShutdownRequest {
    fn scope(&self) -> Scope {
        Scope::client(&self.tunnel_id, &self.client_id)
    }
}

/// Undocumented for a client that is not known; here it is 410, as for the
/// heartbeat.
pub(crate) fn run(
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
