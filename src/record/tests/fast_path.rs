//! Invalid records that would have the common form otherwise, after valid records of
//! that form. They are rejected exactly as without the fast path.

use super::{checks_agree, parse, response};
use crate::protocol;
use crate::record::owned::OwnedRecord;
use crate::record::owned_column::OwnedColumn;
use crate::record::plainbuffer::encode::encode_row;
use crate::record::sequence::SequenceInfo;
use crate::record::value::Value;

/// A record with a value of every form that the fast path supports.
fn common() -> OwnedRecord {
    let deleted = [
        OwnedColumn::delete_one_version("old", 5),
        OwnedColumn::delete_all_versions("gone"),
    ];
    OwnedRecord {
        columns: [
            OwnedColumn::put("text", "of a few blocks, one of them partial", 1),
            OwnedColumn::put("short", "", 2),
            OwnedColumn::put("number", 77, 3),
            OwnedColumn::put("double", 0.5, 4),
            OwnedColumn::put("binary", vec![0x80, 0xFF, 0], 5),
            OwnedColumn::put("yes", true, 6),
            OwnedColumn::put("a name of more than two blocks of bytes", 8, 7),
        ]
        .into_iter()
        .chain(deleted)
        .collect(),
        sequence_info: Some(SequenceInfo {
            epoch: 1,
            timestamp: 2,
            row_index: 3,
        }),
        ..OwnedRecord::put([
            ("key", Value::from("of the row")),
            ("second", Value::from(9)),
        ])
    }
}

/// A long last record: the end of a response is always left to the slow path.
fn last() -> protocol::Record {
    OwnedRecord::put([("key", "a text".repeat(200))]).to_message()
}

/// A response with several common records, and the span of the third.
fn span_of_third_and_response() -> (std::ops::Range<usize>, Vec<u8>) {
    let message = common().to_message();
    let len = |count| response(vec![message.clone(); count]).len() - response([]).len();
    let records = vec![message.clone(); 4].into_iter().chain([last()]);
    (len(2)..len(3), response(records).to_vec())
}

#[test]
fn every_flipped_bit_gives_the_same_result_as_the_slow_path() {
    let (third, body) = span_of_third_and_response();
    assert!(checks_agree(&parse(body.clone()).expect("a response")));
    let mut good = 0;
    for index in third {
        for bit in 0..8 {
            let mut body = body.clone();
            *body.get_mut(index).expect("in the response") ^= 1 << bit;
            if let Ok(batch) = parse(body) {
                good += usize::from(checks_agree(&batch));
            }
        }
    }
    // No checksum covers the 16 bytes of the sequence info, the tags around it, the
    // action and the number of the field, so some flipped bits stay unnoticed.
    assert!((16 * 8..20 * 8).contains(&good), "{good}");
}

/// Asserts that a record with this row is rejected after valid records.
#[track_caller]
fn assert_rejected_after_others(row: Vec<u8>) {
    let message = common().to_message();
    let mut wrong = message.clone();
    wrong.record = row.into();
    let body = response([message.clone(), message.clone(), wrong, message, last()]);
    assert!(!checks_agree(&parse(body).expect("a response")));
}

#[test]
fn a_row_that_is_longer_or_shorter_than_its_length_is_rejected() {
    let row = common().to_message().record.to_vec();
    assert_rejected_after_others([&row[..], &[0]].concat());
    assert_rejected_after_others([&row[..], row.as_slice()].concat());
    let (_, cut) = row.split_last().expect("a row");
    assert_rejected_after_others(cut.to_vec());
}

#[test]
fn a_row_without_a_key_is_rejected() {
    let record = common();
    let row = |columns: &[OwnedColumn]| encode_row(&[], columns, false, record.sequence_info);
    assert_rejected_after_others(row(&record.columns));
    assert_rejected_after_others(row(&[]));
}

#[test]
fn rows_with_different_ends_are_valid() {
    let mut records = vec![common(); 3];
    for record in [
        OwnedRecord {
            sequence_info: None,
            ..common()
        },
        OwnedRecord {
            columns: Vec::new(),
            ..common()
        },
        OwnedRecord::delete([
            ("key", Value::from("of the row")),
            ("second", Value::from(9)),
        ]),
    ] {
        records.extend([record, common()]);
    }
    let messages = records.iter().map(OwnedRecord::to_message).chain([last()]);
    assert!(checks_agree(
        &parse(response(messages)).expect("a response")
    ));
}
