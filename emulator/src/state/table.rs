//! [`Table`]: rows in partitions, writes, and the retention of changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::frames;
use super::ids::{self, Id, Ids};
use super::key::{self, Key, KeyType, Route};
use super::partition::{Partition, SnapshotRow};
use crate::timestamp::Timestamp;
use tablestore_tunnel::{ActionType, OwnedColumn, OwnedRecord, SequenceInfo};

/// The definition of a table.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) name: Id,
    pub(crate) primary_key: Vec<(String, KeyType)>,
    pub(crate) partitions: u64,
    pub(crate) max_versions: usize,
    pub(crate) origin_columns: Vec<String>,
    /// Whether the children of a split have a higher epoch than their parent.
    pub(crate) epoch_grows: bool,
    /// How long changes stay in the log.
    pub(crate) retention: Duration,
    /// How long cells exist, counted from their versions.
    pub(crate) time_to_live: Option<Duration>,
    /// The largest distance of a version from the time of writing.
    pub(crate) max_version_offset: Option<Duration>,
}

/// A change to one row.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) action: ActionType,
    pub(crate) key: Key,
    pub(crate) columns: Vec<OwnedColumn>,
}

/// The log entry of a change.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    /// Index of the partition.
    pub(crate) partition: usize,
    pub(crate) partition_id: Id,
    pub(crate) position: u64,
    pub(crate) sequence: SequenceInfo,
}

/// Changes that are no longer in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub(crate) partition: usize,
    /// Position of the first dropped change.
    pub(crate) from: u64,
    /// Position of the first change that was kept.
    pub(crate) to: u64,
}

/// Rows in partitions.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) stream_id: Id,
    /// All partitions that ever existed: the logs of split and merged ones are
    /// still read. Parents come before their children.
    pub(crate) partitions: Vec<Partition>,
    /// The active partitions by their first routes.
    pub(super) routes: BTreeMap<Route, usize>,
    by_id: HashMap<Id, usize>,
    /// Partitions by the time of the oldest entry in their logs, so that expiry
    /// looks at no partition that has nothing to drop.
    ages: BTreeSet<(i64, usize)>,
}

impl Table {
    pub(crate) fn new(schema: Schema, ids: &mut Ids, now: Timestamp) -> Table {
        let mut table = Table {
            stream_id: ids::stream(&schema.name, now),
            schema,
            partitions: Vec::new(),
            routes: BTreeMap::new(),
            by_id: HashMap::new(),
            ages: BTreeSet::new(),
        };
        for bucket in 0..table.schema.partitions {
            let start = Route::start_of(bucket);
            table.add(Partition::first(ids.uuid().into(), start, now));
        }
        table
    }

    pub(super) fn add(&mut self, partition: Partition) -> usize {
        let index = self.partitions.len();
        self.routes.insert(partition.start.clone(), index);
        self.by_id.insert(partition.id.clone(), index);
        self.partitions.push(partition);
        index
    }

    /// The active partition of a key.
    pub(crate) fn partition_of(&self, key: &[key::KeyPart]) -> usize {
        self.partition_at(&Route::of(key.to_vec(), self.schema.partitions))
    }

    pub(super) fn partition_at(&self, route: &Route) -> usize {
        let before = self.routes.range(..=route).next_back();
        // The first partition begins at the smallest possible route.
        before.map_or(0, |(_, index)| *index)
    }

    /// The index of the partition with an id.
    pub(crate) fn by_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The rows of a partition as a reader sees them now.
    pub(crate) fn snapshot(&self, index: usize, now: Timestamp) -> Vec<SnapshotRow> {
        self.partitions[index].snapshot(self.oldest_cell(now))
    }

    /// Cells with versions below this no longer exist.
    fn oldest_cell(&self, now: Timestamp) -> Option<i64> {
        let time_to_live = self.schema.time_to_live?;
        Some(now.minus(time_to_live).millis())
    }

    /// Up to `limit` rows as a reader sees them now, each with its partition's id.
    pub(crate) fn rows(&self, limit: usize, now: Timestamp) -> Vec<(Id, SnapshotRow)> {
        let rows = self.routes.values().flat_map(|index| {
            let id = &self.partitions[*index].id;
            let rows = self.snapshot(*index, now).into_iter();
            rows.map(|row| (id.clone(), row))
        });
        rows.take(limit).collect()
    }

    /// Applies the changes in order, as one bulk. The changes of each partition
    /// share a timestamp and differ in the row index.
    pub(crate) fn write(&mut self, changes: Vec<Change>, now: Timestamp) -> Vec<Logged> {
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
        let origin = self.origin(index, &route, now);
        let partition = &mut self.partitions[index];
        let sequence = partition.log.next_sequence(partition.epoch, now, continues);
        partition.store(route, &change, self.schema.max_versions);
        let record = to_record(change, sequence, origin, &self.schema.primary_key);
        let position = partition.log.push(sequence, frames::frame(&record));
        if partition.log.oldest() == Some(sequence.timestamp) {
            self.ages.insert((sequence.timestamp, index));
        }
        Logged {
            partition: index,
            partition_id: partition.id.clone(),
            position,
            sequence,
        }
    }

    /// The values of the origin columns before a change.
    fn origin(&self, index: usize, route: &Route, now: Timestamp) -> Option<Vec<OwnedColumn>> {
        let columns = &self.schema.origin_columns;
        let row = self.partitions[index].rows.get(route)?;
        (!columns.is_empty()).then(|| row.newest(columns, self.oldest_cell(now)))
    }

    /// Drops all changes that were written before the retention.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Trimmed> {
        self.expire_before(now.minus(self.schema.retention))
    }

    /// Drops all changes that were written before a time.
    pub(crate) fn expire_before(&mut self, time: Timestamp) -> Vec<Trimmed> {
        let mut trimmed = Vec::new();
        while let Some((_, index)) = self
            .ages
            .first()
            .copied()
            .filter(|(oldest, _)| *oldest < time.micros_i64())
        {
            let to = self.partitions[index].log.position_at(time);
            trimmed.extend(self.trim(index, to));
        }
        trimmed
    }

    /// Drops the changes of one partition before a position. `None` if there are
    /// none.
    pub(crate) fn trim(&mut self, index: usize, to: u64) -> Option<Trimmed> {
        let log = &mut self.partitions[index].log;
        let from = log.first();
        let before = log.oldest();
        log.trim(to);
        let (to, after) = (log.first(), log.oldest());
        before.map(|oldest| self.ages.remove(&(oldest, index)));
        after.map(|oldest| self.ages.insert((oldest, index)));
        (from < to).then_some(Trimmed {
            partition: index,
            from,
            to,
        })
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
pub(super) mod tests {
    use super::*;
    use crate::state::key::KeyPart;

    pub(in crate::state) fn table(partitions: u64, epoch_grows: bool) -> (Table, Ids) {
        let schema = Schema {
            name: "t".into(),
            primary_key: vec![("id".into(), KeyType::Integer)],
            partitions,
            max_versions: 1,
            origin_columns: Vec::new(),
            epoch_grows,
            retention: Duration::from_secs(60),
            time_to_live: None,
            max_version_offset: None,
        };
        let mut ids = Ids::new(1);
        (Table::new(schema, &mut ids, at(1)), ids)
    }

    pub(in crate::state) fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    pub(in crate::state) fn put(id: i64) -> Change {
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
    fn a_snapshot_keeps_the_rows_of_its_time() {
        let (mut table, _) = table(1, false);
        table.write(vec![put(1)], at(5));
        let snapshot = table.snapshot(0, at(6));
        let columns = vec![OwnedColumn::put("w", 9, 2)];
        let update = Change {
            action: ActionType::UpdateRow,
            columns,
            ..put(1)
        };
        table.write(vec![update], at(6));
        assert_eq!(snapshot[0].1.cells().len(), 1);
        assert_eq!(table.snapshot(0, at(6))[0].1.cells().len(), 2);
    }

    #[test]
    fn changes_are_dropped_after_the_retention() {
        let (mut table, mut ids) = table(1, false);
        let seconds = |n: u64| at(n * 1_000_000);
        table.write(vec![put(1), put(2)], seconds(0));
        table.write(vec![put(3)], seconds(10));
        let [lower, upper] = table
            .split(0, None, &mut ids, seconds(20))
            .expect("a split");
        table.write(vec![put(1), put(3)], seconds(20));
        assert_eq!(table.expire(seconds(60)), []);
        let gone = |partition, from, to| Trimmed {
            partition,
            from,
            to,
        };
        assert_eq!(table.expire(seconds(61)), [gone(0, 0, 2)]);
        assert_eq!(table.expire(seconds(61)), []);
        assert_eq!(table.trim(upper, 99), Some(gone(upper, 0, 1)));
        let rest = table.expire(seconds(1_000));
        assert_eq!(rest, [gone(0, 2, 3), gone(lower, 0, 1)]);
        let logged = table.write(vec![put(1)], seconds(1_000));
        assert_eq!(logged[0].position, 1, "positions are never reused");
        assert_eq!(table.expire(seconds(2_000)), [gone(lower, 1, 2)]);
    }

    #[test]
    fn cells_disappear_after_their_time_to_live() {
        let (mut table, _) = table(1, false);
        table.schema.time_to_live = Some(Duration::from_secs(10));
        table.schema.origin_columns = vec!["v".into()];
        let put_at = |id, version| Change {
            columns: vec![OwnedColumn::put("v", id, version)],
            ..put(id)
        };
        table.write(vec![put_at(1, 1_000), put_at(2, 5_000)], at(5_000_000));
        assert_eq!(table.snapshot(0, at(11_000_000)).len(), 2);
        let later = at(11_001_000);
        assert_eq!(table.snapshot(0, later).len(), 1);
        let route = |id| Route::of(vec![KeyPart::Integer(id)], 1);
        assert_eq!(table.origin(0, &route(1), later), Some(vec![]));
        assert_eq!(
            table.origin(0, &route(2), later).map(|cells| cells.len()),
            Some(1)
        );
    }
}
