//! Changes that are dropped from the log, and the effect on tunnels.

use super::raw::consume;
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An emulator on a clock that stands still, with a stream tunnel from the earliest
/// record, and the ids of tunnel, client and channel.
fn late_reader(trimmed: TrimmedRead) -> (EmulatorClock, Emulator, Table, Raw, [String; 3]) {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let builder = Emulator::builder()
        .clock(clock.clone())
        .trimmed_read(trimmed)
        .client_timeout(100 * DAY);
    let (emulator, table, mut raw) = with_orders(builder, 1);
    let tunnel = create_earliest(&mut raw);
    let client = raw.connect(&tunnel, 30);
    let channel = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    let channel = channel[0].channel_id.clone();
    (clock, emulator, table, raw, [tunnel, client, channel])
}

fn create_earliest(raw: &mut Raw) -> String {
    let mut request = create_request("orders", p::TunnelType::Stream);
    request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
        flag: Some(p::StartOffsetFlag::Earliest.into()),
        ..p::StreamTunnelConfig::default()
    });
    let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
    created.tunnel_id
}

fn read_request([tunnel, client, channel]: &[String; 3], token: &str) -> p::ReadRecordsRequest {
    p::ReadRecordsRequest {
        tunnel_id: tunnel.clone(),
        client_id: client.clone(),
        channel_id: channel.clone(),
        token: token.into(),
    }
}

#[test]
fn a_late_read_is_answered_as_configured() {
    for (trimmed, expected) in [
        (TrimmedRead::Fail, Err("503 OTSTunnelServerUnavailable")),
        (TrimmedRead::Expire, Err("400 OTSTunnelExpired")),
        (TrimmedRead::Oldest, Ok((2, 20, 22))),
        (TrimmedRead::Newest, Ok((0, 22, 22))),
    ] {
        let (clock, emulator, table, mut raw, ids) = late_reader(trimmed);
        clock.advance(6 * DAY);
        table.put([1], [("n", 1)]).expect("written");
        table.put([2], [("n", 2)]).expect("written");
        let [tunnel, client, channel] = &ids;
        assert!(!raw.describe("orders").tunnel.expired());
        clock.advance(2 * DAY);
        assert!(raw.describe("orders").tunnel.expired(), "20 rows are lost");
        let token = raw
            .checkpoint(tunnel, client, channel)
            .checkpoint
            .expect("token");
        let answer: Result<p::ReadRecordsResponse, String> =
            raw.ask(Action::ReadRecords, &read_request(&ids, &token));
        let ledger = emulator.ledger();
        let place = ledger
            .events()
            .iter()
            .rev()
            .find_map(|event| match event.kind {
                EventKind::Read { from, to, .. } => Some((from, to)),
                _ => None,
            });
        let skipped = ledger.events().iter().find_map(|event| match event.kind {
            EventKind::Skipped { from, count, .. } => Some((from, count)),
            _ => None,
        });
        match (answer, expected) {
            (Err(code), Err(expected)) => assert_eq!((code.as_str(), place), (expected, None)),
            (Ok(answer), Ok((records, skips, to))) => {
                assert_eq!(answer.records.len(), records, "{trimmed:?}");
                assert_eq!((place, skipped), (Some((0, to)), Some((0, skips))));
                raw.save(tunnel, client, channel, &answer.next_token, 1)
                    .expect("saved");
                assert!(!raw.describe("orders").tunnel.expired(), "it goes on");
                table.put([3], [("n", 3)]).expect("written");
                assert_eq!(raw.drain(tunnel, client, channel).0.len(), 1);
            }
            other => panic!("{trimmed:?}: {other:?}"),
        }
    }
}

#[test]
fn the_message_of_a_trimmed_read_is_the_documented_one() {
    let (_clock, _emulator, table, mut raw, ids) = late_reader(TrimmedRead::Fail);
    let token = raw
        .checkpoint(&ids[0], &ids[1], &ids[2])
        .checkpoint
        .expect("token");
    assert_eq!(table.expire().expect("expired"), 20);
    let body = read_request(&ids, &token).encode_to_vec();
    let answer = raw
        .post(Action::ReadRecords.uri(), &body)
        .expect("an answer");
    let error = p::Error::decode(answer.body.as_slice()).expect("an error");
    assert!(
        error.message().starts_with("OTSTrimmedDataAccess"),
        "{error:?}"
    );
    // Only this read is rejected. A client may still read from other positions.
    assert_eq!(
        raw.heartbeat(&ids[0], &ids[1], vec![])
            .expect("channels")
            .len(),
        1
    );
}

#[test]
fn changes_that_are_consumed_in_time_are_not_lost() {
    let (clock, _emulator, table, mut raw, [tunnel, client, channel]) =
        late_reader(TrimmedRead::Fail);
    assert_eq!(raw.drain(&tunnel, &client, &channel).0.len(), 20);
    let last = raw.describe("orders").channels[0].clone();
    assert_eq!(last.channel_count(), 20);
    clock.advance(30 * DAY);
    assert_eq!(
        raw.drain(&tunnel, &client, &channel).0.len(),
        0,
        "idle for a month"
    );
    let info = &table.partitions()[0];
    assert_eq!(
        (info.oldest, info.changes, info.rows),
        (20, 20, 20),
        "rows stay"
    );
    table.put([1], [("n", 1)]).expect("written");
    let behind = raw.describe("orders");
    assert!(!behind.tunnel.expired());
    let point = behind.channels[0].channel_rpo();
    let written = i64::try_from((clock.utc() - 30 * DAY).unix_timestamp_nanos()).expect("time");
    // The clock stood still, so the 20 changes are one microsecond apart.
    assert!(
        (written..written + 20_000).contains(&point),
        "when the last was written: {point}"
    );
    assert_eq!(raw.drain(&tunnel, &client, &channel).0.len(), 1);
}

#[test]
fn tables_can_be_trimmed_by_hand() {
    let (_clock, emulator, table, mut raw, [tunnel, client, channel]) =
        late_reader(TrimmedRead::Oldest);
    let partition = table.partitions()[0].id.clone();
    assert_eq!(table.trim(&partition, 15).expect("trimmed"), 15);
    assert_eq!(table.trim(&partition, 15).expect("trimmed"), 0);
    assert!(table.trim("no such", 1).is_err());
    assert_eq!(raw.drain(&tunnel, &client, &channel).0.len(), 5);
    assert_eq!(table.expire().expect("expired"), 5);
    let trimmed = |event: &Event| match event.kind {
        EventKind::Trimmed { from, to, .. } => Some((from, to)),
        _ => None,
    };
    let trimmed: Vec<_> = emulator
        .ledger()
        .events()
        .iter()
        .filter_map(trimmed)
        .collect();
    assert_eq!(trimmed, [(0, 15), (15, 20)]);
}

#[test]
fn a_table_may_have_a_retention_of_its_own() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let emulator = Emulator::builder()
        .clock(clock.clone())
        .start()
        .expect("started");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let table = emulator.create_table(spec.retention(DAY)).expect("a table");
    table.put([1], [("n", 1)]).expect("written");
    clock.advance(DAY);
    assert_eq!(table.partitions()[0].oldest, 0, "to the end of the day");
    clock.advance(Duration::from_secs(1));
    assert_eq!(table.partitions()[0].oldest, 1);
}

/// A tunnel of both kinds whose base data is read after a wait.
fn base_read_after(wait: Duration) -> (EmulatorClock, Emulator, Raw, [String; 2]) {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let builder = Emulator::builder()
        .clock(clock.clone())
        .client_timeout(100 * DAY);
    let (emulator, table, mut raw) = with_orders(builder, 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseAndStream);
    let client = raw.connect(&tunnel, 30);
    let base = raw
        .heartbeat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0);
    clock.advance(wait);
    table.put([1], [("n", 1)]).expect("written");
    let (records, finished) = raw.drain(&tunnel, &client, &base.channel_id);
    assert_eq!(
        (records.len(), finished),
        (20, true),
        "base data does not age"
    );
    (clock, emulator, raw, [tunnel, client])
}

#[test]
fn base_data_that_takes_longer_than_the_retention_expires_the_tunnel() {
    let (_, _, mut raw, [tunnel, client]) = base_read_after(7 * DAY);
    let seen = consume(&mut raw, &tunnel, &client);
    assert!(
        seen.iter().any(|seen| seen.1 == 1),
        "just in time: {seen:?}"
    );

    let (clock, emulator, mut raw, [tunnel, client]) =
        base_read_after(7 * DAY + Duration::from_secs(1));
    let expired = "400 OTSTunnelExpired";
    assert_eq!(
        raw.heartbeat(&tunnel, &client, vec![]),
        Err(expired.to_owned())
    );
    let info = raw.describe("orders");
    assert!(info.tunnel.expired());
    let stream = info
        .channels
        .iter()
        .find(|channel| channel.channel_type() == "Stream");
    assert_eq!(stream.map(p::ChannelInfo::channel_status), Some("WAIT"));
    let noted = |event: &&Event| matches!(event.kind, EventKind::TunnelExpired { .. });
    assert_eq!(emulator.ledger().events().iter().filter(noted).count(), 1);

    clock.advance(30 * DAY - Duration::from_secs(1));
    assert!(
        raw.describe("orders").tunnel.expired(),
        "disabled, still there"
    );
    clock.advance(Duration::from_secs(1));
    let gone = "400 OTSParameterInvalid";
    assert_eq!(
        raw.heartbeat(&tunnel, &client, vec![]),
        Err(gone.to_owned())
    );
    raw.create("orders", p::TunnelType::Stream);
}

#[test]
fn an_expired_tunnel_rejects_only_requests_that_consume_it() {
    let (_clock, emulator, _table, mut raw, [tunnel, client, channel]) =
        late_reader(TrimmedRead::Fail);
    emulator.expire_tunnel(&tunnel).expect("expired");
    assert!(emulator.expire_tunnel("no such").is_err());
    let channels = vec![p::Channel {
        channel_id: channel.clone(),
        version: 0,
        status: p::ChannelStatus::Closing.into(),
        detail: None,
    }];
    let (tunnel_id, client_id) = (tunnel.clone(), client.clone());
    let bodies = [
        (
            Action::Connect,
            p::ConnectRequest {
                tunnel_id: tunnel.clone(),
                client_config: None,
            }
            .encode_to_vec(),
            false,
        ),
        (
            Action::Heartbeat,
            p::HeartbeatRequest {
                tunnel_id,
                client_id,
                channels: vec![],
            }
            .encode_to_vec(),
            false,
        ),
        (
            Action::GetCheckpoint,
            p::GetCheckpointRequest {
                tunnel_id: tunnel.clone(),
                client_id: client.clone(),
                channel_id: channel.clone(),
            }
            .encode_to_vec(),
            false,
        ),
        (
            Action::ReadRecords,
            read_request(
                &[tunnel.clone(), client.clone(), channel.clone()],
                "finished",
            )
            .encode_to_vec(),
            false,
        ),
        (
            Action::Checkpoint,
            p::CheckpointRequest {
                tunnel_id: tunnel.clone(),
                client_id: client.clone(),
                channel_id: channel,
                checkpoint: "finished".into(),
                sequence_number: 1,
            }
            .encode_to_vec(),
            false,
        ),
        (
            Action::Schedule,
            p::ScheduleRequest {
                tunnel_id: tunnel.clone(),
                channels,
            }
            .encode_to_vec(),
            false,
        ),
        (
            Action::GetRpo,
            p::GetRpoRequest {
                tunnel_id: Some(tunnel.clone()),
                limit: None,
            }
            .encode_to_vec(),
            true,
        ),
        (
            Action::List,
            p::ListTunnelRequest {
                table_name: Some("orders".into()),
            }
            .encode_to_vec(),
            true,
        ),
        (
            Action::Shutdown,
            p::ShutdownRequest {
                tunnel_id: tunnel,
                client_id: client,
            }
            .encode_to_vec(),
            true,
        ),
    ];
    for (action, body, fine) in bodies {
        let answer = raw.post(action.uri(), &body).expect("an answer");
        assert_eq!(answer.status == 200, fine, "{action}");
        if !fine {
            let error = p::Error::decode(answer.body.as_slice()).expect("an error");
            assert_eq!(
                (answer.status, error.code.as_str()),
                (400, "OTSTunnelExpired"),
                "{action}"
            );
        }
    }
}

#[test]
fn dropping_a_table_deletes_its_tunnels() {
    let (_clock, emulator, table, mut raw, [tunnel, client, _]) = late_reader(TrimmedRead::Fail);
    emulator.drop_table("orders").expect("dropped");
    assert!(emulator.drop_table("orders").is_err());
    let gone = Err("400 OTSParameterInvalid".to_owned());
    assert_eq!(raw.heartbeat(&tunnel, &client, vec![]), gone);
    let refused = table.put([1], [("n", 1)]).expect_err("dropped");
    assert!(refused.to_string().contains("table not exist"), "{refused}");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let second = emulator.create_table(spec).expect("again");
    let refused = table.put([1], [("n", 1)]).expect_err("another table");
    assert!(refused.to_string().contains("was dropped"), "{refused}");
    second.put([1], [("n", 1)]).expect("written");
    assert!(table.partitions().is_empty());
    assert_eq!(
        raw.heartbeat(&tunnel, &client, vec![]),
        gone,
        "the tunnel stays gone"
    );
}
