//! Rows from a file, one JSON object a line.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use tablestore_tunnel::Value;
use tablestore_tunnel::emulator::Table;

use crate::expect::Expect;
use crate::options::Keys;

/// Puts the rows of a file into the table.
pub(crate) fn load(
    file: &Path,
    table: &Table,
    keys: &Keys,
    expect: &mut Expect,
) -> Result<(), Box<dyn Error>> {
    let open = |error| format!("cannot read {}: {error}", file.display());
    let lines = BufReader::new(File::open(file).map_err(open)?).lines();
    for (number, line) in (1..).zip(lines) {
        let wrong = |error: String| format!("{}, line {number}: {error}", file.display());
        let (key, columns) = parse(&line?, keys).map_err(wrong)?;
        let put = table.put(key.clone(), columns.clone());
        put.map_err(|error| wrong(error.to_string()))?;
        expect.base(key, columns)?;
    }
    Ok(())
}

type Row = (Vec<Value>, Vec<(String, Value)>);

fn parse(line: &str, keys: &Keys) -> Result<Row, String> {
    let mut members: Map<String, Json> =
        serde_json::from_str(line).map_err(|error| format!("not a JSON object: {error}"))?;
    let take = |(name, _): &(String, _)| match members.remove(name) {
        Some(json) => value(name, json),
        None => Err(format!("no member {name:?}, which is in the primary key")),
    };
    let key = keys.iter().map(take).collect::<Result<_, _>>()?;
    let column = |(name, json): (String, Json)| value(&name, json).map(|value| (name, value));
    let columns = members.into_iter().map(column).collect::<Result<_, _>>()?;
    Ok((key, columns))
}

fn value(name: &str, json: Json) -> Result<Value, String> {
    match json {
        Json::Bool(value) => Ok(value.into()),
        Json::String(value) => Ok(value.into()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(value.into()),
            (None, Some(value)) => Ok(Value::Double(value)),
            (None, None) => Err(format!("{name:?}: {number} is out of range")),
        },
        Json::Object(object) => binary(&object).ok_or(format!(
            "{name:?}: the only object is a binary, as {{\"base64\": \"aGk=\"}}"
        )),
        other => Err(format!("{name:?}: no column can hold {other}")),
    }
}

fn binary(object: &Map<String, Json>) -> Option<Value> {
    let text = object.get("base64")?.as_str()?;
    STANDARD.decode(text).ok().map(Value::Binary)
}
