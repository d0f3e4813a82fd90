//! Commands on whole tunnels: create, find, expire, delete.

use super::event::{EventQueue, TunnelEvent};
use super::ids::Id;
use super::positions::Positions;
use super::record_id::RecordId;
use super::table::Table;
use super::tunnel::{Plan, Tunnel};
use super::{State, StateError};
use crate::timestamp::Timestamp;

impl State {
    pub(crate) fn create_tunnel(
        &mut self,
        table: &str,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Id, StateError> {
        self.delete_expired_tunnels(now);
        self.apply_retention(table, now);
        let table = self
            .tables
            .get(table)
            .ok_or_else(|| StateError::NoTable(table.to_owned()))?;
        let name = (table.schema.name.clone(), plan.name.clone());
        if self.names.contains_key(&name) {
            return Err(StateError::TunnelExists(name.1.to_string()));
        }
        let tunnel = Tunnel::new(plan, table, &self.settings, &mut self.ids, now);
        let id = tunnel.id.clone();
        let event = TunnelEvent::Created {
            tunnel: id.clone(),
            table: name.0.clone(),
        };
        self.events.push(now, event);
        report_added(&tunnel, 0, table, &mut self.events, now);
        self.names.insert(name, id.clone());
        self.tunnels.insert(id.clone(), tunnel);
        Ok(id)
    }

    /// Deletes a tunnel. Its clients notice with their next requests.
    pub(crate) fn delete_tunnel(&mut self, id: &Id, now: Timestamp) {
        self.names.retain(|_, tunnel| tunnel != id);
        if self.tunnels.remove(id).is_some() {
            let tunnel = id.clone();
            self.events.push(now, TunnelEvent::Deleted { tunnel });
        }
    }

    /// The id of the tunnel with a name. If an id is given, it must be the same.
    pub(crate) fn tunnel_id(
        &mut self,
        table: &str,
        name: &str,
        id: Option<&str>,
        now: Timestamp,
    ) -> Result<Id, StateError> {
        self.delete_expired_tunnels(now);
        let found = self.names.get(&(table.into(), name.into()));
        let meant = |found: &&Id| id.is_none_or(|id| id.is_empty() || *id == ***found);
        let found = found.filter(meant).cloned();
        found.ok_or_else(|| StateError::NoTunnel(name.to_owned()))
    }

    /// The ids of the tunnels on a table, or of all tunnels, ordered by name.
    pub(crate) fn tunnel_ids(&self, table: Option<&str>) -> Vec<Id> {
        let of = |name: &Id| table.is_none_or(|table| *table == **name);
        let names = self.names.iter().filter(|((table, _), _)| of(table));
        names.map(|(_, id)| id.clone()).collect()
    }

    /// Deletes tunnels that have been expired for too long.
    pub(crate) fn delete_expired_tunnels(&mut self, now: Timestamp) {
        let over = self
            .tunnels
            .values()
            .filter(|tunnel| tunnel.is_due_for_deletion(now));
        let over: Vec<Id> = over.map(|tunnel| tunnel.id.clone()).collect();
        for id in over {
            self.delete_tunnel(&id, now);
        }
    }

    /// Makes a tunnel expired: it cannot be consumed any more.
    pub(crate) fn expire_tunnel(&mut self, id: &str, now: Timestamp) -> Result<(), StateError> {
        let tunnel = self.tunnels.get_mut(id);
        let tunnel = tunnel.ok_or_else(|| StateError::NoTunnel(id.to_owned()))?;
        tunnel.expire(now);
        report_changes(tunnel, &mut self.events, now);
        Ok(())
    }

    /// The positions of records in a channel; `None` if there is no such
    /// tunnel or channel.
    pub(crate) fn positions(
        &self,
        tunnel: &str,
        channel: &str,
        records: Vec<RecordId>,
    ) -> Option<Positions> {
        let tunnel = self.tunnels.get(tunnel)?;
        let channel = tunnel.channel(tunnel.channel_index(channel).ok()?);
        let table = self.tables.get(&tunnel.table)?;
        Some(Positions::find(channel, table, records))
    }
}

/// Reports what changed in a tunnel since the last report.
pub(super) fn report_changes(tunnel: &mut Tunnel, events: &mut EventQueue, now: Timestamp) {
    for (channel, slot) in tunnel.assignment.take_changed() {
        let event = TunnelEvent::ChannelChanged {
            tunnel: tunnel.id.clone(),
            channel: tunnel.channel(channel).id.clone(),
            client: tunnel.holder(slot).cloned(),
            status: slot.status(),
            version: slot.version,
        };
        events.push(now, event);
    }
    if tunnel.take_newly_expired() {
        let tunnel = tunnel.id.clone();
        events.push(now, TunnelEvent::Expired { tunnel });
    }
}

/// Reports the channels that a tunnel has beyond the first `known`.
pub(super) fn report_added(
    tunnel: &Tunnel,
    known: usize,
    table: &Table,
    events: &mut EventQueue,
    now: Timestamp,
) {
    for index in known..tunnel.channel_count() {
        let channel = tunnel.channel(index);
        let positions = channel.positions(table);
        let partition = channel.partition(table);
        let event = TunnelEvent::ChannelAdded {
            tunnel: tunnel.id.clone(),
            channel: channel.id.clone(),
            partition: partition.map(|partition| partition.id.clone()),
            start: positions.start,
            end: positions.end,
            parents: tunnel.parents(index),
        };
        events.push(now, event);
    }
}
