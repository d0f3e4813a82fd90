//! Saves the tokens of one channel at the service, one request at a time.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};
use log::debug;

use super::link::Link;
use crate::api::protocol::{CheckpointRequest, GetCheckpointRequest};
use crate::error::{ErrorCode, TunnelError};
use crate::processor::Checkpointer;
use crate::stop::Stop;

/// How often a token is sent again after a sequence number that did not match.
const REPAIRS: usize = 3;

/// Go: `defaultCheckpointer`.
pub(crate) struct ChannelCheckpointer {
    link: Arc<Link>,
    channel_id: Arc<str>,
    /// Fired when the channel is no longer ours.
    lost: Stop,
    /// Holds the number of the next save while no save is on its way: who
    /// takes it out saves, the others wait. (Not a lock, since a request is
    /// made meanwhile: a wait for it ends when the channel is lost.)
    next: (Sender<i64>, Receiver<i64>),
}

impl std::fmt::Debug for ChannelCheckpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelCheckpointer")
            .field("channel_id", &self.channel_id)
            .finish_non_exhaustive()
    }
}

impl ChannelCheckpointer {
    /// A checkpointer that goes on from the sequence number of get-checkpoint.
    pub(crate) fn new(
        link: Arc<Link>,
        channel_id: Arc<str>,
        lost: Stop,
        sequence_number: i64,
    ) -> ChannelCheckpointer {
        let next = bounded(1);
        let _ = next.0.send(sequence_number + 1);
        ChannelCheckpointer {
            link,
            channel_id,
            lost,
            next,
        }
    }

    fn take_number(&self) -> Result<NextNumber<'_>, TunnelError> {
        self.check_ours()?;
        select_biased! {
            recv(self.lost.fired()) -> _ => Err(self.lost_error()),
            recv(self.next.1) -> number => match number {
                Ok(number) => Ok(NextNumber { number, home: &self.next.0 }),
                // We hold the sender ourselves.
                Err(_) => Err(self.lost_error()),
            },
        }
    }

    /// Sends the token, with another number where the one we have is wrong.
    fn save(&self, next: &mut NextNumber<'_>, token: &str) -> Result<(), TunnelError> {
        let mut attempt = 0;
        loop {
            self.check_ours()?;
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
                        self.channel_id
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
        let request = CheckpointRequest {
            tunnel_id: self.link.tunnel_id.to_string(),
            client_id: self.link.client_id.to_string(),
            channel_id: self.channel_id.to_string(),
            checkpoint: token.to_owned(),
            sequence_number,
        };
        self.link.api.checkpoint(&request, &self.lost).map(|_| ())
    }

    /// Asks for the number that the service has; true when it has our token
    /// already (the answer to an earlier attempt was lost on its way).
    fn repair(&self, next: &mut NextNumber<'_>, token: &str) -> Result<bool, TunnelError> {
        let request = GetCheckpointRequest {
            tunnel_id: self.link.tunnel_id.to_string(),
            client_id: self.link.client_id.to_string(),
            channel_id: self.channel_id.to_string(),
        };
        let stored = self.link.api.get_checkpoint(&request, &self.lost)?.message;
        next.number = stored.sequence_number() + 1;
        Ok(stored.checkpoint() == token)
    }

    fn check_ours(&self) -> Result<(), TunnelError> {
        match self.lost.is_fired() || !self.link.lease.holds() {
            true => Err(self.lost_error()),
            false => Ok(()),
        }
    }

    fn lost_error(&self) -> TunnelError {
        lost_error(&self.link, &self.channel_id)
    }
}

/// The refusal to save for a channel that is no longer ours.
pub(crate) fn lost_error(link: &Link, channel_id: &str) -> TunnelError {
    TunnelError::new(
        ErrorCode::ChannelLost,
        format!(
            "channel {channel_id} is no longer ours, nothing was saved; it goes on from its last checkpoint elsewhere"
        ),
    )
    .with_tunnel_id(&*link.tunnel_id)
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
    use crate::clock;

    #[test]
    fn nothing_is_sent_once_the_channel_or_the_lease_is_lost() {
        let checkpointer = |lost: Stop, lease_is_out: bool| {
            let (link, _events) = Link::for_tests();
            let link = Arc::new(link);
            if lease_is_out {
                link.lease.extend(clock::now());
            }
            ChannelCheckpointer::new(link, "c".into(), lost, 0)
        };
        let lost = Stop::new();
        lost.fire();
        for checkpointer in [checkpointer(lost, false), checkpointer(Stop::new(), true)] {
            // A request would fail with what the network says.
            let error = checkpointer.checkpoint("token").expect_err("lost");
            assert_eq!(error.code(), &ErrorCode::ChannelLost);
        }
    }
}
