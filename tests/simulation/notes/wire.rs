//! Requests and answers as the network sees them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use prost::Message;
use tablestore_emulator::Action;
use tablestore_tunnel::_simulation as simulation;
use tablestore_tunnel::_wire::protocol as p;
use tablestore_tunnel::FINISH_TAG;

use super::{ConsumerId, Notes};

/// The code of an answer that ends a session.
const SESSION_OVER: &str = "OTSResourceGone";

/// Tunnel and channel.
pub(super) type Channel = (String, String);

/// Client and channel.
type Held = (String, String);

/// What was seen on the wire.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whose session it is.
    consumers: HashMap<String, ConsumerId>,
    /// How many records of its channel lie before a token.
    positions: HashMap<(Channel, String), u64>,
    /// The position of the last checkpoint that a client has fetched.
    starts: HashMap<Held, u64>,
    /// Channels whose CLOSE or TERMINATED a client has reported, and which it has not got
    /// again.
    given_up: HashSet<Held>,
    /// Channels with an answer that was dropped unread, for want of memory.
    unread: HashSet<Held>,
    /// When an answer has arrived that no longer has a channel, or that ended the session
    /// (without a channel).
    lost: HashMap<(String, Option<String>), Duration>,
    /// Channels in the last answer to a client, with their versions.
    held: HashMap<String, BTreeMap<String, i64>>,
    /// Requests whose answers have arrived whole.
    arrived: HashSet<String>,
    batches: HashMap<Held, Batches>,
}

/// The batches of one channel of a client.
#[derive(Debug, Default)]
struct Batches {
    /// When the channel was opened. The reader of an earlier connection may still wait for
    /// an answer.
    since: Duration,
    /// How many were read and are not processed.
    unprocessed: usize,
    /// How many there may be, if that is known.
    most: Option<usize>,
}

impl Seen {
    pub(super) fn consumer(&self, client: &str) -> ConsumerId {
        // A client whose connect was never answered makes no requests.
        self.consumers.get(client).copied().unwrap_or(usize::MAX)
    }

    pub(super) fn start(&self, held: &Held) -> u64 {
        self.starts.get(held).copied().unwrap_or_default()
    }

    pub(super) fn position(&self, channel: &Channel, token: &str) -> Option<u64> {
        let key = (channel.clone(), token.to_owned());
        self.positions.get(&key).copied()
    }

    pub(super) fn is_given_up(&self, client: &str, channel: &str) -> bool {
        let held = (client.to_owned(), channel.to_owned());
        self.given_up.contains(&held)
    }

    pub(super) fn opens(&mut self, held: &Held, most_batches: Option<usize>) {
        let batches = Batches {
            since: simulation::now(),
            unprocessed: 0,
            most: most_batches,
        };
        self.batches.insert(held.clone(), batches);
    }

    /// A batch with records has been processed, or will never be.
    pub(super) fn processed(&mut self, held: &Held) {
        if let Some(batches) = self.batches.get_mut(held) {
            batches.unprocessed = batches.unprocessed.saturating_sub(1);
        }
    }

    /// For how long the client has known that the channel is not its own any more.
    pub(super) fn lost_for(&self, client: &str, channel: &str) -> Option<Duration> {
        let of = |channel: Option<&str>| {
            let key = (client.to_owned(), channel.map(str::to_owned));
            self.lost.get(&key).copied()
        };
        let lost = of(Some(channel)).or(of(None))?;
        Some(simulation::now().saturating_sub(lost))
    }

    fn hold(&mut self, client: &str, answer: Vec<p::Channel>) {
        let mut held = BTreeMap::new();
        let before = self.held.remove(client).unwrap_or_default();
        for channel in answer {
            let known = before.get(&channel.channel_id).copied();
            let ends = channel.status == p::ChannelStatus::Close as i32
                || channel.status == p::ChannelStatus::Terminated as i32;
            // An older version is ignored.
            if !ends || known.is_some_and(|known| channel.version < known) {
                let version = known.map_or(channel.version, |known| known.max(channel.version));
                self.lost
                    .remove(&(client.to_owned(), Some(channel.channel_id.clone())));
                held.insert(channel.channel_id, version);
            }
        }
        for channel in before.into_keys().filter(|id| !held.contains_key(id)) {
            let key = (client.to_owned(), Some(channel));
            self.lost.entry(key).or_insert_with(simulation::now);
        }
        self.held.insert(client.to_owned(), held);
    }

    fn learn(&mut self, channel: Channel, token: &str, position: u64) -> u64 {
        let key = (channel, token.to_owned());
        *self.positions.entry(key).or_insert(position)
    }
}

impl Notes {
    /// A request is about to be sent.
    pub(crate) fn sending(&self, action: Action, body: &[u8]) {
        match action {
            Action::Heartbeat => self.reporting(body),
            Action::Checkpoint => self.saving(body),
            Action::ReadRecords => self.reading(body),
            _ => {}
        }
    }

    fn reporting(&self, body: &[u8]) {
        let Ok(request) = p::HeartbeatRequest::decode(body) else {
            return;
        };
        let mut inner = self.lock();
        for channel in request.channels {
            let held = (request.client_id.clone(), channel.channel_id);
            if channel.status == p::ChannelStatus::Close as i32
                || channel.status == p::ChannelStatus::Terminated as i32
            {
                inner.wire.given_up.insert(held);
            }
        }
    }

    /// A read must not go further ahead than the configuration says.
    fn reading(&self, body: &[u8]) {
        let Ok(request) = p::ReadRecordsRequest::decode(body) else {
            return;
        };
        let mut inner = self.lock();
        let held = (request.client_id, request.channel_id);
        let Some(batches) = inner.wire.batches.get(&held) else {
            return;
        };
        let unprocessed = batches.unprocessed;
        if batches.most.is_some_and(|most| unprocessed >= most) {
            let (client, channel) = held;
            let text = format!(
                "channel {channel} at client {client} is read ahead of {unprocessed} batches"
            );
            inner.broken.push(text);
        }
    }

    /// A save must not pass what the callbacks have processed.
    fn saving(&self, body: &[u8]) {
        let Ok(request) = p::CheckpointRequest::decode(body) else {
            return;
        };
        let mut inner = self.lock();
        let channel = (request.tunnel_id, request.channel_id);
        if inner.sessions.is_lease_over(&request.client_id) {
            let client = &request.client_id;
            let text = format!("client {client} saves after its lease");
            inner.broken.push(text);
        }
        let Some(position) = inner.wire.position(&channel, &request.checkpoint) else {
            return;
        };
        let openings = inner.openings.iter();
        let own = openings
            .filter(|opening| opening.client == request.client_id && opening.channel == channel.1);
        let processed = own.map(|opening| opening.finished()).max();
        if processed.is_some_and(|processed| position > processed) {
            let text = format!(
                "channel {} at client {}: {position} is saved, {processed:?} processed",
                channel.1, request.client_id
            );
            inner.broken.push(text);
        }
    }

    /// A consumer has got a whole answer to a request that was sent at that time.
    pub(crate) fn answered(
        &self,
        by: ConsumerId,
        action: Action,
        (request, sent): (&[u8], Duration),
        body: &[u8],
    ) {
        match action {
            Action::Connect => self.connected(by, (request, sent), body),
            Action::Heartbeat => self.assigned((request, sent), body),
            Action::GetCheckpoint => self.fetched(request, body),
            Action::ReadRecords => self.read((request, sent), body),
            _ => {}
        }
    }

    fn connected(&self, by: ConsumerId, (request, sent): (&[u8], Duration), body: &[u8]) {
        let request = p::ConnectRequest::decode(request);
        let answer = p::ConnectResponse::decode(body);
        let (Ok(request), Ok(answer)) = (request, answer) else {
            return;
        };
        let timeout = request.client_config.and_then(|config| config.timeout);
        self.has_session(by, &answer.client_id, timeout.unwrap_or_default(), sent);
        self.lock().wire.consumers.insert(answer.client_id, by);
    }

    fn assigned(&self, (request, sent): (&[u8], Duration), body: &[u8]) {
        let request = p::HeartbeatRequest::decode(request);
        let answer = p::HeartbeatResponse::decode(body);
        let (Ok(request), Ok(answer)) = (request, answer) else {
            return;
        };
        self.beat_succeeded(&request.client_id, sent, answer.channels.is_empty());
        let mut inner = self.lock();
        for channel in &answer.channels {
            if channel.status == p::ChannelStatus::Open as i32 {
                let held = (request.client_id.clone(), channel.channel_id.clone());
                inner.wire.given_up.remove(&held);
            }
        }
        inner.wire.hold(&request.client_id, answer.channels);
    }

    /// A heartbeat of a consumer was answered with an error.
    pub(crate) fn refused(&self, request: &[u8], body: &[u8]) {
        let is_over = p::Error::decode(body).is_ok_and(|error| error.code == SESSION_OVER);
        if is_over && let Ok(request) = p::HeartbeatRequest::decode(request) {
            let key = (request.client_id, None);
            let mut inner = self.lock();
            inner.wire.lost.entry(key).or_insert_with(simulation::now);
        }
    }

    fn fetched(&self, request: &[u8], body: &[u8]) {
        let request = p::GetCheckpointRequest::decode(request);
        let answer = p::GetCheckpointResponse::decode(body);
        let (Ok(request), Ok(answer)) = (request, answer) else {
            return;
        };
        let Some(token) = answer.checkpoint.filter(|token| token != FINISH_TAG) else {
            return;
        };
        let mut inner = self.lock();
        let channel = (request.tunnel_id, request.channel_id.clone());
        // The first token of a channel has not been read before.
        let position = inner.wire.learn(channel, &token, 0);
        let held = (request.client_id, request.channel_id);
        inner.wire.starts.insert(held, position);
    }

    fn read(&self, (request, sent): (&[u8], Duration), body: &[u8]) {
        let request = p::ReadRecordsRequest::decode(request);
        let answer = p::ReadRecordsResponse::decode(body);
        let (Ok(request), Ok(answer)) = (request, answer) else {
            return;
        };
        if answer.next_token.is_empty() || request.token == FINISH_TAG {
            return;
        }
        let held = (request.client_id, request.channel_id.clone());
        let channel = (request.tunnel_id, request.channel_id);
        let mut inner = self.lock();
        if !answer.records.is_empty()
            && let Some(batches) = inner.wire.batches.get_mut(&held)
            && sent >= batches.since
        {
            batches.unprocessed += 1;
        }
        if let Some(from) = inner.wire.position(&channel, &request.token) {
            let to = from + answer.records.len() as u64;
            inner.wire.learn(channel, &answer.next_token, to);
        }
    }

    /// An answer to a read was dropped without a look at its body.
    pub(crate) fn dropped_unread(&self, request: &[u8]) {
        if let Ok(request) = p::ReadRecordsRequest::decode(request) {
            let held = (request.client_id, request.channel_id);
            let mut inner = self.lock();
            inner.wire.processed(&held);
            inner.wire.unread.insert(held);
        }
    }

    /// The answer to a request has arrived whole.
    pub(crate) fn arrived(&self, request_id: &str) {
        self.lock().wire.arrived.insert(request_id.to_owned());
    }

    pub(crate) fn has_arrived(&self, request_id: &str) -> bool {
        self.lock().wire.arrived.contains(request_id)
    }

    /// Whose session it is.
    pub(crate) fn consumer(&self, client: &str) -> ConsumerId {
        self.lock().wire.consumer(client)
    }

    /// Whether the client may read the channel's last records again.
    pub(crate) fn may_read_again(&self, client: Option<&str>, channel: Option<&str>) -> bool {
        let (Some(client), Some(channel)) = (client, channel) else {
            return false;
        };
        let held = (client.to_owned(), channel.to_owned());
        self.lock().wire.unread.contains(&held)
    }
}
