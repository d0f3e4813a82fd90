//! What is done to tunnels as a whole: made, found, expired, deleted.

use super::ids::Id;
use super::tunnel::{Plan, Tunnel};
use super::{Core, note_added, note_changes};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::fault::Notice;
use crate::ledger::EventKind;
use crate::scope::Scope;

impl Core {
    pub(crate) fn create_tunnel(
        &mut self,
        table: &str,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Id, Failure> {
        self.bury(now);
        self.age(table, now);
        let table = self
            .tables
            .get(table)
            .ok_or_else(|| Failure::no_table(table))?;
        let name = (table.schema.name.clone(), plan.name.clone());
        if self.names.contains_key(&name) {
            return Err(Failure::exists(&name.1));
        }
        let tunnel = Tunnel::new(plan, table, &mut self.ids, now);
        let id = tunnel.id.clone();
        let event = EventKind::TunnelCreated {
            tunnel: id.clone(),
            table: name.0.clone(),
        };
        self.ledger.record(now, event);
        note_added(&tunnel, 0, table, &mut self.ledger, now);
        self.names.insert(name, id.clone());
        self.tunnels.insert(id.clone(), tunnel);
        Ok(id)
    }

    /// Forgets a tunnel; its clients find out with their next request.
    pub(crate) fn remove_tunnel(&mut self, id: &Id, now: Timestamp) {
        self.names.retain(|_, tunnel| tunnel != id);
        if self.tunnels.remove(id).is_some() {
            let tunnel = id.clone();
            self.ledger.record(now, EventKind::TunnelDeleted { tunnel });
        }
    }

    /// The tunnel of that name, which must have that id if one is given.
    pub(crate) fn tunnel_id(
        &mut self,
        table: &str,
        name: &str,
        id: Option<&str>,
        now: Timestamp,
    ) -> Result<Id, Failure> {
        self.bury(now);
        let found = self.names.get(&(table.into(), name.into()));
        let meant = |found: &&Id| id.is_none_or(|id| id.is_empty() || *id == ***found);
        let found = found.filter(meant).cloned();
        found.ok_or_else(|| Failure::no_tunnel(name))
    }

    /// The ids of the tunnels on a table, or of all, by name.
    pub(crate) fn tunnel_ids(&self, table: Option<&str>) -> Vec<Id> {
        let of = |name: &Id| table.is_none_or(|table| *table == **name);
        let names = self.names.iter().filter(|((table, _), _)| of(table));
        names.map(|(_, id)| id.clone()).collect()
    }

    /// Deletes the tunnels that have been expired for too long.
    pub(crate) fn bury(&mut self, now: Timestamp) {
        let over = self.tunnels.values().filter(|tunnel| tunnel.is_over(now));
        let over: Vec<Id> = over.map(|tunnel| tunnel.id.clone()).collect();
        for id in over {
            self.remove_tunnel(&id, now);
        }
    }

    /// A tunnel's log is said to be gone: it cannot be consumed any more.
    pub(crate) fn expire_tunnel(&mut self, id: &str, now: Timestamp) -> Result<(), Failure> {
        let tunnel = self.tunnels.get_mut(id);
        let tunnel = tunnel.ok_or_else(|| Failure::no_tunnel(id))?;
        tunnel.expire(now);
        note_changes(tunnel, &mut self.ledger, now);
        Ok(())
    }

    /// A fault takes channels from a client, at the heartbeat it is about to
    /// send; a request that is none names a channel or no client, and is left
    /// alone.
    pub(crate) fn take_at_beat(&mut self, scope: &Scope, channel: Option<&str>, notice: Notice) {
        if let (Some(tunnel), Some(client), None) = (&scope.tunnel, &scope.client, &scope.channel)
            && let Some(tunnel) = self.tunnels.get_mut(tunnel)
        {
            tunnel.take_at_beat(client, channel, notice);
        }
    }
}
