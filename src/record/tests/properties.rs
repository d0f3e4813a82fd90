//! Properties of all records and of arbitrary bytes.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{batch, checks_agree, decode, decode_row, parse, response};
use crate::error::TunnelError;
use crate::record::binary::parse_binary_records;
use crate::record::kind::{ActionType, ColumnKind};
use crate::record::owned::OwnedRecord;
use crate::record::owned_column::OwnedColumn;
use crate::record::plainbuffer::encode::encode_row;
use crate::record::plainbuffer::fast::decode_cache;
use crate::record::record::Record;
use crate::record::sequence::SequenceInfo;
use crate::record::token::{Token, is_stream};
use crate::record::value::Value;

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))),
        any::<bool>().prop_map(Value::Boolean),
        any::<String>().prop_map(Value::String),
        vec(any::<u8>(), 0..40).prop_map(Value::Binary),
        Just(Value::InfMin),
        Just(Value::InfMax),
        Just(Value::AutoIncrement),
    ]
}

fn any_column() -> impl Strategy<Value = OwnedColumn> {
    let parts = (
        any::<String>(),
        any_value(),
        any::<i64>(),
        any::<bool>(),
        0..4_u8,
    );
    parts.prop_map(|(name, value, timestamp, timed, kind)| match kind {
        0 => OwnedColumn {
            timestamp: timed.then_some(timestamp),
            ..OwnedColumn::put(name, value, timestamp)
        },
        1 => OwnedColumn::delete_one_version(name, timestamp),
        2 => OwnedColumn::delete_all_versions(name),
        _ => OwnedColumn {
            kind: ColumnKind::Increment,
            ..OwnedColumn::put(name, value, timestamp)
        },
    })
}

fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let action = prop_oneof![
        Just(ActionType::PutRow),
        Just(ActionType::UpdateRow),
        Just(ActionType::DeleteRow),
    ];
    let key = vec((any::<String>(), any_value()), 1..5);
    let sequence = option::of(any::<(i32, i64, i32)>());
    let origin = option::of(vec(any_column(), 0..4));
    (action, key, vec(any_column(), 0..6), sequence, origin).prop_map(
        |(action, primary_key, columns, sequence, origin_columns)| OwnedRecord {
            action,
            sequence_info: sequence.map(|(epoch, timestamp, row_index)| SequenceInfo {
                epoch,
                timestamp,
                row_index,
            }),
            primary_key,
            columns,
            origin_columns,
        },
    )
}

/// A record of one table: columns of common types, some of which are missing.
fn alike() -> impl Strategy<Value = OwnedRecord> {
    let text = || {
        prop_oneof![
            "[a-z]{0,40}",
            "\\PC{0,20}",
            "[a-z]{120,300}",
            "[a-z]{500,900}"
        ]
    };
    let number = || any::<i64>().prop_map(Value::Integer);
    let names = [
        "a",
        "column_1",
        "a column with a longer name",
        "größer",
        "x",
    ];
    let column = move |name: &'static str| {
        let value = prop_oneof![
            4 => number(),
            4 => text().prop_map(Value::String),
            1 => any_value(),
        ];
        let timestamp = option::weighted(0.9, any::<i64>());
        let column = (value, timestamp, 0..10).prop_map(move |(value, timestamp, kind)| {
            let put = OwnedColumn::put(name, value, 0);
            let deletion = OwnedColumn::delete_all_versions(name);
            match (kind, timestamp) {
                (0, Some(timestamp)) => OwnedColumn::delete_one_version(name, timestamp),
                (1, timestamp) => OwnedColumn {
                    timestamp,
                    ..deletion
                },
                (_, timestamp) => OwnedColumn { timestamp, ..put },
            }
        });
        option::weighted(0.9, column)
    };
    let columns = names.map(column);
    let key = (text(), number());
    let action = prop_oneof![
        3 => Just(ActionType::PutRow),
        1 => Just(ActionType::DeleteRow),
    ];
    let row = (action, key, columns, option::of(any::<i64>()));
    row.prop_map(|(action, (text, number), columns, timestamp)| {
        let key = [("key", Value::String(text)), ("number", number)];
        OwnedRecord {
            action,
            columns: columns.into_iter().flatten().collect(),
            sequence_info: timestamp.map(|timestamp| SequenceInfo {
                epoch: 1,
                timestamp,
                row_index: 0,
            }),
            ..OwnedRecord::put(key)
        }
    })
}

/// Compares doubles by their bits, which `==` does not do.
fn same(a: &OwnedRecord, b: &OwnedRecord) -> bool {
    format!("{a:?}") == format!("{b:?}") && a.to_message() == b.to_message()
}

fn same_all(decoded: &[Record], records: &[OwnedRecord]) -> bool {
    decoded.len() == records.len()
        && decoded
            .iter()
            .zip(records)
            .all(|(d, r)| same(&d.to_owned_record(), r))
}

/// Calls every accessor of a record.
fn read_all(record: &Record) -> usize {
    let columns = record.columns().chain(record.origin_columns());
    columns
        .map(|c| c.name().len() + usize::from(c.value().is_some()))
        .sum::<usize>()
        + record.primary_key().count()
        + record.to_string().len()
        + record.get("a").map_or(0, |_| 1)
}

proptest! {
    #[test]
    fn records_round_trip(records in vec(any_record(), 0..5)) {
        let batch = batch(&records);
        prop_assert_eq!(batch.record_count, records.len());
        prop_assert!(same_all(&batch.records().expect("good records"), &records));
        let binary = batch.binary_records().expect("binary");
        prop_assert!(same_all(&parse_binary_records(binary).expect("good records"), &records));
    }

    #[test]
    fn built_records_read_like_received_ones(record in any_record()) {
        let built = record.to_record().expect("a good record");
        let received = decode(record.to_message()).expect("a good record");
        prop_assert_eq!(built.to_string(), received.to_string());
        prop_assert!(same(&built.to_owned_record(), &record));
        prop_assert!(same(&built.detach().to_owned_record(), &record));
        prop_assert_eq!(built.has_delete_marker(), record.action == ActionType::DeleteRow);
    }

    /// The prefixes of earlier rows do not change the result for a later row.
    #[test]
    fn a_record_decodes_the_same_alone_and_after_others(
        before in vec(alike(), 1..4),
        record in alike(),
        flipped in option::of((any::<Index>(), 0..8_u32)),
    ) {
        let mut message = record.to_message();
        let mut row = message.record.to_vec();
        if let Some((index, bit)) = flipped {
            *index.get_mut(&mut row) ^= 1 << bit;
        }
        message.record = row.into();
        let alone = decode(message.clone()).ok();
        // The end of a response is left to the slow path, so add a long last record.
        let after = OwnedRecord::put([("key", "a text".repeat(200))]).to_message();
        let others = before.iter().map(OwnedRecord::to_message);
        let body = response(others.chain([message, after]));
        let batch = parse(body).expect("a response");
        let among = batch.records().ok();
        let among = among.and_then(|records| Some(records.get(before.len())?.to_owned_record()));
        let alone = alone.map(|record| record.to_owned_record());
        prop_assert!(
            match (&alone, &among) {
                (Some(alone), Some(among)) => same(alone, among),
                (None, None) => true,
                _ => false,
            },
            "{alone:?} alone, {among:?} among others"
        );
        prop_assert!(flipped.is_some() || alone.is_some());
    }

    /// The table converges to one order of the columns, even if rows lack some of them.
    #[test]
    fn each_column_has_one_prefix_in_the_table(
        rows in vec(vec(any::<bool>(), 8), 1..30),
        deleted in any::<Index>(),
    ) {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let deleted = deleted.get(&names);
        let column = |name: &str| match name == *deleted {
            true => OwnedColumn::delete_all_versions(name),
            false => OwnedColumn::put(name, 1, 5),
        };
        let in_row = |row: &Vec<bool>| names.into_iter().zip(row.clone()).filter(|(_, is)| *is);
        let records: Vec<_> = rows.iter().map(|row| {
            let columns = in_row(row).map(|(name, _)| column(name));
            columns.fold(OwnedRecord::update([("key", 1)]), OwnedRecord::column)
        }).collect();
        let distinct = rows.iter().flat_map(in_row).collect::<BTreeSet<_>>().len();
        let batch = batch(&records);
        let mut known = 0;
        decode_cache::with(|cache| {
            batch.check_records(cache, |_, _| ())?;
            known = cache.as_ref().map_or(0, |cache| cache.prefixes.iter().count());
            Ok::<_, TunnelError>(())
        }).expect("good rows");
        prop_assert_eq!(known, 1 + distinct);
    }

    /// A second run would double the time of decoding, and no other test would notice.
    #[test]
    fn valid_records_are_checked_once(records in vec(alike(), 1..20)) {
        let batch = batch(&records);
        let mut times = 0;
        let checked = decode_cache::with(|cache| {
            times += 1;
            batch.check_records(cache, |_, _| ())
        });
        prop_assert!(checked.is_ok());
        prop_assert_eq!(times, 1);
    }

    /// For any damage to a response, the records and the error are the same with and
    /// without the cache.
    #[test]
    fn the_cache_changes_nothing(
        records in vec(alike(), 1..12),
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        cut in option::weighted(0.2, (any::<Index>(), any::<Index>())),
    ) {
        let after = OwnedRecord::put([("key", "a text".repeat(200))]);
        let mut body = batch(&[records, vec![after]].concat()).body.to_vec();
        for (at, byte) in &damage {
            *at.get_mut(&mut body) = *byte;
        }
        if let Some((from, to)) = cut {
            let (from, to) = (from.index(body.len()), to.index(body.len()));
            body.drain(from.min(to)..from.max(to));
        }
        if let Ok(batch) = parse(body) {
            checks_agree(&batch);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(batch) = parse(bytes.clone()) {
            let _ = (batch.records(), batch.binary_records());
        }
        let _ = parse_binary_records(bytes.as_slice());
        let _ = decode_row(bytes);
    }

    #[test]
    fn damaged_responses_never_panic(
        records in vec(any_record(), 1..4),
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Index>(),
    ) {
        let good = batch(&records);
        for mut bytes in [good.body.to_vec(), good.binary_records().expect("binary")] {
            for (at, byte) in &damage {
                *at.get_mut(&mut bytes) = *byte;
            }
            for bytes in [&*bytes, bytes.split_at(cut.index(bytes.len())).0] {
                if let Ok(batch) = parse(bytes.to_vec()) {
                    batch.records().iter().flatten().for_each(|r| { read_all(r); });
                    let _ = batch.binary_records();
                }
                parse_binary_records(bytes).iter().flatten().for_each(|r| { read_all(r); });
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(record in any_record(), at in any::<Index>(), bit in 0..8_u8) {
        // Without an extension, every byte of a row is fixed or covered by a checksum.
        let mut row = encode_row(&record.primary_key, &record.columns, false, None);
        decode_row(row.clone()).expect("a good row");
        *at.get_mut(&mut row) ^= 1 << bit;
        prop_assert!(decode_row(row).is_err());
    }

    #[test]
    fn a_truncated_response_is_noticed(records in vec(any_record(), 1..4), cut in any::<Index>()) {
        // The token comes after the records. A truncated response therefore lacks the
        // token, or lacks only the optional field after it.
        let body = response(records.iter().map(OwnedRecord::to_message));
        let cut = cut.index(body.len());
        match parse(body.slice(..cut)) {
            Ok(batch) => prop_assert_eq!((cut, batch.next_token.as_str()), (body.len() - 2, "next")),
            Err(error) => prop_assert_eq!(error.code().as_str(), "OTSMalformedData"),
        }
    }

    #[test]
    fn tokens_round_trip(
        version in 1..=2_i64,
        primary_key in vec(any::<u8>(), 0..20),
        iterator in any::<String>(),
        timestamp in any::<i64>(),
        total_count in any::<i64>(),
    ) {
        let total_count = if version == 1 { 0 } else { total_count };
        let token =
            Token { version, primary_key: primary_key.into(), iterator, timestamp, total_count };
        let text = token.encode();
        prop_assert_eq!(is_stream("BaseData_1", &text), !token.iterator.is_empty());
        prop_assert_eq!(Token::parse(&text).expect("a token"), token);
    }

    #[test]
    fn arbitrary_tokens_never_panic(text in any::<String>(), bytes in vec(any::<u8>(), 0..60)) {
        use base64::Engine as _;
        let _ = Token::parse(&text);
        let _ = Token::parse(&base64::prelude::BASE64_STANDARD.encode(bytes));
    }
}
