//! Commands that consume a channel: fetch its checkpoint, read, save.
//!
//! As on the service, anyone who names the tunnel may use its channels, unless
//! the settings admit the owners only.

use bytes::Bytes;

use super::channel::{Channel, Read, ReadOptions};
use super::checkpoint::Checkpoint;
use super::event::{Access, AccessEvent};
use super::table::Table;
use super::token::FINISHED;
use super::{State, StateError, TunnelParts};
use crate::timestamp::Timestamp;
use tablestore_tunnel::SequenceInfo;

/// The ids of a request that consumes: a client that names a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumer<'a> {
    pub(crate) tunnel: &'a str,
    pub(crate) client: &'a str,
    pub(crate) channel: &'a str,
}

/// The records that a read returns.
#[derive(Debug)]
pub(crate) struct ReadPage {
    /// Encoded records, each as a field of the answer's message.
    pub(crate) frames: Vec<Bytes>,
    pub(crate) next_token: String,
    /// Whether a read from the next token would return records right now.
    pub(crate) more: bool,
}

impl State {
    /// Fetches the saved checkpoint of a channel.
    pub(crate) fn checkpoint(
        &mut self,
        consumer: Consumer<'_>,
        now: Timestamp,
    ) -> Result<Checkpoint, StateError> {
        let parts = self.consuming(consumer.tunnel, now)?;
        let (index, access) = parts.access(consumer)?;
        let checkpoint = parts.tunnel.channel(index).checkpoint.clone();
        let event = AccessEvent::CheckpointRead {
            access,
            position: checkpoint.position.map(|saved| saved.position),
            sequence_number: checkpoint.sequence_number,
        };
        parts.events.push(now, event);
        Ok(checkpoint)
    }

    /// Reads records of a channel from a token on.
    pub(crate) fn read(
        &mut self,
        consumer: Consumer<'_>,
        token: &str,
        now: Timestamp,
    ) -> Result<ReadPage, StateError> {
        let mut parts = self.consuming(consumer.tunnel, now)?;
        let (index, access) = parts.access(consumer)?;
        let reading = ReadOptions {
            table: parts.table,
            limits: parts.settings.page,
            end: parts.tunnel.end(),
            trimmed: parts.settings.trimmed_read,
            now,
        };
        let read = parts.tunnel.read(index, token, reading);
        // Also after an error: the read may have made the tunnel expire.
        parts.report_changes(now);
        let read = read?;
        parts.report_read(index, access, &read, now);
        Ok(ReadPage {
            frames: read.page.frames,
            next_token: read.next_token,
            more: read.page.more,
        })
    }

    /// Saves a checkpoint of a channel.
    pub(crate) fn save_checkpoint(
        &mut self,
        consumer: Consumer<'_>,
        token: &str,
        sequence_number: i64,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut parts = self.consuming(consumer.tunnel, now)?;
        let (index, access) = parts.access(consumer)?;
        parts.tunnel.save(index, token, sequence_number, now)?;
        let saved = parts.tunnel.channel(index).checkpoint.position;
        let event = AccessEvent::Saved {
            access,
            position: saved.map(|saved| saved.position),
            sequence_number,
        };
        parts.events.push(now, event);
        parts.report_changes(now);
        Ok(())
    }
}

impl TunnelParts<'_> {
    /// The channel that a consumer names, and whether the consumer holds it.
    fn access(&self, consumer: Consumer<'_>) -> Result<(usize, Access), StateError> {
        let index = self.tunnel.channel_index(consumer.channel)?;
        let owned = self.tunnel.holds(consumer.client, index);
        let channel = &self.tunnel.channel(index).id;
        if self.settings.owners_only && !owned {
            return Err(StateError::NotOwner {
                channel: channel.to_string(),
                client: consumer.client.to_owned(),
            });
        }
        let access = Access {
            tunnel: self.tunnel.id.clone(),
            client: consumer.client.into(),
            channel: channel.clone(),
            owned,
        };
        Ok((index, access))
    }

    fn report_read(&mut self, index: usize, access: Access, read: &Read, now: Timestamp) {
        let channel = self.tunnel.channel(index);
        let [first_sequence, last_sequence] = sequences(channel, self.table, read);
        if read.skipped() > 0 {
            let event = AccessEvent::Skipped {
                tunnel: access.tunnel.clone(),
                client: access.client.clone(),
                channel: access.channel.clone(),
                from: read.from,
                count: read.skipped(),
            };
            self.events.push(now, event);
        }
        let event = AccessEvent::Read {
            access,
            from: read.from,
            to: read.page.next,
            first_sequence,
            last_sequence,
            finished: read.next_token == FINISHED,
        };
        self.events.push(now, event);
    }
}

/// The sequence numbers of the first and the last record of a read; `None` for
/// base data, and if nothing was read.
fn sequences(channel: &Channel, table: &Table, read: &Read) -> [Option<SequenceInfo>; 2] {
    let log = channel.partition(table).map(|partition| &partition.log);
    let records = read.page.frames.len() as u64;
    let at = |position: u64| log.and_then(|log| log.sequence_at(position));
    match records {
        0 => [None, None],
        records => [at(read.page.next - records), at(read.page.next - 1)],
    }
}
