//! `/tunnel/connect`.

use std::time::Duration;

use super::Request;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::ledger::EventKind;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;

/// What the SDKs ask for by default; for clients that ask for nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

impl Request for p::ConnectRequest {
    fn scope(&self) -> Scope {
        Scope::tunnel(&self.tunnel_id)
    }
}

pub(crate) fn run(
    core: &mut Core,
    request: p::ConnectRequest,
    now: Timestamp,
) -> Result<p::ConnectResponse, Failure> {
    let scene = core.consuming(&request.tunnel_id, now)?;
    let config = request.client_config.unwrap_or_default();
    let client = scene.ids.client(config.client_tag());
    let timeout = scene.settings.client_timeout;
    let timeout = timeout.unwrap_or_else(|| asked_timeout(&config));
    scene.tunnel.sessions.connect(client.clone(), timeout, now);
    let client_id = client.to_string();
    let tunnel = scene.tunnel.id.clone();
    let event = EventKind::Connected {
        tunnel,
        client,
        timeout,
    };
    scene.ledger.record(now, event);
    Ok(p::ConnectResponse { client_id })
}

fn asked_timeout(config: &p::ClientConfig) -> Duration {
    match u64::try_from(config.timeout()) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => DEFAULT_TIMEOUT,
    }
}
