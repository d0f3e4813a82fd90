//! Random commands on the state: whatever is split, merged, suspended or lost, every
//! change is delivered once, and the changes of a key in order.

use std::collections::HashMap;

use super::*;
use crate::protocol::Failure;
use crate::service::Instance;
use crate::settings::Settings;
use crate::state::{Change, Key, KeyPart, Schema, State, StateSettings, TunnelView};
use crate::timestamp::Timestamp;
use crate::tunnel_api;
use tablestore_tunnel::_wire::Answer;
use tablestore_tunnel::{ActionType, OwnedColumn, Record};

const KEYS: i64 = 12;

/// A random run, and the records that were delivered so far.
struct RandomRun {
    instance: Instance,
    tunnel: String,
    now: Timestamp,
    dice: fastrand::Rng,
    /// Clients with the channels of their last answers.
    clients: Vec<(String, Vec<p::Channel>)>,
    written: HashMap<i64, Vec<i64>>,
    given: HashMap<i64, Vec<i64>>,
    changes: i64,
}

impl RandomRun {
    fn begin(seed: u64) -> RandomRun {
        let mut dice = fastrand::Rng::with_seed(seed);
        let settings = Settings {
            state: StateSettings {
                warm_up: Duration::ZERO,
                base_split_rows: 3,
                ..StateSettings::default()
            },
            ..Settings::default()
        };
        let mut instance = Instance::new(&settings, Duration::ZERO);
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let schema = schema(dice.u64(1..4));
        let created = instance.command(|state| state.create_table(schema, now));
        created.expect("a table");
        let mut run = RandomRun {
            instance,
            tunnel: String::new(),
            now,
            dice,
            clients: Vec::new(),
            written: HashMap::new(),
            given: HashMap::new(),
            changes: 0,
        };
        run.repeat(20, RandomRun::change_table);
        let kind = match run.dice.bool() {
            true => p::TunnelType::Stream,
            false => p::TunnelType::BaseAndStream,
        };
        run.create_tunnel(kind);
        run
    }

    /// Creates a stream from the earliest record, so that all written values count.
    /// With base data only the last value of each key counts.
    fn create_tunnel(&mut self, kind: p::TunnelType) {
        let mut request = create_request("orders", kind);
        request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
            flag: Some(p::StartOffsetFlag::Earliest.into()),
            ..p::StreamTunnelConfig::default()
        });
        if kind == p::TunnelType::BaseAndStream {
            for values in self.written.values_mut() {
                values.drain(..values.len() - 1);
            }
        }
        let created = self.run(tunnel_api::create::run, &request);
        self.tunnel = created.expect("created").tunnel_id;
    }

    fn repeat(&mut self, steps: usize, step: fn(&mut RandomRun)) {
        for _ in 0..steps {
            step(self);
        }
    }

    fn step(&mut self) {
        self.now = self
            .now
            .plus(Duration::from_millis(self.dice.u64(0..4_000)));
        match self.dice.u32(0..20) {
            0..6 => self.change_table(),
            6 => self.connect(),
            7 => self.leave(),
            8 => self.schedule(),
            9..13 => self.heartbeat(),
            _ => self.consume(),
        }
    }

    fn change_table(&mut self) {
        let table = self.instance.state().table("orders").expect("the table");
        let partition = self.dice.usize(0..table.partitions.len());
        let other = self.dice.usize(0..table.partitions.len());
        // Partitions that cannot be split or merged stay as they are.
        match self.dice.u32(0..8) {
            0 => drop(self.command(|state, now| state.split("orders", partition, None, now))),
            1 => drop(self.command(|state, now| state.merge("orders", [partition, other], now))),
            _ => self.write(),
        }
    }

    fn write(&mut self) {
        let id = self.dice.i64(0..KEYS);
        self.changes += 1;
        self.written.entry(id).or_default().push(self.changes);
        let change = Change {
            action: ActionType::PutRow,
            key: key(id),
            columns: vec![OwnedColumn::put("v", self.changes, 1)],
        };
        let written = self.command(|state, now| state.write("orders", vec![change], now));
        written.expect("written");
    }

    fn connect(&mut self) {
        let request = p::ConnectRequest {
            tunnel_id: self.tunnel.clone(),
            client_config: Some(p::ClientConfig {
                timeout: Some(30),
                client_tag: None,
            }),
        };
        let connected = self.run(tunnel_api::connect::run, &request);
        self.clients
            .push((connected.expect("connected").client_id, Vec::new()));
    }

    /// A client leaves, with or without a shutdown request.
    fn leave(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let client = self.dice.usize(0..self.clients.len());
        let (client_id, _) = self.clients.swap_remove(client);
        if self.dice.bool() {
            let request = p::ShutdownRequest {
                tunnel_id: self.tunnel.clone(),
                client_id,
            };
            // It may have been silent for too long.
            let _ = self.run(tunnel_api::shutdown::run, &request);
        }
    }

    fn schedule(&mut self) {
        let Some((_, channel)) = self.any_channel() else {
            return;
        };
        let status = match self.dice.bool() {
            true => p::ChannelStatus::Closing,
            false => p::ChannelStatus::Open,
        };
        self.set(channel, status);
    }

    fn set(&mut self, channel: p::Channel, status: p::ChannelStatus) {
        let request = p::ScheduleRequest {
            tunnel_id: self.tunnel.clone(),
            channels: vec![p::Channel {
                status: status.into(),
                ..channel
            }],
        };
        self.run(tunnel_api::schedule::run, &request)
            .expect("scheduled");
    }

    /// A client, and a channel of its last answer.
    fn any_channel(&mut self) -> Option<(usize, p::Channel)> {
        let client = self.dice.usize(0..self.clients.len().max(1));
        let held = &self.clients.get(client)?.1;
        let channel = held.get(self.dice.usize(0..held.len().max(1)))?;
        Some((client, channel.clone()))
    }

    /// A client sends a heartbeat. It gives back the channels that it is asked for,
    /// some others, and those that have ended.
    fn heartbeat(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let client = self.dice.usize(0..self.clients.len());
        let (client_id, held) = self.clients[client].clone();
        let reports = held.iter().map(|channel| self.report(channel)).collect();
        let request = p::HeartbeatRequest {
            tunnel_id: self.tunnel.clone(),
            client_id,
            channels: reports,
        };
        match self.run(tunnel_api::heartbeat::run, &request) {
            Ok(answer) => self.clients[client].1 = answer.channels,
            Err(failure) => {
                assert_eq!(failure.status, 410);
                self.clients.swap_remove(client);
            }
        }
    }

    fn report(&mut self, channel: &p::Channel) -> p::Channel {
        let finished = self.look(|view| {
            let index = view.tunnel.channel_index(&channel.channel_id);
            let channel = view.tunnel.channel(index.expect("known"));
            channel.checkpoint.position.is_none()
        });
        let closing = channel.status() == p::ChannelStatus::Closing;
        match (finished, closing || self.dice.u32(0..10) == 0) {
            (true, _) => terminated(channel),
            (false, true) => p::Channel {
                version: channel.version + 1,
                status: p::ChannelStatus::Close.into(),
                ..channel.clone()
            },
            (false, false) => channel.clone(),
        }
    }

    /// A client reads a page of a channel that it holds, and saves its position.
    fn consume(&mut self) {
        let Some((client, channel)) = self.any_channel() else {
            return;
        };
        let client = self.clients[client].0.clone();
        let limit = self.dice.usize(1..4);
        self.command(|state, _| state.settings.page.rows = limit);
        let checkpoint = self.look(|view| {
            let index = view.tunnel.channel_index(&channel.channel_id);
            let index = index.expect("known");
            let held = view.tunnel.holds(&client, index);
            held.then(|| view.tunnel.channel(index).checkpoint.clone())
        });
        let Some(checkpoint) = checkpoint else {
            return;
        };
        let read = p::ReadRecordsRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: client.clone(),
            channel_id: channel.channel_id.clone(),
            token: checkpoint.token,
        };
        let batch = self
            .run(tunnel_api::read_records::run, &read)
            .expect("a page");
        let body = tunnel_api::Answer::to_body(&batch);
        let batch = Answer::parse(body.into()).expect("an answer");
        for record in batch.records().expect("records") {
            self.deliver(&record);
        }
        let save = p::CheckpointRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: client,
            channel_id: channel.channel_id,
            checkpoint: batch.next_token().to_owned(),
            sequence_number: checkpoint.sequence_number + 1,
        };
        self.run(tunnel_api::checkpoint::run, &save).expect("saved");
    }

    fn deliver(&mut self, record: &Record) {
        let key = record.primary_key().next().expect("a key").value();
        let id = key.as_i64().expect("an integer");
        let change = record.get("v").and_then(|value| value.as_i64());
        let given = self.given.entry(id).or_default();
        given.push(change.expect("an integer"));
    }

    fn command<R>(&mut self, command: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let now = self.now;
        self.instance.command(|state| command(state, now))
    }

    /// Carries an action out.
    fn run<Q, A>(
        &mut self,
        action: fn(&mut State, &Q, Timestamp) -> Result<A, Failure>,
        request: &Q,
    ) -> Result<A, Failure> {
        self.command(|state, now| action(state, request, now))
    }

    /// Looks at the tunnel.
    fn look<R>(&mut self, look: impl FnOnce(TunnelView<'_>) -> R) -> R {
        let tunnel = self.tunnel.clone();
        self.command(|state, now| look(state.tunnel(&tunnel, now).expect("the tunnel")))
    }

    /// Resumes all channels, and lets one client consume the rest.
    fn finish(&mut self) {
        self.clients.clear();
        self.now = self.now.plus(Duration::from_secs(60));
        let ids: Vec<_> = self.look(|view| {
            let channels = view.tunnel.channels();
            channels.map(|(_, channel)| channel.id.clone()).collect()
        });
        for id in ids {
            let channel = p::Channel {
                channel_id: id.to_string(),
                ..p::Channel::default()
            };
            self.set(channel, p::ChannelStatus::Open);
        }
        self.connect();
        for _ in 0..1_000 {
            self.heartbeat();
            self.repeat(20, RandomRun::consume);
            if self.given == self.written {
                return;
            }
        }
    }
}

fn key(id: i64) -> Key {
    vec![KeyPart::Integer(id)]
}

fn schema(partitions: u64) -> Schema {
    Schema {
        name: "orders".into(),
        primary_key: vec![("id".into(), KeyType::Integer)],
        partitions,
        max_versions: 1,
        origin_columns: Vec::new(),
        epoch_grows: false,
        retention: Duration::from_secs(7 * 24 * 3_600),
        time_to_live: None,
        max_version_offset: None,
    }
}

#[test]
fn every_change_is_delivered_once_and_in_order() {
    for seed in 0..50 {
        let mut run = RandomRun::begin(seed);
        run.repeat(400, RandomRun::step);
        run.finish();
        assert_eq!(run.given, run.written, "run {seed}");
        let violations = run.instance.ledger.copy().violations();
        assert_eq!(violations, [], "run {seed}");
    }
}
