//! What is done to tables, and what that means for the tunnels on them.

use super::ids::Id;
use super::key::Key;
use super::limits;
use super::table::{Change, Logged, Schema, Table, Trimmed};
use super::{Core, note_added, note_changes, note_written};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::ledger::EventKind;

impl Core {
    pub(crate) fn create_table(&mut self, schema: Schema, now: Timestamp) -> Result<(), String> {
        limits::check_schema(&schema)?;
        if self.tables.contains_key(&schema.name) {
            return Err(format!("table {} exists already", schema.name));
        }
        let name = schema.name.clone();
        let table = Table::new(schema, &mut self.ids, now);
        self.tables.insert(name, table);
        Ok(())
    }

    /// Drops a table with the tunnels on it.
    pub(crate) fn drop_table(&mut self, name: &str, now: Timestamp) -> Result<(), Failure> {
        let tunnels = self.tunnel_ids(Some(name));
        let table = self.tables.remove(name);
        let table = table.ok_or_else(|| Failure::no_table(name))?;
        for tunnel in tunnels {
            self.remove_tunnel(&tunnel, now);
        }
        let table = table.schema.name;
        self.ledger.record(now, EventKind::TableDropped { table });
        Ok(())
    }

    /// The names of all tables, in order.
    pub(crate) fn table_names(&self) -> Vec<Id> {
        self.tables.keys().cloned().collect()
    }

    pub(crate) fn table(&self, name: &str) -> Result<&Table, Failure> {
        self.tables.get(name).ok_or_else(|| Failure::no_table(name))
    }

    /// Applies all the changes, or none of them if one cannot be stored.
    pub(crate) fn write(
        &mut self,
        table: &str,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Vec<Logged>, String> {
        self.age(table, now);
        let table = self.tables.get_mut(table).ok_or("the table is gone")?;
        let schema = &table.schema;
        changes
            .iter()
            .try_for_each(|change| limits::check_change(change, schema, now))?;
        let logged = table.write(changes, now);
        note_written(table, &logged, &mut self.ledger, now);
        Ok(logged)
    }

    /// Splits a partition; the tunnels on the table get channels for its parts.
    pub(crate) fn split(
        &mut self,
        name: &str,
        partition: usize,
        key: Option<Key>,
        now: Timestamp,
    ) -> Result<[Id; 2], String> {
        let table = self.tables.get_mut(name).ok_or("the table is gone")?;
        let children = table.split(partition, key, &mut self.ids, now)?;
        let ids = children.map(|child| table.partitions[child].id.clone());
        let event = EventKind::Split {
            table: table.schema.name.clone(),
            parent: table.partitions[partition].id.clone(),
            children: ids.to_vec(),
        };
        self.ledger.record(now, event);
        self.add_children(name, &children, now);
        Ok(ids)
    }

    /// Merges two neighbours; the tunnels on the table get a channel for the
    /// result.
    pub(crate) fn merge(
        &mut self,
        name: &str,
        [one, other]: [usize; 2],
        now: Timestamp,
    ) -> Result<Id, String> {
        let table = self.tables.get_mut(name).ok_or("the table is gone")?;
        let child = table.merge(one, other, &mut self.ids, now)?;
        let made = &table.partitions[child];
        let id = made.id.clone();
        let parents = made.parents.iter();
        let event = EventKind::Merged {
            table: table.schema.name.clone(),
            parents: parents
                .map(|parent| table.partitions[*parent].id.clone())
                .collect(),
            child: id.clone(),
        };
        self.ledger.record(now, event);
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
                note_added(tunnel, known, table, &mut self.ledger, now);
                note_changes(tunnel, &mut self.ledger, now);
            }
        }
    }

    /// Drops what the logs of a table hold beyond the retention.
    pub(crate) fn age(&mut self, name: &str, now: Timestamp) {
        if let Some(table) = self.tables.get_mut(name) {
            let trimmed = table.expire(now);
            self.note_trimmed(name, trimmed, now);
        }
    }

    /// Drops everything that the logs of a table hold; how many changes.
    pub(crate) fn expire(&mut self, name: &str, now: Timestamp) -> Result<u64, Failure> {
        let table = self.tables.get_mut(name);
        let table = table.ok_or_else(|| Failure::no_table(name))?;
        // Written while the clock stood, changes may be ahead of it.
        let trimmed = table.expire_before(Timestamp::from_micros(i64::MAX.unsigned_abs()));
        Ok(self.note_trimmed(name, trimmed, now))
    }

    /// Drops what the log of one partition holds before a position; how many
    /// changes.
    pub(crate) fn trim(
        &mut self,
        name: &str,
        partition: usize,
        to: u64,
        now: Timestamp,
    ) -> Result<u64, Failure> {
        let table = self.tables.get_mut(name);
        let table = table.ok_or_else(|| Failure::no_table(name))?;
        let trimmed = table.trim(partition, to);
        Ok(self.note_trimmed(name, trimmed, now))
    }

    fn note_trimmed(
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
            let event = EventKind::Trimmed {
                table: table.schema.name.clone(),
                partition: table.partitions[partition].id.clone(),
                from,
                to,
            };
            self.ledger.record(now, event);
        }
        count
    }
}
