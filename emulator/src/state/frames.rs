//! Records encoded as frames, which answers contain unchanged.
//!
//! A record is encoded once, when a change is written or a row is read for the
//! first time. After that a read only copies bytes.

use bytes::Bytes;
use prost::Message;

use tablestore_tunnel::_wire::record_message;
use tablestore_tunnel::{ActionType, OwnedColumn, OwnedRecord, Value};

/// Key of field 1 (`records`) of an answer to ReadRecords, length-delimited.
const RECORDS_FIELD: u8 = 0x0A;

/// The frame of a row of base data.
pub(super) fn base_frame(key: &[(String, Value)], columns: Vec<OwnedColumn>) -> Bytes {
    let mut record = OwnedRecord::new(ActionType::PutRow, key.iter().cloned());
    record.columns = columns;
    frame(&record)
}

/// The frame of a record: one element of the field `records`.
pub(super) fn frame(record: &OwnedRecord) -> Bytes {
    let message = record_message(record);
    let mut out = Vec::with_capacity(message.encoded_len() + 8);
    out.push(RECORDS_FIELD);
    // This cannot fail, because a Vec grows.
    let _ = message.encode_length_delimited(&mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tablestore_tunnel::_wire::protocol as p;

    #[test]
    fn frames_are_elements_of_the_answers_field() {
        let key = [("id".to_owned(), Value::Integer(1))];
        let columns = vec![OwnedColumn::put("name", "x".repeat(200), 5)];
        let frame = base_frame(&key, columns.clone());
        let answer = p::ReadRecordsResponse::decode(
            [&frame[..], &frame[..], &[0x12, 1, b't']]
                .concat()
                .as_slice(),
        )
        .expect("an answer");
        let mut record = OwnedRecord::put(key);
        record.columns = columns;
        assert_eq!(answer.records, vec![record_message(&record); 2]);
    }
}
