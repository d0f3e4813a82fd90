//! Random stories on the core: whatever is split, merged, suspended or lost,
//! every change is given once, and the changes of a key in order.

use std::collections::HashMap;

use super::*;
use crate::actions;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::core::key::{Key, KeyPart};
use crate::core::table::{Change, Schema};
use crate::settings::Settings;
use tablestore_tunnel::_wire::Answer;
use tablestore_tunnel::{ActionType, OwnedColumn, Record};

const KEYS: i64 = 12;

/// What happens in a story, and what was given so far.
struct Story {
    core: Core,
    tunnel: String,
    now: Timestamp,
    dice: fastrand::Rng,
    /// Clients with what they were told last.
    clients: Vec<(String, Vec<p::Channel>)>,
    written: HashMap<i64, Vec<i64>>,
    given: HashMap<i64, Vec<i64>>,
    changes: i64,
}

impl Story {
    fn begin(seed: u64) -> Story {
        let mut dice = fastrand::Rng::with_seed(seed);
        let settings = Settings {
            warm_up: Duration::ZERO,
            base_split_rows: 3,
            ..Settings::default()
        };
        let mut core = Core::new(settings, Duration::ZERO);
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        core.create_table(schema(dice.u64(1..4)), now)
            .expect("a table");
        let mut story = Story {
            core,
            tunnel: String::new(),
            now,
            dice,
            clients: Vec::new(),
            written: HashMap::new(),
            given: HashMap::new(),
            changes: 0,
        };
        story.some(20, Story::change_table);
        let kind = match story.dice.bool() {
            true => p::TunnelType::Stream,
            false => p::TunnelType::BaseAndStream,
        };
        story.create_tunnel(kind);
        story
    }

    /// From the earliest, so that all that was written counts; with base data
    /// only the last value of each key does.
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
        let created = actions::create::run(&mut self.core, request, self.now);
        self.tunnel = created.expect("created").tunnel_id;
    }

    fn some(&mut self, steps: usize, step: fn(&mut Story)) {
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
            9..13 => self.beat(),
            _ => self.consume(),
        }
    }

    fn change_table(&mut self) {
        let table = self.core.table("orders").expect("the table");
        let partition = self.dice.usize(0..table.partitions.len());
        let other = self.dice.usize(0..table.partitions.len());
        // Those that cannot be cut so are left as they are.
        match self.dice.u32(0..8) {
            0 => drop(self.core.split("orders", partition, None, self.now)),
            1 => drop(self.core.merge("orders", [partition, other], self.now)),
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
        self.core
            .write("orders", vec![change], self.now)
            .expect("written");
    }

    fn connect(&mut self) {
        let request = p::ConnectRequest {
            tunnel_id: self.tunnel.clone(),
            client_config: Some(p::ClientConfig {
                timeout: Some(30),
                client_tag: None,
            }),
        };
        let connected = actions::connect::run(&mut self.core, request, self.now);
        self.clients
            .push((connected.expect("connected").client_id, Vec::new()));
    }

    /// A client goes, with a word or without.
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
            let _ = actions::shutdown::run(&mut self.core, request, self.now);
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
        actions::schedule::run(&mut self.core, request, self.now).expect("scheduled");
    }

    /// A client and a channel that it was told of.
    fn any_channel(&mut self) -> Option<(usize, p::Channel)> {
        let client = self.dice.usize(0..self.clients.len().max(1));
        let held = &self.clients.get(client)?.1;
        let channel = held.get(self.dice.usize(0..held.len().max(1)))?;
        Some((client, channel.clone()))
    }

    /// A client says what it is at: it gives back what it is told to, some of
    /// what it is not, and what has ended.
    fn beat(&mut self) {
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
        match actions::heartbeat::run(&mut self.core, request, self.now) {
            Ok(answer) => self.clients[client].1 = answer.channels,
            Err(failure) => {
                assert_eq!(failure.status, 410);
                self.clients.swap_remove(client);
            }
        }
    }

    fn report(&mut self, channel: &p::Channel) -> p::Channel {
        let index = self
            .scene()
            .tunnel
            .channel_index(&channel.channel_id)
            .expect("known");
        let finished = self
            .scene()
            .tunnel
            .channel(index)
            .checkpoint
            .place
            .is_none();
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

    /// A client reads a page of a channel that is its own, and saves it.
    fn consume(&mut self) {
        let Some((client, channel)) = self.any_channel() else {
            return;
        };
        let client = self.clients[client].0.clone();
        let limit = self.dice.usize(1..4);
        self.core.settings.limits.rows = limit;
        let scene = self.scene();
        let index = scene
            .tunnel
            .channel_index(&channel.channel_id)
            .expect("known");
        if !scene.tunnel.holds(&client, index) {
            return;
        }
        let checkpoint = scene.tunnel.channel(index).checkpoint.clone();
        let read = p::ReadRecordsRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: client.clone(),
            channel_id: channel.channel_id.clone(),
            token: checkpoint.token,
        };
        let batch = actions::read_records::run(&mut self.core, read, self.now).expect("a page");
        let body = actions::Answer::into_body(batch);
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
        actions::checkpoint::run(&mut self.core, save, self.now).expect("saved");
    }

    fn deliver(&mut self, record: &Record) {
        let key = record.primary_key().next().expect("a key").value();
        let id = key.as_i64().expect("an integer");
        let change = record.get("v").and_then(|value| value.as_i64());
        let given = self.given.entry(id).or_default();
        given.push(change.expect("an integer"));
    }

    fn scene(&mut self) -> crate::core::Scene<'_> {
        self.core.scene(&self.tunnel, self.now).expect("the tunnel")
    }

    /// Everything is resumed, and one client consumes what is left.
    fn finish(&mut self) {
        self.clients.clear();
        self.now = self.now.plus(Duration::from_secs(60));
        let scene = self.scene();
        let ids: Vec<_> = scene
            .tunnel
            .channels()
            .map(|(_, channel)| channel.id.clone())
            .collect();
        for id in ids {
            let channel = p::Channel {
                channel_id: id.to_string(),
                ..p::Channel::default()
            };
            self.set(channel, p::ChannelStatus::Open);
        }
        self.connect();
        for _ in 0..1_000 {
            self.beat();
            self.some(20, Story::consume);
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
fn whatever_happens_every_change_is_given_once_and_in_order() {
    for seed in 0..50 {
        let mut story = Story::begin(seed);
        story.some(400, Story::step);
        story.finish();
        assert_eq!(story.given, story.written, "story {seed}");
        let violations = story.core.ledger.copy().violations();
        assert_eq!(violations, [], "story {seed}");
    }
}
