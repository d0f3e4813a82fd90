//! How partitions are split and merged.
//!
//! In both cases the old logs end and new partitions take over. Their sequence
//! numbers continue those of the parents, so that the records of a key stay in
//! order.

use std::ops::Bound;

use super::change_log::ChangeLog;
use super::ids::Ids;
use super::key::{Key, Route};
use super::partition::Partition;
use super::table::Table;
use crate::timestamp::Timestamp;

impl Table {
    /// Splits an active partition in two, at `key` or at its middle row.
    pub(crate) fn split(
        &mut self,
        index: usize,
        key: Option<Key>,
        ids: &mut Ids,
        now: Timestamp,
    ) -> Result<[usize; 2], String> {
        let at = self.split_point(index, key)?;
        let mut lower = self.child(&[index], ids, now);
        let mut upper = self.child(&[index], ids, now);
        let mut rows = self.partitions[index].close();
        upper.rows = rows.split_off(&at);
        upper.start = at;
        lower.rows = rows;
        Ok([self.add(lower), self.add(upper)])
    }

    /// Merges two active neighbours, given in either order, into one partition.
    pub(crate) fn merge(
        &mut self,
        one: usize,
        other: usize,
        ids: &mut Ids,
        now: Timestamp,
    ) -> Result<usize, String> {
        let [left, right] = self.neighbours(one, other)?;
        let mut child = self.child(&[left, right], ids, now);
        child.rows = self.partitions[left].close();
        child.rows.append(&mut self.partitions[right].close());
        let gone = self.partitions[right].start.clone();
        self.routes.remove(&gone);
        Ok(self.add(child))
    }

    /// A partition without rows that begins at the start of its first parent.
    fn child(&self, parents: &[usize], ids: &mut Ids, now: Timestamp) -> Partition {
        let parent_partitions = || parents.iter().map(|parent| &self.partitions[*parent]);
        let epoch = parent_partitions()
            .map(|parent| parent.epoch)
            .max()
            .unwrap_or(0);
        let last = parent_partitions()
            .filter_map(|parent| parent.log.last())
            .max();
        Partition {
            parents: parents.to_vec(),
            log: ChangeLog::after(last),
            epoch: epoch + i32::from(self.schema.epoch_grows),
            ..Partition::first(
                ids.uuid().into(),
                self.partitions[parents[0]].start.clone(),
                now,
            )
        }
    }

    fn split_point(&self, index: usize, key: Option<Key>) -> Result<Route, String> {
        let partition = self.active(index)?;
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

    /// Two partitions in the order of their keys. They must be neighbours.
    fn neighbours(&self, one: usize, other: usize) -> Result<[usize; 2], String> {
        self.active(one)?;
        self.active(other)?;
        match (self.next_partition(one), self.next_partition(other)) {
            (Some(next), _) if next == other => Ok([one, other]),
            (_, Some(next)) if next == one => Ok([other, one]),
            (next, _) => {
                let (one, other) = (&self.partitions[one].id, &self.partitions[other].id);
                let next =
                    next.map(|next| format!(" ({} follows {one})", self.partitions[next].id));
                Err(format!(
                    "only neighbours can be merged, and {one} and {other} are not neighbours{}",
                    next.unwrap_or_default()
                ))
            }
        }
    }

    /// The active partition that follows in the order of the keys.
    fn next_partition(&self, index: usize) -> Option<usize> {
        let start = &self.partitions[index].start;
        let after = (Bound::Excluded(start), Bound::Unbounded);
        self.routes.range(after).next().map(|(_, index)| *index)
    }

    fn active(&self, index: usize) -> Result<&Partition, String> {
        let partition = &self.partitions[index];
        match partition.is_active() {
            true => Ok(partition),
            false => Err(format!(
                "partition {} is split or merged already",
                partition.id
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::state::key::KeyPart;
    use crate::state::table::tests::{at, put, table};

    #[test]
    fn a_split_moves_the_rows_and_closes_the_log() {
        let (mut table, mut ids) = table(1, true);
        table.write((0..10).map(put).collect(), at(5));
        let [lower, upper] = table.split(0, None, &mut ids, at(6)).expect("a split");
        assert!(!table.partitions[0].is_active());
        assert_eq!(table.partitions[0].rows(), 0);
        assert_eq!(table.partitions[0].log.end(), 10);
        assert_eq!(table.partitions[lower].rows(), 5);
        assert_eq!(table.partitions[upper].rows(), 5);
        assert_eq!(table.partitions[upper].parents, [0]);
        let logged = table.write(vec![put(2), put(7)], at(5));
        assert_eq!(logged[0].partition, lower);
        assert_eq!(logged[1].partition, upper);
        assert!(logged[0].sequence.timestamp > 5, "follows the parent");
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
    fn a_merge_joins_the_rows_and_continues_both_logs() {
        let (mut table, mut ids) = table(1, true);
        table.write((0..10).map(put).collect(), at(5));
        let [lower, upper] = table.split(0, None, &mut ids, at(6)).expect("a split");
        table.write(vec![put(1)], at(100));
        table.write(vec![put(8)], at(200));
        let child = table
            .merge(upper, lower, &mut ids, at(150))
            .expect("a merge");
        let partition = &table.partitions[child];
        assert_eq!(partition.parents, [lower, upper], "in the order of keys");
        assert_eq!(partition.rows(), 10);
        assert!(!table.partitions[lower].is_active() && !table.partitions[upper].is_active());
        for id in 0..10 {
            assert_eq!(table.partition_of(&[KeyPart::Integer(id)]), child);
        }
        let logged = table.write(vec![put(3)], at(150));
        let sequence = logged[0].sequence;
        assert_eq!((sequence.epoch, sequence.timestamp), (2, 201));
        assert!(
            table.merge(lower, upper, &mut ids, at(160)).is_err(),
            "merged already"
        );
        let cut = table.split(child, None, &mut ids, at(170));
        assert!(cut.is_ok(), "a merged partition can be split again");
    }

    #[test]
    fn only_neighbours_merge_also_the_first_partitions_of_a_table() {
        let (mut table, mut ids) = table(4, false);
        table.write((0..100).map(put).collect(), at(5));
        assert!(
            table.merge(0, 2, &mut ids, at(6)).is_err(),
            "1 lies between"
        );
        assert!(table.merge(1, 1, &mut ids, at(6)).is_err(), "itself");
        let middle = table.merge(1, 2, &mut ids, at(6)).expect("neighbours");
        let refused = table.merge(0, 3, &mut ids, at(7)).expect_err("between");
        let between = table.partitions[middle].id.to_string();
        assert!(
            refused.contains(&between),
            "names the next partition: {refused}"
        );
        let lower = table.merge(0, middle, &mut ids, at(8)).expect("neighbours");
        let whole = table.merge(3, lower, &mut ids, at(9)).expect("neighbours");
        assert_eq!(table.partitions[whole].rows(), 100);
        assert_eq!(table.write(vec![put(5)], at(10))[0].partition, whole);
    }
}
