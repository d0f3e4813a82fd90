//! Many channels and many clients: the cost of a heartbeat depends on the channels of
//! its client only.

use super::*;
use crate::ledger::EventKind;
use crate::protocol::Failure;
use crate::service::Instance;
use crate::settings::Settings;
use crate::state::{Change, KeyPart, Schema, State, StateSettings};
use crate::timestamp::Timestamp;
use crate::tunnel_api;
use tablestore_tunnel::{ActionType, OwnedColumn};

/// An instance with one stream tunnel and clients that share its channels evenly.
struct Crowd {
    instance: Instance,
    tunnel: String,
    clients: Vec<String>,
    now: Timestamp,
}

impl Crowd {
    /// Connects all clients, and sends heartbeats until all have their shares.
    fn gather(channels: u64, clients: usize) -> Crowd {
        let mut crowd = Crowd::without_clients(channels);
        for _ in 0..clients {
            let client = crowd.connect();
            crowd.clients.push(client);
        }
        crowd.settle();
        crowd
    }

    fn without_clients(channels: u64) -> Crowd {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let settings = Settings {
            state: StateSettings {
                warm_up: Duration::ZERO,
                ..StateSettings::default()
            },
            ..Settings::default()
        };
        let mut instance = Instance::new(&settings, Duration::ZERO);
        let schema = Schema {
            name: "orders".into(),
            primary_key: vec![("id".into(), KeyType::Integer)],
            partitions: channels,
            max_versions: 1,
            origin_columns: Vec::new(),
            epoch_grows: false,
            retention: Duration::from_secs(7 * 24 * 3_600),
            time_to_live: None,
            max_version_offset: None,
        };
        let created = instance.command(|state| state.create_table(schema, now));
        created.expect("a table");
        let request = create_request("orders", p::TunnelType::Stream);
        let created = instance.command(|state| tunnel_api::create::run(state, &request, now));
        Crowd {
            instance,
            tunnel: created.expect("created").tunnel_id,
            clients: Vec::new(),
            now,
        }
    }

    /// Carries an action out.
    fn run<Q, A>(
        &mut self,
        action: fn(&mut State, &Q, Timestamp) -> Result<A, Failure>,
        request: &Q,
    ) -> Result<A, Failure> {
        let now = self.now;
        self.instance.command(|state| action(state, request, now))
    }

    fn connect(&mut self) -> String {
        let request = p::ConnectRequest {
            tunnel_id: self.tunnel.clone(),
            client_config: None,
        };
        let connected = self.run(tunnel_api::connect::run, &request);
        connected.expect("connected").client_id
    }

    fn heartbeat(&mut self, client: &str, channels: Vec<p::Channel>) -> Vec<p::Channel> {
        let request = p::HeartbeatRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: client.into(),
            channels,
        };
        let answer = self.run(tunnel_api::heartbeat::run, &request);
        answer.expect("an answer").channels
    }

    /// One heartbeat of each client. Clients close the channels that they are asked
    /// for.
    fn round(&mut self) -> Vec<usize> {
        let clients = self.clients.clone();
        let mut loads = Vec::new();
        for client in &clients {
            let answered = self.heartbeat(client, vec![]);
            let closing = |channel: &&p::Channel| channel.status() == p::ChannelStatus::Closing;
            let closed: Vec<p::Channel> = answered.iter().filter(closing).map(closed).collect();
            loads.push(match closed.is_empty() {
                true => answered.len(),
                false => self.heartbeat(client, closed).len(),
            });
        }
        loads
    }

    /// Sends heartbeats until all channels are assigned evenly. Returns the number of
    /// rounds.
    fn settle(&mut self) -> usize {
        let (tunnel, now) = (self.tunnel.clone(), self.now);
        let channels = self.instance.command(|state| {
            let view = state.tunnel(&tunnel, now).expect("the tunnel");
            view.tunnel.channels().count()
        });
        for rounds in 1..=5 {
            let loads = self.round();
            let spread = loads.iter().max().zip(loads.iter().min());
            let even = spread.is_none_or(|(most, least)| most - least <= 1);
            if even && loads.iter().sum::<usize>() == channels {
                return rounds;
            }
        }
        panic!("no balance after five heartbeats of everyone");
    }

    /// Nanoseconds of one heartbeat with the channels of the client: the fastest of
    /// several rounds, so that other work of the machine does not count.
    fn nanos_per_heartbeat(&mut self) -> u128 {
        let heartbeats = 500;
        let client = self.clients[self.clients.len() / 2].clone();
        let held = self.heartbeat(&client, vec![]);
        let mut round = || {
            let begin = Instant::now();
            for _ in 0..heartbeats {
                self.heartbeat(&client, held.clone());
            }
            begin.elapsed().as_nanos() / heartbeats
        };
        (0..20).map(|_| round()).min().unwrap_or(0)
    }
}

fn closed(channel: &p::Channel) -> p::Channel {
    p::Channel {
        version: channel.version + 1,
        status: p::ChannelStatus::Close.into(),
        ..channel.clone()
    }
}

#[test]
fn the_cost_of_a_heartbeat_depends_on_its_client_and_not_on_the_tunnel() {
    let mut few = Crowd::gather(100, 10);
    let mut many = Crowd::gather(10_000, 1_000);
    let (few, many) = (few.nanos_per_heartbeat(), many.nanos_per_heartbeat());
    // The client has ten channels in both cases, and the second tunnel is a hundred
    // times as large. Looking at all channels or clients would make a heartbeat about
    // ten times as slow. Deeper trees and colder caches make it less than twice as
    // slow.
    assert!(many < few * 5, "{few} ns among few, {many} ns among many");
}

#[test]
fn a_thousand_clients_come_and_go() {
    let mut crowd = Crowd::gather(10_000, 1_000);
    // Half of them fall silent. The others go on and get their channels.
    let gone = crowd.clients.split_off(500);
    crowd.now = crowd.now.plus(Duration::from_secs(200));
    crowd.round();
    crowd.now = crowd.now.plus(Duration::from_secs(200));
    crowd.settle();
    assert!(crowd.round().iter().all(|load| *load == 20));
    let request = p::HeartbeatRequest {
        tunnel_id: crowd.tunnel.clone(),
        client_id: gone[0].clone(),
        channels: vec![],
    };
    let refused = crowd.run(tunnel_api::heartbeat::run, &request);
    assert_eq!(refused.map_err(|failure| failure.status), Err(410));
    // The same number of clients connects again.
    for _ in 0..500 {
        let client = crowd.connect();
        crowd.clients.push(client);
    }
    let rounds = crowd.settle();
    assert!(rounds <= 3, "{rounds} heartbeats of everyone");
}

#[test]
fn expiry_of_a_log_looks_only_at_due_partitions() {
    let mut crowd = Crowd::without_clients(10_000);
    let put = |id: i64| Change {
        action: ActionType::PutRow,
        key: vec![KeyPart::Integer(id)],
        columns: vec![OwnedColumn::put("v", id, 1)],
    };
    let changes = (0..20_000).map(put).collect();
    let now = crowd.now;
    let written = crowd
        .instance
        .command(|state| state.write("orders", changes, now));
    written.expect("written");
    let client = crowd.connect();
    crowd.clients.push(client);
    crowd.now = crowd.now.plus(Duration::from_secs(299));
    let before = crowd.nanos_per_lookup();
    // One request drops all changes, and the next ones are as cheap as before.
    crowd.now = crowd.now.plus(Duration::from_secs(8 * 24 * 3_600));
    let after = crowd.nanos_per_lookup();
    let table = crowd.instance.state().table("orders").expect("the table");
    let left = table
        .partitions
        .iter()
        .map(|part| part.log.end() - part.log.first());
    assert_eq!(left.sum::<u64>(), 0);
    assert!(
        after < before * 8 + 1_000,
        "{before} ns before, {after} ns after"
    );
}

impl Crowd {
    /// As [`Crowd::nanos_per_heartbeat`], for a request that only finds its tunnel.
    fn nanos_per_lookup(&mut self) -> u128 {
        let mut round = || {
            let begin = Instant::now();
            for _ in 0..500 {
                let found = self.instance.command(|state| {
                    let view = state.tunnel(&self.tunnel, self.now);
                    view.map(|_| ())
                });
                found.expect("the tunnel");
            }
            begin.elapsed().as_nanos() / 500
        };
        (0..20).map(|_| round()).min().unwrap_or(0)
    }
}

impl Crowd {
    /// Records reads and saves of all channels in turn, `events` in total.
    fn consume(&mut self, events: usize) {
        let (tunnel, clients) = (self.tunnel.clone(), self.clients.clone());
        let mut held = Vec::new();
        for client in &clients {
            let answered = self.heartbeat(client, vec![]);
            held.extend(
                answered
                    .into_iter()
                    .map(|channel| (client, channel.channel_id)),
            );
        }
        for position in 0..events / 2 / held.len() {
            for (client, channel) in &held {
                self.record_access(&tunnel, client, channel, position as u64);
            }
        }
    }

    /// Records a read that skips a record, and a save of another position.
    fn record_access(&mut self, tunnel: &str, client: &str, channel: &str, position: u64) {
        let read = EventKind::Read {
            tunnel: tunnel.into(),
            client: client.into(),
            channel: channel.into(),
            from: 2 * position,
            to: 2 * position + 1,
            first_sequence: None,
            last_sequence: None,
            finished: false,
            owned: true,
        };
        let save = EventKind::Saved {
            tunnel: tunnel.into(),
            client: client.into(),
            channel: channel.into(),
            position: Some(position),
            sequence_number: 0,
            owned: true,
        };
        self.instance.ledger.record(self.now, read);
        self.instance.ledger.record(self.now, save);
    }
}

/// The time of a verdict, and the number of its findings.
fn judge(events: usize) -> (Duration, usize) {
    let mut crowd = Crowd::gather(1_000, 100);
    crowd.consume(events);
    let ledger = crowd.instance.ledger.copy();
    let begin = Instant::now();
    let verdict = ledger.verdict();
    assert!(!verdict.to_string().is_empty());
    (begin.elapsed(), verdict.findings().len())
}

#[test]
fn a_verdict_takes_time_in_proportion_to_the_ledger() {
    let (short, _) = judge(25_000);
    let (long, findings) = judge(250_000);
    // Nearly every read breaks a rule, because findings take time too.
    assert!(findings > 100_000, "{findings} findings");
    // Ten times as many events should take ten times as long. If each event looked
    // at all others, they would take a hundred times as long.
    assert!(
        long < short * 40,
        "{short:?} for 25 000 events, {long:?} for 250 000"
    );
}

/// Prints what a heartbeat costs, without sockets and over HTTP:
/// `cargo test -p tablestore-emulator --release --lib scale -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn measure() {
    let (time, findings) = judge(250_000);
    println!("verdict on 250 000 events with {findings} findings: {time:.1?}");
    println!("channels clients  core: settle   beat  | HTTP: connect+settle  beat p50    p99");
    for (channels, clients) in [(100, 10), (1_000, 100), (10_000, 1_000)] {
        let begin = Instant::now();
        let mut crowd = Crowd::gather(channels, clients);
        let settle = begin.elapsed();
        let beat = Duration::from_nanos(u64::try_from(crowd.nanos_per_heartbeat()).expect("fits"));
        let (http_settle, mut heartbeats) = over_http(channels, clients);
        heartbeats.sort_unstable();
        let at = |part: usize| heartbeats[heartbeats.len() * part / 100];
        println!(
            "{channels:8} {clients:7} {settle:14.1?} {beat:6.1?} | {http_settle:21.1?} {:9.1?} {:9.1?}",
            at(50),
            at(99)
        );
    }
}

/// The same over HTTP, with one connection for each client.
fn over_http(channels: u64, clients: usize) -> (Duration, Vec<Duration>) {
    let emulator = Emulator::builder()
        .warm_up(Duration::ZERO)
        .start()
        .expect("started");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let partitions = u32::try_from(channels).expect("fits");
    emulator
        .create_table(spec.partitions(partitions))
        .expect("a table");
    let mut raws: Vec<Raw> = (0..clients).map(|_| Raw::new(&emulator)).collect();
    let tunnel = raws[0].create("orders", p::TunnelType::Stream);
    let begin = Instant::now();
    let ids: Vec<String> = raws
        .iter_mut()
        .map(|raw| raw.connect(&tunnel, 300))
        .collect();
    let mut held: Vec<Vec<p::Channel>> = vec![Vec::new(); clients];
    let mut heartbeats = Vec::new();
    let mut round = |held: &mut Vec<Vec<p::Channel>>, heartbeats: &mut Vec<Duration>| {
        for ((raw, id), held) in raws.iter_mut().zip(&ids).zip(held) {
            let report = |channel: &p::Channel| match channel.status() {
                p::ChannelStatus::Closing => closed(channel),
                _ => channel.clone(),
            };
            let reports = held.iter().map(report).collect();
            let begin = Instant::now();
            *held = raw.heartbeat(&tunnel, id, reports).expect("channels");
            heartbeats.push(begin.elapsed());
        }
    };
    (0..4).for_each(|_| round(&mut held, &mut heartbeats));
    let settle = begin.elapsed();
    heartbeats.clear();
    (0..3).for_each(|_| round(&mut held, &mut heartbeats));
    assert!(held.iter().all(|held| held.len() == 10), "evenly");
    (settle, heartbeats)
}
