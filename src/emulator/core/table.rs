//! [`Table`]: rows in partitions, and a change log for each partition.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::encode;
use super::ids::{self, Id, Ids};
use super::key::{self, Key, KeyType, Route};
use super::log::ChangeLog;
use super::row::Row;
use crate::emulator::clock::Timestamp;
use crate::record::{ActionType, OwnedColumn, OwnedRecord, SequenceInfo};

/// How a table is made.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Schema {
    pub(in crate::emulator) name: Id,
    pub(in crate::emulator) primary_key: Vec<(String, KeyType)>,
    pub(in crate::emulator) partitions: u64,
    pub(in crate::emulator) max_versions: usize,
    pub(in crate::emulator) origin_columns: Vec<String>,
    /// Whether children of a split count one epoch more than their parent.
    pub(in crate::emulator) epoch_grows: bool,
}

/// A change to one row.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Change {
    pub(in crate::emulator) action: ActionType,
    pub(in crate::emulator) key: Key,
    pub(in crate::emulator) columns: Vec<OwnedColumn>,
}

/// Where a change went.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Logged {
    pub(in crate::emulator) partition: usize,
    pub(in crate::emulator) position: u64,
    pub(in crate::emulator) sequence: SequenceInfo,
}

/// One row of a snapshot; shared with the table until that changes the row.
pub(in crate::emulator) type SnapshotRow = (Route, Arc<Row>);

/// Rows in partitions.
#[derive(Debug)]
pub(in crate::emulator) struct Table {
    pub(in crate::emulator) schema: Schema,
    pub(in crate::emulator) stream_id: Id,
    /// All there ever were; split ones stay for their logs.
    pub(in crate::emulator) partitions: Vec<Partition>,
    /// The living partitions by where each begins.
    routes: BTreeMap<Route, usize>,
}

/// A range of routes with its rows and its log.
#[derive(Debug)]
pub(in crate::emulator) struct Partition {
    /// UUID.
    pub(in crate::emulator) id: Id,
    pub(in crate::emulator) created: Timestamp,
    pub(in crate::emulator) parents: Vec<usize>,
    pub(in crate::emulator) log: ChangeLog,
    start: Route,
    rows: BTreeMap<Route, Arc<Row>>,
    epoch: i32,
}

impl Partition {
    /// The rows as they are now, by route.
    pub(in crate::emulator) fn snapshot(&self) -> Vec<SnapshotRow> {
        self.rows
            .iter()
            .map(|(route, row)| (route.clone(), Arc::clone(row)))
            .collect()
    }

    pub(in crate::emulator) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Neither split nor merged yet.
    pub(in crate::emulator) fn lives(&self) -> bool {
        !self.log.is_closed()
    }
}

impl Table {
    pub(in crate::emulator) fn new(schema: Schema, ids: &mut Ids, now: Timestamp) -> Table {
        let mut table = Table {
            stream_id: ids::stream(&schema.name, now),
            schema,
            partitions: Vec::new(),
            routes: BTreeMap::new(),
        };
        for bucket in 0..table.schema.partitions {
            table.add(Partition {
                id: ids.uuid().into(),
                created: now,
                parents: Vec::new(),
                log: ChangeLog::default(),
                start: Route::start_of(bucket),
                rows: BTreeMap::new(),
                epoch: 0,
            });
        }
        table
    }

    fn add(&mut self, partition: Partition) -> usize {
        let index = self.partitions.len();
        self.routes.insert(partition.start.clone(), index);
        self.partitions.push(partition);
        index
    }

    /// The living partition that a key belongs to.
    pub(in crate::emulator) fn partition_of(&self, key: &[key::KeyPart]) -> usize {
        self.partition_at(&Route::of(key.to_vec(), self.schema.partitions))
    }

    fn partition_at(&self, route: &Route) -> usize {
        let before = self.routes.range(..=route).next_back();
        // The first partition begins at the least route of all.
        before.map_or(0, |(_, index)| *index)
    }

    /// The partition of that id.
    pub(in crate::emulator) fn by_id(&self, id: &str) -> Option<usize> {
        self.partitions
            .iter()
            .position(|partition| &*partition.id == id)
    }

    /// Up to `limit` rows as they are now, each with its partition.
    pub(in crate::emulator) fn rows(&self, limit: usize) -> Vec<(Id, SnapshotRow)> {
        let living = self.routes.values().map(|index| &self.partitions[*index]);
        let rows = living.flat_map(|partition| {
            let rows = partition.snapshot().into_iter();
            rows.map(|row| (partition.id.clone(), row))
        });
        rows.take(limit).collect()
    }

    /// Applies the changes in order, as one bulk: per partition they share a
    /// timestamp and are counted by the row index.
    pub(in crate::emulator) fn write(
        &mut self,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Vec<Logged> {
        let mut touched = HashSet::new();
        changes
            .into_iter()
            .map(|change| {
                let route = Route::of(change.key.clone(), self.schema.partitions);
                let partition = self.partition_at(&route);
                let continues = !touched.insert(partition);
                self.write_one(partition, route, change, now, continues)
            })
            .collect()
    }

    fn write_one(
        &mut self,
        index: usize,
        route: Route,
        change: Change,
        now: Timestamp,
        continues: bool,
    ) -> Logged {
        let partition = &mut self.partitions[index];
        let sequence = partition.log.next_sequence(partition.epoch, now, continues);
        let origin = match partition.rows.get(&route) {
            Some(row) if !self.schema.origin_columns.is_empty() => {
                Some(row.newest(&self.schema.origin_columns))
            }
            _ => None,
        };
        store(
            &mut partition.rows,
            route,
            &change,
            self.schema.max_versions,
        );
        let record = to_record(change, sequence, origin, &self.schema.primary_key);
        let position = partition.log.push(sequence, encode::frame(&record));
        Logged {
            partition: index,
            position,
            sequence,
        }
    }

    /// Splits a living partition in two at `key`, or at its middle row.
    pub(in crate::emulator) fn split(
        &mut self,
        index: usize,
        key: Option<Key>,
        ids: &mut Ids,
        now: Timestamp,
    ) -> Result<[usize; 2], String> {
        let at = self.split_point(index, key)?;
        let parent = &mut self.partitions[index];
        parent.log.close();
        let upper = parent.rows.split_off(&at);
        let lower = std::mem::take(&mut parent.rows);
        let start = parent.start.clone();
        let epoch = parent.epoch + i32::from(self.schema.epoch_grows);
        let last = parent.log.last();
        let mut child = |start, rows| Partition {
            id: ids.uuid().into(),
            created: now,
            parents: vec![index],
            log: ChangeLog::after(last),
            start,
            rows,
            epoch,
        };
        let (lower, upper) = (child(start, lower), child(at, upper));
        Ok([self.add(lower), self.add(upper)])
    }

    fn split_point(&self, index: usize, key: Option<Key>) -> Result<Route, String> {
        let partition = &self.partitions[index];
        if !partition.lives() {
            return Err(format!("partition {} is split already", partition.id));
        }
        let at = match key {
            Some(key) => Route::of(key, self.schema.partitions),
            None => {
                let middle = partition.rows.keys().nth(partition.rows.len() / 2);
                let no_rows = || "a partition without rows has no middle to split at".to_owned();
                middle.cloned().ok_or_else(no_rows)?
            }
        };
        if self.partition_at(&at) != index || at == partition.start {
            return Err("the key to split at must lie inside the partition".to_owned());
        }
        Ok(at)
    }
}

fn store(rows: &mut BTreeMap<Route, Arc<Row>>, route: Route, change: &Change, max_versions: usize) {
    match change.action {
        ActionType::DeleteRow => {
            rows.remove(&route);
        }
        ActionType::UpdateRow => {
            // Copied only where a snapshot still holds the old one.
            let row = Arc::make_mut(rows.entry(route).or_default());
            row.apply(&change.columns, max_versions);
        }
        ActionType::PutRow => {
            let mut row = Row::default();
            row.apply(&change.columns, max_versions);
            rows.insert(route, Arc::new(row));
        }
    }
}

fn to_record(
    change: Change,
    sequence: SequenceInfo,
    origin: Option<Vec<OwnedColumn>>,
    key_columns: &[(String, KeyType)],
) -> OwnedRecord {
    let mut record = OwnedRecord::new(change.action, key::named(&change.key, key_columns));
    record.columns = change.columns;
    record.origin_columns = origin;
    record.sequence_info(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::core::key::KeyPart;

    fn table(partitions: u64, epoch_grows: bool) -> (Table, Ids) {
        let schema = Schema {
            name: "t".into(),
            primary_key: vec![("id".into(), KeyType::Integer)],
            partitions,
            max_versions: 1,
            origin_columns: Vec::new(),
            epoch_grows,
        };
        let mut ids = Ids::new(1);
        (Table::new(schema, &mut ids, at(1)), ids)
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn put(id: i64) -> Change {
        Change {
            action: ActionType::PutRow,
            key: vec![KeyPart::Integer(id)],
            columns: vec![OwnedColumn::put("v", id, 1)],
        }
    }

    #[test]
    fn a_bulk_shares_a_timestamp_in_each_partition() {
        let (mut table, _) = table(1, false);
        let logged = table.write(vec![put(1), put(2)], at(50));
        let next = table.write(vec![put(3)], at(50));
        let sequences: Vec<_> = logged
            .iter()
            .chain(&next)
            .map(|logged| (logged.sequence.timestamp, logged.sequence.row_index))
            .collect();
        assert_eq!(sequences, [(50, 0), (50, 1), (51, 0)]);
    }

    #[test]
    fn a_split_moves_the_rows_and_closes_the_log() {
        let (mut table, mut ids) = table(1, true);
        table.write((0..10).map(put).collect(), at(5));
        let [lower, upper] = table.split(0, None, &mut ids, at(6)).expect("a split");
        assert!(!table.partitions[0].lives());
        assert_eq!(table.partitions[0].rows(), 0);
        assert_eq!(table.partitions[0].log.end(), 10);
        assert_eq!(table.partitions[lower].rows(), 5);
        assert_eq!(table.partitions[upper].rows(), 5);
        assert_eq!(table.partitions[upper].parents, [0]);
        let logged = table.write(vec![put(2), put(7)], at(5));
        assert_eq!(logged[0].partition, lower);
        assert_eq!(logged[1].partition, upper);
        assert!(logged[0].sequence.timestamp > 5, "goes on after the parent");
        assert_eq!(logged[0].sequence.epoch, 1);
        assert!(table.split(0, None, &mut ids, at(7)).is_err());
    }

    #[test]
    fn splits_only_inside_the_partition() {
        let (mut table, mut ids) = table(1, false);
        assert!(table.split(0, None, &mut ids, at(2)).is_err(), "no rows");
        let key = |n| Some(vec![KeyPart::Integer(n)]);
        let [lower, upper] = table.split(0, key(100), &mut ids, at(2)).expect("a split");
        assert!(table.split(lower, key(100), &mut ids, at(3)).is_err());
        assert!(table.split(upper, key(100), &mut ids, at(3)).is_err());
        assert!(table.split(lower, key(50), &mut ids, at(3)).is_ok());
        assert_eq!(table.partition_of(&[KeyPart::Integer(100)]), upper);
    }

    #[test]
    fn a_snapshot_keeps_the_rows_of_its_time() {
        let (mut table, _) = table(1, false);
        table.write(vec![put(1)], at(5));
        let snapshot = table.partitions[0].snapshot();
        let columns = vec![OwnedColumn::put("w", 9, 2)];
        let update = Change {
            action: ActionType::UpdateRow,
            columns,
            ..put(1)
        };
        table.write(vec![update], at(6));
        assert_eq!(snapshot[0].1.cells().len(), 1);
        assert_eq!(table.partitions[0].snapshot()[0].1.cells().len(), 2);
    }
}
