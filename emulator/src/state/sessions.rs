//! [`Sessions`]: the connected clients of a tunnel, and their timeouts.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::assignment::ClientNumber;
use super::ids::Id;
use crate::timestamp::Timestamp;

/// The connected clients of a tunnel.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: HashMap<Id, Session>,
    ids: HashMap<ClientNumber, Id>,
    /// The clients by the time at which they expire, so that expiry looks at no
    /// other clients.
    deadlines: BTreeSet<(Timestamp, ClientNumber)>,
    connected: ClientNumber,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    number: ClientNumber,
    timeout: Duration,
    last_heartbeat: Timestamp,
    deadline: Timestamp,
    active: bool,
}

/// A heartbeat of a known client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub(crate) client: ClientNumber,
    /// Whether it is the client's first heartbeat, with which it joins the
    /// balance.
    pub(crate) first: bool,
}

impl Sessions {
    pub(crate) fn connect(&mut self, id: Id, timeout: Duration, now: Timestamp) {
        let number = self.connected;
        self.connected += 1;
        let deadline = now.plus(timeout);
        self.deadlines.insert((deadline, number));
        self.ids.insert(number, id.clone());
        let session = Session {
            number,
            timeout,
            last_heartbeat: now,
            deadline,
            active: false,
        };
        self.by_id.insert(id, session);
    }

    /// Renews the deadline of a client; `None` if the client is unknown.
    pub(crate) fn heartbeat(&mut self, id: &str, now: Timestamp) -> Option<Heartbeat> {
        let session = self.by_id.get_mut(id)?;
        let first = !std::mem::replace(&mut session.active, true);
        self.deadlines.remove(&(session.deadline, session.number));
        session.last_heartbeat = now;
        session.deadline = now.plus(session.timeout);
        self.deadlines.insert((session.deadline, session.number));
        Some(Heartbeat {
            client: session.number,
            first,
        })
    }

    pub(crate) fn number(&self, id: &str) -> Option<ClientNumber> {
        Some(self.by_id.get(id)?.number)
    }

    pub(crate) fn id(&self, client: ClientNumber) -> Option<&Id> {
        self.ids.get(&client)
    }

    /// All clients in the order of their ids, each with the time of its last
    /// heartbeat (or of its connect) and its timeout.
    pub(crate) fn all(&self) -> Vec<(&Id, ClientNumber, Timestamp, Duration)> {
        let client = |(id, session): (_, &Session)| {
            (id, session.number, session.last_heartbeat, session.timeout)
        };
        let mut all: Vec<_> = self.by_id.iter().map(client).collect();
        all.sort();
        all
    }

    /// Removes a client, if it is known.
    pub(crate) fn remove(&mut self, id: &str) -> Option<ClientNumber> {
        let session = self.by_id.remove(id)?;
        self.ids.remove(&session.number);
        self.deadlines.remove(&(session.deadline, session.number));
        Some(session.number)
    }

    /// Removes one client that was silent for longer than its timeout.
    pub(crate) fn expire_one(&mut self, now: Timestamp) -> Option<(Id, ClientNumber)> {
        let (deadline, number) = *self.deadlines.first()?;
        if deadline >= now {
            return None;
        }
        let id = self.ids.get(&number)?.clone();
        self.remove(&id);
        Some((id, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_silent_client_expires() {
        let mut sessions = Sessions::default();
        sessions.connect("a".into(), Duration::from_secs(10), at(0));
        sessions.connect("b".into(), Duration::from_secs(10), at(0));
        let heartbeat = Heartbeat {
            client: 0,
            first: true,
        };
        assert_eq!(sessions.heartbeat("a", at(5)), Some(heartbeat));
        assert!(sessions.expire_one(at(10)).is_none());
        let (gone, _) = sessions.expire_one(at(11)).expect("b");
        assert_eq!(&*gone, "b");
        assert!(sessions.expire_one(at(11)).is_none());
        assert!(sessions.heartbeat("b", at(11)).is_none());
        assert!(
            sessions
                .heartbeat("a", at(12))
                .is_some_and(|heartbeat| !heartbeat.first)
        );
        assert_eq!(sessions.remove("a"), Some(0));
        assert!(sessions.expire_one(at(1_000)).is_none());
    }
}
