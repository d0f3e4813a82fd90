//! [`Raw`]: a small client that hides nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use prost::Message;
use time::OffsetDateTime;

use crate::{Action, Emulator};
use tablestore_tunnel::_wire::protocol as p;
use tablestore_tunnel::_wire::{content_md5, secret, security_token, signature};
use tablestore_tunnel::Credentials;

/// An answer, not decoded.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// A client with one connection, which hides nothing.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
    pub(super) emulator: Emulator,
    credentials: Credentials,
}

impl Raw {
    pub(super) fn new(emulator: &Emulator) -> Raw {
        let (id, secret) = (emulator.access_key_id(), emulator.access_key_secret());
        Raw::with_key(emulator, Credentials::new(id, secret))
    }

    pub(super) fn with_key(emulator: &Emulator, credentials: Credentials) -> Raw {
        let address = emulator.endpoint().trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("connect");
        let timeout = Some(Duration::from_secs(20));
        stream.set_read_timeout(timeout).expect("timeout");
        Raw {
            stream,
            emulator: emulator.clone(),
            credentials,
        }
    }

    pub(super) fn headers(&self, uri: &str, body: &[u8]) -> BTreeMap<String, String> {
        let date = date(time::OffsetDateTime::now_utc());
        let mut headers: BTreeMap<String, String> = [
            ("X-Ots-Date", date),
            ("X-Ots-Apiversion", "2018-04-01".into()),
            ("X-Ots-Accesskeyid", self.credentials.access_key_id().into()),
            ("X-Ots-Instancename", self.emulator.instance().into()),
            ("X-Ots-Contentmd5", content_md5(body)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if let Some(token) = security_token(&self.credentials) {
            headers.insert("X-Ots-Ststoken".into(), token.into());
        }
        self.sign(uri, &mut headers);
        headers
    }

    pub(super) fn sign(&self, uri: &str, headers: &mut BTreeMap<String, String>) {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signature = signature(secret(&self.credentials), uri, pairs);
        headers.insert("X-Ots-Signature".into(), signature);
    }

    pub(super) fn send(
        &mut self,
        method: &str,
        uri: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) {
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

    pub(super) fn receive(&mut self) -> std::io::Result<Answer> {
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

    pub(super) fn post(&mut self, uri: &str, body: &[u8]) -> std::io::Result<Answer> {
        let headers = self.headers(uri, body);
        self.send("POST", uri, &headers, body);
        self.receive()
    }

    /// The message of a successful answer, or status and code of an error.
    pub(super) fn ask<M: Message + Default>(
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

    pub(super) fn create(&mut self, table: &str, kind: p::TunnelType) -> String {
        let request = create_request(table, kind);
        let answer: p::CreateTunnelResponse = self.ask(Action::Create, &request).expect("created");
        answer.tunnel_id
    }

    pub(super) fn describe(&mut self, table: &str) -> p::DescribeTunnelResponse {
        let request = p::DescribeTunnelRequest {
            table_name: table.into(),
            tunnel_name: "tunnel".into(),
            tunnel_id: None,
        };
        self.ask(Action::Describe, &request).expect("described")
    }

    pub(super) fn connect(&mut self, tunnel: &str, seconds: i64) -> String {
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

    pub(super) fn heartbeat(
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

    pub(super) fn checkpoint(
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

    pub(super) fn save(
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

    pub(super) fn read(
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

    /// Reads from the checkpoint until there are no more records, and saves.
    pub(super) fn drain(
        &mut self,
        tunnel: &str,
        client: &str,
        channel: &str,
    ) -> (Vec<p::Record>, bool) {
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

/// A date in the format of the Go SDK, whose fraction has no meaning.
pub(super) fn date(at: OffsetDateTime) -> String {
    let (hour, minute, second) = at.to_hms();
    let date = at.date();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.122511Z")
}

pub(super) fn create_request(table: &str, kind: p::TunnelType) -> p::CreateTunnelRequest {
    p::CreateTunnelRequest {
        tunnel: p::Tunnel {
            table_name: table.into(),
            tunnel_name: "tunnel".into(),
            tunnel_type: kind.into(),
            ..p::Tunnel::default()
        },
    }
}

pub(super) fn terminated(channel: &p::Channel) -> p::Channel {
    p::Channel {
        version: channel.version + 1,
        status: p::ChannelStatus::Terminated.into(),
        ..channel.clone()
    }
}

/// Consumes like a correct client, until a heartbeat gives no unread channel. Returns
/// the channels in the order of reading, each with the number of its records and
/// whether it has ended.
pub(super) fn consume(raw: &mut Raw, tunnel: &str, client: &str) -> Vec<(String, usize, bool)> {
    let (mut seen, mut reports) = (Vec::new(), Vec::new());
    loop {
        let held = raw
            .heartbeat(tunnel, client, std::mem::take(&mut reports))
            .expect("channels");
        for channel in &held {
            let (records, finished) = raw.drain(tunnel, client, &channel.channel_id);
            seen.push((channel.channel_id.clone(), records.len(), finished));
            if finished {
                reports.push(terminated(channel));
            }
        }
        if reports.is_empty() {
            return seen;
        }
    }
}
