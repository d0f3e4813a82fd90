//! `/tunnel/readrecords`.

use bytes::Bytes;
use prost::Message;

use super::{Answer, Request, owned};
use crate::clock::Timestamp;
use crate::core::Core;
use crate::core::channel::{Channel, Read, Reading};
use crate::core::ids::Id;
use crate::core::table::Table;
use crate::core::token::FINISHED;
use crate::failure::Failure;
use crate::ledger::EventKind;
use crate::scope::Scope;
use tablestore_tunnel::_wire::protocol as p;
use tablestore_tunnel::SequenceInfo;

impl Request for p::ReadRecordsRequest {
    fn scope(&self) -> Scope {
        Scope::channel(&self.tunnel_id, &self.client_id, &self.channel_id)
    }
}

/// An answer whose records are encoded already.
pub(crate) struct Batch {
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
pub(crate) fn run(
    core: &mut Core,
    request: p::ReadRecordsRequest,
    now: Timestamp,
) -> Result<Batch, Failure> {
    let mut scene = core.consuming(&request.tunnel_id, now)?;
    let index = scene.tunnel.channel_index(&request.channel_id)?;
    let owned = owned(&scene, &request.client_id, index)?;
    let how = Reading {
        table: scene.table,
        limits: scene.settings.limits,
        end: scene.tunnel.end(),
        trimmed: scene.settings.trimmed_read,
        now,
    };
    let read = scene.tunnel.read(index, &request.token, how);
    scene.note_changes(now);
    let read = read?;
    let channel = scene.tunnel.channel(index);
    let [first_sequence, last_sequence] = sequences(channel, scene.table, &read);
    let channel = channel.id.clone();
    let (tunnel, client) = (scene.tunnel.id.clone(), Id::from(request.client_id));
    if read.skipped() > 0 {
        let event = EventKind::Skipped {
            tunnel: tunnel.clone(),
            client: client.clone(),
            channel: channel.clone(),
            from: read.from,
            count: read.skipped(),
        };
        scene.ledger.record(now, event);
    }
    let event = EventKind::Read {
        channel,
        tunnel,
        client,
        from: read.from,
        to: read.page.next,
        first_sequence,
        last_sequence,
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

/// Those of the first and the last record of a stream that were read.
fn sequences(channel: &Channel, table: &Table, read: &Read) -> [Option<SequenceInfo>; 2] {
    let log = channel.partition(table).map(|partition| &partition.log);
    let records = read.page.frames.len() as u64;
    let at = |position: u64| log.and_then(|log| log.sequence_at(position));
    match records {
        0 => [None, None],
        records => [at(read.page.next - records), at(read.page.next - 1)],
    }
}
