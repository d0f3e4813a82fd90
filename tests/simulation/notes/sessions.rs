//! Whether a session is given up without a reason, and whether anything begins after its
//! lease.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tablestore_tunnel::_simulation as simulation;
use tablestore_tunnel::_wire::protocol as p;
use time::OffsetDateTime;

use super::{ConsumerId, Notes};

/// The sessions of all consumers, by client.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: HashMap<String, Session>,
    /// The last session of each consumer.
    last: HashMap<ConsumerId, String>,
    /// When the machine was suspended last.
    suspended: Option<Duration>,
    /// Threads may be late at any time.
    has_stalls: bool,
}

#[derive(Debug)]
struct Session {
    /// How long it lives without an answer.
    timeout: Duration,
    connected: Duration,
    /// When the last heartbeat that was answered had been sent.
    answered: Option<Duration>,
    /// The calendar time until which the client may have the lease.
    lease: OffsetDateTime,
    /// The session may be over: a heartbeat was refused for good, or none was answered for
    /// too long. While it is given back, heartbeats may be answered again.
    may_end: bool,
}

impl Notes {
    /// The head of an answer to a heartbeat has arrived. Only some failures pass.
    pub(crate) fn beat_answered(&self, request: &[u8], status: u16) {
        let Ok(request) = p::HeartbeatRequest::decode(request) else {
            return;
        };
        if !matches!(status, 200 | 408 | 429 | 500..) {
            self.change_session(&request.client_id, |session| session.may_end = true);
        }
    }

    /// A consumer has got a whole answer to a heartbeat that was sent at that time.
    pub(super) fn beat_succeeded(&self, client: &str, sent: Duration, is_empty: bool) {
        self.change_session(client, |session| {
            session.lease = calendar(sent) + session.timeout;
            // Whether an empty answer counts is not the network's to say.
            if !is_empty {
                session.may_end |= !session.holds(sent);
                session.answered = Some(sent);
            }
        });
    }

    /// The machine is about to be suspended.
    pub(crate) fn suspends(&self) {
        self.lock().sessions.suspended = Some(simulation::now());
    }

    pub(crate) fn has_stalls(&self) {
        self.lock().sessions.has_stalls = true;
    }

    fn change_session(&self, client: &str, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.lock().sessions.all.get_mut(client) {
            change(session);
        }
    }

    /// A consumer has got a session, by a request that was sent at that time.
    pub(super) fn has_session(&self, by: ConsumerId, client: &str, timeout: i64, sent: Duration) {
        let timeout = Duration::from_secs(timeout.unsigned_abs());
        let session = Session {
            timeout,
            lease: calendar(sent) + timeout,
            connected: sent,
            answered: None,
            may_end: false,
        };
        let mut inner = self.lock();
        let sessions = &mut inner.sessions;
        let before = sessions.last.insert(by, client.to_owned());
        let before = before.and_then(|client| sessions.all.get(&client));
        // A session of which nothing was answered may be one that was never known.
        let before = before.filter(|before| before.answered.is_some());
        let held = before.is_some_and(|before| before.holds(sent));
        sessions.all.insert(client.to_owned(), session);
        if held {
            let text = format!("consumer {by} has given up a session that held");
            inner.broken.push(text);
        }
    }
}

impl Sessions {
    /// Whether the client's lease is over by the calendar, beyond doubt. What was permitted
    /// just before a suspension, or by a thread that was late then, may still begin.
    pub(super) fn is_lease_over(&self, client: &str) -> bool {
        let just_now = self.suspended == Some(simulation::now());
        let session = self.all.get(client);
        let is_over = session.is_some_and(|session| simulation::utc() >= session.lease);
        is_over && !just_now && !self.has_stalls
    }
}

/// The calendar time of a request that was sent then, or later if the machine has been
/// suspended since.
fn calendar(sent: Duration) -> OffsetDateTime {
    simulation::utc() - (simulation::now() - sent)
}

impl Session {
    /// Whether it held without any doubt, however late some threads were.
    fn holds(&self, now: Duration) -> bool {
        let answered = self.answered.unwrap_or(self.connected);
        !self.may_end && now < answered + self.timeout / 2
    }
}
