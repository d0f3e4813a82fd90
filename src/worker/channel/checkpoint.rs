//! Saves the tokens of one channel at the service, one request at a time.

use std::sync::{Arc, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::debug;

use crate::error::{ErrorCode, TunnelError};
use crate::processor::Checkpointer;
use crate::protocol::{CheckpointRequest, GetCheckpointRequest};
use crate::sync::lease::Ownership;
use crate::worker::context::SessionContext;

/// How often a token is sent again after a sequence number that did not match.
const REPAIRS: usize = 3;

/// Go: `defaultCheckpointer`.
pub(crate) struct ChannelCheckpointer {
    /// Weak: a checkpointer that the user keeps must not keep the pool.
    session: Weak<SessionContext>,
    ownership: Ownership,
    /// Holds the number of the next save while no save is on its way: who
    /// takes it out saves, the others wait. (Not a lock, since a request is
    /// made meanwhile: a wait for it ends when the channel is lost.)
    next: (Sender<i64>, Receiver<i64>),
}

impl std::fmt::Debug for ChannelCheckpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelCheckpointer")
            .field("channel_id", &self.ownership.channel_id)
            .finish_non_exhaustive()
    }
}

impl ChannelCheckpointer {
    /// A checkpointer that goes on from the sequence number of get-checkpoint.
    pub(crate) fn new(
        session: &Arc<SessionContext>,
        ownership: Ownership,
        sequence_number: i64,
    ) -> ChannelCheckpointer {
        let next = bounded(1);
        let _ = next.0.send(sequence_number + 1);
        ChannelCheckpointer {
            session: Arc::downgrade(session),
            ownership,
            next,
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
        let mut attempt = 0;
        loop {
            self.ownership.check()?;
            match self.send(next.number, token) {
                Ok(()) => {
                    next.number += 1;
                    return Ok(());
                }
                Err(error) if *error.code() == ErrorCode::SequenceNumberNotMatch => {
                    attempt += 1;
                    if attempt > REPAIRS {
                        return Err(error);
                    }
                    debug!(
                        "channel {}: {error}; asking for the number",
                        self.ownership.channel_id
                    );
                    if self.repair(next, token)? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
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
        session
            .api
            .checkpoint(&request, &self.ownership.lost)
            .map(|_| ())
    }

    /// Asks for the number that the service has; true when it has our token
    /// already (the answer to an earlier attempt was lost on its way).
    fn repair(&self, next: &mut NextNumber<'_>, token: &str) -> Result<bool, TunnelError> {
        let session = self.session()?;
        let request = GetCheckpointRequest {
            tunnel_id: session.tunnel_id.to_string(),
            client_id: session.client_id.to_string(),
            channel_id: self.ownership.channel_id.to_string(),
        };
        let stored = session
            .api
            .get_checkpoint(&request, &self.ownership.lost)?
            .message;
        next.number = stored.sequence_number() + 1;
        Ok(stored.checkpoint() == token)
    }
}

impl Checkpointer for ChannelCheckpointer {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        let mut number = self.take_number()?;
        self.save(&mut number, token)
    }
}

/// The right to save, with the number to save with; goes home when dropped.
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
    use super::*;
    use crate::sync::stop::Stop;

    #[test]
    fn nothing_is_sent_once_the_channel_or_the_lease_is_lost() {
        let checkpointer = |lost: Stop, lease_is_out: bool| {
            let (session, _events) = SessionContext::for_tests();
            let session = Arc::new(session);
            if lease_is_out {
                session.lease.extend(session.clock().now());
            }
            let ownership = session.ownership("c".into(), lost);
            (ChannelCheckpointer::new(&session, ownership, 0), session)
        };
        let lost = Stop::new();
        lost.trigger();
        let without_session = (checkpointer(Stop::new(), false).0, None);
        let with = |(checkpointer, session)| (checkpointer, Some(session));
        for (checkpointer, _link) in [
            with(checkpointer(lost, false)),
            with(checkpointer(Stop::new(), true)),
            without_session,
        ] {
            // A request would fail with what the network says.
            let error = checkpointer.checkpoint("token").expect_err("lost");
            assert_eq!(error.code(), &ErrorCode::ChannelLost);
        }
    }
}
