//! The content of records.

use super::*;
use tablestore_tunnel::_wire::record_message;
use tablestore_tunnel::{OwnedColumn, OwnedRecord, SequenceInfo};

#[test]
fn origin_columns_come_with_the_change_and_without_a_key() {
    let emulator = Emulator::builder().start().expect("started");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let table = emulator
        .create_table(spec.origin_columns(["n"]))
        .expect("a table");
    let mut raw = Raw::new(&emulator);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    table.put([1], [("n", 1), ("m", 1)]).expect("written");
    table
        .update([1], RowUpdate::new().put("n", 2))
        .expect("written");
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .heartbeat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let (records, _) = raw.drain(&tunnel, &client, &channel);
    assert_eq!(records[0].origin_record, None, "there was no row");
    let origin = records[1].origin_record.as_deref().expect("the row before");
    // Header, the tag of a key without cells, the tag of the columns.
    assert_eq!(origin[..6], [0x75, 0, 0, 0, 0x01, 0x02]);
}

/// The records of the first channel of a table after `write`, on a clock that stands
/// still.
fn records_of(
    spec: impl FnOnce(TableSpec) -> TableSpec,
    kind: p::TunnelType,
    write: impl FnOnce(&EmulatorClock, &Table, &mut dyn FnMut()),
) -> Vec<p::Record> {
    let clock = EmulatorClock::manual(time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(5));
    let emulator = Emulator::builder().clock(clock.clone()).start();
    let emulator = emulator.expect("started");
    let table = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let table = emulator.create_table(spec(table)).expect("a table");
    let mut raw = Raw::new(&emulator);
    let mut tunnel = String::new();
    write(&clock, &table, &mut || tunnel = raw.create("orders", kind));
    let client = raw.connect(&tunnel, 30);
    let held = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    raw.drain(&tunnel, &client, &held[0].channel_id).0
}

fn key(id: i64) -> [(&'static str, i64); 1] {
    [("id", id)]
}

fn sequence(timestamp: i64, row_index: i32) -> SequenceInfo {
    SequenceInfo {
        epoch: 0,
        timestamp,
        row_index,
    }
}

#[test]
fn a_stream_shows_the_change_to_each_column() {
    let records = records_of(
        |spec| spec.max_versions(2),
        p::TunnelType::Stream,
        |clock, table, create| {
            create();
            let update = RowUpdate::new()
                .put("z", 1)
                .put_version("a", "old", 7)
                .delete("b")
                .delete_version("c", 9);
            table.update([1], update).expect("written");
            clock.advance(Duration::from_secs(1));
            table.delete([1]).expect("written");
            let rows = [([2], [("v", 2)]), ([3], [("v", 3)])];
            table.put_all(rows).expect("written");
        },
    );
    let columns = [
        OwnedColumn::put("z", 1, 5_000),
        OwnedColumn::put("a", "old", 7),
        OwnedColumn::delete_all_versions("b"),
        OwnedColumn::delete_one_version("c", 9),
    ];
    let update = columns
        .into_iter()
        .fold(OwnedRecord::update(key(1)), OwnedRecord::column);
    let put = |id: i64| OwnedRecord::put(key(id)).column(OwnedColumn::put("v", id, 6_000));
    let expected = [
        update.sequence_info(sequence(5_000_000, 0)),
        OwnedRecord::delete(key(1)).sequence_info(sequence(6_000_000, 0)),
        put(2).sequence_info(sequence(6_000_001, 0)),
        put(3).sequence_info(sequence(6_000_001, 1)),
    ];
    assert_eq!(records, expected.map(|record| record_message(&record)));
}

#[test]
fn base_data_has_every_version_in_the_order_of_keys_and_no_sequence() {
    let records = records_of(
        |spec| spec.max_versions(2),
        p::TunnelType::BaseData,
        |_, table, create| {
            table.put([2], [("v", 2)]).expect("written");
            for version in [10, 30, 20] {
                let update = RowUpdate::new()
                    .put_version("v", version, version)
                    .put("a", 0);
                table.update([-1], update).expect("written");
            }
            table.put([5], [("v", 5)]).expect("written");
            table.delete([5]).expect("written");
            create();
            table.put([0], [("v", 0)]).expect("written");
        },
    );
    let columns = [
        OwnedColumn::put("a", 0, 5_000),
        OwnedColumn::put("v", 30, 30),
        OwnedColumn::put("v", 20, 20),
    ];
    let first = columns
        .into_iter()
        .fold(OwnedRecord::put(key(-1)), OwnedRecord::column);
    let second = OwnedRecord::put(key(2)).column(OwnedColumn::put("v", 2, 5_000));
    assert_eq!(
        records,
        [first, second].map(|record| record_message(&record))
    );
}

#[test]
fn base_data_has_no_expired_cells() {
    let records = records_of(
        |spec| spec.time_to_live(Duration::from_secs(10)),
        p::TunnelType::BaseData,
        |clock, table, create| {
            table.put([1], [("v", 1)]).expect("written");
            table.put([2], [("old", 2)]).expect("written");
            clock.advance(Duration::from_secs(10));
            table
                .update([2], RowUpdate::new().put("new", 2))
                .expect("written");
            clock.advance(Duration::from_secs(1));
            create();
        },
    );
    let left = OwnedRecord::put(key(2)).column(OwnedColumn::put("new", 2, 15_000));
    assert_eq!(records, [record_message(&left)]);
}

#[test]
fn origin_columns_have_the_values_before_the_change_or_the_deletion() {
    let records = records_of(
        |spec| spec.origin_columns(["n", "m"]),
        p::TunnelType::Stream,
        |clock, table, create| {
            create();
            table.put([1], [("n", 1), ("x", 1)]).expect("written");
            clock.advance(Duration::from_secs(1));
            table.put([1], [("n", 2)]).expect("written");
            table.delete([1]).expect("written");
        },
    );
    let n = |value: i64, version| OwnedColumn::put("n", value, version);
    let put = OwnedRecord::put(key(1)).column(n(2, 6_000));
    let delete = OwnedRecord::delete(key(1)).sequence_info(sequence(6_000_001, 0));
    assert_eq!(records[0].origin_record, None);
    let expected = put
        .sequence_info(sequence(6_000_000, 0))
        .origin_columns([n(1, 5_000)]);
    assert_eq!(records[1], record_message(&expected));
    assert_eq!(
        records[2],
        record_message(&delete.origin_columns([n(2, 6_000)]))
    );
}

#[test]
fn rows_beyond_the_limits_of_the_service_are_rejected() {
    let (_emulator, table, _raw) = with_orders(Emulator::builder(), 1);
    let long = "x".repeat((2 << 20) + 1);
    let rows = [([1], [("v", "short")]), ([2], [("v", long.as_str())])];
    let refused = table.put_all(rows).expect_err("too long");
    assert!(refused.to_string().contains("2097153 bytes"), "{refused}");
    let changes = table.partitions()[0].changes;
    assert_eq!(changes, 20, "nothing of the bulk");
}
