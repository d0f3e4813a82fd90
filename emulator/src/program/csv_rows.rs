//! [`CsvRows`]: rows of a CSV file, whose header has the names and types of the
//! columns.

use std::io::Read;

use crate::KeyType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use csv::{Reader, StringRecord, StringRecordsIntoIter};
use tablestore_tunnel::Value;

use super::options::Keys;
use super::seed::{Line, Row};

/// The rows of a file, each with its line number.
pub(super) struct CsvRows<R> {
    /// The positions of the columns of the primary key.
    keys: Vec<usize>,
    columns: Vec<Column>,
    records: StringRecordsIntoIter<R>,
}

/// A column of the file.
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Integer,
    Double,
    Boolean,
    String,
    Binary,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header. The table knows the types of its primary key.
    pub(super) fn new(file: R, keys: &Keys) -> Result<CsvRows<R>, String> {
        let mut reader = Reader::from_reader(file);
        let header = reader.headers().map_err(|error| error.to_string())?;
        let mut columns: Vec<Column> =
            header.iter().map(Column::parse).collect::<Result<_, _>>()?;
        let mut key_positions = Vec::new();
        for (name, kind) in keys {
            let position = columns.iter().position(|column| column.name == *name);
            let missing = || format!("the header has no {name}, which is in the primary key");
            let position = position.ok_or_else(missing)?;
            columns[position].kind = Kind::of_key(*kind);
            key_positions.push(position);
        }
        Ok(CsvRows {
            keys: key_positions,
            columns,
            records: reader.into_records(),
        })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, String> {
        let value = |position: usize| self.columns[position].value(&record[position]);
        let key = self.keys.iter().map(|position| value(*position));
        let is_cell =
            |position: &usize| !self.keys.contains(position) && !record[*position].is_empty();
        let cells = (0..self.columns.len()).filter(is_cell);
        let cell = |position: usize| Ok((self.columns[position].name.clone(), value(position)?));
        Ok((
            key.collect::<Result<_, _>>()?,
            cells.map(cell).collect::<Result<_, String>>()?,
        ))
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let record = match self.records.next()? {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                return Some((line, Err(error.to_string())));
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        Some((line, self.row(&record)))
    }
}

impl Column {
    fn parse(header: &str) -> Result<Column, String> {
        let (name, kind) = header.rsplit_once(':').unwrap_or((header, "string"));
        let kind = match kind {
            "int" | "integer" => Kind::Integer,
            "double" => Kind::Double,
            "bool" | "boolean" => Kind::Boolean,
            "string" => Kind::String,
            "binary" => Kind::Binary,
            _ => {
                return Err(format!(
                    "column {header:?}: a type is int, double, bool, string or binary"
                ));
            }
        };
        Ok(Column {
            name: name.to_owned(),
            kind,
        })
    }

    fn value(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Integer => text.parse().ok().map(Value::Integer),
            Kind::Double => text.parse().ok().map(Value::Double),
            Kind::Boolean => text.parse().ok().map(Value::Boolean),
            Kind::String => Some(Value::String(text.to_owned())),
            Kind::Binary => STANDARD.decode(text).ok().map(Value::Binary),
        };
        let Column { name, kind } = self;
        value.ok_or_else(|| format!("{name}: {text:?} is not {}", kind.name()))
    }
}

impl Kind {
    fn of_key(kind: KeyType) -> Kind {
        match kind {
            KeyType::Integer => Kind::Integer,
            KeyType::String => Kind::String,
            KeyType::Binary => Kind::Binary,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Integer => "a 64-bit integer",
            Kind::Double => "a double",
            Kind::Boolean => "true or false",
            Kind::String => "text",
            Kind::Binary => "base64",
        }
    }
}
