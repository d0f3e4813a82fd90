//! `/tunnel/delete`.

use super::Request;
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::failure::Failure;
use crate::emulator::scope::Scope;

impl Request for p::DeleteTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

pub(in crate::emulator) fn run(
    core: &mut Core,
    request: p::DeleteTunnelRequest,
    now: Timestamp,
) -> Result<p::DeleteTunnelResponse, Failure> {
    let (table, name) = (&request.table_name, &request.tunnel_name);
    let id = core.tunnel_id(table, name, request.tunnel_id.as_deref(), now)?;
    core.remove_tunnel(&id, now);
    Ok(p::DeleteTunnelResponse {})
}
