//! The emulator over real sockets, with a client of a few lines.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use prost::Message;

use super::*;
use crate::api::protocol as p;
use crate::api::sign::{content_md5, signature};

/// An answer as it came.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// A client that keeps one connection and hides nothing.
struct Raw {
    stream: TcpStream,
    emulator: Emulator,
}

impl Raw {
    fn new(emulator: &Emulator) -> Raw {
        let address = emulator.endpoint().trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("connect");
        let timeout = Some(Duration::from_secs(20));
        stream.set_read_timeout(timeout).expect("timeout");
        Raw {
            stream,
            emulator: emulator.clone(),
        }
    }

    fn headers(&self, uri: &str, body: &[u8]) -> BTreeMap<String, String> {
        let now = crate::clock::utc();
        let date = format!(
            "{}T{:02}:{:02}:{:02}.122511Z",
            now.date(),
            now.hour(),
            now.minute(),
            now.second()
        );
        let mut headers: BTreeMap<String, String> = [
            ("X-Ots-Date", date),
            ("X-Ots-Apiversion", "2018-04-01".into()),
            ("X-Ots-Accesskeyid", self.emulator.access_key_id().into()),
            ("X-Ots-Instancename", self.emulator.instance().into()),
            ("X-Ots-Contentmd5", content_md5(body)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        self.sign(uri, &mut headers);
        headers
    }

    fn sign(&self, uri: &str, headers: &mut BTreeMap<String, String>) {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signature = signature(self.emulator.access_key_secret(), uri, pairs);
        headers.insert("X-Ots-Signature".into(), signature);
    }

    fn send(&mut self, method: &str, uri: &str, headers: &BTreeMap<String, String>, body: &[u8]) {
        let mut head = format!(
            "{method} {uri} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        self.stream.write_all(&request).expect("send");
    }

    fn receive(&mut self) -> std::io::Result<Answer> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        let length = head.split("Content-Length: ").nth(1).expect("length");
        let length = length
            .split('\r')
            .next()
            .expect("line")
            .parse()
            .expect("number");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = head[9..12].parse().expect("status");
        Ok(Answer { status, head, body })
    }

    fn post(&mut self, uri: &str, body: &[u8]) -> std::io::Result<Answer> {
        let headers = self.headers(uri, body);
        self.send("POST", uri, &headers, body);
        self.receive()
    }

    /// The message of a good answer, or the code of a bad one.
    fn ask<M: Message + Default>(
        &mut self,
        action: Action,
        request: &impl Message,
    ) -> Result<M, String> {
        let answer = self
            .post(action.uri(), &request.encode_to_vec())
            .expect("an answer");
        assert!(answer.head.contains("x-ots-requestid: "), "{}", answer.head);
        if answer.status == 200 {
            return Ok(M::decode(answer.body.as_slice()).expect("the message"));
        }
        let error = p::Error::decode(answer.body.as_slice()).expect("an error");
        assert_eq!(error.tunnel_id, None, "Java would lose the code");
        Err(format!("{} {}", answer.status, error.code))
    }

    fn create(&mut self, table: &str, kind: p::TunnelType) -> String {
        let request = create_request(table, kind);
        let answer: p::CreateTunnelResponse = self.ask(Action::Create, &request).expect("created");
        answer.tunnel_id
    }

    fn describe(&mut self, table: &str) -> p::DescribeTunnelResponse {
        let request = p::DescribeTunnelRequest {
            table_name: table.into(),
            tunnel_name: "tunnel".into(),
            tunnel_id: None,
        };
        self.ask(Action::Describe, &request).expect("described")
    }

    fn connect(&mut self, tunnel: &str, seconds: i64) -> String {
        let request = p::ConnectRequest {
            tunnel_id: tunnel.into(),
            client_config: Some(p::ClientConfig {
                timeout: Some(seconds),
                client_tag: Some("tag".into()),
            }),
        };
        let answer: p::ConnectResponse = self.ask(Action::Connect, &request).expect("connected");
        answer.client_id
    }

    fn beat(
        &mut self,
        tunnel: &str,
        client: &str,
        channels: Vec<p::Channel>,
    ) -> Result<Vec<p::Channel>, String> {
        let request = p::HeartbeatRequest {
            tunnel_id: tunnel.into(),
            client_id: client.into(),
            channels,
        };
        let answer: Result<p::HeartbeatResponse, _> = self.ask(Action::Heartbeat, &request);
        answer.map(|answer| answer.channels)
    }

    fn checkpoint(
        &mut self,
        tunnel: &str,
        client: &str,
        channel: &str,
    ) -> p::GetCheckpointResponse {
        let request = p::GetCheckpointRequest {
            tunnel_id: tunnel.into(),
            client_id: client.into(),
            channel_id: channel.into(),
        };
        self.ask(Action::GetCheckpoint, &request)
            .expect("a checkpoint")
    }

    fn save(
        &mut self,
        tunnel: &str,
        client: &str,
        channel: &str,
        token: &str,
        number: i64,
    ) -> Result<(), String> {
        let request = p::CheckpointRequest {
            tunnel_id: tunnel.into(),
            client_id: client.into(),
            channel_id: channel.into(),
            checkpoint: token.into(),
            sequence_number: number,
        };
        let answer: Result<p::CheckpointResponse, _> = self.ask(Action::Checkpoint, &request);
        answer.map(|_| ())
    }

    fn read(
        &mut self,
        tunnel: &str,
        client: &str,
        channel: &str,
        token: &str,
    ) -> p::ReadRecordsResponse {
        let request = p::ReadRecordsRequest {
            tunnel_id: tunnel.into(),
            client_id: client.into(),
            channel_id: channel.into(),
            token: token.into(),
        };
        self.ask(Action::ReadRecords, &request).expect("records")
    }

    /// Reads from the checkpoint until nothing more is there, and saves.
    fn drain(&mut self, tunnel: &str, client: &str, channel: &str) -> (Vec<p::Record>, bool) {
        let checkpoint = self.checkpoint(tunnel, client, channel);
        let (mut token, mut records) = (checkpoint.checkpoint().to_owned(), Vec::new());
        loop {
            let answer = self.read(tunnel, client, channel, &token);
            records.extend(answer.records);
            token = answer.next_token;
            if token == "finished" || answer.may_more_record == Some(false) {
                break;
            }
        }
        self.save(
            tunnel,
            client,
            channel,
            &token,
            checkpoint.sequence_number() + 1,
        )
        .expect("saved");
        (records, token == "finished")
    }
}

fn create_request(table: &str, kind: p::TunnelType) -> p::CreateTunnelRequest {
    p::CreateTunnelRequest {
        tunnel: p::Tunnel {
            table_name: table.into(),
            tunnel_name: "tunnel".into(),
            tunnel_type: kind.into(),
            ..p::Tunnel::default()
        },
    }
}

fn terminated(channel: &p::Channel) -> p::Channel {
    p::Channel {
        version: channel.version + 1,
        status: p::ChannelStatus::Terminated.into(),
        ..channel.clone()
    }
}

/// An emulator with a table of 20 rows in that many partitions.
fn with_orders(builder: EmulatorBuilder, partitions: u32) -> (Emulator, Table, Raw) {
    let emulator = builder.start().expect("an emulator");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let table = emulator
        .create_table(spec.partitions(partitions))
        .expect("a table");
    for id in 0..20 {
        table.put([id], [("n", id)]).expect("written");
    }
    let raw = Raw::new(&emulator);
    (emulator, table, raw)
}

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
    let base = raw.beat(&tunnel, &client, vec![]).expect("channels");
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
        .beat(&tunnel, &client, base.iter().map(terminated).collect())
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
fn a_split_ends_the_parent_and_opens_the_children() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let parent = raw
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0);
    table.put([5], [("n", 1)]).expect("written");
    let children = table.split(&table.partitions()[0].id).expect("a split");
    let written = table.put([5], [("n", 2)]).expect("written");
    assert!(children.contains(&written.partition));

    let held = raw
        .beat(&tunnel, &client, vec![parent.clone()])
        .expect("channels");
    assert_eq!(held, std::slice::from_ref(&parent), "the children wait");
    let (records, finished) = raw.drain(&tunnel, &client, &parent.channel_id);
    assert!(finished);
    assert_eq!(records.len(), 1);
    let mut held = raw
        .beat(&tunnel, &client, vec![terminated(&parent)])
        .expect("channels");
    assert_eq!(held.len(), 2);
    held.retain(|channel| channel.channel_id.starts_with(&*written.partition));
    let (records, finished) = raw.drain(&tunnel, &client, &held[0].channel_id);
    assert!(!finished);
    assert_eq!(records.len(), 1);
}

#[test]
fn two_clients_share_and_one_that_is_silent_loses_its_channels() {
    let clock = EmulatorClock::manual(crate::clock::utc());
    let (emulator, _table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 4);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let (one, two) = (raw.connect(&tunnel, 10), raw.connect(&tunnel, 10));
    let all = raw.beat(&tunnel, &one, vec![]).expect("channels");
    assert_eq!(all.len(), 4);
    assert!(
        raw.beat(&tunnel, &two, vec![])
            .expect("channels")
            .is_empty()
    );
    let told = raw.beat(&tunnel, &one, all).expect("channels");
    let closing: Vec<p::Channel> = told
        .iter()
        .filter(|channel| channel.status() == p::ChannelStatus::Closing)
        .map(|channel| p::Channel {
            version: channel.version + 1,
            status: p::ChannelStatus::Close.into(),
            ..channel.clone()
        })
        .collect();
    assert_eq!(closing.len(), 2);
    assert!(closing.iter().all(|channel| channel.version == 2));
    assert_eq!(raw.beat(&tunnel, &one, closing).expect("channels").len(), 2);
    let given = raw.beat(&tunnel, &two, vec![]).expect("channels");
    assert_eq!(given.len(), 2);
    assert!(given.iter().all(|channel| channel.version == 2));

    clock.advance(Duration::from_secs(6));
    raw.beat(&tunnel, &two, given).expect("channels");
    clock.advance(Duration::from_secs(6));
    assert_eq!(raw.beat(&tunnel, &two, vec![]).expect("channels").len(), 4);
    let gone = raw.beat(&tunnel, &one, vec![]);
    assert_eq!(gone, Err("410 OTSResourceGone".to_owned()));
    let ledger = emulator.ledger();
    let expired = |event: &&Event| matches!(&event.kind, EventKind::Gone { client, why: Departure::Expired, .. } if **client == *one);
    assert_eq!(ledger.events().iter().filter(expired).count(), 1);
}

#[test]
fn checkpoints_obey_their_sequence_numbers() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .beat(&tunnel, &client, vec![])
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
fn terminated_without_the_end_read_is_only_a_close() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseData);
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0);
    let again = raw
        .beat(&tunnel, &client, vec![terminated(&channel)])
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
        .beat(&tunnel, &client, vec![terminated(&again[0])])
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

#[test]
fn what_is_not_right_is_refused_with_its_code() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    raw.create("orders", p::TunnelType::Stream);
    let mut create = |table: &str| {
        let request = create_request(table, p::TunnelType::Stream);
        let answer: Result<p::CreateTunnelResponse, _> = raw.ask(Action::Create, &request);
        answer.map(|_| ())
    };
    assert_eq!(create("orders"), Err("409 OTSTunnelExist".to_owned()));
    assert_eq!(create("other"), Err("400 OTSParameterInvalid".to_owned()));
    let gone = raw.beat("no such tunnel", "x", vec![]);
    assert_eq!(gone, Err("400 OTSParameterInvalid".to_owned()));

    let uri = Action::List.uri();
    let good = raw.headers(uri, b"");
    let with = |name: &str, value: &str, raw: &Raw| {
        let mut headers = good.clone();
        headers.insert(name.into(), value.into());
        if name != "X-Ots-Signature" {
            raw.sign(uri, &mut headers);
        }
        headers
    };
    let cases = [
        ("POST", uri, with("X-Ots-Trace-Id", "t", &raw), (200, "")),
        (
            "POST",
            uri,
            with("X-Ots-Signature", "bad", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Accesskeyid", "bad", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Contentmd5", "bad", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Date", "2001-01-01T00:00:00.000Z", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Date", "yesterday", &raw),
            (400, "OTSParameterInvalid"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Apiversion", "", &raw),
            (400, "OTSParameterInvalid"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Instancename", "bad", &raw),
            (403, "OTSPermissionDenied"),
        ),
        (
            "POST",
            "/tunnel/nothing",
            good.clone(),
            (400, "OTSParameterInvalid"),
        ),
        ("GET", uri, good.clone(), (405, "OTSMethodNotAllowed")),
    ];
    for (method, uri, headers, (status, code)) in cases {
        raw.send(method, uri, &headers, b"");
        let answer = raw.receive().expect("an answer");
        assert_eq!(answer.status, status, "{code} {headers:?}");
        if status != 200 {
            let error = p::Error::decode(answer.body.as_slice()).expect("an error");
            assert_eq!(error.code, code);
        }
    }
}

#[test]
fn faults_strike_where_they_are_told() {
    let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let token = raw
        .checkpoint(&tunnel, &client, &channel)
        .checkpoint
        .expect("a token");
    let read = p::ReadRecordsRequest {
        tunnel_id: tunnel.clone(),
        client_id: client.clone(),
        channel_id: channel.clone(),
        token: token.clone(),
    }
    .encode_to_vec();
    let uri = Action::ReadRecords.uri();

    emulator.fault(Fault::on(Action::ReadRecords).nth(2).fail(
        503,
        "OTSTunnelServerUnavailable",
        "busy",
    ));
    let statuses = [0; 3].map(|_| raw.post(uri, &read).expect("an answer").status);
    assert_eq!(statuses, [200, 503, 200]);

    emulator.fault(Fault::on(Action::ReadRecords).reset());
    let error = raw.post(uri, &read).err().expect("no answer");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let mut raw = Raw::new(&emulator);
    emulator.fault(Fault::on(Action::ReadRecords).cut());
    let error = raw.post(uri, &read).err().expect("half an answer");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);

    let mut raw = Raw::new(&emulator);
    emulator.fault(Fault::on(Action::Checkpoint).after().close());
    let save = p::CheckpointRequest {
        tunnel_id: tunnel.clone(),
        client_id: client.clone(),
        channel_id: channel.clone(),
        checkpoint: token.clone(),
        sequence_number: 1,
    };
    let lost = raw.post(Action::Checkpoint.uri(), &save.encode_to_vec());
    assert!(lost.is_err());
    let mut raw = Raw::new(&emulator);
    assert_eq!(
        raw.checkpoint(&tunnel, &client, &channel).sequence_number(),
        1,
        "applied, answer lost"
    );

    emulator.fault(Fault::on(Action::ReadRecords).garbage());
    let answer = raw.post(uri, &read).expect("an answer");
    assert!(p::ReadRecordsResponse::decode(answer.body.as_slice()).is_err());
    let faulted = |event: &&Event| matches!(event.kind, EventKind::Faulted { .. });
    assert_eq!(emulator.ledger().events().iter().filter(faulted).count(), 5);
}

#[test]
fn a_channel_is_taken_as_the_fault_says_and_comes_back() {
    for (notice, told) in [
        (Notice::Missing, None),
        (Notice::Close, Some(p::ChannelStatus::Close)),
        (Notice::Terminated, Some(p::ChannelStatus::Terminated)),
    ] {
        let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 2);
        let tunnel = raw.create("orders", p::TunnelType::Stream);
        let client = raw.connect(&tunnel, 30);
        let held = raw.beat(&tunnel, &client, vec![]).expect("channels");
        let (victim, other) = (held[0].clone(), held[1].clone());
        let fault = Fault::on(Action::Heartbeat);
        emulator.fault(fault.take(victim.channel_id.clone(), notice));
        let answer = raw.beat(&tunnel, &client, held).expect("an answer");
        assert!(answer.contains(&other));
        let lost = answer.iter().find(|c| c.channel_id == victim.channel_id);
        assert_eq!(lost.map(p::Channel::status), told);
        // Nobody else is there: it comes back, one version on.
        let answer = raw.beat(&tunnel, &client, answer).expect("an answer");
        let back = answer.iter().find(|c| c.channel_id == victim.channel_id);
        let back = back.map(|channel| (channel.version, channel.status()));
        assert_eq!(back, Some((victim.version + 1, p::ChannelStatus::Open)));
        let fault = Fault::on(Action::Heartbeat);
        emulator.fault(fault.take_all(Notice::Missing));
        assert_eq!(raw.beat(&tunnel, &client, vec![]), Ok(vec![]));
    }
}

#[test]
fn stopping_does_not_wait_for_delays() {
    let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let (signal, waiting) = crossbeam_channel::bounded(1);
    emulator.fault(Fault::on(Action::List).delay(Duration::from_secs(3_600)));
    let client = std::thread::spawn(move || {
        let body = p::ListTunnelRequest::default().encode_to_vec();
        let headers = raw.headers(Action::List.uri(), &body);
        raw.send("POST", Action::List.uri(), &headers, &body);
        signal.send(()).expect("sent");
        raw.receive().is_ok()
    });
    waiting.recv().expect("sent");
    let begin = Instant::now();
    emulator.stop();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(!client.join().expect("client"));
    let address = emulator.endpoint().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn both_rpo_calls_answer_json_and_schedule_moves_channels() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let held = raw.beat(&tunnel, &client, vec![]).expect("channels");
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
        raw.beat(&tunnel, &client, vec![]).expect("channels")
    };
    let suspended = schedule(p::ChannelStatus::Closing);
    assert_eq!(suspended[0].status(), p::ChannelStatus::Closing);
    let ended = schedule(p::ChannelStatus::Terminated);
    assert_eq!(ended.len(), 1);
}

#[test]
fn a_backfill_begins_and_ends_at_its_offsets() {
    let clock = EmulatorClock::manual(crate::clock::utc());
    let (_emulator, table, mut raw) = with_orders(Emulator::builder().clock(clock.clone()), 1);
    let nanos =
        |clock: &EmulatorClock| u64::try_from(clock.utc().unix_timestamp_nanos()).expect("time");
    clock.advance(Duration::from_secs(10));
    let start = nanos(&clock);
    let first = table.put([1], [("n", 1)]).expect("written");
    clock.advance(Duration::from_secs(10));
    let end = nanos(&clock) + 5_000_000_000;
    let mut create = |start: u64, end: u64| {
        let mut request = create_request("orders", p::TunnelType::Stream);
        request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
            flag: None,
            start_offset: Some(start),
            end_offset: Some(end),
        });
        let answer: Result<p::CreateTunnelResponse, _> = raw.ask(Action::Create, &request);
        answer.map(|answer| answer.tunnel_id)
    };
    let refused = Err("400 OTSParameterInvalid".to_owned());
    assert_eq!(create(start, start), refused, "ends where it begins");
    assert_eq!(create(end, 0), refused, "begins in the future");
    assert_eq!(create(1_000_000_000, end), refused, "begins before the log");
    let tunnel = create(start, end).expect("created");

    let config = raw
        .describe("orders")
        .tunnel
        .stream_tunnel_config
        .expect("a config");
    assert_eq!((config.start_offset(), config.end_offset()), (start, end));
    let client = raw.connect(&tunnel, 3_600);
    let channel = raw
        .beat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let (records, finished) = raw.drain(&tunnel, &client, &channel);
    assert_eq!((records.len(), finished), (1, false));
    assert_eq!(first.position, 20, "after the rows of before");
    clock.advance(Duration::from_secs(6));
    table.put([2], [("n", 2)]).expect("written");
    let (records, finished) = raw.drain(&tunnel, &client, &channel);
    assert_eq!((records.len(), finished), (0, true));
}

#[test]
fn from_the_earliest_a_split_parent_comes_first() {
    let (_emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    table.split(&table.partitions()[0].id).expect("a split");
    table.put([3], [("n", 3)]).expect("written");
    let mut request = create_request("orders", p::TunnelType::Stream);
    request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
        flag: Some(p::StartOffsetFlag::Earliest.into()),
        ..p::StreamTunnelConfig::default()
    });
    let created: p::CreateTunnelResponse = raw.ask(Action::Create, &request).expect("created");
    let tunnel = created.tunnel_id;
    let client = raw.connect(&tunnel, 30);
    let (mut seen, mut reports) = (Vec::new(), Vec::new());
    loop {
        let held = raw
            .beat(&tunnel, &client, std::mem::take(&mut reports))
            .expect("channels");
        let mut records = 0;
        for channel in &held {
            let (batch, finished) = raw.drain(&tunnel, &client, &channel.channel_id);
            records += batch.len();
            if finished {
                reports.push(terminated(channel));
            }
        }
        seen.push((held.len(), records));
        if reports.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [(1, 20), (2, 1)]);
}

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

#[test]
fn a_body_may_wait_for_a_word_and_may_be_too_long() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let uri = Action::List.uri();
    let body = p::ListTunnelRequest::default().encode_to_vec();
    let padded = [body, vec![0x12, 1, b'x']].concat();
    let mut headers = raw.headers(uri, &padded);
    headers.insert("Expect".into(), "100-continue".into());
    let head = |headers: &BTreeMap<String, String>, length: usize| {
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "POST {uri} HTTP/1.1\r\nContent-Length: {length}\r\n{}\r\n",
            lines.collect::<String>()
        )
    };
    raw.stream
        .write_all(head(&headers, padded.len()).as_bytes())
        .expect("sent");
    let mut word = [0; 25];
    raw.stream.read_exact(&mut word).expect("a word");
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    raw.stream.write_all(&padded).expect("sent");
    assert_eq!(raw.receive().expect("an answer").status, 200);

    raw.stream
        .write_all(head(&BTreeMap::new(), 6 << 20).as_bytes())
        .expect("sent");
    assert_eq!(raw.receive().expect("an answer").status, 413);
}
