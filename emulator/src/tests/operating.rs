//! RPO and Schedule.

use super::*;

#[test]
fn both_rpo_calls_answer_json_and_schedule_moves_channels() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let held = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    let request = p::GetRpoRequest {
        tunnel_id: Some(tunnel.clone()),
        limit: None,
    };
    for action in [Action::GetRpo, Action::GetRpoByOffset] {
        let answer: p::GetRpoResponse = raw.ask(action, &request).expect("an answer");
        assert_eq!(answer.tunnel_id(), tunnel);
        let infos: serde_json::Value = serde_json::from_slice(answer.rpo_infos()).expect("JSON");
        let entry = &infos[&tunnel][&held[0].channel_id];
        assert_eq!(entry["ChannelTyp"], "Stream");
        assert_eq!(entry["Status"], "OPEN");
        let infos: serde_json::Value =
            serde_json::from_slice(answer.tunnel_rpo_infos()).expect("JSON");
        assert_eq!(infos[&tunnel]["Status"], "ProcessStream");
    }
    let mut schedule = |status: p::ChannelStatus| {
        let request = p::ScheduleRequest {
            tunnel_id: tunnel.clone(),
            channels: vec![p::Channel {
                status: status.into(),
                version: 0,
                ..held[0].clone()
            }],
        };
        let _: p::ScheduleResponse = raw.ask(Action::Schedule, &request).expect("scheduled");
        raw.heartbeat(&tunnel, &client, vec![]).expect("channels")
    };
    let suspended = schedule(p::ChannelStatus::Closing);
    assert_eq!(suspended[0].status(), p::ChannelStatus::Closing);
    let ended = schedule(p::ChannelStatus::Terminated);
    assert_eq!(ended.len(), 1);
}

/// The only channel as Describe shows it.
fn channel_info(raw: &mut Raw) -> (String, i64, i64) {
    let info = raw.describe("orders").channels.remove(0);
    (
        info.channel_status().to_owned(),
        info.channel_count(),
        info.channel_rpo(),
    )
}

fn nanos(clock: &EmulatorClock) -> i64 {
    i64::try_from(clock.utc().unix_timestamp_nanos()).expect("fits")
}

#[test]
fn describe_shows_how_far_a_stream_is_consumed() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let builder = Emulator::builder().clock(clock.clone()).batch_rows(1);
    let (_emulator, table, mut raw) = with_orders(builder, 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 3_600);
    let channel = raw.heartbeat(&tunnel, &client, vec![]).expect("channels")[0]
        .channel_id
        .clone();
    let idle = channel_info(&mut raw);
    assert_eq!(
        idle,
        ("OPEN".into(), 0, nanos(&clock)),
        "nothing is left to consume"
    );
    clock.advance(Duration::from_secs(10));
    table.put([1], [("n", 1)]).expect("written");
    let first = nanos(&clock);
    clock.advance(Duration::from_secs(10));
    table.put([2], [("n", 2)]).expect("written");
    assert_eq!(
        channel_info(&mut raw),
        ("OPEN".into(), 0, 0),
        "nothing is consumed"
    );

    let token = raw
        .checkpoint(&tunnel, &client, &channel)
        .checkpoint
        .expect("a token");
    let next = raw.read(&tunnel, &client, &channel, &token).next_token;
    assert_eq!(channel_info(&mut raw).1, 0, "read is not consumed");
    raw.save(&tunnel, &client, &channel, &next, 1)
        .expect("saved");
    assert_eq!(channel_info(&mut raw), ("OPEN".into(), 1, first));
    assert_eq!(raw.describe("orders").tunnel_rpo(), first);
    let (records, _) = raw.drain(&tunnel, &client, &channel);
    assert_eq!(records.len(), 1);
    clock.advance(Duration::from_secs(10));
    assert_eq!(channel_info(&mut raw), ("OPEN".into(), 2, nanos(&clock)));
}

#[test]
fn describe_names_the_stages_and_states_as_java_reads_them() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
    let (_emulator, table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseAndStream);
    let stage = |raw: &mut Raw| {
        let info = raw.describe("orders");
        let states = info
            .channels
            .iter()
            .map(|channel| format!("{} {}", channel.channel_type(), channel.channel_status()));
        (info.tunnel.stage, states.collect::<Vec<_>>())
    };
    let is = |stage: &str, states: &[&str]| {
        (
            stage.to_owned(),
            states.iter().map(ToString::to_string).collect(),
        )
    };
    assert_eq!(stage(&mut raw), is("InitBaseDataAndStreamShard", &[]));
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        stage(&mut raw),
        is("ProcessBaseData", &["BaseData OPEN", "Stream WAIT"])
    );
    let client = raw.connect(&tunnel, 30);
    let base = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
    assert_eq!(base.len(), 1, "waiting channels are in no heartbeat");
    raw.drain(&tunnel, &client, &base[0].channel_id);
    assert_eq!(
        stage(&mut raw),
        is("ProcessStream", &["BaseData TERMINATED", "Stream OPEN"])
    );
    let report = vec![terminated(&base[0])];
    let stream = raw
        .heartbeat(&tunnel, &client, report)
        .expect("channels")
        .remove(0);
    assert_eq!(
        stream.channel_id,
        raw.describe("orders").channels[1].channel_id
    );
    table.split(&table.partitions()[0].id).expect("a split");
    let leave = p::ShutdownRequest {
        tunnel_id: tunnel,
        client_id: client,
    };
    let _: p::ShutdownResponse = raw.ask(Action::Shutdown, &leave).expect("left");
    let states = [
        "BaseData TERMINATED",
        "Stream CLOSE",
        "Stream WAIT",
        "Stream WAIT",
    ];
    assert_eq!(stage(&mut raw), is("ProcessStream", &states));
}

#[test]
fn the_tunnels_of_a_table_or_of_all_are_listed() {
    let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let second = TableSpec::new("second").primary_key("id", KeyType::String);
    emulator.create_table(second).expect("a table");
    for table in ["orders", "second"] {
        raw.create(table, p::TunnelType::BaseData);
    }
    let mut list = |table: Option<&str>| {
        let request = p::ListTunnelRequest {
            table_name: table.map(str::to_owned),
        };
        let answer: Result<p::ListTunnelResponse, _> = raw.ask(Action::List, &request);
        let name = |tunnel: p::TunnelInfo| tunnel.table_name;
        answer.map(|answer| answer.tunnels.into_iter().map(name).collect::<Vec<_>>())
    };
    assert_eq!(list(Some("second")), Ok(vec!["second".into()]));
    assert_eq!(list(None), Ok(vec!["orders".into(), "second".into()]));
    assert_eq!(list(Some("third")), Err("400 OTSParameterInvalid".into()));
}

#[test]
fn a_tunnel_is_not_confused_with_a_later_one_of_the_same_name() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let old = raw.create("orders", p::TunnelType::Stream);
    let delete = |raw: &mut Raw, id: Option<&str>| {
        let request = p::DeleteTunnelRequest {
            table_name: "orders".into(),
            tunnel_name: "tunnel".into(),
            tunnel_id: id.map(str::to_owned),
        };
        let answer: Result<p::DeleteTunnelResponse, _> = raw.ask(Action::Delete, &request);
        answer.map(|_| ())
    };
    assert_eq!(delete(&mut raw, Some(&old)), Ok(()));
    let new = raw.create("orders", p::TunnelType::Stream);
    assert_ne!(old, new);
    let missing = Err("400 OTSParameterInvalid".to_owned());
    assert_eq!(delete(&mut raw, Some(&old)), missing);
    assert_eq!(delete(&mut raw, Some("")), Ok(()), "no id");
    assert_eq!(delete(&mut raw, None), missing, "deleted");
}
