//! Compares requests and responses with recorded exchanges of the Go SDK.

use prost::Message;
use serde_json::Value;
use time::macros::datetime;

use super::*;
use crate::model::*;
use crate::vectors::{self, Exchange};

fn exchanges_of(call: &str) -> Vec<Exchange> {
    let all = vectors::exchanges().into_iter();
    let found: Vec<_> = all.filter(|e| e.call().starts_with(call)).collect();
    assert!(found.len() >= 2, "{call}: {}", found.len());
    found
}

/// The response of a successful exchange.
fn answered<M: Message + Default>(exchange: &Exchange) -> Answered<M> {
    let body = exchange.response_body();
    Answered {
        message: M::decode(body.as_slice()).expect("an response"),
        request_id: exchange.request_id().to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Parses an RFC 3339 time in UTC, as the Go SDK prints it, to nanoseconds since the epoch.
fn nanos(text: &str) -> i128 {
    let (date, time) = text.trim_end_matches('Z').split_once('T').expect("a time");
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = |text: &str, by: char| -> Vec<u8> {
        let parts = text
            .split(by)
            .map(|part| part.parse::<u16>().expect("a number"));
        parts.map(|part| (part % 100) as u8).collect()
    };
    let (date, time) = (numbers(date, '-'), numbers(time, ':'));
    let month = time::Month::try_from(date[1]).expect("a month");
    let date = time::Date::from_calendar_date(2000 + i32::from(date[0]), month, date[2]);
    let time = time::Time::from_hms(time[0], time[1], time[2]).expect("a time");
    let seconds = date.expect("a date").with_time(time).assume_utc();
    seconds.unix_timestamp_nanos() + format!("{fraction:0<9}").parse::<i128>().expect("digits")
}

/// The requests to create tunnels in each recording, in order.
fn creations() -> Vec<CreateTunnelRequest> {
    let stream = |name: &str, config: StreamTunnelConfig| {
        CreateTunnelRequest::new("lab", name, TunnelType::Stream).stream_tunnel_config(config)
    };
    let both = || CreateTunnelRequest::new("lab", "both", TunnelType::BaseAndStream);
    let start = datetime!(2023-11-14 22:13:20 UTC);
    let end = datetime!(2027-01-15 08:00 UTC);
    vec![
        CreateTunnelRequest::new("lab", "base", TunnelType::BaseData),
        stream("stream_earliest", StreamTunnelConfig::earliest()),
        stream("stream_latest", StreamTunnelConfig::latest().ending_at(end)),
        stream(
            "stream_from_to",
            StreamTunnelConfig::starting_at(start).ending_at(start + Duration::milliseconds(3600)),
        ),
        both(),
        both(),
        CreateTunnelRequest::new("nosuch", "x", TunnelType::Stream),
    ]
}

#[test]
fn create_matches_the_go_sdk() {
    let exchanges = exchanges_of("CreateTunnel");
    let creations = creations();
    assert_eq!(exchanges.len(), 2 * creations.len());
    for (exchange, creation) in exchanges.iter().zip(creations.iter().cycle()) {
        let ours = create_request(creation).expect("a request").encode_to_vec();
        assert_eq!(ours, exchange.request_body(), "{creation:?}");
        if exchange.error().is_none() {
            let response = create_response(answered(exchange));
            assert_eq!(response.tunnel_id, text(&exchange.decoded()["TunnelId"]));
            assert_eq!(response.request_id, text(&exchange.decoded()["RequestId"]));
        }
    }
}

fn assert_tunnel(ours: &TunnelInfo, go: &Value) {
    assert_eq!(ours.tunnel_id, text(&go["TunnelId"]));
    assert_eq!(ours.tunnel_name, text(&go["TunnelName"]));
    assert_eq!(ours.tunnel_type.as_str(), text(&go["TunnelType"]));
    assert_eq!(ours.table_name, text(&go["TableName"]));
    assert_eq!(ours.instance_name, text(&go["InstanceName"]));
    assert_eq!(ours.stream_id, text(&go["StreamId"]));
    assert_eq!(ours.stage.as_str(), text(&go["Stage"]));
    assert!(!matches!(ours.stage, TunnelStage::Unknown(_)));
    assert_eq!(Some(ours.expired), go["Expired"].as_bool());
    let created = ours.create_time.expect("a time").unix_timestamp_nanos();
    assert_eq!(created, nanos(text(&go["CreateTime"])));
    match &ours.stream_tunnel_config {
        None => assert!(go["StreamTunnelConfig"].is_null()),
        Some(config) => assert_config(config, &go["StreamTunnelConfig"]),
    }
}

fn assert_config(ours: &StreamTunnelConfig, go: &Value) {
    let (flag, start) = match ours.start {
        StartOffset::Latest => (0, 0),
        StartOffset::Earliest => (1, 0),
        StartOffset::At(time) => (0, time.unix_timestamp_nanos()),
    };
    let end = ours.end.map_or(0, |end| end.unix_timestamp_nanos());
    let go = |key: &str| go[key].as_i64().map(i128::from);
    assert_eq!(go("Flag"), Some(flag));
    assert_eq!(
        (go("StartOffset"), go("EndOffset")),
        (Some(start), Some(end))
    );
}

#[test]
fn list_matches_the_go_sdk() {
    let request = list_request(&ListTunnelRequest::new("lab")).expect("a request");
    for exchange in exchanges_of("ListTunnel") {
        assert_eq!(request.encode_to_vec(), exchange.request_body());
        if exchange.error().is_some() {
            continue;
        }
        let response = list_response(answered(&exchange));
        let go = exchange.decoded()["Tunnels"].as_array().expect("tunnels");
        assert_eq!(response.tunnels.len(), go.len());
        for (ours, go) in response.tunnels.iter().zip(go) {
            assert_tunnel(ours, go);
        }
    }
}

#[test]
fn describe_matches_the_go_sdk() {
    let request = describe_request(&DescribeTunnelRequest::new("lab", "both")).expect("a request");
    for exchange in exchanges_of("DescribeTunnel") {
        assert_eq!(request.encode_to_vec(), exchange.request_body());
        let response = describe_response(answered(&exchange));
        let go = exchange.decoded();
        assert_tunnel(&response.tunnel, &go["Tunnel"]);
        let nanos = |time: Option<OffsetDateTime>| time.map_or(0, |t| t.unix_timestamp_nanos());
        assert_eq!(
            go["TunnelRPO"].as_i64().map(i128::from),
            Some(nanos(response.tunnel_rpo))
        );
        let channels = go["Channels"].as_array().expect("channels");
        assert_eq!(response.channels.len(), channels.len());
        for (ours, go) in response.channels.iter().zip(channels) {
            assert_eq!(ours.channel_id, text(&go["ChannelId"]));
            assert_eq!(ours.channel_type.as_str(), text(&go["ChannelType"]));
            assert_eq!(ours.channel_status.as_str(), text(&go["ChannelStatus"]));
            assert_eq!(ours.client_id, text(&go["ClientId"]));
            assert_eq!(
                go["ChannelRPO"].as_i64().map(i128::from),
                Some(nanos(ours.channel_rpo))
            );
        }
    }
}

#[test]
fn get_rpo_matches_the_go_sdk() {
    for call in ["GetRpo", "GetRpoByOffset"] {
        for exchange in exchanges_of(call) {
            let message = answered::<p::GetRpoResponse>(&exchange);
            let id = message.message.tunnel_id.clone().expect("a tunnel id");
            let request = rpo_request(&GetRpoRequest::new(&*id)).expect("a request");
            assert_eq!(request.encode_to_vec(), exchange.request_body());
            let ours = rpo_response(call, message).expect("an response");
            let go = exchange.decoded();
            assert_eq!(ours.tunnel_id, Some(id));
            assert_rpo(&ours, go);
        }
    }
}

fn assert_rpo(ours: &GetRpoResponse, go: &Value) {
    let groups = go["RpoInfos"].as_object().expect("groups");
    assert!(!groups.is_empty());
    let channels: usize = groups
        .values()
        .map(|g| g.as_object().map_or(0, |g| g.len()))
        .sum();
    assert_eq!(
        ours.rpo_infos.values().map(|g| g.len()).sum::<usize>(),
        channels
    );
    for (group, channels) in &ours.rpo_infos {
        for (id, ours) in channels {
            let go = &groups[group][id];
            assert_eq!(ours.channel_type, text(&go["ChannelTyp"]));
            assert_eq!(ours.status, text(&go["Status"]));
            assert_eq!(Some(ours.total_count), go["TotalCount"].as_i64());
            assert_eq!(Some(ours.access_time), go["AccessTime"].as_i64());
            assert_eq!(Some(ours.rpo_time), go["RpoTime"].as_i64());
        }
    }
    let groups = go["TunnelRpoInfos"].as_object().expect("groups");
    assert_eq!(ours.tunnel_rpo_infos.len(), groups.len());
    for (group, ours) in &ours.tunnel_rpo_infos {
        assert_eq!(ours.status, text(&groups[group]["Status"]));
        assert_eq!(Some(ours.rpo_time), groups[group]["RpoTime"].as_i64());
    }
}

#[test]
fn rpo_may_be_missing_but_not_malformed() {
    let response = |infos: Option<&'static [u8]>| {
        let message = p::GetRpoResponse {
            rpo_infos: infos.map(Into::into),
            ..Default::default()
        };
        let request_id = "r-1".into();
        rpo_response(
            "GetRpo",
            Answered {
                message,
                request_id,
            },
        )
    };
    for infos in [None, Some(b"".as_slice()), Some(b"null"), Some(b"{}")] {
        assert!(response(infos).expect("empty").rpo_infos.is_empty());
    }
    let sparse = response(Some(br#"{"g":{"c":{"Status":null,"New":[1]}}}"#)).expect("sparse");
    assert_eq!(sparse.rpo_infos["g"]["c"], ChannelRpo::default());
    let error = response(Some(b"[1")).expect_err("malformed JSON");
    assert_eq!(error.code(), &crate::ErrorCode::Malformed);
    assert_eq!(error.request_id(), Some("r-1"));
}

#[test]
fn schedule_matches_the_go_sdk() {
    for exchange in exchanges_of("Schedule") {
        let recorded = p::ScheduleRequest::decode(exchange.request_body().as_slice());
        let recorded = recorded.expect("a request");
        let channel = recorded.channels[0].channel_id.as_str();
        let channels = [suspend_channel(channel), resume_channel(channel)];
        let request = ScheduleRequest::new(&*recorded.tunnel_id, channels);
        let ours = schedule_request(&request).expect("a request");
        assert_eq!(ours.encode_to_vec(), exchange.request_body());
    }
}

#[test]
fn checkpoints_match_the_go_sdk() {
    for exchange in exchanges_of("GetCheckpoint") {
        let recorded = p::GetCheckpointRequest::decode(exchange.request_body().as_slice());
        let recorded = recorded.expect("a request");
        let p::GetCheckpointRequest {
            tunnel_id,
            client_id,
            channel_id,
        } = recorded;
        let request = GetCheckpointRequest::new(tunnel_id, client_id, channel_id);
        let ours = get_checkpoint_request(&request).expect("a request");
        assert_eq!(ours.encode_to_vec(), exchange.request_body());
        let answered = answered::<p::GetCheckpointResponse>(&exchange);
        let response = get_checkpoint_response(answered.clone());
        assert_eq!(response.checkpoint, answered.message.checkpoint());
        assert_eq!(response.request_id, exchange.request_id());
    }
    for exchange in exchanges_of("Checkpoint") {
        let recorded = p::CheckpointRequest::decode(exchange.request_body().as_slice());
        let r = recorded.expect("a request");
        let request = CheckpointRequest::new(
            r.tunnel_id,
            r.client_id,
            r.channel_id,
            r.checkpoint,
            r.sequence_number,
        );
        let ours = checkpoint_request(&request).expect("a request");
        assert_eq!(ours.encode_to_vec(), exchange.request_body());
    }
}

#[test]
fn reads_match_the_go_sdk() {
    for exchange in exchanges_of("ReadRecords") {
        let recorded = p::ReadRecordsRequest::decode(exchange.request_body().as_slice());
        let r = recorded.expect("a request");
        let request = ReadRecordsRequest::new(r.tunnel_id, r.client_id, r.channel_id, r.token);
        let ours = read_records_request(&request).expect("a request");
        assert_eq!(ours.encode_to_vec(), exchange.request_body());
        let body = exchange.response_body().into();
        let batch = RawBatch::parse(body, exchange.request_id().to_owned());
        let response = read_records_response(batch.expect("a batch")).expect("records");
        let go = exchange.decoded();
        assert_eq!(response.next_token, text(&go["next_token"]));
        assert_eq!(response.may_more_record, go["may_more_record"].as_bool());
        assert_eq!(Some(response.size as u64), go["size"].as_u64());
        assert_eq!(
            Some(response.records.len() as u64),
            go["record_count"].as_u64()
        );
    }
}

#[test]
fn each_status_has_its_wire_number() {
    let statuses = [
        (suspend_channel("c"), 2),
        (resume_channel("c"), 1),
        (open_channel("c"), 1),
        (terminate_channel("c"), 4),
    ];
    for (channel, status) in statuses {
        assert_eq!(
            schedule_channel(&channel).expect("a channel").status,
            status
        );
    }
    for status in [ChannelStatus::Wait, ChannelStatus::Unknown("X".into())] {
        let error =
            schedule_channel(&ScheduleChannel::new("c", status)).expect_err("an invalid status");
        assert!(error.message().contains("OPEN"), "{error}");
    }
}

#[test]
fn incomplete_requests_are_rejected() {
    let create = |table: &str, tunnel: &str| {
        create_request(&CreateTunnelRequest::new(table, tunnel, TunnelType::Stream))
    };
    assert!(
        create("", "x")
            .expect_err("no table")
            .message()
            .contains("table name")
    );
    assert!(
        create("t", "")
            .expect_err("no tunnel")
            .message()
            .contains("tunnel name")
    );
    let unknown = CreateTunnelRequest::new("t", "x", TunnelType::Unknown("Both".into()));
    let error = create_request(&unknown).expect_err("no type");
    assert!(error.message().contains("\"Both\""), "{error}");
    assert!(schedule_request(&ScheduleRequest::new("", [])).is_err());
    assert!(rpo_request(&GetRpoRequest::new("")).is_err());
}

#[test]
fn offsets_out_of_range_are_rejected() {
    let epoch = OffsetDateTime::UNIX_EPOCH;
    let nano = Duration::nanoseconds(1);
    let at = StreamTunnelConfig::starting_at;
    for (config, fits) in [
        (at(epoch), false),
        (at(epoch - nano), false),
        (at(epoch + nano), true),
        (at(datetime!(2600-01-01 00:00 UTC)), false),
        (at(epoch + nano).ending_at(epoch + nano), false),
        (at(epoch + nano).ending_at(epoch + nano * 2), true),
        (StreamTunnelConfig::latest().ending_at(epoch), false),
    ] {
        assert_eq!(stream_config(&config).is_ok(), fits, "{config:?}");
    }
}

#[test]
fn stream_configs_round_trip() {
    let time = datetime!(2024-02-29 12:34:56.789012345 UTC);
    for config in [
        StreamTunnelConfig::latest(),
        StreamTunnelConfig::earliest().ending_at(time),
        StreamTunnelConfig::starting_at(time).ending_at(time + Duration::DAY),
    ] {
        let wire = stream_config(&config).expect("fits");
        assert_eq!(stream_config_of(wire), config);
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    for nanos in [i64::MIN, i64::MAX, 1] {
        let time = time_of(nanos).expect("a time");
        assert_eq!(time.unix_timestamp_nanos(), i128::from(nanos));
    }
    assert_eq!(time_of(0), None);
    let last = offset_of(u64::MAX).unix_timestamp_nanos();
    assert_eq!(last, i128::from(u64::MAX));
}

#[test]
fn unknown_strings_are_kept() {
    assert_eq!(TunnelType::from("Stream".to_owned()), TunnelType::Stream);
    let unknown = TunnelStage::from("Paused".to_owned());
    assert_eq!(unknown, TunnelStage::Unknown("Paused".into()));
    assert_eq!(unknown.to_string(), "Paused");
}
