//! [`Tunnel`]: its channels, and when each of them can be read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::assignment::{Assignment, Slot};
use super::channel::{Channel, Read, ReadOptions, Source};
use super::heartbeat::Takeover;
use super::ids::{self, Id, Ids};
use super::partition::{Partition, SnapshotRow};
use super::sessions::Sessions;
use super::table::Table;
use super::token::FINISHED;
use super::{StateError, StateSettings, TrimmedRead};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

/// How long after its expiry a tunnel is deleted.
const EXPIRED_RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The definition of a tunnel.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: Id,
    pub(crate) kind: p::TunnelType,
    pub(crate) config: p::StreamTunnelConfig,
}

/// One tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) id: Id,
    pub(crate) plan: Plan,
    pub(crate) table: Id,
    pub(crate) created: Timestamp,
    pub(crate) sessions: Sessions,
    pub(crate) assignment: Assignment,
    /// The channels by their indices in the assignment.
    pub(super) channels: Vec<Channel>,
    pub(super) by_id: HashMap<Id, usize>,
    by_partition: HashMap<usize, usize>,
    /// How many base channels are not read to their ends.
    base_left: usize,
    /// How long the channels stay hidden, unless a client sends a heartbeat
    /// earlier.
    warm_up: Duration,
    /// Whether the channels are visible.
    opened: bool,
    /// The retention of the table.
    retention: Duration,
    /// The time since which it cannot be consumed any more.
    expired: Option<Timestamp>,
    /// Whether the expiry is not reported yet.
    newly_expired: bool,
    /// Channels that clients lose at their next heartbeats.
    pub(super) takeovers: Vec<Takeover>,
}

impl Tunnel {
    /// A tunnel on the table as it is now. The stream has all changes that are
    /// written from now on, and no others if there is a snapshot.
    pub(crate) fn new(
        plan: Plan,
        table: &Table,
        settings: &StateSettings,
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
            warm_up: settings.warm_up,
            opened: false,
            retention: table.schema.retention,
            expired: None,
            newly_expired: false,
            takeovers: Vec::new(),
        };
        if tunnel.plan.kind != p::TunnelType::Stream {
            tunnel.add_base(table, settings.base_split_rows, ids, now);
        }
        if tunnel.plan.kind != p::TunnelType::BaseData {
            tunnel.add_streams(table);
        }
        tunnel
    }

    fn add_base(&mut self, table: &Table, split_rows: usize, ids: &mut Ids, now: Timestamp) {
        let living = |index: &usize| table.partitions[*index].is_active();
        for index in (0..table.partitions.len()).filter(living) {
            let rows = table.snapshot(index, now);
            // A partition without rows has a channel too, which ends immediately.
            let none: &[SnapshotRow] = &[];
            let chunks = rows.chunks(split_rows);
            let empty = rows.is_empty().then_some(none);
            for split in chunks.chain(empty) {
                self.add(Channel::base(ids.base_channel(), Arc::from(split), table));
                self.base_left += 1;
            }
        }
    }

    /// Adds channels for the active partitions, and for older partitions that
    /// have changes to read. A partition between two of these gets a channel too,
    /// even without changes: it makes its children wait for its parents.
    fn add_streams(&mut self, table: &Table) {
        for (index, partition) in table.partitions.iter().enumerate() {
            let start = self.start_in(partition);
            let has = |parent: &usize| self.by_partition.contains_key(parent);
            let follows = partition.parents.iter().any(has);
            if partition.is_active() || start < partition.log.end() || follows {
                self.add_stream(index, start, table);
            }
        }
    }

    /// The position of a partition at which the stream begins: by the start
    /// offset, else by the flag. With base data it begins after the snapshot.
    fn start_in(&self, partition: &Partition) -> u64 {
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
                // The stream begins after the end of this parent.
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

    /// Adds channels for the children of a split or a merge, unless the tunnel
    /// is a backfill that has ended.
    pub(crate) fn add_children(&mut self, partitions: &[usize], table: &Table, now: Timestamp) {
        let over = self.end().is_some_and(|end| end <= now);
        if over || self.plan.kind == p::TunnelType::BaseData {
            return;
        }
        for partition in partitions {
            let channel = self.add_stream(*partition, 0, table);
            self.open_if_due(channel);
        }
    }

    /// Applies the effects of time: removes silent clients, and ends the warm-up.
    /// Returns the removed clients.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Vec<Id> {
        let mut gone = Vec::new();
        while let Some((id, number)) = self.sessions.expire_one(now) {
            self.assignment.leave(number);
            gone.push(id);
        }
        if self.created.plus(self.warm_up) <= now {
            self.open();
        }
        gone
    }

    /// Ends the warm-up.
    pub(crate) fn open(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            (0..self.channels.len()).for_each(|channel| self.open_if_due(channel));
        }
    }

    fn open_if_due(&mut self, channel: usize) {
        let due = match self.channels[channel].source {
            Source::Base(_) => true,
            Source::Stream { .. } => self.base_left == 0 && self.expired.is_none(),
        };
        if self.opened && due && self.channels[channel].parents_left == 0 {
            self.assignment.ready(channel);
        }
    }

    /// Marks a channel as read to its end, and opens the channels that waited for
    /// it.
    pub(crate) fn finish(&mut self, channel: usize, now: Timestamp) {
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
                self.begin_stream(now);
            }
        }
    }

    /// Begins the stream after the base data. If reading the base data took longer
    /// than the retention, changes are missing from the stream, so the tunnel
    /// expires.
    fn begin_stream(&mut self, now: Timestamp) {
        let both = self.plan.kind == p::TunnelType::BaseAndStream;
        if both && self.created.plus(self.retention) < now {
            self.expire(now);
        }
        (0..self.channels.len()).for_each(|channel| self.open_if_due(channel));
    }

    /// Makes the tunnel expired: from now on it cannot be consumed.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.expired.is_none() {
            self.expired = Some(now);
            self.newly_expired = true;
        }
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired.is_some()
    }

    /// Whether the tunnel has expired since the last call.
    pub(crate) fn take_newly_expired(&mut self) -> bool {
        std::mem::take(&mut self.newly_expired)
    }

    /// Whether the tunnel has been expired for so long that it is deleted.
    pub(crate) fn is_due_for_deletion(&self, now: Timestamp) -> bool {
        let expired = self.expired;
        expired.is_some_and(|since| since.plus(EXPIRED_RETENTION) <= now)
    }

    /// Whether changes were dropped from the log before they were consumed.
    pub(crate) fn has_lost_changes(&self, table: &Table) -> bool {
        let lost = |channel: &Channel| channel.is_trimmed(channel.checkpoint.position, table);
        self.channels.iter().any(lost)
    }

    /// Reads a channel from a token on.
    pub(crate) fn read(
        &mut self,
        channel: usize,
        token: &str,
        options: ReadOptions<'_>,
    ) -> Result<Read, StateError> {
        let read = &mut self.channels[channel];
        if options.trimmed == TrimmedRead::Expire
            && read.is_trimmed(read.parse_token(token)?, options.table)
        {
            self.expire(options.now);
            return Err(StateError::TunnelExpired(self.plan.name.to_string()));
        }
        read.read(token, options)
    }

    /// Removes a client. Its channels are handed out again.
    pub(crate) fn remove_client(&mut self, client: &str) -> Result<(), StateError> {
        let number = self.sessions.remove(client);
        self.assignment
            .leave(number.ok_or_else(|| StateError::UnknownClient(client.to_owned()))?);
        Ok(())
    }

    /// Saves a checkpoint. The token `finished` completes the channel.
    pub(crate) fn save(
        &mut self,
        channel: usize,
        token: &str,
        number: i64,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.channels[channel].save(token, number)?;
        if token == FINISHED {
            self.finish(channel, now);
        }
        Ok(())
    }

    /// Ends a channel before its end, by Schedule.
    pub(crate) fn terminate(&mut self, channel: usize, now: Timestamp) {
        self.finish(channel, now);
        self.assignment.terminate(channel);
    }

    pub(crate) fn channel_index(&self, id: &str) -> Result<usize, StateError> {
        self.by_id
            .get(id)
            .copied()
            .ok_or_else(|| StateError::NoChannel(id.to_owned()))
    }

    pub(crate) fn channel(&self, index: usize) -> &Channel {
        &self.channels[index]
    }

    /// How many channels there are, also during the warm-up.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// The ids of the channels that must be read to their ends before this one.
    pub(crate) fn parents(&self, channel: usize) -> Vec<Id> {
        // Most channels have no parents, and a search among thousands of channels
        // would take long.
        if self.channels[channel].parents_left == 0 {
            return Vec::new();
        }
        let parents = self.channels.iter();
        let parents = parents.filter(|parent| parent.children.contains(&channel));
        parents.map(|parent| parent.id.clone()).collect()
    }

    /// All channels with their indices; no channels during the warm-up.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (usize, &Channel)> {
        let shown = if self.opened { self.channels.len() } else { 0 };
        self.channels.iter().take(shown).enumerate()
    }

    /// Whether a client holds a channel now.
    pub(crate) fn holds(&self, client: &str, channel: usize) -> bool {
        let holder = self.assignment.slot(channel).holder;
        holder.is_some() && holder == self.sessions.number(client)
    }

    /// The id of the client that holds a channel.
    pub(crate) fn holder(&self, slot: Slot) -> Option<&Id> {
        self.sessions.id(slot.holder?)
    }

    /// The end of the stream, for a backfill.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        let end = self.plan.config.end_offset();
        (end != 0).then(|| Timestamp::from_nanos(end))
    }

    /// The stage's name in the meta API.
    pub(crate) fn stage(&self) -> &'static str {
        match (self.opened, self.base_left) {
            (false, _) => "InitBaseDataAndStreamShard",
            (true, 0) => "ProcessStream",
            (true, _) => "ProcessBaseData",
        }
    }
}
