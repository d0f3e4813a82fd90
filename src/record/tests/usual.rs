//! What is wrong in records that are of the usual form else, behind others of the same
//! form: it is refused as if nothing had been learned from these.

use super::{answer, parse, same_with_help};
use crate::protocol;
use crate::record::owned::{OwnedColumn, OwnedRecord};
use crate::record::plainbuffer::encode::encode_row;
use crate::record::sequence::SequenceInfo;
use crate::record::value::Value;

/// A row with a value of every form that is known.
fn usual() -> OwnedRecord {
    let deleted = [
        OwnedColumn::delete_one_version("old", 5),
        OwnedColumn::delete_all_versions("gone"),
    ];
    OwnedRecord {
        columns: [
            OwnedColumn::put("text", "of a few blocks, one of them odd", 1),
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

/// The last bytes of an answer are read with more care.
fn last() -> protocol::Record {
    OwnedRecord::put([("key", "a text".repeat(200))]).to_message()
}

/// Where the third of some usual records lies in their answer, and the answer.
fn third_of_some() -> (std::ops::Range<usize>, Vec<u8>) {
    let message = usual().to_message();
    let len = |count| answer(vec![message.clone(); count]).len() - answer([]).len();
    let records = vec![message.clone(); 4].into_iter().chain([last()]);
    (len(2)..len(3), answer(records).to_vec())
}

#[test]
fn every_flipped_bit_of_a_record() {
    let (third, body) = third_of_some();
    assert!(same_with_help(&parse(body.clone()).expect("an answer")));
    let mut good = 0;
    for place in third {
        for bit in 0..8 {
            let mut body = body.clone();
            *body.get_mut(place).expect("in the answer") ^= 1 << bit;
            if let Ok(batch) = parse(body) {
                good += usize::from(same_with_help(&batch));
            }
        }
    }
    // Nothing sums the sequence info, of 16 bytes, or the tags around it, the action and
    // the number of the field.
    assert!((16 * 8..20 * 8).contains(&good), "{good}");
}

/// The rows of this record and of others before it.
#[track_caller]
fn refused_behind_others(row: Vec<u8>) {
    let message = usual().to_message();
    let mut wrong = message.clone();
    wrong.record = row.into();
    let body = answer([message.clone(), message.clone(), wrong, message, last()]);
    assert!(!same_with_help(&parse(body).expect("an answer")));
}

#[test]
fn a_row_that_is_longer_or_shorter_than_its_length() {
    let row = usual().to_message().record.to_vec();
    refused_behind_others([&row[..], &[0]].concat());
    refused_behind_others([&row[..], row.as_slice()].concat());
    let (_, cut) = row.split_last().expect("a row");
    refused_behind_others(cut.to_vec());
}

#[test]
fn a_row_without_a_key() {
    let record = usual();
    let row = |columns: &[OwnedColumn]| encode_row(&[], columns, false, record.sequence_info);
    refused_behind_others(row(&record.columns));
    refused_behind_others(row(&[]));
}

#[test]
fn rows_of_which_the_ends_differ_are_good() {
    let mut records = vec![usual(); 3];
    for record in [
        OwnedRecord {
            sequence_info: None,
            ..usual()
        },
        OwnedRecord {
            columns: Vec::new(),
            ..usual()
        },
        OwnedRecord::delete([
            ("key", Value::from("of the row")),
            ("second", Value::from(9)),
        ]),
    ] {
        records.extend([record, usual()]);
    }
    let messages = records.iter().map(OwnedRecord::to_message).chain([last()]);
    assert!(same_with_help(&parse(answer(messages)).expect("an answer")));
}
