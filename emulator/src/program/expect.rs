//! [`Expect`]: the file that tells what a consumer must see.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::Written;
use crate::control::value;
use serde_json::{Map, Value as Json, json};
use tablestore_tunnel::{ActionType, OwnedColumn, SequenceInfo, Value};

/// Cells get their version when they are written; the file does not tell it.
const NO_VERSION: i64 = 0;

/// What was written, as JSON lines; nothing at all without a file.
pub(super) struct Expect {
    file: Option<File>,
}

/// A change, as it will come out.
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

    /// A row that is in the table before any tunnel.
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

    /// A change that was written.
    pub(super) fn change(&mut self, change: Change, written: &Written) -> io::Result<()> {
        self.line(&written.partition, &change, Some(written.sequence_info))
    }

    /// Nothing more will be written.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.write(&json!({"end": true}))
    }

    /// As consumers write a record, with the partition for a channel. Rows
    /// that are there before any tunnel have no action and no sequence info.
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
            // In one write: whoever reads meanwhile sees whole lines.
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
