//! `/tunnel/connect`.

use std::time::Duration;

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::State;
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

/// The timeout of clients that ask for none: the default of the SDKs.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

impl Request for p::ConnectRequest {
    fn scope(&self) -> Scope {
        Scope::tunnel(&self.tunnel_id)
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::ConnectRequest,
    now: Timestamp,
) -> Result<p::ConnectResponse, Failure> {
    let config = request.client_config.clone().unwrap_or_default();
    let timeout = requested_timeout(&config);
    let client = state.connect(&request.tunnel_id, config.client_tag(), timeout, now)?;
    Ok(p::ConnectResponse {
        client_id: client.to_string(),
    })
}

fn requested_timeout(config: &p::ClientConfig) -> Duration {
    match u64::try_from(config.timeout()) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => DEFAULT_TIMEOUT,
    }
}
