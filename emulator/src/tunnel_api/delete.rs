//! `/tunnel/delete`.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::State;
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::DeleteTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::DeleteTunnelRequest,
    now: Timestamp,
) -> Result<p::DeleteTunnelResponse, Failure> {
    let (table, name) = (&request.table_name, &request.tunnel_name);
    let id = state.tunnel_id(table, name, request.tunnel_id.as_deref(), now)?;
    state.delete_tunnel(&id, now);
    Ok(p::DeleteTunnelResponse {})
}
