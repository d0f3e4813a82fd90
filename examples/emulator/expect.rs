//! [`Expect`]: the file that tells what a consumer must see.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value as Json, json};
use tablestore_tunnel::emulator::{KeyType, Written};
use tablestore_tunnel::{ActionType, OwnedColumn, OwnedRecord, Value};

use crate::json_line;
use crate::options::Keys;

/// Cells get their version when they are written; the file does not tell it.
const NO_VERSION: i64 = 0;

/// What was written, as JSON lines; nothing at all without a file.
pub(crate) struct Expect {
    file: Option<File>,
    names: Vec<String>,
}

/// A change, as it will come out.
pub(crate) struct Change {
    pub(crate) action: ActionType,
    pub(crate) key: Vec<Value>,
    pub(crate) columns: Vec<OwnedColumn>,
}

impl Expect {
    pub(crate) fn create(path: Option<&Path>, keys: &Keys) -> Result<Expect, String> {
        let create = |path: &Path| {
            File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        Ok(Expect {
            file: path.map(create).transpose()?,
            names: keys
                .iter()
                .map(|(name, _): &(_, KeyType)| name.clone())
                .collect(),
        })
    }

    /// A row that is in the table before any tunnel.
    pub(crate) fn base(
        &mut self,
        key: Vec<Value>,
        columns: Vec<(String, Value)>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let put = |(name, value)| OwnedColumn::put(name, value, NO_VERSION);
        let change = Change {
            action: ActionType::PutRow,
            key,
            columns: columns.into_iter().map(put).collect(),
        };
        let record = self.record(change);
        self.line("", &record)
    }

    /// A change that was written.
    pub(crate) fn change(
        &mut self,
        change: Change,
        written: &Written,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let record = self.record(change).sequence_info(written.sequence_info);
        self.line(&written.partition, &record)
    }

    /// Nothing more will be written.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.write(&json!({"end": true}))
    }

    fn record(&self, change: Change) -> OwnedRecord {
        let key = self.names.iter().cloned().zip(change.key);
        let record = OwnedRecord::new(change.action, key);
        let columns = change.columns.into_iter();
        columns.fold(record, OwnedRecord::column)
    }

    fn line(
        &mut self,
        partition: &str,
        record: &OwnedRecord,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let record = record.to_record()?;
        self.write(&Json::Object(json_line::object(partition, &record)))?;
        Ok(())
    }

    fn write(&mut self, line: &Json) -> io::Result<()> {
        match &mut self.file {
            // In one write: whoever reads meanwhile sees whole lines.
            Some(file) => file.write_all(format!("{line}\n").as_bytes()),
            None => Ok(()),
        }
    }
}
