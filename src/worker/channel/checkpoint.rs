//! [`ChannelCheckpointer`]: saves the tokens of one channel at the service, one request
//! at a time.

use std::fmt;
use std::sync::{Arc, Weak};

use log::debug;

use super::connection::Connection;
use super::waits::{Until, lost_error};
use crate::error::{ErrorClass, TunnelError};
use crate::http::retry::Schedule;
use crate::processor::Checkpointer;
use crate::protocol::{CheckpointRequest, GetCheckpointRequest, GetCheckpointResponse};
use crate::worker::status::outages::Asked;

/// How often a token is sent again after a sequence number that did not match. More than
/// one response may get lost.
const REPAIRS: usize = 3;

/// Go: `defaultCheckpointer`. Keeps nothing of the channel, because the program may keep
/// it.
pub(super) struct ChannelCheckpointer {
    connection: Weak<Connection>,
    tunnel_id: Arc<str>,
    channel_id: Arc<str>,
}

impl fmt::Debug for ChannelCheckpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelCheckpointer")
            .field("channel_id", &self.channel_id)
            .finish_non_exhaustive()
    }
}

impl ChannelCheckpointer {
    /// A checkpointer that goes on from what get-checkpoint returned.
    pub(super) fn new(
        connection: &Arc<Connection>,
        stored: &GetCheckpointResponse,
    ) -> ChannelCheckpointer {
        let mut data = connection.data.lock();
        data.saves.number = Some(stored.sequence_number().saturating_add(1));
        data.saves.sent.note(stored.checkpoint(), 0);
        drop(data);
        ChannelCheckpointer {
            connection: Arc::downgrade(connection),
            tunnel_id: connection.session.tunnel_id.clone(),
            channel_id: connection.channel_id.clone(),
        }
    }
}

impl Checkpointer for ChannelCheckpointer {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        match self.connection.upgrade() {
            Some(connection) => connection.send_checkpoint(token),
            None => Err(lost_error(&self.tunnel_id, &self.channel_id)),
        }
    }
}

/// The sequence number of the next request; given back when dropped.
struct NextNumber<'a> {
    connection: &'a Connection,
    number: i64,
}

impl Drop for NextNumber<'_> {
    fn drop(&mut self) {
        self.connection.data.lock().saves.number = Some(self.number);
        self.connection.data.notify();
    }
}

impl Connection {
    /// Sends the token, with another number where the one we have is wrong.
    fn send_checkpoint(self: &Arc<Self>, token: &str) -> Result<(), TunnelError> {
        self.check_ours()?;
        let mut next = self.take_number()?;
        // Before it is sent: the response may get lost.
        self.data.lock().saves.sent.note(token, 0);
        let mut repairs = 0;
        loop {
            let error = match self.request_checkpoint(next.number, token) {
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
            debug!("{self}: {error}; comparing with the stored checkpoint");
            let stored = self.get_checkpoint(Until::Lost)?;
            if !self.is_own_token(stored.checkpoint()) {
                // Another owner has written, and nothing of it must be overwritten.
                return Err(error);
            }
            next.number = stored.sequence_number().saturating_add(1);
            if stored.checkpoint() == token {
                return Ok(());
            }
        }
    }

    fn take_number(&self) -> Result<NextNumber<'_>, TunnelError> {
        let taken = self.data.wait_for(None, |data| match data.state.is_lost() {
            true => Some(None),
            false => data.saves.number.take().map(Some),
        });
        match taken.flatten() {
            Some(number) => Ok(NextNumber {
                connection: self,
                number,
            }),
            None => Err(self.lost_error()),
        }
    }

    fn request_checkpoint(
        self: &Arc<Self>,
        sequence_number: i64,
        token: &str,
    ) -> Result<(), TunnelError> {
        let request = CheckpointRequest {
            tunnel_id: self.session.tunnel_id.to_string(),
            client_id: self.session.client_id.to_string(),
            channel_id: self.channel_id.to_string(),
            checkpoint: token.to_owned(),
            sequence_number,
        };
        // Not longer than the schedule, so that whoever commits gets an answer.
        let attempt = || self.session.api.checkpoint(&request).map(|_| ());
        self.persist(Asked::Checkpoint, Schedule::META, Until::Lost, attempt)
    }

    /// Whether the stored token was there when the channel was opened, or was sent by us.
    fn is_own_token(&self, token: &str) -> bool {
        self.data.lock().saves.sent.place(token).is_some()
    }

    /// What the service has stored for the channel: until the channel closes in order to
    /// open it, or for as long as it is ours in order to save.
    pub(super) fn get_checkpoint(
        self: &Arc<Self>,
        until: Until,
    ) -> Result<GetCheckpointResponse, TunnelError> {
        let request = GetCheckpointRequest {
            tunnel_id: self.session.tunnel_id.to_string(),
            client_id: self.session.client_id.to_string(),
            channel_id: self.channel_id.to_string(),
        };
        let (asked, schedule) = match until {
            Until::Closing => (Asked::GetCheckpoint, Schedule::META.endless()),
            Until::Lost => (Asked::Checkpoint, Schedule::META),
        };
        let stored = self.persist(asked, schedule, until, || {
            self.session.api.get_checkpoint(&request)
        })?;
        Ok(stored.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::observer::CloseReason;
    use crate::worker::channel::tests::{connection, end_lease};

    fn checkpointer(connection: &Arc<Connection>, number: i64) -> ChannelCheckpointer {
        let stored = GetCheckpointResponse {
            checkpoint: Some(String::new()),
            sequence_number: Some(number),
        };
        ChannelCheckpointer::new(connection, &stored)
    }

    #[test]
    fn the_next_sequence_number_does_not_overflow() {
        for (stored, next) in [
            (i64::MAX, i64::MAX),
            (i64::MAX - 1, i64::MAX),
            (-1, 0),
            (i64::MIN, i64::MIN + 1),
        ] {
            let connection = connection();
            checkpointer(&connection, stored);
            assert_eq!(connection.take_number().expect("ours").number, next);
        }
    }

    #[test]
    fn nothing_is_sent_once_the_channel_or_the_lease_is_lost() {
        let (lost, over) = (connection(), connection());
        lost.lose(CloseReason::Lost);
        end_lease(&over);
        let gone = checkpointer(&connection(), 0);
        for checkpointer in [checkpointer(&lost, 0), checkpointer(&over, 0), gone] {
            // A request would fail with an error of the network.
            let error = checkpointer.checkpoint("token").expect_err("lost");
            assert_eq!(error.code(), &ErrorCode::ChannelLost);
        }
    }
}
