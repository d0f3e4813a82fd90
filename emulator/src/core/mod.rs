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
//! - [`partition`]: a range of rows with its log.
//! - [`table`]: rows in partitions; writing, expiry.
//! - [`cut`]: splitting and merging.
//! - [`limits`]: what cannot be stored.
//! - [`token`]: where a read goes on.
//! - [`channel`]: what one channel gives; [`checkpoint`]: how far it is
//!   consumed; [`places`]: where in it a record stands.
//! - [`assignment`]: which client has which channel.
//! - [`sessions`]: the clients, and how long they may be silent.
//! - [`tunnel`]: all of that for one tunnel; [`beat`]: its heartbeats.
//! - [`tables`], [`tunnels`]: what is done to them as a whole.

pub(super) mod assignment;
mod beat;
pub(super) mod channel;
mod checkpoint;
mod cut;
mod encode;
pub(super) mod ids;
pub(super) mod key;
pub(super) mod limits;
pub(super) mod log;
pub(super) mod partition;
pub(super) mod places;
pub(super) mod row;
pub(super) mod sessions;
pub(super) mod table;
mod tables;
pub(super) mod token;
pub(super) mod tunnel;
mod tunnels;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use self::ids::{Id, Ids};
use self::places::Places;
use self::table::{Logged, Table};
use self::tunnel::{Tunnel, status};
use super::clock::Timestamp;
use super::failure::Failure;
use super::fault::plan::FaultPlan;
use super::ledger::{Book, Departure, EventKind};
use super::settings::Settings;
use super::witness::RecordId;

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
    /// `moved` is how far the clock was moved by hand before.
    pub(super) fn new(settings: Settings, moved: Duration) -> Core {
        Core {
            ledger: Book::new(settings.ledger_limit, moved),
            faults: FaultPlan::default(),
            ids: Ids::new(settings.seed),
            tables: BTreeMap::new(),
            tunnels: HashMap::new(),
            names: BTreeMap::new(),
            settings,
        }
    }

    /// Where in a channel those records stand; `None` if there is no such
    /// tunnel or channel.
    pub(super) fn places(
        &self,
        tunnel: &str,
        channel: &str,
        records: Vec<RecordId>,
    ) -> Option<Places> {
        let tunnel = self.tunnels.get(tunnel)?;
        let channel = tunnel.channel(tunnel.channel_index(channel).ok()?);
        let table = self.tables.get(&tunnel.table)?;
        Some(Places::find(channel, table, records))
    }

    /// A tunnel, brought up to the time.
    pub(super) fn scene(&mut self, tunnel: &str, now: Timestamp) -> Result<Scene<'_>, Failure> {
        let table = self.table_of(tunnel, now)?;
        self.age(&table, now);
        let found = self.tunnels.get_mut(tunnel);
        let tunnel = found.ok_or_else(|| Failure::no_tunnel(tunnel))?;
        for client in tunnel.tick(now) {
            let event = EventKind::Gone {
                tunnel: tunnel.id.clone(),
                client,
                why: Departure::Expired,
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

    /// As [`Core::scene`], for what consumes: refused once the tunnel has
    /// expired.
    pub(super) fn consuming(&mut self, tunnel: &str, now: Timestamp) -> Result<Scene<'_>, Failure> {
        let scene = self.scene(tunnel, now)?;
        match scene.tunnel.is_expired() {
            true => Err(Failure::expired(&scene.tunnel.plan.name)),
            false => Ok(scene),
        }
    }

    /// The table of a tunnel that is there still.
    fn table_of(&mut self, tunnel: &str, now: Timestamp) -> Result<Id, Failure> {
        let no_tunnel = || Failure::no_tunnel(tunnel);
        let found = self.tunnels.get(tunnel).ok_or_else(no_tunnel)?;
        if found.is_over(now) {
            let id = found.id.clone();
            self.remove_tunnel(&id, now);
            return Err(no_tunnel());
        }
        Ok(found.table.clone())
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
            status: status(slot),
            version: slot.version,
        };
        ledger.record(now, event);
    }
    if tunnel.take_expiry_news() {
        let tunnel = tunnel.id.clone();
        ledger.record(now, EventKind::TunnelExpired { tunnel });
    }
}

/// Writes into the ledger which channels a tunnel has got beyond the `known`.
fn note_added(tunnel: &Tunnel, known: usize, table: &Table, ledger: &mut Book, now: Timestamp) {
    for channel in known..tunnel.channel_count() {
        let of = tunnel.channel(channel);
        let places = of.places(table);
        let event = EventKind::ChannelAdded {
            tunnel: tunnel.id.clone(),
            channel: of.id.clone(),
            partition: of.partition(table).map(|partition| partition.id.clone()),
            start: places.start,
            end: places.end,
            parents: tunnel.parents(channel),
        };
        ledger.record(now, event);
    }
}

/// Writes into the ledger how far the logs have come: an event a partition.
fn note_written(table: &Table, logged: &[Logged], ledger: &mut Book, now: Timestamp) {
    let mut written: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for Logged {
        partition,
        position,
        ..
    } in logged
    {
        let range = written.entry(*partition).or_insert((*position, *position));
        range.1 = *position + 1;
    }
    for (partition, (from, to)) in written {
        let event = EventKind::Written {
            table: table.schema.name.clone(),
            partition: table.partitions[partition].id.clone(),
            from,
            to,
        };
        ledger.record(now, event);
    }
}
