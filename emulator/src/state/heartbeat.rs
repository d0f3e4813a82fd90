//! A tunnel's heartbeats: a client's report, and the channels it is answered.

use super::assignment::{ClientNumber, Ended, Phase};
use super::ids::Id;
use super::tunnel::Tunnel;
use super::{ChannelState, ChannelStatus, StateError};
use crate::timestamp::Timestamp;

/// Channels that a client loses at its next heartbeat, though it holds them.
#[derive(Debug)]
pub(super) struct Takeover {
    client: Id,
    /// `None`: all channels of the client.
    channel: Option<Id>,
    /// The status in the answer; `None`: the channel is left out.
    answered: Option<ChannelStatus>,
}

impl Tunnel {
    /// A client's heartbeat. The answer lists the channels that the client
    /// holds now.
    pub(super) fn heartbeat(
        &mut self,
        client: &str,
        reports: &[ChannelState],
        now: Timestamp,
    ) -> Result<Vec<ChannelState>, StateError> {
        let heartbeat = self.sessions.heartbeat(client, now);
        let heartbeat = heartbeat.ok_or_else(|| StateError::UnknownClient(client.to_owned()))?;
        if heartbeat.first {
            self.assignment.join(heartbeat.client);
        }
        self.open();
        let ended: Vec<Ended> = reports
            .iter()
            .filter_map(|report| self.ended(report, now))
            .collect();
        self.assignment.heartbeat(heartbeat.client, &ended);
        let lost = self.take_over(client, heartbeat.client);
        Ok(self
            .held(heartbeat.client)
            .into_iter()
            .chain(lost)
            .collect())
    }

    pub(super) fn take_at_heartbeat(
        &mut self,
        client: &str,
        channel: Option<&str>,
        answered: Option<ChannelStatus>,
    ) {
        self.takeovers.push(Takeover {
            client: client.into(),
            channel: channel.map(Id::from),
            answered,
        });
    }

    /// Takes the channels of pending takeovers from a client. Returns the
    /// channels that the answer lists though they are lost.
    fn take_over(&mut self, client: &str, number: ClientNumber) -> Vec<ChannelState> {
        let takeovers = self
            .takeovers
            .extract_if(.., |takeover| *takeover.client == *client);
        let takeovers: Vec<Takeover> = takeovers.collect();
        let mut lost = Vec::new();
        for Takeover {
            channel, answered, ..
        } in takeovers
        {
            let matches = |held: &usize| {
                channel
                    .as_ref()
                    .is_none_or(|id| self.channels[*held].id == *id)
            };
            let held: Vec<usize> = self.assignment.held(number).filter(matches).collect();
            for held in held {
                self.assignment.seize(held);
                lost.extend(answered.map(|status| self.state_of(held, status)));
            }
        }
        lost
    }

    /// The end of a client's tenure, if a report says that it has ended.
    fn ended(&mut self, report: &ChannelState, now: Timestamp) -> Option<Ended> {
        let channel = *self.by_id.get(&report.channel)?;
        let ended = Ended {
            channel,
            version: report.version,
        };
        match report.status {
            ChannelStatus::Close => Some(ended),
            ChannelStatus::Terminated => {
                let slot = self.assignment.slot(channel);
                let counts = slot
                    .holder
                    .is_some_and(|holder| self.assignment.accepts(holder, ended));
                // A client that never read to the end cannot have finished.
                // Its report counts as CLOSE, and another client reads on.
                if counts && self.channels[channel].end.is_some() {
                    self.finish(channel, now);
                }
                Some(ended)
            }
            ChannelStatus::Wait | ChannelStatus::Open | ChannelStatus::Closing => None,
        }
    }

    fn held(&self, client: ClientNumber) -> Vec<ChannelState> {
        self.assignment
            .held(client)
            .map(|channel| {
                let status = match self.assignment.slot(channel).phase {
                    Phase::Closing => ChannelStatus::Closing,
                    _ => ChannelStatus::Open,
                };
                self.state_of(channel, status)
            })
            .collect()
    }

    fn state_of(&self, channel: usize, status: ChannelStatus) -> ChannelState {
        ChannelState {
            channel: self.channels[channel].id.clone(),
            version: self.assignment.slot(channel).version,
            status,
        }
    }

    /// The same reports with the tunnel's own copies of the ids, so that
    /// events that are kept cost little memory.
    pub(super) fn with_shared_ids(&self, reports: Vec<ChannelState>) -> Vec<ChannelState> {
        let share = |report: ChannelState| match self.by_id.get(&report.channel) {
            Some(index) => ChannelState {
                channel: self.channels[*index].id.clone(),
                ..report
            },
            None => report,
        };
        reports.into_iter().map(share).collect()
    }
}
