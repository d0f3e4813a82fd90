//! `/tunnel/getcheckpoint`.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{Consumer, State};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::GetCheckpointRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::GetCheckpointRequest,
    now: Timestamp,
) -> Result<p::GetCheckpointResponse, Failure> {
    let consumer = Consumer {
        tunnel: &request.tunnel_id,
        client: &request.client_id,
        channel: &request.channel_id,
    };
    let checkpoint = state.checkpoint(consumer, now)?;
    Ok(p::GetCheckpointResponse {
        checkpoint: Some(checkpoint.token),
        sequence_number: Some(checkpoint.sequence_number),
    })
}
