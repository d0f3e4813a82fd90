//! `/tunnel/checkpoint`.

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{Consumer, State};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::CheckpointRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::CheckpointRequest,
    now: Timestamp,
) -> Result<p::CheckpointResponse, Failure> {
    let consumer = Consumer {
        tunnel: &request.tunnel_id,
        client: &request.client_id,
        channel: &request.channel_id,
    };
    let (token, sequence_number) = (&request.checkpoint, request.sequence_number);
    state.save_checkpoint(consumer, token, sequence_number, now)?;
    Ok(p::CheckpointResponse {})
}
