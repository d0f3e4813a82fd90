//! Allocations of decoding: two for a batch, whatever the number of records and cells.

use allocation_counter::measure;

use super::batch;
use crate::record::batch::{RawBatch, SHORTEST_RECORD};
use crate::record::binary::parse_binary_records;
use crate::record::owned::OwnedRecord;
use crate::record::owned_column::OwnedColumn;
use crate::record::record::Record;
use crate::record::sequence::SequenceInfo;
use crate::record::value::Value;

fn batch_of(count: usize, columns: usize) -> RawBatch {
    let columns: Vec<_> = (0..columns)
        .map(|i| OwnedColumn::put(format!("column {i}"), "some text".repeat(i), 1))
        .collect();
    let record = OwnedRecord::update([("pk", "key")])
        .sequence_info(SequenceInfo {
            epoch: 1,
            timestamp: 2,
            row_index: 3,
        })
        .origin_columns(columns.clone());
    batch(&vec![OwnedRecord { columns, ..record }; count])
}

/// Number of allocations while a batch is decoded and the records are dropped.
fn decoding(batch: &RawBatch) -> u64 {
    measure(|| drop(batch.records().expect("good records"))).count_total
}

#[test]
fn decoding_a_batch_allocates_twice_whatever_its_size() {
    // The `Vec` of records and the table of cell prefixes.
    assert_eq!(decoding(&batch_of(1, 1)), 2);
    assert_eq!(decoding(&batch_of(1000, 1)), 2);
    assert_eq!(decoding(&batch_of(1, 100)), 2);
}

#[test]
fn decoding_a_binary_batch_allocates_three_times_whatever_its_size() {
    for (count, columns) in [(1, 1), (1000, 1), (1, 100)] {
        let bytes = batch_of(count, columns).binary_records().expect("binary");
        let mut bytes = Some(bytes);
        let cost = measure(|| {
            drop(parse_binary_records(bytes.take().expect("once")).expect("good records"));
        });
        assert_eq!(cost.count_total, 3, "{count} records of {columns} columns");
    }
}

#[test]
fn a_body_of_empty_records_causes_no_large_allocation() {
    let body = [&[0x0A, 0].repeat(100_000)[..], &[0x12, 0]].concat();
    let batch = crate::record::tests::parse(body).expect("a response");
    assert_eq!(batch.record_count, 100_000);
    let cost = measure(|| drop(batch.records().expect_err("no action")));
    let most = batch.body.len() / SHORTEST_RECORD * size_of::<Record>() + 1000;
    assert!(
        cost.bytes_max < u64::try_from(most).expect("u64"),
        "{}",
        cost.bytes_max
    );
}

#[test]
fn a_wrong_record_count_causes_no_large_allocation() {
    let bytes = vec![1, 0, 0, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0x7F];
    let mut bytes = Some(bytes);
    let cost = measure(|| {
        drop(parse_binary_records(bytes.take().expect("once")).expect_err("no records"));
    });
    assert!(cost.bytes_max < 1000, "{}", cost.bytes_max);
}

#[test]
fn the_shortest_record_has_the_assumed_length() {
    let shortest = OwnedRecord::put([("", Value::InfMin)]);
    let frame = batch(&[]).body.len();
    assert_eq!(
        batch(std::slice::from_ref(&shortest)).body.len() - frame,
        SHORTEST_RECORD
    );
    batch(&[shortest]).records().expect("a good record");
}

#[test]
fn reading_and_cloning_records_never_allocate() {
    let batch = batch_of(10, 20);
    let records = batch.records().expect("good records");
    let mut read = 0;
    let cost = measure(|| {
        for record in &records {
            let record = record.clone();
            let columns = record.columns().chain(record.origin_columns());
            read += columns
                .filter_map(|c| c.value()?.as_str().map(|_| c.name().len()))
                .count();
            read += record
                .primary_key()
                .filter(|c| c.value().as_str() == Some("key"))
                .count();
            read += usize::from(record.get("column 7").is_some());
        }
    });
    assert_eq!((cost.count_total, read), (0, 10 * (20 + 20 + 1 + 1)));
}
