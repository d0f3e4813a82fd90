//! A local table with conditional puts: where the sample of the Go SDK leaves
//! open what table of Tablestore it is.
//!
//! Each put is a line of JSON at the end of a file; the last line of a row is
//! the row. A process that is killed leaves whole lines, and at most one that
//! is cut off, which does not count. For one process at a time.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tablestore_tunnel::SequenceInfo;

/// What is kept for a row of the source table: the state, and with it, put at
/// once, the last record that the state includes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The sum of all amounts.
    pub(crate) balance: i64,
    /// How many changes that were.
    pub(crate) changes: i64,
    /// Where the last of them came from,
    pub(crate) channel_id: String,
    /// its `SequenceInfo` as text,
    pub(crate) sequence_info: String,
    /// and where those before came from: channels that a split has ended.
    pub(crate) former_channels: Vec<String>,
}

impl Row {
    /// The state before the first change.
    pub(crate) fn new(channel_id: &str) -> Row {
        Row {
            balance: 0,
            changes: 0,
            channel_id: channel_id.to_owned(),
            sequence_info: String::new(),
            former_channels: Vec::new(),
        }
    }

    /// The state is about to include the change at this place in the log.
    pub(crate) fn advance_to(&mut self, channel_id: &str, sequence_info: SequenceInfo) {
        self.sequence_info = sequence_info.to_string();
        if self.channel_id != channel_id {
            let former = std::mem::replace(&mut self.channel_id, channel_id.to_owned());
            self.former_channels.push(former);
        }
    }
}

/// What must hold for a put. Go: `RowCondition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is no such row.
    ExpectNotExist,
    /// The row is still as it was read.
    ExpectSame(Row),
}

/// Somebody else was faster.
#[derive(Debug)]
pub(crate) struct ConditionFailed;

impl fmt::Display for ConditionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the row was changed after it had been read; read it again")
    }
}

impl std::error::Error for ConditionFailed {}

pub(crate) struct Store(Mutex<Inner>);

struct Inner {
    rows: HashMap<String, Row>,
    file: File,
    /// Of the whole lines in the file.
    length: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    row: Row,
}

impl Store {
    /// The table in a file, which is made if there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Store> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (rows, length) = read(path)?;
        file.set_len(length)?;
        Ok(Store(Mutex::new(Inner { rows, file, length })))
    }

    pub(crate) fn get_row(&self, id: &str) -> Option<Row> {
        self.0.lock().rows.get(id).cloned()
    }

    /// Writes the row if the condition holds, in one step.
    pub(crate) fn put_row(&self, id: &str, row: Row, condition: &Condition) -> io::Result<()> {
        let mut inner = self.0.lock();
        if !condition.holds(inner.rows.get(id)) {
            return Err(io::Error::other(ConditionFailed));
        }
        inner.append(id, &row)?;
        inner.rows.insert(id.to_owned(), row);
        Ok(())
    }

    /// Returns when what was put would also survive the end of the machine.
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

/// The rows in a file, and how much of it is whole.
pub(crate) fn read(path: &Path) -> io::Result<(HashMap<String, Row>, u64)> {
    let bytes = fs::read(path)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = &bytes[..whole.map_or(0, |end| end + 1)];
    let mut rows = HashMap::new();
    for line in whole.split_inclusive(|byte| *byte == b'\n') {
        let Line { id, row } = serde_json::from_slice(line)?;
        rows.insert(id, row);
    }
    Ok((rows, whole.len() as u64))
}
