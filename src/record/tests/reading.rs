//! The accessors of a record, and how it prints.

use super::{batch, decode};
use crate::record::kind::{ActionType, ColumnKind};
use crate::record::owned::OwnedRecord;
use crate::record::owned_column::OwnedColumn;
use crate::record::record::Record;
use crate::record::sequence::SequenceInfo;
use crate::record::value::{Value, ValueRef};

fn stream_record() -> Record<'static> {
    let record = OwnedRecord::update([("pk", Value::from("a\"b")), ("n", Value::from(-7))])
        .column(OwnedColumn::put("c", 1.5, 10))
        .column(OwnedColumn::put("c", "newest", 12))
        .column(OwnedColumn::put("c", "as new", 12))
        .column(OwnedColumn::put("b", vec![0, 0xFF], 11))
        .column(OwnedColumn::delete_one_version("d", 9))
        .column(OwnedColumn::delete_all_versions("e"))
        .sequence_info(SequenceInfo {
            epoch: 1,
            timestamp: 2,
            row_index: 3,
        })
        .origin_columns([OwnedColumn::put("c", true, 8)]);
    record.to_record().expect("a good record")
}

#[test]
fn a_record_prints_like_in_go() {
    assert_eq!(
        stream_record().to_string(),
        concat!(
            r#"{"Type":UpdateRow, "#,
            r#""PrimaryKey":[{"Name":"pk", "Value":"a\"b"}, {"Name":"n", "Value":-7}], "#,
            r#""Columns":[{"Name":"c", "Type":"Put", "Timestamp":10, "Value":1.5}, "#,
            r#"{"Name":"c", "Type":"Put", "Timestamp":12, "Value":"newest"}, "#,
            r#"{"Name":"c", "Type":"Put", "Timestamp":12, "Value":"as new"}, "#,
            r#"{"Name":"b", "Type":"Put", "Timestamp":11, "Value":0x00ff}, "#,
            r#"{"Name":"d", "Type":"DeleteOneVersion", "Timestamp":9}, "#,
            r#"{"Name":"e", "Type":"DeleteAllVersions"}], "#,
            r#""OriginColumns":[{"Name":"c", "Type":"Put", "Timestamp":8, "Value":true}]}"#,
        )
    );
    assert_eq!(
        format!("{:?}", stream_record()),
        stream_record().to_string()
    );
}

#[test]
fn primary_key_columns_compare_and_print() {
    let record = stream_record();
    let (other, keys) = (record.detach(), record.primary_key());
    assert!(keys.clone().eq(other.primary_key()));
    let [text, number] = keys.collect::<Vec<_>>().try_into().expect("two columns");
    assert_ne!(text, number);
    assert_eq!(
        format!("{number:?}"),
        r#"PrimaryKeyColumn { name: "n", value: Integer(-7) }"#
    );
}

#[test]
fn base_data_has_no_sequence_info() {
    let record = OwnedRecord::put([("pk", 1)])
        .to_record()
        .expect("a good record");
    assert_eq!((record.sequence_info(), record.timestamp()), (None, 0));
    assert_eq!(record.action(), ActionType::PutRow);
    assert!(!record.has_origin());
    assert_eq!(
        record.to_string(),
        r#"{"Type":PutRow, "PrimaryKey":[{"Name":"pk", "Value":1}], "Columns":[], "OriginColumns":[]}"#
    );
    assert_eq!(stream_record().timestamp(), 2);
}

#[test]
fn get_returns_the_newest_put_or_else_the_key() {
    let record = stream_record();
    assert_eq!(record.get("c"), Some(ValueRef::String("newest")));
    assert_eq!(record.get("n").and_then(ValueRef::as_i64), Some(-7));
    assert_eq!(
        record.get("b").and_then(ValueRef::as_bytes),
        Some(&[0, 0xFF][..])
    );
    for absent in ["d", "e", "x", ""] {
        assert_eq!(record.get(absent), None, "{absent}");
    }
}

#[test]
fn get_ignores_increments() {
    let increment = OwnedColumn {
        kind: ColumnKind::Increment,
        ..OwnedColumn::put("n", 3, 10)
    };
    let record = decode(
        OwnedRecord::update([("pk", 1)])
            .column(increment)
            .to_message(),
    );
    let record = record.expect("a good record");
    let column = record.columns().next().expect("a column");
    assert_eq!(column.kind(), ColumnKind::Increment);
    assert_eq!(column.value().and_then(ValueRef::as_i64), Some(3));
    assert_eq!(record.get("n"), None);
}

#[test]
fn an_origin_row_may_be_empty() {
    let record = OwnedRecord::put([("pk", 1)]).origin_columns([]);
    let record = record.to_record().expect("a good record");
    assert!(record.has_origin());
    assert_eq!(record.origin_columns().count(), 0);
}

#[test]
fn shared_records_keep_the_batch_and_detached_ones_do_not() {
    let records = vec![OwnedRecord::put([("pk", 1)]); 3];
    let batch = batch(&records);
    let body = batch.body.clone();
    let decoded = batch.records().expect("good records");
    let first = decoded.first().expect("a record");
    let (shared, detached) = (first.share(), first.clone().detach());
    drop(batch);
    assert!(!body.is_unique());
    assert_eq!(shared.share().get("pk"), Some(ValueRef::Integer(1)));
    drop(shared);
    assert!(body.is_unique());
    assert_eq!(detached.get("pk"), Some(ValueRef::Integer(1)));
}

#[test]
fn records_cross_threads_and_are_small() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Record<'static>>();
    assert!(size_of::<Record<'_>>() <= 64);
}
