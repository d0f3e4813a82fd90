//! [`Expect`]: the file of the records that consumers must receive.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::Written;
use crate::control::value;
use serde_json::{Map, Value as Json, json};
use tablestore_tunnel::{ActionType, OwnedColumn, SequenceInfo, Value};

/// Cells get their versions when they are written. The file leaves them out.
const NO_VERSION: i64 = 0;

/// The file of written records, as JSON lines. Without a file, nothing is written.
pub(super) struct Expect {
    file: Option<File>,
}

/// A change, as consumers will receive it.
pub(super) struct Change {
    pub(super) action: ActionType,
    pub(super) key: Vec<Value>,
    pub(super) columns: Vec<OwnedColumn>,
}

impl Expect {
    pub(super) fn create(path: Option<&Path>) -> Result<Expect, String> {
        let create = |path: &Path| {
            File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        Ok(Expect {
            file: path.map(create).transpose()?,
        })
    }

    /// Adds a row that was written before the first tunnel.
    pub(super) fn base(
        &mut self,
        key: Vec<Value>,
        columns: Vec<(String, Value)>,
    ) -> io::Result<()> {
        let put = |(name, value)| OwnedColumn::put(name, value, NO_VERSION);
        let change = Change {
            action: ActionType::PutRow,
            key,
            columns: columns.into_iter().map(put).collect(),
        };
        self.line("", &change, None)
    }

    /// Adds a change that was written.
    pub(super) fn change(&mut self, change: Change, written: &Written) -> io::Result<()> {
        self.line(&written.partition, &change, Some(written.sequence_info))
    }

    /// Adds the line that ends the file.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.write(&json!({"end": true}))
    }

    /// Writes a record in the format of the consumers, with the partition as its
    /// channel. Rows before the first tunnel have no action and no sequence number.
    fn line(
        &mut self,
        partition: &str,
        change: &Change,
        sequence: Option<SequenceInfo>,
    ) -> io::Result<()> {
        let mut line = Map::new();
        line.insert("channel".to_owned(), partition.into());
        if let Some(sequence) = sequence {
            line.insert("action".to_owned(), change.action.to_string().into());
            line.insert("timestamp".to_owned(), sequence.timestamp.into());
            line.insert("row_index".to_owned(), sequence.row_index.into());
        }
        let key = change.key.iter().map(value::to_json);
        line.insert("key".to_owned(), key.collect());
        let columns = change.columns.iter().map(column);
        line.insert("columns".to_owned(), columns.collect());
        self.write(&Json::Object(line))
    }

    fn write(&mut self, line: &Json) -> io::Result<()> {
        match &mut self.file {
            // One write, so that programs that read at the same time see complete
            // lines.
            Some(file) => file.write_all(format!("{line}\n").as_bytes()),
            None => Ok(()),
        }
    }
}

fn column(column: &OwnedColumn) -> Json {
    match &column.value {
        Some(value) => json!({"name": column.name, "value": value::to_json(value)}),
        None => json!({"name": column.name, "deleted": "all"}),
    }
}
