//! `/tunnel/delete`.

use super::Request;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::DeleteTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

pub(crate) fn run(
    core: &mut Core,
    request: p::DeleteTunnelRequest,
    now: Timestamp,
) -> Result<p::DeleteTunnelResponse, Failure> {
    let (table, name) = (&request.table_name, &request.tunnel_name);
    let id = core.tunnel_id(table, name, request.tunnel_id.as_deref(), now)?;
    core.remove_tunnel(&id, now);
    Ok(p::DeleteTunnelResponse {})
}
