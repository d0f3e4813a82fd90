//! Invalid input, and the texts of the errors.

use super::{decode, decode_all, decode_row, parse, response};
use crate::error::{ErrorCode, TunnelError};
use crate::record::binary::parse_binary_records;
use crate::record::owned::OwnedRecord;
use crate::record::owned_column::OwnedColumn;
use crate::record::plainbuffer::encode::encode_row;
use crate::record::record::Record;

fn good() -> OwnedRecord {
    OwnedRecord::update([("pk", "secret key")]).column(OwnedColumn::put("c", "secret value", 5))
}

#[track_caller]
fn rejected(result: Result<impl std::fmt::Debug, TunnelError>, says: &str) {
    let error = result.expect_err("an error");
    assert_eq!(error.code(), &ErrorCode::Malformed);
    assert!(error.message().contains(says), "{error}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

fn with_row(row: Vec<u8>) -> Result<Vec<Record<'static>>, TunnelError> {
    let mut broken = good().to_message();
    broken.record = row.into();
    decode_all([good().to_message(), good().to_message(), broken])
}

#[test]
fn an_error_names_the_record_the_offset_and_the_request() {
    let mut row = good().to_message().record.to_vec();
    let len = row.len();
    *row.last_mut().expect("a checksum") ^= 1;
    let body = response([
        good().to_message(),
        good().to_message(),
        good().to_message(),
    ]);
    // The row is followed by the token (six bytes) and the flag (two).
    let end = body.len() - 8;
    let result = with_row(row);
    let error = result.as_ref().expect_err("a wrong checksum");
    assert_eq!(error.request_id(), Some("request-1"));
    rejected(
        result,
        &format!("record 2 of the ReadRecords response, byte {end}: row checksum: 0x"),
    );
    assert!(len < end);
}

#[test]
fn rows_that_are_not_one_row() {
    let row = good().to_message().record.to_vec();
    rejected(with_row(Vec::new()), "row header: 4 bytes wanted, 0 left");
    rejected(with_row(vec![0x76, 0, 0, 0]), "row header: unexpected 0x76");
    rejected(
        with_row(vec![0x75, 0, 0, 0]),
        "row checksum: 1 bytes wanted, 0 left",
    );
    rejected(
        with_row([&row[..], b"x"].concat()),
        "row: 1 bytes follow its end",
    );
    rejected(
        with_row([&row[..], row.as_slice()].concat()),
        "bytes follow its end",
    );
    rejected(
        with_row(encode_row(&[], &[], false, None)),
        "primary key: missing",
    );
}

#[test]
fn cells_with_contradictory_parts_are_rejected() {
    let put = OwnedColumn::put("c", 1, 5);
    let with = |column: OwnedColumn| decode(good().column(column).to_message());
    rejected(
        with(OwnedColumn {
            value: None,
            ..put.clone()
        }),
        "cell value: missing",
    );
    let deleted = OwnedColumn::delete_one_version("c", 5);
    rejected(
        with(OwnedColumn {
            timestamp: None,
            ..deleted.clone()
        }),
        "timestamp of a deleted",
    );
    rejected(
        with(OwnedColumn {
            value: Some(1.into()),
            ..deleted
        }),
        "value of a deletion",
    );
}

#[test]
fn invalid_owned_records_cannot_be_converted() {
    let unkeyed = OwnedRecord::put([("", ""); 0]);
    let put = OwnedColumn::put("c", 1, 5);
    let valueless = good().column(OwnedColumn { value: None, ..put });
    for (record, says) in [
        (unkeyed, "primary key: missing"),
        (valueless, "cell value: missing"),
    ] {
        let error = record.to_record().expect_err(says);
        assert_eq!(error.code(), &ErrorCode::ClientError);
        assert!(error.message().contains(says), "{error}");
    }
}

/// A row with one key cell, which has this value; the checksums are right.
fn row_of(typed: &[u8]) -> Vec<u8> {
    use crate::record::plainbuffer::crc8::update;
    let name = b"pk";
    let cell = update(update(0, name), typed);
    let row = update(update(0, &[cell]), &[0]);
    let len = u32::try_from(typed.len()).expect("not so long");
    [
        &[0x75, 0, 0, 0, 1, 3, 4, 2, 0, 0, 0][..],
        name,
        &[5],
        &len.to_le_bytes(),
        typed,
        &[0x0A, cell, 9, row],
    ]
    .concat()
}

#[test]
fn invalid_values_with_right_checksums_are_rejected() {
    decode_row(row_of(&[3, 1, 0, 0, 0, b'a'])).expect("a good row");
    rejected(
        decode_row(row_of(&[3, 1, 0, 0, 0, 0xFF])),
        "string: not UTF-8",
    );
    rejected(
        decode_row(row_of(&[3, 2, 0, 0, 0, b'a'])),
        "string: 2 bytes wanted, 1 left",
    );
    rejected(
        decode_row(row_of(&[3, 0, 0, 0, 0, b'a'])),
        "cell value: 1 bytes follow its end",
    );
    rejected(
        decode_row(row_of(&[7, 0xFF, 0xFF, 0xFF, 0xFF])),
        "binary: 4294967295 bytes wanted",
    );
    rejected(decode_row(row_of(&[2, 2])), "boolean: unexpected 0x02");
    rejected(decode_row(row_of(&[6])), "value type: unexpected 0x06");
    rejected(
        decode_row(row_of(&[0, 1])),
        "integer: 8 bytes wanted, 1 left",
    );
    rejected(
        decode_row(row_of(&[])),
        "value type: 1 bytes wanted, 0 left",
    );
}

/// The fast path does not check the prefix of such cells again, but must check the rest.
#[test]
fn invalid_values_after_valid_ones_are_rejected() {
    let of = |typed: &[u8]| crate::protocol::Record {
        record: row_of(typed).into(),
        ..good().to_message()
    };
    let text = |bytes: &[u8]| [&[3, bytes.len() as u8, 0, 0, 0][..], bytes].concat();
    let mut long = text(&[b'a'; 100]);
    *long.last_mut().expect("a text") = 0xFF;
    let good_and_long = [&[3][..], &1000_u32.to_le_bytes(), &[b'a'; 1000]].concat();
    let mut very_long = good_and_long.clone();
    *very_long.last_mut().expect("a text") = 0xFF;
    let last = OwnedRecord::put([("key", "a text".repeat(100))]).to_message();
    let decode = |first: &[u8], second: &[u8]| decode_all([of(first), of(second), last.clone()]);
    for (good, bad, says) in [
        (text(b"a"), text(&[0xFF]), "string: not UTF-8"),
        (text(b""), text(&[0xC3]), "string: not UTF-8"),
        (text(b"a"), long, "string: not UTF-8"),
        (good_and_long, very_long, "string: not UTF-8"),
        (
            text(b"a"),
            vec![3, 2, 0, 0, 0, b'a'],
            "string: 2 bytes wanted, 1 left",
        ),
        (
            text(b"a"),
            vec![3, 0, 0, 0, 0, b'a'],
            "cell value: 1 bytes follow its end",
        ),
        (vec![2, 1], vec![2, 2], "boolean: unexpected 0x02"),
    ] {
        assert_eq!(decode(&good, &good).expect("good rows").len(), 3);
        rejected(
            decode(&good, &bad),
            "record 1 of the ReadRecords response, byte",
        );
        rejected(decode(&good, &bad), says);
    }
    let binary = vec![7, 1, 0, 0, 0, 0xFF];
    decode(&binary, &binary).expect("arbitrary bytes");
    decode(&text(b"a"), &text("ö".as_bytes())).expect("UTF-8");
}

#[test]
fn responses_with_invalid_framing_are_rejected() {
    rejected(
        parse(Vec::new()),
        "ReadRecords response, byte 0: next token: missing",
    );
    rejected(parse(vec![0x12, 5, b'a']), "field: 5 bytes wanted, 1 left");
    rejected(parse(vec![0x12, 1, 0xFF]), "next token: not UTF-8");
    rejected(parse(vec![0x10, 1]), "next token: not allowed here");
    rejected(parse(vec![0x13]), "field key: unexpected 0x13");
    rejected(parse(vec![0x02, 0]), "field key: unexpected 0x02");
    rejected(parse(vec![0xFF; 20]), "field key: more than 64 bits");
    // A record without an action, with an unknown action, and without a row.
    for (record, says) in [
        (&[0x12, 0][..], "action type: missing"),
        (&[0x08, 9, 0x12, 0], "action type: unexpected 0x09"),
        (&[0x08, 1], "record: missing"),
    ] {
        let len = u8::try_from(record.len()).expect("a short record");
        let body = [&[0x0A, len][..], record, &[0x12, 0]].concat();
        let batch = parse(body).expect("a framed response");
        assert_eq!(batch.record_count, 1);
        rejected(batch.records(), says);
        rejected(batch.binary_records(), says);
    }
}

#[test]
fn a_batch_prints_neither_token_nor_data() {
    let batch = crate::record::tests::batch(&[good()]);
    let printed = format!("{batch:?}");
    assert!(
        printed.contains("request-1") && printed.contains("record_count: 1"),
        "{printed}"
    );
    for hidden in ["secret", "next"] {
        assert!(!printed.contains(hidden), "{printed}");
    }
}

#[test]
fn unknown_fields_are_skipped() {
    let unknown = [&[0x20, 1][..], &[0x2A, 1, 7], &[0x31; 9], &[0x3D; 5]].concat();
    let body = [&unknown[..], &response([good().to_message()]), &unknown].concat();
    let batch = parse(body).expect("a response");
    assert_eq!(
        (batch.next_token.as_str(), batch.may_more_record),
        ("next", Some(true))
    );
    assert_eq!(batch.records().expect("a record").len(), 1);
}

#[test]
fn invalid_binary_batches_are_rejected() {
    let good = crate::record::tests::batch(&[good().origin_columns([])])
        .binary_records()
        .expect("binary");
    parse_binary_records(good.as_slice()).expect("a good batch");
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        *bytes.get_mut(at).expect("an offset inside") = byte;
        parse_binary_records(bytes)
    };
    rejected(
        broken(0, 9),
        "binary records, byte 0: version: unexpected 0x09",
    );
    rejected(broken(1, 1), "version: unexpected 0x01");
    rejected(broken(6, 2), "record 1 of binary records");
    rejected(broken(9, 0xFF), "record count: unexpected 0xff000001");
    rejected(broken(6, 0), "bytes follow its end");
    rejected(
        broken(11, 7),
        "record 0 of binary records, byte 15: action type: unexpected 0x07",
    );
    rejected(broken(19, 0x80), "record: unexpected 0x80");
    rejected(
        parse_binary_records(good.split_last().expect("bytes").1),
        "origin record: ",
    );
}
