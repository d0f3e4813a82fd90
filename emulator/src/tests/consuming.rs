//! Consuming a tunnel: kinds, checkpoints, ends.

use super::*;

#[test]
fn a_tunnel_of_both_kinds_is_consumed_to_the_last_record() {
    let builder = Emulator::builder().base_split_rows(6).batch_rows(4);
    let (_emulator, table, mut raw) = with_orders(builder, 2);
    let tunnel = raw.create("orders", p::TunnelType::BaseAndStream);
    let fresh = raw.describe("orders");
    assert_eq!(fresh.tunnel.stage, "InitBaseDataAndStreamShard");
    assert!(fresh.channels.is_empty());
    table.put([100], [("n", 100)]).expect("written");
    table
        .update([1], RowUpdate::new().put("m", 1).delete("n"))
        .expect("written");
    table.delete([2]).expect("written");

    let client = raw.connect(&tunnel, 30);
    assert!(client.starts_with("tag_"));
    let base = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    assert!(base.len() >= 4, "split: {base:?}");
    assert!(
        base.iter()
            .all(|channel| channel.channel_id.starts_with("BaseData_"))
    );
    let described = raw.describe("orders");
    assert_eq!(described.tunnel.stage, "ProcessBaseData");
    let waiting =
        |info: &&p::ChannelInfo| info.channel_status() == "WAIT" && info.channel_type() == "Stream";
    assert_eq!(described.channels.iter().filter(waiting).count(), 2);

    let mut rows = 0;
    for channel in &base {
        let (records, finished) = raw.drain(&tunnel, &client, &channel.channel_id);
        assert!(finished);
        rows += records.len();
    }
    assert_eq!(rows, 20, "the snapshot");
    assert_eq!(raw.describe("orders").tunnel.stage, "ProcessStream");

    let streams = raw
        .heartbeat(&tunnel, &client, base.iter().map(terminated).collect())
        .expect("channels");
    assert_eq!(streams.len(), 2);
    let mut changes = 0;
    for channel in &streams {
        let (records, finished) = raw.drain(&tunnel, &client, &channel.channel_id);
        assert!(!finished);
        changes += records.len();
        let (again, _) = raw.drain(&tunnel, &client, &channel.channel_id);
        assert!(again.is_empty(), "what is saved does not come again");
    }
    assert_eq!(changes, 3, "no gap after the snapshot, no overlap");
}

#[test]
fn checkpoints_obey_their_sequence_numbers() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .heartbeat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let start = raw.checkpoint(&tunnel, &client, &channel);
    assert_eq!(start.sequence_number(), 0);
    let mut save = |number| raw.save(&tunnel, &client, &channel, start.checkpoint(), number);
    assert_eq!(save(1), Ok(()));
    let mismatch = Err("400 OTSSequenceNumberNotMatch".to_owned());
    assert_eq!(save(1), mismatch);
    assert_eq!(save(3), mismatch);
    assert_eq!(save(0), Ok(()), "0 is not checked");
    assert_eq!(save(2), Ok(()));
    assert_eq!(
        raw.checkpoint(&tunnel, &client, &channel).sequence_number(),
        2
    );
    let foreign = raw.save(&tunnel, &client, &channel, "ZmFrZQ==", 3);
    assert_eq!(foreign, Err("400 OTSParameterInvalid".to_owned()));
}

#[test]
fn terminated_before_the_end_is_read_counts_as_close() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseData);
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .heartbeat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0);
    let again = raw
        .heartbeat(&tunnel, &client, vec![terminated(&channel)])
        .expect("channels");
    assert_eq!(again[0].channel_id, channel.channel_id);
    assert_eq!(again[0].version, channel.version + 1);
    let token = raw
        .checkpoint(&tunnel, &client, &channel.channel_id)
        .checkpoint
        .expect("a token");
    assert_eq!(
        raw.read(&tunnel, &client, &channel.channel_id, &token)
            .next_token,
        "finished"
    );
    let after = raw
        .heartbeat(&tunnel, &client, vec![terminated(&again[0])])
        .expect("channels");
    assert!(
        after.is_empty(),
        "no finished checkpoint, but the end was read"
    );
    assert_eq!(
        raw.describe("orders").channels[0].channel_status(),
        "TERMINATED"
    );
}
