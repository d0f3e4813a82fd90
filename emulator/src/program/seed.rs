//! Rows from a file: CSV with a header, or one JSON object in each line.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::Table;
use serde_json::{Map, Value as Json};
use tablestore_tunnel::Value;

use super::csv_rows::CsvRows;
use super::expect::Expect;
use super::options::Keys;

/// A key and the other columns.
pub(super) type Row = (Vec<Value>, Vec<(String, Value)>);

/// A row with its line number in the file, or the error of the line.
pub(super) type Line = (u64, Result<Row, String>);

/// Puts the rows of a file into the table.
pub(super) fn load(
    path: &Path,
    table: &Table,
    keys: &Keys,
    expect: &mut Expect,
) -> Result<(), Box<dyn Error>> {
    let open = |error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(open)?;
    let is_csv = path.extension().is_some_and(|extension| extension == "csv");
    let lines: Box<dyn Iterator<Item = Line>> = if is_csv {
        let rows = CsvRows::new(file, keys);
        Box::new(rows.map_err(|why| format!("{}: {why}", path.display()))?)
    } else {
        Box::new(json_rows(BufReader::new(file), keys))
    };
    for (number, row) in lines {
        let wrong = |error: String| format!("{}, line {number}: {error}", path.display());
        let (key, columns) = row.map_err(wrong)?;
        let put = table.put(key.clone(), columns.clone());
        put.map_err(|error| wrong(error.to_string()))?;
        expect.base(key, columns)?;
    }
    Ok(())
}

fn json_rows<'a>(
    file: impl BufRead + 'a,
    keys: &'a Keys,
) -> impl Iterator<Item = (u64, Result<Row, String>)> + 'a {
    let row = |line: std::io::Result<String>| parse(&line.map_err(|e| e.to_string())?, keys);
    let is_blank =
        |line: &std::io::Result<String>| matches!(line, Ok(line) if line.trim().is_empty());
    (1..)
        .zip(file.lines())
        .filter(move |(_, line)| !is_blank(line))
        .map(move |(number, line)| (number, row(line)))
}

fn parse(line: &str, keys: &Keys) -> Result<Row, String> {
    let mut members: Map<String, Json> =
        serde_json::from_str(line).map_err(|error| format!("not a JSON object: {error}"))?;
    let take = |(name, _): &(String, _)| match members.remove(name) {
        Some(json) => value(name, &json),
        None => Err(format!("member {name:?} of the primary key is missing")),
    };
    let key = keys.iter().map(take).collect::<Result<_, _>>()?;
    let column = |(name, json): (String, Json)| value(&name, &json).map(|value| (name, value));
    let columns = members.into_iter().map(column).collect::<Result<_, _>>()?;
    Ok((key, columns))
}

/// Parses a JSON value. The control API has the same format.
fn value(name: &str, json: &Json) -> Result<Value, String> {
    crate::control::value::parse(json).map_err(|why| format!("{name:?}: {why}"))
}
