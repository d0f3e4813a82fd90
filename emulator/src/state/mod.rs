//! The state of the emulated instance: tables, tunnels, clients and
//! checkpoints.
//!
//! The state is deterministic. It has no sockets, threads, clock or lock: the
//! time comes with each command, and ids come from a seed. It knows neither
//! HTTP nor the ledger: every command returns a [`StateError`] of its own, and
//! what happened is collected as [`StateEvent`]s that the caller takes.
//!
//! Files, in reading order:
//!
//! - this file: [`State`], and [`TunnelView`] for looking at a tunnel.
//! - [`settings`]: the settings that the state obeys.
//! - [`error`]: why a command was rejected; [`event`]: what happened;
//!   [`status`]: the words for the state of channels and clients.
//! - [`ids`]: ids in the service's formats, from a seed.
//! - [`key`]: primary keys, and the order of keys among the partitions.
//! - [`row`]: the cells of one row; [`frames`]: records encoded for answers.
//! - [`change_log`]: the changes of one partition.
//! - [`partition`]: a range of rows with its log.
//! - [`table`]: rows in partitions, writes, retention;
//!   [`split_merge`]: how partitions split and merge.
//! - [`limits`]: which names, keys and rows are rejected.
//! - [`token`]: the position of a read, as clients receive it.
//! - [`channel`]: the records of one channel; [`checkpoint`]: its consumed
//!   position; [`record_id`], [`positions`]: finding a record in it.
//! - [`assignment`]: which client holds which channel.
//! - [`sessions`]: the connected clients and their timeouts.
//! - [`tunnel`]: all of this for one tunnel; [`heartbeat`]: its heartbeats.
//! - [`tables`], [`tunnels`], [`clients`], [`consuming`]: the commands, by
//!   subject.

mod assignment;
mod change_log;
mod channel;
mod checkpoint;
mod clients;
mod consuming;
mod error;
mod event;
mod frames;
mod heartbeat;
mod ids;
mod key;
mod limits;
mod partition;
mod positions;
mod record_id;
mod row;
mod sessions;
mod settings;
mod split_merge;
mod status;
mod table;
mod tables;
mod token;
mod tunnel;
mod tunnels;

use std::collections::BTreeMap;

pub(super) use self::channel::Channel;
pub(super) use self::clients::ChannelSwitch;
pub(super) use self::consuming::Consumer;
pub(super) use self::error::StateError;
use self::event::EventQueue;
pub(super) use self::event::{AccessEvent, ClientEvent, StateEvent, TableEvent, TunnelEvent};
pub(super) use self::ids::Id;
use self::ids::Ids;
#[cfg(test)]
pub(super) use self::key::KeyPart;
pub use self::key::KeyType;
pub(super) use self::key::{Key, parse as parse_key, values as key_values};
pub(super) use self::limits::check_tunnel_name;
pub(super) use self::partition::{Partition, SnapshotRow};
pub use self::record_id::RecordId;
pub(super) use self::row::Row;
pub(super) use self::settings::StateSettings;
pub use self::settings::TrimmedRead;
pub use self::status::{ChannelState, ChannelStatus, Departure};
pub(super) use self::table::{Change, Logged, Schema, Table};
pub(super) use self::tunnel::{Plan, Tunnel};
use super::timestamp::Timestamp;

/// Everything that the emulated instance stores.
///
/// All changes go through the methods of this type, which are the commands.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: StateSettings,
    ids: Ids,
    tables: BTreeMap<Id, Table>,
    /// Ordered by id, so that commands on all tunnels have the same order in every
    /// run.
    tunnels: BTreeMap<Id, Tunnel>,
    /// Tunnels by the names of table and tunnel.
    names: BTreeMap<(Id, Id), Id>,
    events: EventQueue,
}

/// A tunnel and its table, brought up to the current time.
#[derive(Debug)]
pub(super) struct TunnelView<'a> {
    pub(super) tunnel: &'a Tunnel,
    pub(super) table: &'a Table,
    pub(super) instance: &'a str,
}

/// The parts of the state that a command on one tunnel changes or needs.
struct TunnelParts<'a> {
    tunnel: &'a mut Tunnel,
    table: &'a Table,
    settings: &'a StateSettings,
    ids: &'a mut Ids,
    events: &'a mut EventQueue,
}

impl State {
    pub(super) fn new(settings: StateSettings) -> State {
        State {
            ids: Ids::new(settings.seed),
            tables: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            names: BTreeMap::new(),
            events: EventQueue::default(),
            settings,
        }
    }

    /// The events since the last call, oldest first, each with its time.
    pub(super) fn take_events(&mut self) -> Vec<(Timestamp, StateEvent)> {
        self.events.take()
    }

    /// A tunnel to look at. Changes that are due by now are applied first:
    /// silent clients are removed, old changes are dropped from the log.
    pub(super) fn tunnel(
        &mut self,
        tunnel: &str,
        now: Timestamp,
    ) -> Result<TunnelView<'_>, StateError> {
        let parts = self.parts(tunnel, now)?;
        Ok(TunnelView {
            tunnel: parts.tunnel,
            table: parts.table,
            instance: &parts.settings.instance,
        })
    }

    /// The same for commands.
    fn parts(&mut self, tunnel: &str, now: Timestamp) -> Result<TunnelParts<'_>, StateError> {
        let table = self.table_of(tunnel, now)?;
        self.apply_retention(&table, now);
        let found = self.tunnels.get_mut(tunnel);
        let tunnel = found.ok_or_else(|| StateError::NoTunnel(tunnel.to_owned()))?;
        for client in tunnel.tick(now) {
            let event = ClientEvent::Gone {
                tunnel: tunnel.id.clone(),
                client,
                why: Departure::Expired,
            };
            self.events.push(now, event);
        }
        tunnels::report_changes(tunnel, &mut self.events, now);
        let table = self.tables.get(&tunnel.table);
        Ok(TunnelParts {
            table: table.ok_or_else(|| StateError::NoTable(tunnel.table.to_string()))?,
            tunnel,
            settings: &self.settings,
            ids: &mut self.ids,
            events: &mut self.events,
        })
    }

    /// The same for commands that consume, which an expired tunnel rejects.
    fn consuming(&mut self, tunnel: &str, now: Timestamp) -> Result<TunnelParts<'_>, StateError> {
        let parts = self.parts(tunnel, now)?;
        match parts.tunnel.is_expired() {
            true => Err(StateError::TunnelExpired(
                parts.tunnel.plan.name.to_string(),
            )),
            false => Ok(parts),
        }
    }

    /// The name of a tunnel's table. A tunnel that has been expired for too
    /// long is deleted here.
    fn table_of(&mut self, tunnel: &str, now: Timestamp) -> Result<Id, StateError> {
        let no_tunnel = || StateError::NoTunnel(tunnel.to_owned());
        let found = self.tunnels.get(tunnel).ok_or_else(no_tunnel)?;
        if found.is_due_for_deletion(now) {
            let id = found.id.clone();
            self.delete_tunnel(&id, now);
            return Err(no_tunnel());
        }
        Ok(found.table.clone())
    }
}

impl TunnelParts<'_> {
    /// Reports what changed in the tunnel since the last report.
    fn report_changes(&mut self, now: Timestamp) {
        tunnels::report_changes(self.tunnel, self.events, now);
    }
}
