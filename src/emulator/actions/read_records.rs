//! `/tunnel/readrecords`.

use bytes::Bytes;
use prost::Message;

use super::{Answer, Request, owned};
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::core::token::FINISHED;
use crate::emulator::failure::Failure;
use crate::emulator::ledger::EventKind;
use crate::emulator::scope::Scope;

impl Request for p::ReadRecordsRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

/// An answer whose records are encoded already.
pub(in crate::emulator) struct Batch {
    frames: Vec<Bytes>,
    rest: p::ReadRecordsResponse,
}

impl Answer for Batch {
    fn into_body(self) -> Vec<u8> {
        let records: usize = self.frames.iter().map(Bytes::len).sum();
        let mut body = Vec::with_capacity(records + self.rest.encoded_len());
        self.frames
            .iter()
            .for_each(|frame| body.extend_from_slice(frame));
        // The fields of a message may be joined from parts.
        body.extend(self.rest.encode_to_vec());
        body
    }

    fn records(&self) -> usize {
        self.frames.len()
    }
}

/// As on the service, anyone who names the tunnel may read, unless the
/// emulator was told to let owners only.
pub(in crate::emulator) fn run(
    core: &mut Core,
    request: p::ReadRecordsRequest,
    now: Timestamp,
) -> Result<Batch, Failure> {
    let scene = core.scene(&request.tunnel_id, now)?;
    let index = scene.tunnel.channel_index(&request.channel_id)?;
    let owned = owned(&scene, &request.client_id, index)?;
    let (end, limits) = (scene.tunnel.end(), scene.settings.limits);
    let channel = scene.tunnel.channel_mut(index);
    let read = channel.read(&request.token, scene.table, limits, end, now)?;
    let event = EventKind::Read {
        channel: channel.id.clone(),
        tunnel: scene.tunnel.id.clone(),
        client: request.client_id.into(),
        from: read.from,
        to: read.page.next,
        finished: read.next_token == FINISHED,
        owned,
    };
    scene.ledger.record(now, event);
    Ok(Batch {
        frames: read.page.frames,
        rest: p::ReadRecordsResponse {
            records: Vec::new(),
            next_token: read.next_token,
            may_more_record: Some(read.page.more),
        },
    })
}
