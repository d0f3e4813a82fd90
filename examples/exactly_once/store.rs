//! A local table with conditional puts. The Go SDK's sample uses a table of
//! Tablestore here and leaves its implementation open.
//!
//! Each put appends a line of JSON to a file; the last line of a row holds its
//! current state. A process that is killed may leave one incomplete line at the
//! end, which is ignored. Only one process may use the file at a time.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tablestore_tunnel::SequenceInfo;

/// The state of a row of the source table, with the position of the last record
/// that the state includes. Both are put in one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The sum of all amounts.
    pub(crate) balance: i64,
    /// The number of changes.
    pub(crate) changes: i64,
    /// The channel of the last change.
    pub(crate) channel_id: String,
    /// The `SequenceInfo` of the last change, as text.
    pub(crate) sequence_info: String,
    /// The channels of earlier changes, which a split has ended.
    pub(crate) former_channels: Vec<String>,
}

impl Row {
    /// Returns the state before the first change.
    pub(crate) fn new(channel_id: &str) -> Row {
        Row {
            balance: 0,
            changes: 0,
            channel_id: channel_id.to_owned(),
            sequence_info: String::new(),
            former_channels: Vec::new(),
        }
    }

    /// Sets the position of the last change that the state includes.
    pub(crate) fn advance_to(&mut self, channel_id: &str, sequence_info: SequenceInfo) {
        self.sequence_info = sequence_info.to_string();
        if self.channel_id != channel_id {
            let former = std::mem::replace(&mut self.channel_id, channel_id.to_owned());
            self.former_channels.push(former);
        }
    }
}

/// The condition of a put. Go: `RowCondition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The row does not exist.
    ExpectNotExist,
    /// The row has not changed since it was read.
    ExpectSame(Row),
}

/// Another worker has changed the row meanwhile.
#[derive(Debug)]
pub(crate) struct ConditionFailed;

impl fmt::Display for ConditionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the row was changed after it was read; read it again")
    }
}

impl std::error::Error for ConditionFailed {}

pub(crate) struct Store(Mutex<Inner>);

struct Inner {
    rows: HashMap<String, Row>,
    file: File,
    /// The length in bytes of the complete lines in the file.
    length: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    row: Row,
}

impl Store {
    /// Opens the table in a file, which is created if it does not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Store> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (rows, length) = read(path)?;
        file.set_len(length)?;
        Ok(Store(Mutex::new(Inner { rows, file, length })))
    }

    pub(crate) fn get_row(&self, id: &str) -> Option<Row> {
        self.0.lock().rows.get(id).cloned()
    }

    /// Checks the condition and writes the row in one step.
    pub(crate) fn put_row(&self, id: &str, row: Row, condition: &Condition) -> io::Result<()> {
        let mut inner = self.0.lock();
        if !condition.holds(inner.rows.get(id)) {
            return Err(io::Error::other(ConditionFailed));
        }
        inner.append(id, &row)?;
        inner.rows.insert(id.to_owned(), row);
        Ok(())
    }

    /// Returns when every put so far is durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.lock().file.sync_data()
    }
}

impl Inner {
    fn append(&mut self, id: &str, row: &Row) -> io::Result<()> {
        let (id, row) = (id.to_owned(), row.clone());
        let line = serde_json::to_string(&Line { id, row })? + "\n";
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

impl Condition {
    fn holds(&self, row: Option<&Row>) -> bool {
        match self {
            Condition::ExpectNotExist => row.is_none(),
            Condition::ExpectSame(read) => row == Some(read),
        }
    }
}

/// Returns the rows in a file, and the length of its complete lines.
pub(crate) fn read(path: &Path) -> io::Result<(HashMap<String, Row>, u64)> {
    let bytes = fs::read(path)?;
    let last_newline = bytes.iter().rposition(|byte| *byte == b'\n');
    let complete = &bytes[..last_newline.map_or(0, |end| end + 1)];
    let mut rows = HashMap::new();
    for line in complete.split_inclusive(|byte| *byte == b'\n') {
        let Line { id, row } = serde_json::from_slice(line)?;
        rows.insert(id, row);
    }
    Ok((rows, complete.len() as u64))
}
