//! `/tunnel/list`.

use super::Request;
use super::describe::tunnel_info;
use crate::protocol::{Failure, Scope};
use crate::state::State;
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ListTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

/// Lists the tunnels of the named table, or of all tables if none is named.
pub(crate) fn run(
    state: &mut State,
    request: &p::ListTunnelRequest,
    now: Timestamp,
) -> Result<p::ListTunnelResponse, Failure> {
    let table = request
        .table_name
        .as_deref()
        .filter(|name| !name.is_empty());
    if let Some(table) = table {
        state.table(table)?;
    }
    state.delete_expired_tunnels(now);
    let ids = state.tunnel_ids(table);
    let infos = ids
        .iter()
        .map(|id| state.tunnel(id, now).map(|view| tunnel_info(&view)));
    Ok(p::ListTunnelResponse {
        tunnels: infos.collect::<Result<_, _>>()?,
    })
}
