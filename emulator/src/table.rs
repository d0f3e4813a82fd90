//! [`Table`]: writing rows, and splitting and merging partitions.

use std::sync::Arc;
use std::time::Duration;
use tablestore_tunnel::_wire::client_error;

use super::service::Service;
use super::state::{
    Change, Key, KeyType, Logged, Partition, Schema, State, StateError, Table as StateTable,
    parse_key,
};
use tablestore_tunnel::TunnelError;
use tablestore_tunnel::{ActionType, OwnedColumn, SequenceInfo, Value};

/// The definition of a table.
#[derive(Clone, Debug)]
pub struct TableSpec {
    name: String,
    primary_key: Vec<(String, KeyType)>,
    partitions: u64,
    max_versions: usize,
    origin_columns: Vec<String>,
    retention: Option<Duration>,
    time_to_live: Option<Duration>,
    max_version_offset: Option<Duration>,
}

impl TableSpec {
    /// A table with a name. It still needs a primary key.
    pub fn new(name: impl Into<String>) -> TableSpec {
        TableSpec {
            name: name.into(),
            primary_key: Vec::new(),
            partitions: 1,
            max_versions: 1,
            origin_columns: Vec::new(),
            retention: None,
            time_to_live: None,
            max_version_offset: None,
        }
    }

    /// Adds a column to the primary key. The first column is the partition key.
    pub fn primary_key(mut self, name: impl Into<String>, kind: KeyType) -> TableSpec {
        self.primary_key.push((name.into(), kind));
        self
    }

    /// How many partitions the table starts with, at most 100 000. 0 means 1. Defaults
    /// to 1.
    ///
    /// A hash of the partition key spreads rows over the partitions, so that all of
    /// them get rows.
    pub fn partitions(mut self, partitions: u32) -> TableSpec {
        self.partitions = u64::from(partitions.max(1));
        self
    }

    /// How many versions of a column are kept. 0 means 1. Defaults to 1.
    pub fn max_versions(mut self, max_versions: usize) -> TableSpec {
        self.max_versions = max_versions.max(1);
        self
    }

    /// The columns whose values before a change are part of its record. Defaults to
    /// no columns.
    pub fn origin_columns<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> TableSpec {
        self.origin_columns = names.into_iter().map(Into::into).collect();
        self
    }

    /// How long changes stay in the log. Defaults to the retention of the
    /// [emulator](super::EmulatorBuilder::retention), which says what zero and
    /// [`Duration::MAX`] mean.
    pub fn retention(mut self, retention: Duration) -> TableSpec {
        self.retention = Some(retention);
        self
    }

    /// How long cells exist, counted from their versions on the emulator's clock.
    /// Expired cells are not in the base data of new tunnels, and the log has no entry
    /// of their expiry. With zero, a cell expires as soon as the clock moves; with
    /// [`Duration::MAX`], never. Defaults to forever.
    pub fn time_to_live(mut self, time_to_live: Duration) -> TableSpec {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// The largest distance of a cell's version from the time of writing, before or
    /// after. Other versions are rejected. Defaults to any distance, so that tests may
    /// use small numbers, which is also what [`Duration::MAX`] means. The default of the
    /// service is one day.
    pub fn max_version_offset(mut self, offset: Duration) -> TableSpec {
        self.max_version_offset = Some(offset);
        self
    }
}

/// Changes to some columns of a row.
#[derive(Clone, Debug, Default)]
pub struct RowUpdate(Vec<Cell>);

#[derive(Clone, Debug)]
enum Cell {
    Put(String, Value, Option<i64>),
    Delete(String),
    DeleteVersion(String, i64),
}

impl RowUpdate {
    /// An update without changes.
    pub fn new() -> RowUpdate {
        RowUpdate::default()
    }

    /// Writes a new version of a column. The version is the time of writing.
    pub fn put(mut self, name: impl Into<String>, value: impl Into<Value>) -> RowUpdate {
        self.0.push(Cell::Put(name.into(), value.into(), None));
        self
    }

    /// Writes a version of a column, in milliseconds since 1970.
    pub fn put_version(
        mut self,
        name: impl Into<String>,
        value: impl Into<Value>,
        version: i64,
    ) -> RowUpdate {
        let cell = Cell::Put(name.into(), value.into(), Some(version));
        self.0.push(cell);
        self
    }

    /// Deletes a column with all its versions.
    pub fn delete(mut self, name: impl Into<String>) -> RowUpdate {
        self.0.push(Cell::Delete(name.into()));
        self
    }

    /// Deletes one version of a column, in milliseconds since 1970.
    pub fn delete_version(mut self, name: impl Into<String>, version: i64) -> RowUpdate {
        self.0.push(Cell::DeleteVersion(name.into(), version));
        self
    }

    /// The columns, with `now` for missing versions.
    fn into_columns(self, now: i64) -> Vec<OwnedColumn> {
        let column = |cell| match cell {
            Cell::Put(name, value, version) => {
                OwnedColumn::put(name, value, version.unwrap_or(now))
            }
            Cell::Delete(name) => OwnedColumn::delete_all_versions(name),
            Cell::DeleteVersion(name, version) => OwnedColumn::delete_one_version(name, version),
        };
        self.0.into_iter().map(column).collect()
    }
}

/// The log entry of a change, which identifies its record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Id of the partition. The ids of its channels begin with it.
    pub partition: Arc<str>,
    /// Position in the partition's log, counted from 0.
    pub position: u64,
    /// The sequence number of the record.
    pub sequence_info: SequenceInfo,
}

/// A partition as it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// Its id. The ids of its channels begin with it.
    pub id: Arc<str>,
    /// Ids of the partitions that it came from.
    pub parents: Vec<Arc<str>>,
    /// The number of its rows.
    pub rows: usize,
    /// The number of changes that were written to it.
    pub changes: u64,
    /// Position of the oldest change that is still in its log, counted from 0. If
    /// there is none, it equals `changes`.
    pub oldest: u64,
    /// Whether it takes writes: it is neither split nor merged.
    pub active: bool,
}

/// A handle on a table. Clones are handles on the same table.
///
/// A handle does not keep the emulator serving. All methods may be called from any
/// thread. When a write returns, its changes are in the log.
#[derive(Clone, Debug)]
pub struct Table {
    service: Arc<Service>,
    name: Arc<str>,
    /// Distinguishes the table from a later one with the same name. It is compared
    /// by address.
    stream_id: Arc<str>,
    primary_key: Arc<[(String, KeyType)]>,
}

impl Table {
    pub(super) fn create(service: &Arc<Service>, spec: TableSpec) -> Result<Table, TunnelError> {
        let settings = service.settings();
        let schema = Schema {
            name: spec.name.as_str().into(),
            primary_key: spec.primary_key,
            partitions: spec.partitions,
            max_versions: spec.max_versions,
            origin_columns: spec.origin_columns,
            epoch_grows: settings.epoch_grows,
            retention: spec.retention.unwrap_or(settings.retention),
            time_to_live: spec.time_to_live,
            max_version_offset: spec.max_version_offset,
        };
        let created = service.command(|state, now| state.create_table(schema, now));
        created.map_err(refused)?;
        Table::open(service, &spec.name)
    }

    pub(super) fn open(service: &Arc<Service>, name: &str) -> Result<Table, TunnelError> {
        let table = service.read(|state| {
            let table = state.table(name)?;
            Ok(Table {
                stream_id: table.stream_id.clone(),
                name: table.schema.name.clone(),
                primary_key: table.schema.primary_key.as_slice().into(),
                service: Arc::clone(service),
            })
        });
        table.map_err(refused)
    }

    /// The name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes a complete row, which replaces the old row.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the key does not fit the primary key, if the row exceeds
    /// the limits of the service (1 KB in a key value, 2 MB in a value, 4 MB and 1024
    /// columns in total), or if the table was dropped.
    pub fn put<K: Into<Value>, N: Into<String>, V: Into<Value>>(
        &self,
        key: impl IntoIterator<Item = K>,
        columns: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Written, TunnelError> {
        self.write_one(ActionType::PutRow, key, puts(columns))
    }

    /// Changes some columns of a row, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// `OTSClientError` as for [`Table::put`].
    pub fn update<K: Into<Value>>(
        &self,
        key: impl IntoIterator<Item = K>,
        update: RowUpdate,
    ) -> Result<Written, TunnelError> {
        self.write_one(ActionType::UpdateRow, key, update)
    }

    /// Deletes a row. The log gets an entry even if the row does not exist.
    ///
    /// # Errors
    ///
    /// `OTSClientError` as for [`Table::put`].
    pub fn delete<K: Into<Value>>(
        &self,
        key: impl IntoIterator<Item = K>,
    ) -> Result<Written, TunnelError> {
        self.write_one(ActionType::DeleteRow, key, RowUpdate::new())
    }

    /// Writes many complete rows in order, as one bulk. In each partition they share
    /// a timestamp and differ in the row index. Reads have to wait meanwhile, so write
    /// thousands of rows at a time rather than millions.
    ///
    /// # Errors
    ///
    /// `OTSClientError` as for [`Table::put`]. In that case no row is written.
    pub fn put_all<K: Into<Value>, N: Into<String>, V: Into<Value>>(
        &self,
        rows: impl IntoIterator<
            Item = (
                impl IntoIterator<Item = K>,
                impl IntoIterator<Item = (N, V)>,
            ),
        >,
    ) -> Result<Vec<Written>, TunnelError> {
        let changes: Result<Vec<Planned>, TunnelError> = rows
            .into_iter()
            .map(|(key, columns)| Ok((ActionType::PutRow, self.key(key)?, puts(columns))))
            .collect();
        self.write(changes?)
    }

    /// Splits a partition at its middle row. Returns the ids of the two parts, the
    /// lower part first.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such partition, it is split or merged
    /// already, or it has fewer than two rows.
    pub fn split(&self, partition_id: &str) -> Result<[Arc<str>; 2], TunnelError> {
        self.split_where(|table| partition_index(table, partition_id), None)
    }

    /// Splits the partition of a key. The key and the higher keys of the partition go
    /// to the second part. The key need not exist.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the key does not fit the primary key, or if it is the
    /// smallest possible key of its partition.
    pub fn split_at<K: Into<Value>>(
        &self,
        key: impl IntoIterator<Item = K>,
    ) -> Result<[Arc<str>; 2], TunnelError> {
        let key = self.key(key)?;
        let which = |table: &StateTable| Ok(table.partition_of(&key));
        self.split_where(which, Some(key.clone()))
    }

    /// Merges two neighbouring partitions, such as the two parts of a split, given in
    /// either order. Returns the id of the new partition. The first partitions of a
    /// table are in the order of [`Table::partitions`].
    ///
    /// Tunnels read both partitions to their ends before they read the new one.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if a partition does not exist, if it is split or merged
    /// already, or if another partition lies between them.
    pub fn merge(&self, one: &str, other: &str) -> Result<Arc<str>, TunnelError> {
        let merged = self.service.command(|state, now| {
            let table = self.current(state)?;
            let parents = [partition_index(table, one)?, partition_index(table, other)?];
            state.merge(&self.name, parents, now)
        });
        merged.map_err(refused)
    }

    /// Drops the changes of a partition before a position from its log, as the
    /// retention does after some time. Returns the number of dropped changes. Rows
    /// stay.
    ///
    /// Tunnels lose the changes that they have not read, see
    /// [`TrimmedRead`](super::TrimmedRead).
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such partition.
    pub fn trim(&self, partition_id: &str, position: u64) -> Result<u64, TunnelError> {
        let trimmed = self.service.command(|state, now| {
            let index = partition_index(self.current(state)?, partition_id)?;
            state.trim(&self.name, index, position, now)
        });
        trimmed.map_err(refused)
    }

    /// Drops all changes of all partitions from their logs, as if the retention had
    /// passed. Returns the number of dropped changes.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the table was dropped.
    pub fn expire(&self) -> Result<u64, TunnelError> {
        let expired = self.service.command(|state, now| {
            self.current(state)?;
            state.expire(&self.name, now)
        });
        expired.map_err(refused)
    }

    /// All partitions in the order of their creation, also those that were split or
    /// merged. If the table was dropped, there are none.
    pub fn partitions(&self) -> Vec<PartitionInfo> {
        self.service.command(|state, now| {
            state.apply_retention(&self.name, now);
            let Ok(table) = self.current(state) else {
                return Vec::new();
            };
            let id = |index: &usize| table.partitions[*index].id.clone();
            let info = |partition: &Partition| PartitionInfo {
                id: partition.id.clone(),
                parents: partition.parents.iter().map(id).collect(),
                rows: partition.rows(),
                changes: partition.log.end(),
                oldest: partition.log.first(),
                active: partition.is_active(),
            };
            table.partitions.iter().map(info).collect()
        })
    }

    /// The table of this handle, unless it was dropped.
    fn current<'a>(&self, state: &'a State) -> Result<&'a StateTable, StateError> {
        let table = state.table(&self.name)?;
        match Arc::ptr_eq(&table.stream_id, &self.stream_id) {
            true => Ok(table),
            false => Err(StateError::Invalid(format!(
                "table {} was dropped, and a new table has its name",
                self.name
            ))),
        }
    }

    fn key<K: Into<Value>>(&self, key: impl IntoIterator<Item = K>) -> Result<Key, TunnelError> {
        let values = key.into_iter().map(Into::into).collect();
        parse_key(values, &self.primary_key).map_err(client_error)
    }

    fn write_one<K: Into<Value>>(
        &self,
        action: ActionType,
        key: impl IntoIterator<Item = K>,
        update: RowUpdate,
    ) -> Result<Written, TunnelError> {
        let change = (action, self.key(key)?, update);
        let mut written = self.write(vec![change])?;
        // One change has one log entry.
        Ok(written.swap_remove(0))
    }

    /// Writes all rows in order, or none of them.
    pub(super) fn write_rows(&self, rows: Vec<RowWrite>) -> Result<Vec<Written>, TunnelError> {
        let plan = |(action, key, update)| Ok((action, self.key::<Value>(key)?, update));
        let planned: Result<Vec<Planned>, TunnelError> = rows.into_iter().map(plan).collect();
        self.write(planned?)
    }

    fn write(&self, planned: Vec<Planned>) -> Result<Vec<Written>, TunnelError> {
        let logged = self.service.write(&self.name, |state, now| {
            self.current(state)?;
            let change = |(action, key, update): Planned| Change {
                action,
                key,
                columns: update.into_columns(now.millis()),
            };
            Ok(planned.into_iter().map(change).collect())
        });
        let written = |logged: Logged| Written {
            partition: logged.partition_id,
            position: logged.position,
            sequence_info: logged.sequence,
        };
        let logged = logged.map_err(refused)?;
        Ok(logged.into_iter().map(written).collect())
    }

    fn split_where(
        &self,
        which: impl FnOnce(&StateTable) -> Result<usize, StateError>,
        key: Option<Key>,
    ) -> Result<[Arc<str>; 2], TunnelError> {
        let split = self.service.command(|state, now| {
            let index = which(self.current(state)?)?;
            state.split(&self.name, index, key, now)
        });
        split.map_err(refused)
    }
}

fn partition_index(table: &StateTable, id: &str) -> Result<usize, StateError> {
    let name = &table.schema.name;
    let missing = || StateError::Invalid(format!("table {name} has no partition {id}"));
    table.by_id(id).ok_or_else(missing)
}

/// A change whose key is not checked yet.
pub(super) type RowWrite = (ActionType, Vec<Value>, RowUpdate);

/// A change whose missing versions are not filled in yet.
type Planned = (ActionType, Key, RowUpdate);

fn puts<N: Into<String>, V: Into<Value>>(columns: impl IntoIterator<Item = (N, V)>) -> RowUpdate {
    let columns = columns.into_iter();
    columns.fold(RowUpdate::new(), |update, (name, value)| {
        update.put(name, value)
    })
}

fn refused(error: StateError) -> TunnelError {
    client_error(error.to_string())
}
