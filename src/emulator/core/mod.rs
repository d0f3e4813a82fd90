//! The emulator's mind: tables, tunnels and who reads what. No sockets, no
//! clock (the time comes with each call), no threads.
//!
//! In reading order:
//!
//! - [`ids`]: ids of the service's shapes, from a seed.
//! - [`key`]: primary keys, and where a key lies among the partitions.
//! - [`row`]: what a table holds under one key.
//! - [`encode`]: records become frames of an answer.
//! - [`log`]: the changes of one partition.
//! - [`table`]: rows in partitions; writing, splitting.
//! - [`token`]: where a read goes on.
//! - [`channel`]: what one channel gives, and how far it is consumed.
//! - [`assignment`]: which client has which channel.
//! - [`sessions`]: the clients, and how long they may be silent.
//! - [`tunnel`]: all of that for one tunnel.

pub(super) mod assignment;
pub(super) mod channel;
mod encode;
pub(super) mod ids;
pub(super) mod key;
pub(super) mod log;
pub(super) mod row;
pub(super) mod sessions;
pub(super) mod table;
pub(super) mod token;
pub(super) mod tunnel;

use std::collections::{BTreeMap, HashMap};

use self::ids::{Id, Ids};
use self::key::Key;
use self::table::{Change, Logged, Schema, Table};
use self::tunnel::{Plan, Tunnel, status_name};
use super::clock::Timestamp;
use super::failure::Failure;
use super::fault::Notice;
use super::fault::plan::FaultPlan;
use super::ledger::{Book, Departure, EventKind};
use super::scope::Scope;
use super::settings::Settings;

/// Everything the emulator knows.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) ledger: Book,
    pub(super) faults: FaultPlan,
    ids: Ids,
    tables: BTreeMap<Id, Table>,
    tunnels: HashMap<Id, Tunnel>,
    /// Tunnels by the names of table and tunnel.
    names: BTreeMap<(Id, Id), Id>,
}

/// A tunnel with what its actions need beside it.
pub(super) struct Scene<'a> {
    pub(super) tunnel: &'a mut Tunnel,
    pub(super) table: &'a Table,
    pub(super) settings: &'a Settings,
    pub(super) ledger: &'a mut Book,
    pub(super) ids: &'a mut Ids,
}

impl Core {
    pub(super) fn new(settings: Settings) -> Core {
        Core {
            ledger: Book::new(settings.ledger_limit),
            faults: FaultPlan::default(),
            ids: Ids::new(settings.seed),
            tables: BTreeMap::new(),
            tunnels: HashMap::new(),
            names: BTreeMap::new(),
            settings,
        }
    }

    pub(super) fn create_table(&mut self, schema: Schema, now: Timestamp) -> Result<(), String> {
        if self.tables.contains_key(&schema.name) {
            return Err(format!("table {} exists already", schema.name));
        }
        let name = schema.name.clone();
        let table = Table::new(schema, &mut self.ids, now);
        self.tables.insert(name, table);
        Ok(())
    }

    /// The names of all tables, in order.
    pub(super) fn table_names(&self) -> Vec<Id> {
        self.tables.keys().cloned().collect()
    }

    pub(super) fn table(&self, name: &str) -> Result<&Table, Failure> {
        self.tables.get(name).ok_or_else(|| Failure::no_table(name))
    }

    pub(super) fn write(
        &mut self,
        table: &str,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Vec<Logged>, Failure> {
        let table = self.tables.get_mut(table);
        let table = table.ok_or_else(|| Failure::invalid("the table is gone"))?;
        Ok(table.write(changes, now))
    }

    /// Splits a partition; the tunnels on the table get channels for its parts.
    pub(super) fn split(
        &mut self,
        table_name: &str,
        partition: usize,
        key: Option<Key>,
        now: Timestamp,
    ) -> Result<[Id; 2], String> {
        let table = self.tables.get_mut(table_name);
        let table = table.ok_or("the table is gone")?;
        let children = table.split(partition, key, &mut self.ids, now)?;
        let ids = children.map(|child| table.partitions[child].id.clone());
        self.ledger.record(
            now,
            EventKind::Split {
                table: table.schema.name.clone(),
                parent: table.partitions[partition].id.clone(),
                children: ids.to_vec(),
            },
        );
        for tunnel in self.tunnels.values_mut() {
            if *tunnel.table == *table_name {
                tunnel.add_children(&children, table);
                note_changes(tunnel, &mut self.ledger, now);
            }
        }
        Ok(ids)
    }

    pub(super) fn create_tunnel(
        &mut self,
        table: &str,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Id, Failure> {
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
        self.ledger.record(
            now,
            EventKind::TunnelCreated {
                tunnel: id.clone(),
                table: name.0.clone(),
            },
        );
        self.names.insert(name, id.clone());
        self.tunnels.insert(id.clone(), tunnel);
        Ok(id)
    }

    pub(super) fn delete_tunnel(
        &mut self,
        table: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let id = self.tunnel_id(table, name)?;
        self.names.retain(|_, tunnel| *tunnel != id);
        self.tunnels.remove(&id);
        self.ledger
            .record(now, EventKind::TunnelDeleted { tunnel: id });
        Ok(())
    }

    pub(super) fn tunnel_id(&self, table: &str, name: &str) -> Result<Id, Failure> {
        let id = self.names.get(&(table.into(), name.into()));
        id.cloned().ok_or_else(|| Failure::no_tunnel(name))
    }

    /// The ids of the tunnels on a table, or of all, by name.
    pub(super) fn tunnel_ids(&self, table: Option<&str>) -> Vec<Id> {
        let of = |name: &Id| table.is_none_or(|table| *table == **name);
        let names = self.names.iter().filter(|((table, _), _)| of(table));
        names.map(|(_, id)| id.clone()).collect()
    }

    /// A fault takes channels from a client, at the heartbeat it is about to
    /// send; a request that is none names a channel or no client, and is left
    /// alone.
    pub(super) fn take_at_beat(&mut self, scope: &Scope, channel: Option<&str>, notice: Notice) {
        if let (Some(tunnel), Some(client), None) = (&scope.tunnel, &scope.client, &scope.channel)
            && let Some(tunnel) = self.tunnels.get_mut(tunnel)
        {
            tunnel.take_at_beat(client, channel, notice);
        }
    }

    /// A tunnel, brought up to the time.
    pub(super) fn scene(&mut self, tunnel: &str, now: Timestamp) -> Result<Scene<'_>, Failure> {
        let found = self.tunnels.get_mut(tunnel);
        let tunnel = found.ok_or_else(|| Failure::no_tunnel(tunnel))?;
        let gone = tunnel.tick(now);
        for client in gone {
            let tunnel = tunnel.id.clone();
            let why = Departure::Expired;
            let event = EventKind::Gone {
                tunnel,
                client,
                why,
            };
            self.ledger.record(now, event);
        }
        note_changes(tunnel, &mut self.ledger, now);
        let table = self.tables.get(&tunnel.table);
        Ok(Scene {
            table: table.ok_or_else(|| Failure::no_table(&tunnel.table))?,
            tunnel,
            settings: &self.settings,
            ledger: &mut self.ledger,
            ids: &mut self.ids,
        })
    }
}

impl Scene<'_> {
    /// Writes into the ledger what became of channels since the last time.
    pub(super) fn note_changes(&mut self, now: Timestamp) {
        note_changes(self.tunnel, self.ledger, now);
    }
}

fn note_changes(tunnel: &mut Tunnel, ledger: &mut Book, now: Timestamp) {
    for (channel, slot) in tunnel.assignment.take_changed() {
        let event = EventKind::ChannelChanged {
            tunnel: tunnel.id.clone(),
            channel: tunnel.channel(channel).id.clone(),
            client: tunnel.holder(slot).cloned(),
            status: status_name(slot),
            version: slot.version,
        };
        ledger.record(now, event);
    }
}
