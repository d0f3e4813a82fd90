//! [`Tunnel`]: its channels, which of them may be read, and by whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::assignment::{Assignment, ClientNumber, Ended, Phase, Slot};
use super::channel::{Channel, Source};
use super::ids::{self, Id, Ids};
use super::sessions::Sessions;
use super::table::{SnapshotRow, Table};
use super::token::FINISHED;
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::failure::Failure;
use crate::emulator::fault::Notice;
use crate::emulator::ledger::ChannelStatus;

/// What a tunnel is created from.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Plan {
    pub(in crate::emulator) name: Id,
    pub(in crate::emulator) kind: p::TunnelType,
    pub(in crate::emulator) config: p::StreamTunnelConfig,
    /// How many rows a base channel has at most.
    pub(in crate::emulator) split_rows: usize,
    /// How long the channels stay hidden, unless a client asks before.
    pub(in crate::emulator) warm_up: Duration,
}

/// One tunnel.
#[derive(Debug)]
pub(in crate::emulator) struct Tunnel {
    pub(in crate::emulator) id: Id,
    pub(in crate::emulator) plan: Plan,
    pub(in crate::emulator) table: Id,
    pub(in crate::emulator) created: Timestamp,
    pub(in crate::emulator) sessions: Sessions,
    pub(in crate::emulator) assignment: Assignment,
    /// By the index that the assignment has for them.
    channels: Vec<Channel>,
    by_id: HashMap<Id, usize>,
    by_partition: HashMap<usize, usize>,
    /// Base channels that are not read to their end.
    base_left: usize,
    /// Whether the channels are there to be seen and read.
    opened: bool,
    /// What faults take from which client at its next heartbeat.
    takings: Vec<Taking>,
}

#[derive(Debug)]
struct Taking {
    client: Id,
    /// None: all that it has.
    channel: Option<Id>,
    notice: Notice,
}

impl Tunnel {
    /// A tunnel on the table as it is now: what is in the snapshot is not in
    /// the stream, and what is written from now on is.
    pub(in crate::emulator) fn new(
        plan: Plan,
        table: &Table,
        ids: &mut Ids,
        now: Timestamp,
    ) -> Tunnel {
        let mut tunnel = Tunnel {
            id: ids.uuid().into(),
            plan,
            table: table.schema.name.clone(),
            created: now,
            sessions: Sessions::default(),
            assignment: Assignment::default(),
            channels: Vec::new(),
            by_id: HashMap::new(),
            by_partition: HashMap::new(),
            base_left: 0,
            opened: false,
            takings: Vec::new(),
        };
        if tunnel.plan.kind != p::TunnelType::Stream {
            tunnel.add_base(table, ids);
        }
        if tunnel.plan.kind != p::TunnelType::BaseData {
            tunnel.add_streams(table);
        }
        tunnel
    }

    fn add_base(&mut self, table: &Table, ids: &mut Ids) {
        for partition in table
            .partitions
            .iter()
            .filter(|partition| partition.lives())
        {
            let rows = partition.snapshot();
            // A partition without rows has a channel too, which ends at once.
            let none: &[SnapshotRow] = &[];
            let chunks = rows.chunks(self.plan.split_rows);
            let empty = rows.is_empty().then_some(none);
            for split in chunks.chain(empty) {
                self.add(Channel::base(ids.base_channel(), Arc::from(split), table));
                self.base_left += 1;
            }
        }
    }

    fn add_streams(&mut self, table: &Table) {
        for (index, partition) in table.partitions.iter().enumerate() {
            let start = self.start_in(partition);
            if partition.lives() || start < partition.log.end() {
                self.add_stream(index, start, table);
            }
        }
    }

    /// Where the stream begins in a partition: at the start offset, else by
    /// the flag. With base data it begins where the snapshot ends.
    fn start_in(&self, partition: &super::table::Partition) -> u64 {
        let config = &self.plan.config;
        match (self.plan.kind, config.start_offset(), config.flag()) {
            (p::TunnelType::Stream, 0, p::StartOffsetFlag::Earliest) => partition.log.first(),
            (p::TunnelType::Stream, nanos, _) if nanos != 0 => {
                partition.log.position_at(Timestamp::from_nanos(nanos))
            }
            _ => partition.log.end(),
        }
    }

    fn add_stream(&mut self, partition: usize, start: u64, table: &Table) -> usize {
        let of = &table.partitions[partition];
        let id = ids::stream_channel(&of.id, of.created);
        let channel = self.add(Channel::stream(id, partition, start, table));
        self.by_partition.insert(partition, channel);
        for parent in &of.parents {
            let Some(parent) = self.by_partition.get(parent).copied() else {
                // The stream begins after the parent's end.
                continue;
            };
            if !self.assignment.slot(parent).done {
                self.channels[parent].children.push(channel);
                self.channels[channel].parents_left += 1;
            }
        }
        channel
    }

    fn add(&mut self, channel: Channel) -> usize {
        let index = self.assignment.add();
        self.by_id.insert(channel.id.clone(), index);
        self.channels.push(channel);
        index
    }

    /// A partition was split or merged: its children get channels.
    pub(in crate::emulator) fn add_children(&mut self, partitions: &[usize], table: &Table) {
        if self.plan.kind == p::TunnelType::BaseData {
            return;
        }
        for partition in partitions {
            let channel = self.add_stream(*partition, 0, table);
            self.open_if_due(channel);
        }
    }

    /// What time alone brings: clients that were silent for too long are gone
    /// (they are returned), and new channels show.
    pub(in crate::emulator) fn tick(&mut self, now: Timestamp) -> Vec<Id> {
        let mut gone = Vec::new();
        while let Some((id, number)) = self.sessions.expire_one(now) {
            self.assignment.leave(number);
            gone.push(id);
        }
        if self.created.plus(self.plan.warm_up) <= now {
            self.open();
        }
        gone
    }

    /// Ends the warm-up.
    pub(in crate::emulator) fn open(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            (0..self.channels.len()).for_each(|channel| self.open_if_due(channel));
        }
    }

    fn open_if_due(&mut self, channel: usize) {
        let due = match self.channels[channel].source {
            Source::Base(_) => true,
            Source::Stream { .. } => self.base_left == 0,
        };
        if self.opened && due && self.channels[channel].parents_left == 0 {
            self.assignment.ready(channel);
        }
    }

    /// The channel is read to its end: what waited for it is opened.
    pub(in crate::emulator) fn finish(&mut self, channel: usize) {
        if self.assignment.slot(channel).done {
            return;
        }
        self.assignment.done(channel);
        for child in self.channels[channel].children.clone() {
            self.channels[child].parents_left -= 1;
            self.open_if_due(child);
        }
        if !self.channels[channel].is_stream() {
            self.base_left -= 1;
            if self.base_left == 0 {
                (0..self.channels.len()).for_each(|channel| self.open_if_due(channel));
            }
        }
    }

    /// A client's heartbeat; the answer is what it has now.
    pub(in crate::emulator) fn beat(
        &mut self,
        client: &str,
        reports: &[p::Channel],
        now: Timestamp,
    ) -> Result<Vec<p::Channel>, Failure> {
        let beat = self.sessions.beat(client, now);
        let beat = beat.ok_or_else(|| Failure::gone(client))?;
        if beat.first {
            self.assignment.join(beat.client);
        }
        self.open();
        let ended: Vec<Ended> = reports
            .iter()
            .filter_map(|report| self.ended(report))
            .collect();
        self.assignment.beat(beat.client, &ended);
        let lost = self.taken_from(client, beat.client);
        Ok(self.held(beat.client).into_iter().chain(lost).collect())
    }

    pub(in crate::emulator) fn take_at_beat(
        &mut self,
        client: &str,
        channel: Option<&str>,
        notice: Notice,
    ) {
        self.takings.push(Taking {
            client: client.into(),
            channel: channel.map(Id::from),
            notice,
        });
    }

    /// Lets faults take channels from a client; what the answer says of them.
    fn taken_from(&mut self, client: &str, number: ClientNumber) -> Vec<p::Channel> {
        let takings = self
            .takings
            .extract_if(.., |taking| *taking.client == *client);
        let takings: Vec<Taking> = takings.collect();
        let mut told = Vec::new();
        for Taking {
            channel, notice, ..
        } in takings
        {
            let is_meant = |held: &usize| {
                channel
                    .as_ref()
                    .is_none_or(|id| self.channels[*held].id == *id)
            };
            let held: Vec<usize> = self.assignment.held(number).filter(is_meant).collect();
            for held in held {
                self.assignment.seize(held);
                told.extend(self.told(held, notice));
            }
        }
        told
    }

    fn told(&self, channel: usize, notice: Notice) -> Option<p::Channel> {
        let status = match notice {
            Notice::Missing => return None,
            Notice::Close => p::ChannelStatus::Close,
            Notice::Terminated => p::ChannelStatus::Terminated,
        };
        Some(p::Channel {
            channel_id: self.channels[channel].id.to_string(),
            version: self.assignment.slot(channel).version,
            status: status.into(),
            detail: None,
        })
    }

    /// The report of a tenure's end, if it is one.
    fn ended(&mut self, report: &p::Channel) -> Option<Ended> {
        let channel = *self.by_id.get(report.channel_id.as_str())?;
        let ended = Ended {
            channel,
            version: report.version,
        };
        match report.status() {
            p::ChannelStatus::Close => Some(ended),
            p::ChannelStatus::Terminated => {
                let slot = self.assignment.slot(channel);
                let counts = slot
                    .holder
                    .is_some_and(|holder| self.assignment.accepts(holder, ended));
                // A client that never was at the end cannot have finished:
                // then it is a CLOSE, and the rest is read by another.
                if counts && self.channels[channel].end_was_read {
                    self.finish(channel);
                }
                Some(ended)
            }
            p::ChannelStatus::Open | p::ChannelStatus::Closing => None,
        }
    }

    fn held(&self, client: u64) -> Vec<p::Channel> {
        self.assignment
            .held(client)
            .map(|channel| {
                let slot = self.assignment.slot(channel);
                let status = match slot.phase {
                    Phase::Closing => p::ChannelStatus::Closing,
                    _ => p::ChannelStatus::Open,
                };
                p::Channel {
                    channel_id: self.channels[channel].id.to_string(),
                    version: slot.version,
                    status: status.into(),
                    detail: None,
                }
            })
            .collect()
    }

    /// A client says goodbye: what it has is handed out again.
    pub(in crate::emulator) fn shut_down(&mut self, client: &str) -> Result<(), Failure> {
        let number = self.sessions.remove(client);
        self.assignment
            .leave(number.ok_or_else(|| Failure::gone(client))?);
        Ok(())
    }

    /// Saves a checkpoint; `finished` completes the channel.
    pub(in crate::emulator) fn save(
        &mut self,
        channel: usize,
        token: &str,
        number: i64,
    ) -> Result<(), Failure> {
        self.channels[channel].save(token, number)?;
        if token == FINISHED {
            self.finish(channel);
        }
        Ok(())
    }

    /// Ends a channel where it is, by Schedule.
    pub(in crate::emulator) fn terminate(&mut self, channel: usize) {
        self.finish(channel);
        self.assignment.terminate(channel);
    }

    pub(in crate::emulator) fn channel_index(&self, id: &str) -> Result<usize, Failure> {
        self.by_id
            .get(id)
            .copied()
            .ok_or_else(|| Failure::no_channel(id))
    }

    pub(in crate::emulator) fn channel(&self, index: usize) -> &Channel {
        &self.channels[index]
    }

    /// How many channels there are, during the warm-up as well.
    pub(in crate::emulator) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// The ids of the channels to be read to their end before that one.
    pub(in crate::emulator) fn parents(&self, channel: usize) -> Vec<Id> {
        // Most have none; to look for them would take long where channels are many.
        if self.channels[channel].parents_left == 0 {
            return Vec::new();
        }
        let parents = self.channels.iter();
        let parents = parents.filter(|parent| parent.children.contains(&channel));
        parents.map(|parent| parent.id.clone()).collect()
    }

    pub(in crate::emulator) fn channel_mut(&mut self, index: usize) -> &mut Channel {
        &mut self.channels[index]
    }

    /// All channels, with their indices; none during the warm-up.
    pub(in crate::emulator) fn channels(&self) -> impl Iterator<Item = (usize, &Channel)> {
        let shown = if self.opened { self.channels.len() } else { 0 };
        self.channels.iter().take(shown).enumerate()
    }

    /// Whether that client has that channel now.
    pub(in crate::emulator) fn holds(&self, client: &str, channel: usize) -> bool {
        let holder = self.assignment.slot(channel).holder;
        holder.is_some() && holder == self.sessions.number(client)
    }

    /// The id of the client that has the channel, or nothing.
    pub(in crate::emulator) fn holder(&self, slot: Slot) -> Option<&Id> {
        self.sessions.id(slot.holder?)
    }

    /// When the stream ends, for a backfill.
    pub(in crate::emulator) fn end(&self) -> Option<Timestamp> {
        let end = self.plan.config.end_offset();
        (end != 0).then(|| Timestamp::from_nanos(end))
    }

    /// As the meta API names it.
    pub(in crate::emulator) fn stage(&self) -> &'static str {
        match (self.opened, self.base_left) {
            (false, _) => "InitBaseDataAndStreamShard",
            (true, 0) => "ProcessStream",
            (true, _) => "ProcessBaseData",
        }
    }
}

/// A channel's status as the meta API tells it.
pub(in crate::emulator) fn status(slot: Slot) -> ChannelStatus {
    match slot.phase {
        _ if slot.done => ChannelStatus::Terminated,
        _ if slot.suspended => ChannelStatus::Closing,
        Phase::Wait => ChannelStatus::Wait,
        Phase::Fresh | Phase::Open => ChannelStatus::Open,
        Phase::Closing => ChannelStatus::Closing,
        Phase::Closed => ChannelStatus::Close,
    }
}

/// Its name.
pub(in crate::emulator) fn status_name(slot: Slot) -> &'static str {
    status(slot).as_str()
}
