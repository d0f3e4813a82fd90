//! `/tunnel/list`.

use super::Request;
use super::describe::tunnel_info;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ListTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

/// The tunnels of the named table, or of all tables when none is named.
pub(crate) fn run(
    core: &mut Core,
    request: p::ListTunnelRequest,
    now: Timestamp,
) -> Result<p::ListTunnelResponse, Failure> {
    let table = request.table_name.filter(|name| !name.is_empty());
    if let Some(table) = &table {
        core.table(table)?;
    }
    core.bury(now);
    let ids = core.tunnel_ids(table.as_deref());
    let infos = ids
        .iter()
        .map(|id| core.scene(id, now).map(|scene| tunnel_info(&scene)));
    Ok(p::ListTunnelResponse {
        tunnels: infos.collect::<Result<_, _>>()?,
    })
}
