//! [`Partition`]: a range of a table's rows, with the log of their changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change_log::ChangeLog;
use super::ids::Id;
use super::key::Route;
use super::row::Row;
use crate::timestamp::Timestamp;
use tablestore_tunnel::ActionType;

/// One row of a snapshot. The row is shared with the table until the table
/// changes it.
pub(crate) type SnapshotRow = (Route, Arc<Row>);

/// A range of routes with its rows and its log.
#[derive(Debug)]
pub(crate) struct Partition {
    /// UUID.
    pub(crate) id: Id,
    pub(crate) created: Timestamp,
    /// Indices of the partitions that it came from.
    pub(crate) parents: Vec<usize>,
    pub(crate) log: ChangeLog,
    pub(super) start: Route,
    pub(super) rows: BTreeMap<Route, Arc<Row>>,
    pub(super) epoch: i32,
}

impl Partition {
    /// A partition that a table starts with.
    pub(super) fn first(id: Id, start: Route, now: Timestamp) -> Partition {
        Partition {
            id,
            created: now,
            parents: Vec::new(),
            log: ChangeLog::default(),
            start,
            rows: BTreeMap::new(),
            epoch: 0,
        }
    }

    /// The rows as they are now, by route, without cells whose versions are below
    /// `oldest` (milliseconds since 1970).
    pub(crate) fn snapshot(&self, oldest: Option<i64>) -> Vec<SnapshotRow> {
        let live = |row: &Arc<Row>| match oldest {
            None => Some(Arc::clone(row)),
            Some(oldest) => row.since(oldest).map(Arc::new),
        };
        let rows = self.rows.iter();
        rows.filter_map(|(route, row)| Some((route.clone(), live(row)?)))
            .collect()
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Whether it takes writes: it is neither split nor merged yet.
    pub(crate) fn is_active(&self) -> bool {
        !self.log.is_closed()
    }

    /// Ends the log and returns the rows.
    pub(super) fn close(&mut self) -> BTreeMap<Route, Arc<Row>> {
        self.log.close();
        std::mem::take(&mut self.rows)
    }

    /// Applies a change to its row.
    pub(super) fn store(&mut self, route: Route, change: &super::table::Change, versions: usize) {
        match change.action {
            ActionType::DeleteRow => {
                self.rows.remove(&route);
            }
            ActionType::UpdateRow => {
                // The row is copied only if a snapshot still holds the old row.
                let row = Arc::make_mut(self.rows.entry(route).or_default());
                row.apply(&change.columns, versions);
            }
            // This is a put: there are no other actions.
            _ => {
                let mut row = Row::default();
                row.apply(&change.columns, versions);
                self.rows.insert(route, Arc::new(row));
            }
        }
    }
}
