//! Bytes written by other software; see `tests/vectors/README.md`.

#![expect(clippy::indexing_slicing, reason = "the JSON files are our own")]

use prost::Message;
use serde_json::{Map, Value as Json, json};

use super::{decode, decode_row, parse};
use crate::error::ErrorCode;
use crate::protocol;
use crate::record::binary::parse_binary_records;
use crate::record::kind::ColumnKind;
use crate::record::record::{Record, RecordColumns};
use crate::record::token::{FINISH_TAG, Token, is_stream};
use crate::record::value::ValueRef;
use crate::vectors::exchanges;

const ROWS: &str = include_str!("../../../tests/vectors/rows.jsonl");
const TOKENS: &str = include_str!("../../../tests/vectors/tokens.jsonl");

fn lines(text: &str) -> Vec<Json> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn text<'a>(line: &'a Json, key: &str) -> &'a str {
    line[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {line}"))
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: &u8| {
        char::from(*c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "half a byte in {text}");
    pairs
        .iter()
        .map(|[high, low]| digit(high).expect("hex") * 16 + digit(low).expect("hex"))
        .collect()
}

fn message(line: &Json) -> protocol::Record {
    protocol::Record {
        action_type: line["action"]
            .as_i64()
            .expect("an action")
            .try_into()
            .expect("i32"),
        record: unhex(text(line, "record")).into(),
        origin_record: line
            .get("origin_record")
            .map(|_| unhex(text(line, "origin_record")).into()),
    }
}

fn value_json(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Integer(value) => json!({"integer": value.to_string()}),
        ValueRef::Double(value) => json!({"double_bits": format!("{:016x}", value.to_bits())}),
        ValueRef::Boolean(value) => json!({ "boolean": value }),
        ValueRef::String(value) => json!({ "string": value }),
        ValueRef::Binary(value) => {
            json!({"binary": value.iter().map(|b| format!("{b:02x}")).collect::<String>()})
        }
        other => panic!("no vector has a {other:?}"),
    }
}

fn columns_json(columns: RecordColumns<'_>) -> Json {
    columns
        .map(|column| {
            let kind = match column.kind() {
                ColumnKind::Put => "put",
                ColumnKind::DeleteOneVersion => "delete_one_version",
                ColumnKind::DeleteAllVersions => "delete_all_versions",
                ColumnKind::Increment => "increment",
            };
            let mut json = Map::new();
            json.insert("name".to_owned(), column.name().into());
            json.insert("kind".to_owned(), kind.into());
            json.extend(
                column
                    .timestamp()
                    .map(|t| ("timestamp".to_owned(), t.into())),
            );
            json.extend(column.value().map(|v| ("value".to_owned(), value_json(v))));
            Json::Object(json)
        })
        .collect()
}

fn key_json(record: &Record) -> Json {
    record
        .primary_key()
        .map(|column| json!({"name": column.name(), "value": value_json(column.value())}))
        .collect()
}

fn record_json(record: &Record) -> Json {
    let mut json = json!({
        "action": record.action().to_string(),
        "primary_key": key_json(record),
        "columns": columns_json(record.columns()),
    });
    if record.has_origin() {
        json["origin_columns"] = columns_json(record.origin_columns());
    }
    if let Some(sequence) = record.sequence_info() {
        json["sequence"] = json!({
            "epoch": sequence.epoch,
            "timestamp": sequence.timestamp,
            "row_index": sequence.row_index,
        });
    }
    json
}

/// The form in which the Go SDK reports a record: without the epoch, and with an empty
/// list if there is no origin row.
fn as_go_reports(mut json: Json) -> Json {
    if let Some(sequence) = json.get_mut("sequence").and_then(Json::as_object_mut) {
        sequence.remove("epoch");
    }
    if json.get("origin_columns").is_none() {
        json["origin_columns"] = json!([]);
    }
    json
}

#[test]
fn good_rows_hold_what_is_expected() {
    let good: Vec<Json> = lines(ROWS)
        .into_iter()
        .filter(|l| l.get("expect").is_some())
        .collect();
    assert_eq!(good.len(), 17);
    for line in good {
        let record = decode(message(&line)).unwrap_or_else(|e| panic!("{}: {e}", line["name"]));
        assert_eq!(record_json(&record), line["expect"], "{}", line["name"]);
        let detached = record.detach();
        drop(record);
        assert_eq!(
            record_json(&detached),
            line["expect"],
            "detached: {}",
            line["name"]
        );
    }
}

#[test]
fn broken_rows_are_refused() {
    let broken: Vec<Json> = lines(ROWS)
        .into_iter()
        .filter(|l| l["error"] == true)
        .collect();
    assert_eq!(broken.len(), 381);
    for line in broken {
        let error = decode(message(&line)).err();
        let error = error.unwrap_or_else(|| panic!("{} was taken", line["name"]));
        assert_eq!(error.code(), &ErrorCode::Malformed, "{}", line["name"]);
    }
}

#[test]
fn encoding_a_decoded_row_restores_its_bytes() {
    // Not restored: an unknown extension, a deletion without a marker, an origin row
    // without the tag of its key.
    let not_restored = [
        "unknown extension",
        "delete row without marker",
        "without the primary key",
    ];
    let mut rewritten = 0;
    for line in lines(ROWS)
        .iter()
        .filter(|line| line.get("expect").is_some())
    {
        if not_restored
            .iter()
            .any(|what| text(line, "name").contains(what))
        {
            continue;
        }
        let record = decode(message(line)).expect("a good row");
        assert_eq!(
            record.to_owned_record().to_message(),
            message(line),
            "{}",
            line["name"]
        );
        rewritten += 1;
    }
    assert_eq!(rewritten, 12);
}

#[test]
fn responses_decode_as_in_the_go_sdk() {
    let (mut responses, mut records) = (0, 0);
    for exchange in exchanges() {
        if exchange.uri() != "/tunnel/readrecords" {
            continue;
        }
        let decoded = exchange.decoded();
        let batch = parse(exchange.response_body()).expect("a response");
        assert_eq!(batch.next_token, decoded["next_token"]);
        assert_eq!(batch.may_more_record, decoded["may_more_record"].as_bool());
        assert_eq!(batch.body.len(), decoded["size"]);
        assert_eq!(batch.record_count, decoded["record_count"]);
        let as_json: Vec<Json> = batch
            .records()
            .expect("good records")
            .iter()
            .map(|record| as_go_reports(record_json(record)))
            .collect();
        assert_eq!(Json::from(as_json.clone()), decoded["records"]);
        responses += 1;
        records += as_json.len();
    }
    assert_eq!((responses, records), (29, 135));
}

#[test]
fn binary_batches_are_what_the_go_sdk_makes_of_them() {
    let mut batches = 0;
    for exchange in exchanges() {
        if exchange.uri() != "/tunnel/readrecords" {
            continue;
        }
        let body = exchange.response_body();
        let mut response = protocol::ReadRecordsResponse::decode(&*body).expect("a response");
        let with_origin = parse(body)
            .expect("a response")
            .binary_records()
            .expect("binary");
        // Go drops the origin rows; without them, the bytes must be the same.
        response
            .records
            .iter_mut()
            .for_each(|record| record.origin_record = None);
        let bare = parse(response.encode_to_vec()).expect("a response");
        let go = base64(text(exchange.decoded(), "binary_records"));
        assert_eq!(bare.binary_records().expect("binary"), go);
        assert_eq!(
            as_json(&parse_binary_records(go).expect("a batch from Go")),
            as_json(&records(&bare))
        );
        let whole = parse(exchange.response_body()).expect("a response");
        let kept = parse_binary_records(with_origin).expect("with origin rows");
        assert_eq!(as_json(&kept), as_json(&records(&whole)));
        batches += 1;
    }
    assert_eq!(batches, 29);
}

fn records(batch: &crate::record::batch::RawBatch) -> Vec<Record<'_>> {
    batch.records().expect("good records")
}

fn as_json(records: &[Record]) -> Vec<Json> {
    records.iter().map(record_json).collect()
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD
        .decode(text)
        .expect("base64")
}

#[test]
fn tokens_of_the_service_are_taken_apart() {
    for line in lines(TOKENS) {
        let token = text(&line, "token");
        let parsed = Token::parse(token);
        if line["error"] == true || line["finished"] == true {
            assert_eq!(line["finished"] == true, token == FINISH_TAG);
            assert_eq!(parsed.expect_err(token).code(), &ErrorCode::Malformed);
            assert!(!is_stream("BaseData_0", token), "{token}");
            assert!(is_stream("fab574a8_1795354904077274", token), "{token}");
            continue;
        }
        let parsed = parsed.expect(token);
        assert_eq!(parsed.version, line["version"]);
        // The token decides, whatever the channel id is.
        assert_eq!(is_stream("BaseData_0", token), line["stream"]);
        assert_eq!(
            is_stream("fab574a8_1795354904077274", token),
            line["stream"]
        );
        assert_eq!(parsed.encode(), token);
        if line.get("primary_key").is_some() {
            let row = decode_row(parsed.primary_key).expect("a row of keys");
            assert_eq!(key_json(&row), line["primary_key"]);
        }
    }
}

#[test]
fn tokens_in_exchanges_round_trip() {
    let mut versions = [0, 0];
    for exchange in exchanges() {
        let Some(token) = exchange.decoded()["next_token"].as_str() else {
            continue;
        };
        if token == FINISH_TAG {
            continue;
        }
        let parsed = Token::parse(token).expect(token);
        assert_eq!(parsed.encode(), token);
        let [first, second] = &mut versions;
        *if parsed.version == 1 { first } else { second } += 1;
    }
    assert_eq!(versions, [10, 15]);
}
