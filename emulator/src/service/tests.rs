//! The service without a socket: requests, delays, faults, ledger and state.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::_core::{End, Engine, Reply, Request, Step};
use crate::{Action, ChannelStatus, Emulator, EmulatorClock, EventKind, Fault, KeyType, TableSpec};
use tablestore_tunnel::_wire::protocol as p;
use tablestore_tunnel::_wire::{content_md5, signature};

/// The start time of the emulator's clock, and the date that clients sign.
const START: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

/// A client that calls the engine, in virtual time.
struct Client {
    engine: Engine,
    clock: EmulatorClock,
    /// How long faults have delayed requests in all.
    waited: Duration,
    secret: &'static str,
    tunnel: String,
}

impl Client {
    /// A client of an engine with a table of three rows and a tunnel on them.
    fn new() -> Client {
        let clock = EmulatorClock::manual(START);
        let builder = Emulator::builder().clock(clock.clone());
        let engine = builder.warm_up(Duration::ZERO).engine();
        let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
        let table = engine.create_table(spec).expect("a table");
        table
            .put_all([([1], [("n", 1)]), ([2], [("n", 2)]), ([3], [("n", 3)])])
            .expect("written");
        let mut client = Client {
            engine,
            clock,
            waited: Duration::ZERO,
            secret: "emulator-secret",
            tunnel: String::new(),
        };
        let request = p::CreateTunnelRequest {
            tunnel: p::Tunnel {
                table_name: "orders".into(),
                tunnel_name: "tunnel".into(),
                tunnel_type: p::TunnelType::BaseData.into(),
                ..p::Tunnel::default()
            },
        };
        let created: p::CreateTunnelResponse = client.call(Action::Create, &request);
        client.tunnel = created.tunnel_id;
        client
    }

    fn request(&self, action: Action, message: &impl Message) -> Request {
        let body = message.encode_to_vec();
        let date = "2030-01-01T00:00:00.000Z".to_owned();
        let mut headers: BTreeMap<&str, String> = [
            ("x-ots-date", date),
            ("x-ots-apiversion", "2018-04-01".to_owned()),
            ("x-ots-accesskeyid", "emulator-key".to_owned()),
            ("x-ots-instancename", "emulator".to_owned()),
            ("x-ots-contentmd5", content_md5(&body)),
        ]
        .into();
        let pairs = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signature = signature(self.secret, action.uri(), pairs);
        headers.insert("x-ots-signature", signature);
        Request::new("POST", action.uri(), headers, body)
    }

    /// Sends a request and waits for its answer, in virtual time.
    fn send(&mut self, action: Action, message: &impl Message) -> Reply {
        let mut step = self.engine.handle(&self.request(action, message), START);
        loop {
            step = match step {
                Step::Answer(reply) => return reply,
                Step::Wait { delay, then } => {
                    self.waited += delay;
                    self.clock.worker_clock().advance(delay);
                    self.engine.resume(then)
                }
            }
        }
    }

    /// Sends a request and decodes its successful answer.
    fn call<M: Message + Default>(&mut self, action: Action, message: &impl Message) -> M {
        let reply = self.send(action, message);
        assert_eq!((reply.status, reply.end), (200, End::Keep));
        M::decode(reply.body.as_slice()).expect("the message")
    }

    /// Connects, and takes the only channel with a heartbeat.
    fn take_channel(&mut self) -> (String, String) {
        let request = p::ConnectRequest {
            tunnel_id: self.tunnel.clone(),
            client_config: None,
        };
        let connected: p::ConnectResponse = self.call(Action::Connect, &request);
        let request = p::HeartbeatRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: connected.client_id.clone(),
            channels: Vec::new(),
        };
        let answer: p::HeartbeatResponse = self.call(Action::Heartbeat, &request);
        assert_eq!(answer.channels.len(), 1);
        (connected.client_id, answer.channels[0].channel_id.clone())
    }

    fn checkpoint_request(&self, client: &str, channel: &str) -> p::GetCheckpointRequest {
        p::GetCheckpointRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: client.into(),
            channel_id: channel.into(),
        }
    }

    /// The lines of the ledger.
    fn events(&self) -> Vec<String> {
        let ledger = self.engine.ledger();
        let events = ledger.events().iter();
        events.map(|event| event.kind.to_string()).collect()
    }
}

fn code(reply: &Reply) -> String {
    p::Error::decode(reply.body.as_slice())
        .expect("an error")
        .code
}

#[test]
fn a_tunnel_is_consumed_without_a_socket() {
    let mut client = Client::new();
    let (id, channel) = client.take_channel();
    let request = client.checkpoint_request(&id, &channel);
    let stored: p::GetCheckpointResponse = client.call(Action::GetCheckpoint, &request);
    let read = p::ReadRecordsRequest {
        tunnel_id: client.tunnel.clone(),
        client_id: id.clone(),
        channel_id: channel.clone(),
        token: stored.checkpoint().to_owned(),
    };
    let page: p::ReadRecordsResponse = client.call(Action::ReadRecords, &read);
    assert_eq!(page.records.len(), 3);
    assert_eq!(page.next_token, "finished");
    let save = p::CheckpointRequest {
        tunnel_id: client.tunnel.clone(),
        client_id: id.clone(),
        channel_id: channel.clone(),
        checkpoint: page.next_token,
        sequence_number: stored.sequence_number() + 1,
    };
    let _: p::CheckpointResponse = client.call(Action::Checkpoint, &save);
    let events = client.events();
    for expected in [
        format!("{id} connected, timeout 300s"),
        format!("{id} read {channel} 0..3, to the end"),
        format!("{id} saved {channel} at finished"),
        format!("{channel} is TERMINATED v0 at {id}"),
    ] {
        assert!(events.contains(&expected), "{expected}: {events:#?}");
    }
    let request = client.checkpoint_request(&id, &channel);
    let stored: p::GetCheckpointResponse = client.call(Action::GetCheckpoint, &request);
    assert_eq!(stored.checkpoint(), "finished");
    assert_eq!(client.waited, Duration::ZERO);
}

#[test]
fn a_delay_before_a_request_postpones_its_change() {
    let client = Client::new();
    let delay = Duration::from_secs(7);
    let fault = Fault::on(Action::Connect).delay(delay);
    client.engine.arm([fault]);
    let request = p::ConnectRequest {
        tunnel_id: client.tunnel.clone(),
        client_config: None,
    };
    let request = client.request(Action::Connect, &request);
    let Step::Wait { delay: asked, then } = client.engine.handle(&request, START) else {
        panic!("answered without a delay");
    };
    assert_eq!(asked, delay);
    let connected = |client: &Client| {
        let ledger = client.engine.ledger();
        let mut events = ledger.events().iter();
        let event = events.find(|event| matches!(event.kind, EventKind::Connected { .. }));
        event.map(|event| event.time)
    };
    assert_eq!(connected(&client), None, "not carried out yet");
    client.clock.worker_clock().advance(delay);
    let Step::Answer(reply) = client.engine.resume(then) else {
        panic!("delayed twice");
    };
    assert_eq!(reply.status, 200);
    assert_eq!(connected(&client), Some(START + delay));
}

#[test]
fn a_delay_after_a_request_holds_back_its_answer_only() {
    let client = Client::new();
    let fault = Fault::on(Action::Delete).after();
    client.engine.arm([fault.delay(Duration::from_secs(7))]);
    let request = p::DeleteTunnelRequest {
        table_name: "orders".into(),
        tunnel_name: "tunnel".into(),
        tunnel_id: None,
    };
    let request = client.request(Action::Delete, &request);
    let Step::Wait { then, .. } = client.engine.handle(&request, START) else {
        panic!("answered without a delay");
    };
    let tunnels = client.engine.service().read(|state| state.tunnel_ids(None));
    assert!(tunnels.is_empty(), "carried out");
    let reply = then.abandon();
    assert_eq!(reply.end, End::Close);
    assert_eq!(reply.to_wire(), (Vec::new(), &[][..]), "nothing is sent");
}

#[test]
fn resets_and_errors_keep_a_request_from_the_state() {
    let mut client = Client::new();
    let (id, channel) = client.take_channel();
    let on = Fault::on;
    client.engine.arm([
        on(Action::Checkpoint).reset(),
        on(Action::Checkpoint)
            .nth(2)
            .fail(503, "OTSTunnelServerUnavailable", "busy"),
        on(Action::Checkpoint).nth(3).after().reset(),
    ]);
    let save = p::CheckpointRequest {
        tunnel_id: client.tunnel.clone(),
        client_id: id.clone(),
        channel_id: channel.clone(),
        checkpoint: "finished".into(),
        sequence_number: 1,
    };
    let saved = |client: &mut Client| {
        let request = client.checkpoint_request(&id, &channel);
        let stored: p::GetCheckpointResponse = client.call(Action::GetCheckpoint, &request);
        stored.sequence_number()
    };
    let reply = client.send(Action::Checkpoint, &save);
    assert!(reply.end.resets() && reply.to_wire().0.is_empty());
    assert_eq!(saved(&mut client), 0);
    let reply = client.send(Action::Checkpoint, &save);
    assert_eq!((reply.status, reply.end), (503, End::Keep));
    assert_eq!(code(&reply), "OTSTunnelServerUnavailable");
    assert_eq!(saved(&mut client), 0);
    let reply = client.send(Action::Checkpoint, &save);
    assert_eq!(reply.end, End::Reset);
    assert_eq!(saved(&mut client), 1, "carried out, and the answer is lost");
    let events = client.events();
    for expected in [
        "fault before checkpoint: reset",
        "fault before checkpoint: fail 503 OTSTunnelServerUnavailable busy",
        "answered checkpoint with 503 OTSTunnelServerUnavailable",
        "fault after checkpoint: reset",
    ] {
        assert!(events.iter().any(|event| event == expected), "{expected}");
    }
}

#[test]
fn a_wrong_signature_or_date_is_rejected() {
    let mut client = Client::new();
    let request = p::ListTunnelRequest::default();
    let listed: p::ListTunnelResponse = client.call(Action::List, &request);
    assert_eq!(listed.tunnels.len(), 1);
    let signed = client.request(Action::List, &request);
    let late = START + Duration::from_secs(16 * 60);
    let Step::Answer(reply) = client.engine.handle(&signed, late) else {
        panic!("delayed");
    };
    assert_eq!((reply.status, code(&reply)), (403, "OTSAuthFailed".into()));
    client.secret = "another";
    let reply = client.send(Action::List, &request);
    assert_eq!((reply.status, code(&reply)), (403, "OTSAuthFailed".into()));
    let ledger = client.engine.ledger();
    let last = ledger.events().last().expect("an event");
    assert_eq!(
        last.kind.to_string(),
        "answered a request with 403 OTSAuthFailed"
    );
}

#[test]
fn requests_and_replies_are_bytes() {
    let client = Client::new();
    let body = p::ListTunnelRequest::default().encode_to_vec();
    let head = format!(
        "POST /tunnel/list HTTP/1.1\r\nContent-Length: {}",
        body.len()
    );
    let bytes = [head.as_bytes(), b"\r\n\r\n", &body, b"POST"].concat();
    let cut = head.len();
    assert!(Request::parse(&bytes[..cut]).expect("no error").is_none());
    let (request, length) = Request::parse(&bytes).expect("a request").expect("whole");
    assert_eq!(&bytes[length..], b"POST");
    let Step::Answer(reply) = client.engine.handle(&request, START) else {
        panic!("delayed");
    };
    let (head, body) = reply.to_wire();
    assert!(head.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    assert_eq!(body, reply.body);
}

#[test]
fn a_heartbeat_changes_the_state_and_the_ledger() {
    let mut client = Client::new();
    let (id, channel) = client.take_channel();
    let ledger = client.engine.ledger();
    let opened = ledger
        .events()
        .iter()
        .rev()
        .find_map(|event| match &event.kind {
            EventKind::ChannelChanged {
                channel,
                client,
                status: ChannelStatus::Open,
                ..
            } => Some((channel.to_string(), client.as_deref().map(str::to_owned))),
            _ => None,
        });
    assert_eq!(opened, Some((channel.clone(), Some(id.clone()))));
    let held = client.engine.service().command(|state, now| {
        let view = state.tunnel(&client.tunnel, now).expect("the tunnel");
        let index = view.tunnel.channel_index(&channel).expect("the channel");
        view.tunnel.holds(&id, index)
    });
    assert!(held);
}
