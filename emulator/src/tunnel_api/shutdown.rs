//! `/tunnel/shutdown`.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{Departure, State};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ShutdownRequest {
    fn scope(&self) -> Scope {
        Scope::client(&self.tunnel_id, &self.client_id)
    }
}

/// The documentation does not say how the shutdown of an unknown client is
/// answered. The emulator answers with 410, as to its heartbeat.
pub(crate) fn run(
    state: &mut State,
    request: &p::ShutdownRequest,
    now: Timestamp,
) -> Result<p::ShutdownResponse, Failure> {
    let (tunnel, client) = (&request.tunnel_id, &request.client_id);
    state.remove_client(tunnel, client, Departure::ShutDown, now)?;
    Ok(p::ShutdownResponse {})
}
