//! Saves the tokens of one channel at the service, one request at a time.

use std::sync::{Arc, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::debug;
use parking_lot::Mutex;

use super::connection::Connection;
use super::tokens::Tokens;
use crate::error::{ErrorClass, TunnelError};
use crate::http::retry::Schedule;
use crate::policy::{Reaction, Request, reaction};
use crate::processor::Checkpointer;
use crate::protocol::{CheckpointRequest, GetCheckpointRequest};
use crate::sync::lease::Ownership;
use crate::user_code::drop_user;
use crate::worker::context::SessionContext;
use crate::worker::status::channel::ChannelStats;
use crate::worker::status::outages::Asked;

/// How often a token is sent again after a sequence number that did not match. More than
/// one answer may get lost.
const REPAIRS: usize = 3;

/// Go: `defaultCheckpointer`.
pub(crate) struct ChannelCheckpointer {
    /// Weak: a checkpointer that the user keeps must not keep the pool.
    session: Weak<SessionContext>,
    ownership: Ownership,
    /// Holds the number of the next save while no save is in flight: whoever takes it
    /// out saves, the others wait. (Not a lock, since a request is made meanwhile: a
    /// wait for it ends when the channel is lost.)
    next: (Sender<i64>, Receiver<i64>),
    /// What may be stored unless somebody else has written: the token that the channel
    /// was opened with, and those that were sent since, because answers get lost.
    ours: Mutex<Tokens>,
    stats: Arc<ChannelStats>,
}

impl std::fmt::Debug for ChannelCheckpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelCheckpointer")
            .field("channel_id", &self.ownership.channel_id)
            .finish_non_exhaustive()
    }
}

impl ChannelCheckpointer {
    /// A checkpointer that goes on from what get-checkpoint answered.
    pub(crate) fn new(
        connection: &Connection,
        stored_token: &str,
        sequence_number: i64,
    ) -> ChannelCheckpointer {
        let next = bounded(1);
        let _ = next.0.send(sequence_number.saturating_add(1));
        let mut ours = Tokens::default();
        ours.note(stored_token, 0);
        ChannelCheckpointer {
            session: Arc::downgrade(&connection.session),
            ownership: connection.ownership(),
            next,
            ours: Mutex::new(ours),
            stats: connection.stats.clone(),
        }
    }

    fn take_number(&self) -> Result<NextNumber<'_>, TunnelError> {
        self.ownership.check()?;
        let number = self.ownership.lost.or_recv(&self.next.1);
        Ok(NextNumber {
            number: number.ok_or_else(|| self.ownership.lost_error())?,
            home: &self.next.0,
        })
    }

    /// The session, which is there as long as the channel is ours.
    fn session(&self) -> Result<Arc<SessionContext>, TunnelError> {
        let session = self.session.upgrade();
        session.ok_or_else(|| self.ownership.lost_error())
    }

    /// Sends the token, with another number where the one we have is wrong.
    fn save(&self, next: &mut NextNumber<'_>, token: &str) -> Result<(), TunnelError> {
        // Before it is sent: the answer may get lost.
        self.ours.lock().note(token, 0);
        let mut repairs = 0;
        loop {
            let error = match self.persist(|| self.send(next.number, token)) {
                Ok(()) => {
                    next.number = next.number.saturating_add(1);
                    return Ok(());
                }
                Err(error) => error,
            };
            // A number that never matches costs the channel, as another owner would.
            if error.class() != ErrorClass::SequenceMismatch || repairs == REPAIRS {
                return Err(error);
            }
            repairs += 1;
            debug!(
                "{}: {error}; comparing with the stored checkpoint",
                self.ownership
            );
            if self.compare(next, token, error)? {
                return Ok(());
            }
        }
    }

    /// Repeats a request for as long as its failures pass, but not beyond the schedule
    /// of the meta API, so that whoever commits gets an answer.
    fn persist<T>(&self, attempt: impl Fn() -> Result<T, TunnelError>) -> Result<T, TunnelError> {
        let lost = &self.ownership.lost;
        let began = lost.clock().now();
        let mut retries = 0;
        loop {
            self.ownership.check()?;
            let error = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let elapsed = lost.clock().now().saturating_duration_since(began);
            let pause = Schedule::META.pause(retries, elapsed, fastrand::f64());
            let reaction = reaction(error.class(), Request::Channel);
            let (Reaction::Retry | Reaction::RetryAndLogError, Some(pause)) = (reaction, pause)
            else {
                return Err(error);
            };
            let session = self.session()?;
            self.stats.request_failed(true, &error);
            let channel_id = &self.ownership.channel_id;
            session.request_failed(Asked::Checkpoint, channel_id, &error, reaction, pause);
            if lost.wait_for(pause) {
                return Err(error);
            }
            drop_user(error);
            retries += 1;
        }
    }

    fn send(&self, sequence_number: i64, token: &str) -> Result<(), TunnelError> {
        let session = self.session()?;
        let request = CheckpointRequest {
            tunnel_id: session.tunnel_id.to_string(),
            client_id: session.client_id.to_string(),
            channel_id: self.ownership.channel_id.to_string(),
            checkpoint: token.to_owned(),
            sequence_number,
        };
        session.api.checkpoint(&request).map(|_| ())
    }

    /// Gets the number that the service expects; true when it has our token already
    /// (the answer to an earlier attempt was lost on its way).
    ///
    /// # Errors
    ///
    /// `mismatch`, if the stored token is not one of ours: another owner has written,
    /// and nothing of it must be overwritten.
    fn compare(
        &self,
        next: &mut NextNumber<'_>,
        token: &str,
        mismatch: TunnelError,
    ) -> Result<bool, TunnelError> {
        let session = self.session()?;
        let request = GetCheckpointRequest {
            tunnel_id: session.tunnel_id.to_string(),
            client_id: session.client_id.to_string(),
            channel_id: self.ownership.channel_id.to_string(),
        };
        let stored = self
            .persist(|| session.api.get_checkpoint(&request))?
            .message;
        if self.ours.lock().place(stored.checkpoint()).is_none() {
            return Err(mismatch);
        }
        next.number = stored.sequence_number().saturating_add(1);
        Ok(stored.checkpoint() == token)
    }
}

impl Checkpointer for ChannelCheckpointer {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        let mut number = self.take_number()?;
        self.save(&mut number, token)
    }
}

/// The permit to save, with the number to save with; returned when dropped.
struct NextNumber<'a> {
    number: i64,
    home: &'a Sender<i64>,
}

impl Drop for NextNumber<'_> {
    fn drop(&mut self) {
        let _ = self.home.send(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn the_next_sequence_number_does_not_overflow() {
        for (stored, next) in [
            (i64::MAX, i64::MAX),
            (i64::MAX - 1, i64::MAX),
            (-1, 0),
            (i64::MIN, i64::MIN + 1),
        ] {
            let (session, _events) = SessionContext::for_tests();
            let session = Arc::new(session);
            let connection = Connection::new(session.clone(), Default::default(), "c".into());
            let checkpointer = ChannelCheckpointer::new(&connection, "", stored);
            assert_eq!(checkpointer.take_number().expect("ours").number, next);
        }
    }

    #[test]
    fn nothing_is_sent_once_the_channel_or_the_lease_is_lost() {
        let checkpointer = |is_lost: bool, lease_is_out: bool| {
            let (session, _events) = SessionContext::for_tests();
            let session = Arc::new(session);
            if lease_is_out {
                let clock = session.clock();
                session
                    .lease
                    .renew(clock.now(), clock.utc(), Duration::ZERO);
            }
            let connection = Connection::new(session.clone(), Default::default(), "c".into());
            if is_lost {
                connection.lost.trigger();
            }
            (ChannelCheckpointer::new(&connection, "", 0), session)
        };
        let without_session = checkpointer(false, false).0;
        for (checkpointer, _session) in [
            checkpointer(true, false),
            checkpointer(false, true),
            (without_session, checkpointer(false, false).1),
        ] {
            // A request would fail with an error of the network.
            let error = checkpointer.checkpoint("token").expect_err("lost");
            assert_eq!(error.code(), &ErrorCode::ChannelLost);
        }
    }
}
