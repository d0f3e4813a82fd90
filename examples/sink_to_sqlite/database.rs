//! The copy of the table, together with its position in the change log.
//!
//! The schema fits every table: a row is its primary key as text, with one cell
//! for each column.

use std::path::Path;
use std::time::Duration;

use rusqlite::Error::FromSqlConversionFailure;
use rusqlite::types::{ToSqlOutput, Type, ValueRef as SqlRef};
use rusqlite::{
    Connection, OptionalExtension, Result, Row, ToSql, Transaction, TransactionBehavior, params,
};
use tablestore_tunnel::{ActionType, ColumnKind, Record, RecordColumn, SequenceInfo, ValueRef};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    -- The number of records stored for each row, including deleted rows.
    CREATE TABLE IF NOT EXISTS rows (
        key TEXT PRIMARY KEY, records INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cells (
        key TEXT, name TEXT, value, version INTEGER, PRIMARY KEY (key, name)
    ) WITHOUT ROWID;
    -- The last change stored from each channel.
    CREATE TABLE IF NOT EXISTS channels (
        id TEXT PRIMARY KEY, sequence_info TEXT NOT NULL
    ) WITHOUT ROWID;
";

/// How long to wait for the transaction of another channel.
const MAX_WAIT: Duration = Duration::from_secs(30);

pub(crate) struct Database(Connection);

impl Database {
    /// Opens the database in a file, which is created if it does not exist.
    pub(crate) fn open(file: &Path) -> Result<Database> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(MAX_WAIT)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Database(connection))
    }

    /// Stores the new records of a batch in one transaction, and skips records
    /// that are already stored. Returns the number of new records.
    pub(crate) fn store(&mut self, channel_id: &str, records: &[Record]) -> Result<usize> {
        // Takes the write lock before the first read, so that no other connection
        // can change what is read here.
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.0.transaction_with_behavior(behavior)?;
        let last_stored = last_stored(&transaction, channel_id)?;
        let (mut newest, mut stored) = (last_stored, 0);
        for record in records {
            let key = key(record);
            let is_new = match record.sequence_info() {
                Some(sequence_info) => Some(sequence_info) > last_stored,
                None => is_new_row(&transaction, &key)?,
            };
            if is_new {
                apply(&transaction, &key, record)?;
                newest = record.sequence_info();
                stored += 1;
            }
        }
        if let Some(newest) = newest {
            let sql = "INSERT OR REPLACE INTO channels VALUES (?, ?)";
            let mut insert = transaction.prepare_cached(sql)?;
            insert.execute(params![channel_id, newest.to_string()])?;
        }
        transaction.commit()?;
        Ok(stored)
    }

    /// Returns the number of stored records.
    pub(crate) fn stored(&self) -> Result<i64> {
        let sql = "SELECT coalesce(sum(records), 0) FROM rows";
        self.0.query_row(sql, [], |row| row.get(0))
    }

    /// Returns the cells in order, as text: key, name and value.
    pub(crate) fn cells(&self) -> Result<Vec<[String; 3]>> {
        let sql = "SELECT key, name, quote(value) FROM cells ORDER BY key, name";
        let mut query = self.0.prepare(sql)?;
        let cell = |row: &Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
        query.query_map([], cell)?.collect()
    }
}

/// Returns the position of the last change stored from the channel. `None` if no
/// change has been stored.
fn last_stored(transaction: &Transaction<'_>, channel_id: &str) -> Result<Option<SequenceInfo>> {
    let sql = "SELECT sequence_info FROM channels WHERE id = ?";
    let mut query = transaction.prepare_cached(sql)?;
    let position = |row: &Row<'_>| row.get::<_, String>(0);
    let text = query.query_row([channel_id], position).optional()?;
    let conversion_failure = |error| FromSqlConversionFailure(0, Type::Text, Box::new(error));
    text.map(|text| text.parse().map_err(conversion_failure))
        .transpose()
}

/// Base data has no position in the log. A row of base data is new if the copy
/// has no record of the row: each row is delivered before its changes.
fn is_new_row(transaction: &Transaction<'_>, key: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM rows WHERE key = ?";
    Ok(!transaction.prepare_cached(sql)?.exists([key])?)
}

fn apply(transaction: &Transaction<'_>, key: &str, record: &Record) -> Result<()> {
    if record.action() != ActionType::UpdateRow {
        let sql = "DELETE FROM cells WHERE key = ?";
        transaction.prepare_cached(sql)?.execute([key])?;
    }
    for column in record.columns() {
        apply_column(transaction, key, column)?;
    }
    let sql = "INSERT INTO rows VALUES (?, 1) ON CONFLICT DO UPDATE SET records = records + 1";
    transaction.prepare_cached(sql)?.execute([key])?;
    Ok(())
}

fn apply_column(transaction: &Transaction<'_>, key: &str, column: RecordColumn<'_>) -> Result<()> {
    let (name, version) = (column.name(), column.timestamp());
    match (column.kind(), column.value()) {
        (ColumnKind::Put, Some(value)) => {
            // The newest version is the column's value.
            let sql = "INSERT INTO cells VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version
                WHERE excluded.version >= version";
            let mut insert = transaction.prepare_cached(sql)?;
            insert.execute(params![key, name, Sql(value), version])?
        }
        (ColumnKind::DeleteOneVersion, _) => {
            let sql = "DELETE FROM cells WHERE key = ? AND name = ? AND version = ?";
            transaction
                .prepare_cached(sql)?
                .execute(params![key, name, version])?
        }
        _ => {
            let sql = "DELETE FROM cells WHERE key = ? AND name = ?";
            transaction
                .prepare_cached(sql)?
                .execute(params![key, name])?
        }
    };
    Ok(())
}

/// Returns the primary key as text.
fn key(record: &Record) -> String {
    let values: Vec<String> = record
        .primary_key()
        .map(|column| column.value().to_string())
        .collect();
    values.join(",")
}

/// A value as SQLite stores it. Booleans are stored as integers.
struct Sql<'a>(ValueRef<'a>);

impl ToSql for Sql<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            ValueRef::Integer(value) => SqlRef::Integer(value),
            ValueRef::Double(value) => SqlRef::Real(value),
            ValueRef::Boolean(value) => SqlRef::Integer(value.into()),
            ValueRef::String(value) => SqlRef::Text(value.as_bytes()),
            ValueRef::Binary(value) => SqlRef::Blob(value),
            _ => SqlRef::Null,
        }))
    }
}
