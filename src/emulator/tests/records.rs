//! What records hold.

use super::*;

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
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let (records, _) = raw.drain(&tunnel, &client, &channel);
    assert_eq!(records[0].origin_record, None, "there was no row");
    let origin = records[1].origin_record.as_deref().expect("the row before");
    // Header, the tag of the key without cells, the tag of the columns.
    assert_eq!(origin[..6], [0x75, 0, 0, 0, 0x01, 0x02]);
}
