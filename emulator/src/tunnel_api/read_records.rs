//! `/tunnel/readrecords`.

use bytes::Bytes;
use prost::Message;

use super::{Answer, Request};
use crate::protocol::{Failure, Scope};
use crate::state::{Consumer, State};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

impl Request for p::ReadRecordsRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

/// An answer whose records are encoded already.
#[derive(Debug)]
pub(crate) struct Batch {
    frames: Vec<Bytes>,
    /// The message without its records.
    rest: p::ReadRecordsResponse,
}

impl Answer for Batch {
    fn to_body(&self) -> Vec<u8> {
        let records: usize = self.frames.iter().map(Bytes::len).sum();
        let mut body = Vec::with_capacity(records + self.rest.encoded_len());
        self.frames
            .iter()
            .for_each(|frame| body.extend_from_slice(frame));
        // Protobuf allows to concatenate the fields of a message.
        body.extend(self.rest.encode_to_vec());
        body
    }

    fn records(&self) -> usize {
        self.frames.len()
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::ReadRecordsRequest,
    now: Timestamp,
) -> Result<Batch, Failure> {
    let consumer = Consumer {
        tunnel: &request.tunnel_id,
        client: &request.client_id,
        channel: &request.channel_id,
    };
    let page = state.read(consumer, &request.token, now)?;
    Ok(Batch {
        frames: page.frames,
        rest: p::ReadRecordsResponse {
            records: Vec::new(),
            next_token: page.next_token,
            may_more_record: Some(page.more),
        },
    })
}
