//! Commands on tables, and what they mean for the tunnels on them.

use std::collections::BTreeMap;

use super::event::{EventQueue, TableEvent};
use super::ids::Id;
use super::key::Key;
use super::limits;
use super::table::{Change, Logged, Schema, Table, Trimmed};
use super::tunnels::{report_added, report_changes};
use super::{State, StateError};
use crate::timestamp::Timestamp;

impl State {
    pub(crate) fn create_table(
        &mut self,
        schema: Schema,
        now: Timestamp,
    ) -> Result<(), StateError> {
        limits::check_schema(&schema).map_err(StateError::Invalid)?;
        if self.tables.contains_key(&schema.name) {
            let message = format!("table {} exists already", schema.name);
            return Err(StateError::Invalid(message));
        }
        let name = schema.name.clone();
        let table = Table::new(schema, &mut self.ids, now);
        self.tables.insert(name, table);
        Ok(())
    }

    /// Drops a table with the tunnels on it.
    pub(crate) fn drop_table(&mut self, name: &str, now: Timestamp) -> Result<(), StateError> {
        let tunnels = self.tunnel_ids(Some(name));
        let table = self.tables.remove(name);
        let table = table.ok_or_else(|| StateError::NoTable(name.to_owned()))?;
        for tunnel in tunnels {
            self.delete_tunnel(&tunnel, now);
        }
        let table = table.schema.name;
        self.events.push(now, TableEvent::Dropped { table });
        Ok(())
    }

    /// The names of all tables, in alphabetical order.
    pub(crate) fn table_names(&self) -> Vec<Id> {
        self.tables.keys().cloned().collect()
    }

    pub(crate) fn table(&self, name: &str) -> Result<&Table, StateError> {
        self.tables
            .get(name)
            .ok_or_else(|| StateError::NoTable(name.to_owned()))
    }

    /// Applies all changes, or none of them if one cannot be stored.
    pub(crate) fn write(
        &mut self,
        name: &str,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Vec<Logged>, StateError> {
        self.apply_retention(name, now);
        let table = self
            .tables
            .get_mut(name)
            .ok_or_else(|| StateError::NoTable(name.to_owned()))?;
        let schema = &table.schema;
        changes
            .iter()
            .try_for_each(|change| limits::check_change(change, schema, now))
            .map_err(StateError::Invalid)?;
        let logged = table.write(changes, now);
        report_written(table, &logged, &mut self.events, now);
        Ok(logged)
    }

    /// Splits a partition. The tunnels on the table get channels for its parts.
    pub(crate) fn split(
        &mut self,
        name: &str,
        partition: usize,
        key: Option<Key>,
        now: Timestamp,
    ) -> Result<[Id; 2], StateError> {
        let table = self
            .tables
            .get_mut(name)
            .ok_or_else(|| StateError::NoTable(name.to_owned()))?;
        let children = table.split(partition, key, &mut self.ids, now);
        let children = children.map_err(StateError::Invalid)?;
        let ids = children.map(|child| table.partitions[child].id.clone());
        let event = TableEvent::Split {
            table: table.schema.name.clone(),
            parent: table.partitions[partition].id.clone(),
            children: ids.to_vec(),
        };
        self.events.push(now, event);
        self.add_children(name, &children, now);
        Ok(ids)
    }

    /// Merges two neighbours. The tunnels on the table get a channel for the
    /// result.
    pub(crate) fn merge(
        &mut self,
        name: &str,
        [one, other]: [usize; 2],
        now: Timestamp,
    ) -> Result<Id, StateError> {
        let table = self
            .tables
            .get_mut(name)
            .ok_or_else(|| StateError::NoTable(name.to_owned()))?;
        let child = table.merge(one, other, &mut self.ids, now);
        let child = child.map_err(StateError::Invalid)?;
        let made = &table.partitions[child];
        let id = made.id.clone();
        let parents = made.parents.iter();
        let event = TableEvent::Merged {
            table: table.schema.name.clone(),
            parents: parents
                .map(|parent| table.partitions[*parent].id.clone())
                .collect(),
            child: id.clone(),
        };
        self.events.push(now, event);
        self.add_children(name, &[child], now);
        Ok(id)
    }

    fn add_children(&mut self, name: &str, children: &[usize], now: Timestamp) {
        let Some(table) = self.tables.get(name) else {
            return;
        };
        for tunnel in self.tunnels.values_mut() {
            if *tunnel.table == *name {
                let known = tunnel.channel_count();
                tunnel.add_children(children, table, now);
                report_added(tunnel, known, table, &mut self.events, now);
                report_changes(tunnel, &mut self.events, now);
            }
        }
    }

    /// Drops the changes that are older than the retention.
    pub(crate) fn apply_retention(&mut self, name: &str, now: Timestamp) {
        if let Some(table) = self.tables.get_mut(name) {
            let trimmed = table.expire(now);
            self.report_trimmed(name, trimmed, now);
        }
    }

    /// Drops all changes from the logs of a table, and returns their number.
    pub(crate) fn expire(&mut self, name: &str, now: Timestamp) -> Result<u64, StateError> {
        let table = self.tables.get_mut(name);
        let table = table.ok_or_else(|| StateError::NoTable(name.to_owned()))?;
        // Changes may be newer than the clock: their times grow also while the
        // clock stands still.
        let trimmed = table.expire_before(Timestamp::from_micros(i64::MAX.unsigned_abs()));
        Ok(self.report_trimmed(name, trimmed, now))
    }

    /// Drops the changes of one partition before a position, and returns their
    /// number.
    pub(crate) fn trim(
        &mut self,
        name: &str,
        partition: usize,
        to: u64,
        now: Timestamp,
    ) -> Result<u64, StateError> {
        let table = self.tables.get_mut(name);
        let table = table.ok_or_else(|| StateError::NoTable(name.to_owned()))?;
        let trimmed = table.trim(partition, to);
        Ok(self.report_trimmed(name, trimmed, now))
    }

    fn report_trimmed(
        &mut self,
        name: &str,
        trimmed: impl IntoIterator<Item = Trimmed>,
        now: Timestamp,
    ) -> u64 {
        let Some(table) = self.tables.get(name) else {
            return 0;
        };
        let mut count = 0;
        for Trimmed {
            partition,
            from,
            to,
        } in trimmed
        {
            count += to - from;
            let event = TableEvent::Trimmed {
                table: table.schema.name.clone(),
                partition: table.partitions[partition].id.clone(),
                from,
                to,
            };
            self.events.push(now, event);
        }
        count
    }
}

/// Reports how far the logs have grown, with one event for each partition.
fn report_written(table: &Table, logged: &[Logged], events: &mut EventQueue, now: Timestamp) {
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
        let event = TableEvent::Written {
            table: table.schema.name.clone(),
            partition: table.partitions[partition].id.clone(),
            from,
            to,
        };
        events.push(now, event);
    }
}
